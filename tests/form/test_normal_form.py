"""Normal form: each matrix product in one place, every definition with its equation's label."""

from __future__ import annotations

import pytest
import verification_cells

import lstmgen
from lstmgen import Cell, Eq, load, scalars, sigma, symbols, t, tanh
from lstmgen.algebra.expression import Add, MatVec, Neg, Value, shifted, walk
from lstmgen.language.indexing import indexed_name
from lstmgen.library.loading import names

ODD = verification_cells.cells()
a, c, f, g, h, r, u, x, z = symbols("a c f g h r u x z")
W, U, V, b = symbols("W U V b")

FORMS = {
    "gru": """\
(1a) a_z_t = W_z[0]·h_{t-1} + W_z[1]·x_t
(1) z_t = sigma(a_z_t)
(2a) a_r_t = W_r[0]·h_{t-1} + W_r[1]·x_t
(2) r_t = sigma(a_r_t)
(3a) u_h_tilde_t = r_t * h_{t-1}
(3b) a_h_tilde_t = W[0]·u_h_tilde_t + W[1]·x_t
(3) h_tilde_t = tanh(a_h_tilde_t)
(4) h_t = (1 - z_t) * h_{t-1} + z_t * h_tilde_t""",
    "peephole": """\
(1a) a_f_t = W_f[0]·C_{t-1} + W_f[1]·h_{t-1} + W_f[2]·x_t + b_f
(1) f_t = sigma(a_f_t)
(2a) a_i_t = W_i[0]·C_{t-1} + W_i[1]·h_{t-1} + W_i[2]·x_t + b_i
(2) i_t = sigma(a_i_t)
(3a) a_C_tilde_t = W_C[0]·h_{t-1} + W_C[1]·x_t + b_C
(3) C_tilde_t = tanh(a_C_tilde_t)
(4) C_t = f_t * C_{t-1} + i_t * C_tilde_t
(5a) a_o_t = W_o[0]·C_t + W_o[1]·h_{t-1} + W_o[2]·x_t + b_o
(5) o_t = sigma(a_o_t)
(6) h_t = o_t * tanh(C_t)""",
    "gru_reset_after": """\
(1a) a_r_t = W_r[0]·h_{t-1} + W_r[1]·x_t + b_r
(1) r_t = sigma(a_r_t)
(2a) a_z_t = W_z[0]·h_{t-1} + W_z[1]·x_t + b_z
(2) z_t = sigma(a_z_t)
(3a) a_n_t = U_n[0]·h_{t-1} + c_n
(3b) a2_n_t = W_n[0]·x_t + b_n + r_t * a_n_t
(3) n_t = tanh(a2_n_t)
(4) h_t = (1 - z_t) * n_t + z_t * h_{t-1}""",
}


@pytest.mark.parametrize("name", FORMS)
def test_of_the_cells_of_the_post(name: str) -> None:
    assert str(load(name).normal_form) == FORMS[name]


@pytest.mark.parametrize("name", [*names(), *ODD])
def test_every_product_stands_once_as_a_term_with_a_named_operand(name: str) -> None:
    form = ODD[name].normal_form if name in ODD else load(name).normal_form
    seen: list[MatVec] = []
    defined = set(form.inputs)
    for definition in form.definitions:
        value = definition.value
        terms = value.terms if isinstance(value, Add) else (value,)
        direct = [term.argument if isinstance(term, Neg) else term for term in terms]
        here = [node for node in walk(value) if isinstance(node, MatVec)]
        assert here == [term for term in direct if isinstance(term, MatVec)], str(definition)
        seen += here
        for node in (*walk(value), *(product.operand for product in here)):
            if isinstance(node, Value):
                assert node.shift in (0, -1)
                assert node.name in (defined if node.shift == 0 else form.states), str(definition)
        defined.add(definition.name)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("name", [*names(), *ODD])
def test_every_equation_keeps_its_label_and_additions_get_letters(name: str) -> None:
    cell = ODD[name] if name in ODD else load(name)
    form = cell.normal_form
    by_equation: dict[str, list[str]] = {}
    for definition in form.definitions:
        by_equation.setdefault(definition.equation, []).append(definition.label)
    assert list(by_equation) == [str(k) for k in range(1, len(cell.equations) + 1)]
    for number, labels in by_equation.items():
        letters = [chr(ord("a") + k) for k in range(len(labels) - 1)]
        assert labels == [*(f"{number}{letter}" for letter in letters), number]
        (kept,) = (d for d in form.definitions if d.label == number)
        assert indexed_name(cell.equations[int(number) - 1].lhs) == (kept.name, 0)


def test_a_product_of_two_equations_is_one_definition() -> None:
    cell = Cell(
        "shared",
        Eq(f[t], sigma(W @ [h[t - 1], x[t]] + b)),
        Eq(h[t], tanh(W @ [h[t - 1], x[t]]) - f[t]),
    )
    assert str(cell.normal_form).splitlines() == [
        "(1a) p_a_f_t = W[0]·h_{t-1}",
        "(1b) p2_a_f_t = W[1]·x_t",
        "(1c) a_f_t = p_a_f_t + p2_a_f_t + b",
        "(1) f_t = sigma(a_f_t)",
        "(2a) a_h_t = p_a_f_t + p2_a_f_t",
        "(2) h_t = tanh(a_h_t) - f_t",
    ]


def test_one_operand_of_two_products_is_one_definition() -> None:
    cell = Cell(
        "operand",
        Eq(r[t], U @ [h[t - 1] * x[t]]),
        Eq(h[t], V @ [h[t - 1] * x[t]] + r[t]),
    )
    assert str(cell.normal_form).splitlines() == [
        "(1a) u_r_t = h_{t-1} * x_t",
        "(1) r_t = U[0]·u_r_t",
        "(2) h_t = V[0]·u_r_t + r_t",
    ]


def test_products_inside_operands_come_first() -> None:
    cell = Cell("deep", Eq(h[t], U @ [tanh(V @ [x[t]]) * h[t - 1]]))
    assert str(cell.normal_form).splitlines() == [
        "(1a) a_u_h_t = V[0]·x_t",
        "(1b) u_h_t = tanh(a_u_h_t) * h_{t-1}",
        "(1) h_t = U[0]·u_h_t",
    ]


def test_added_names_give_way_to_the_cell_s_own() -> None:
    """Also where a parameter has the name."""
    a_h, a2_h = symbols("a_h a2_h")
    cell = Cell("taken", Eq(a_h[t], x[t] + a2_h), Eq(h[t], tanh(W @ [h[t - 1], a_h[t]])))
    assert [d.name for d in cell.normal_form.definitions] == ["a_h", "a3_h", "h"]


def test_sizes_follow_from_what_is_combined() -> None:
    p = symbols("p")
    s = scalars("s")
    cell = Cell(
        "sized",
        Eq(r[t], tanh(W @ [h[t - 1], x[t]]) + p * r[t - 1]),
        Eq(h[t], s * (U @ [r[t], u[t]]) + V.T @ r[t]),
        sizes={"r": "P"},
    )
    assert cell.normal_form.sizes["r"] == "P"
    assert cell.parameters == {
        "W": ("P", "H+D_x"),
        "p": ("P",),
        "s": (),
        "U": ("H", "P+D_u"),
        "V": ("P", "H"),
    }
    assert cell.normal_form.input_sizes == ("D_x", "D_u")
    assert cell.normal_form.extra_sizes == ("P",)


def test_the_digest_is_of_equations_sizes_and_output() -> None:
    def cell(**options: object) -> lstmgen.Cell:
        options = {"name": "one", "value": tanh(h[t - 1] + b), **options}
        return Cell(
            str(options.pop("name")),
            Eq(c[t], W @ x[t] + h[t - 1]),
            Eq(h[t], options.pop("value") + c[t - 1]),
            **options,  # type: ignore[arg-type]
        )

    same = cell().digest
    assert cell().digest == same
    assert cell(name="other", source="elsewhere").digest == same
    assert cell(value=tanh(b + h[t - 1])).digest != same
    assert cell(sizes={"x": "P"}).digest != same
    assert cell(output="c").digest != same


def test_a_shift_moves_vectors_inside_products_too() -> None:
    definition = load("gru").normal_form.by_name["a_z"]
    later = shifted(definition.value, 1)
    assert [p.operand for p in definition.products] == [Value("h", -1), Value("x", 0)]
    assert [node.operand.shift for node in walk(later) if isinstance(node, MatVec)] == [0, 1]
