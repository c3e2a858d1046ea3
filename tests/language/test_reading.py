"""Equations that cannot be built: exit code 3, the equation and the cure; the cure then works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import lstmgen
from lstmgen import Cell, Eq, scalars, symbols, t, tanh
from lstmgen.cli.root import main
from lstmgen.errors import EquationError
from lstmgen.language.reading import read

HEAD = """\
import sympy
from lstmgen import Abs, Cell, Eq, Max, exp, scalars, sigma, symbols, t, tanh

a, c, f, g, h, o, u, x = symbols("a c f g h o u x")
W, U, b = symbols("W U b")
s = scalars("s")
cell = Cell("mine", """


@dataclass(frozen=True)
class Refusal:
    """Arguments of `Cell` that are refused, what the message says, and what it asks for instead."""

    written: str
    says: tuple[str, ...]
    cured: str


STEP = "Eq(h[t], tanh(W @ [h[t-1], x[t]]))"

REFUSALS = {
    "used before it is defined": Refusal(
        "Eq(h[t], f[t] * b * h[t-1]), Eq(f[t], sigma(x[t]))",
        ("equation (1), h[t] = f[t]*b*h[t-1]", "f[t] is used before equation (2)", "move that"),
        "Eq(f[t], sigma(x[t])), Eq(h[t], f[t] * b * h[t-1])",
    ),
    "two definitions": Refusal(
        f"Eq(f[t], sigma(x[t])), {STEP}, Eq(f[t], x[t])",
        ("equation (3), f[t] = x[t]", "defined already by equation (1)", "another name"),
        f"Eq(f[t], sigma(x[t])), {STEP}, Eq(g[t], x[t])",
    ),
    "a cycle through another": Refusal(
        "Eq(f[t], tanh(g[t] + x[t])), Eq(g[t], f[t] / 2), Eq(h[t], g[t] + b * h[t-1])",
        ("equation (1), f[t] = ", "implicit equation", "through g[t]", "use g[t-1]"),
        "Eq(f[t], tanh(g[t-1] + x[t])), Eq(g[t], f[t] / 2), Eq(h[t], g[t] + b * h[t-1])",
    ),
    "a cycle of one": Refusal(
        "Eq(h[t], tanh(h[t] + x[t]) + b * h[t-1])",
        ("equation (1), h[t] = ", "depends on itself within one step (an", "use h[t-1]"),
        "Eq(h[t], tanh(h[t-1] + x[t]) + b * h[t-1])",
    ),
    "a cycle inside a matrix product": Refusal(
        "Eq(h[t], W @ [h[t], x[t]] + h[t-1])",
        ("equation (1), h[t] = W @ [h[t], x[t]]", "implicit equation", "use h[t-1]"),
        "Eq(h[t], W @ [h[t-1], x[t]] + h[t-1])",
    ),
    "a state without a definition": Refusal(
        "Eq(h[t], tanh(W @ [h[t-1], c[t-1], x[t]]))",
        ("equation (1), h[t] = ", "no equation defines c[t]", "add Eq(c[t], ...)"),
        "Eq(h[t], tanh(W @ [h[t-1], c[t-1], x[t]])), Eq(c[t], c[t-1] + h[t])",
    ),
    "an input at t-1": Refusal(
        "Eq(h[t], b * h[t-1] + x[t] + x[t-1])",
        ("equation (1), h[t] = ", "x[t-1] is used", "Eq(x_last[t], x[t])"),
        "Eq(u[t], x[t]), Eq(h[t], b * h[t-1] + x[t] + u[t-1])",
    ),
    "sizes of two states": Refusal(
        "Eq(c[t], tanh(W @ [c[t-1], x[t]])), Eq(h[t], c[t] + h[t-1]), sizes={'c': 'P'}",
        ("equation (2) for h", "c has size P", "h has size H", "multiply by a matrix"),
        "Eq(c[t], tanh(W @ [c[t-1], x[t]])), Eq(h[t], U @ c[t] + h[t-1]), sizes={'c': 'P'}",
    ),
    "a matrix in two places": Refusal(
        "Eq(c[t], W @ [h[t-1]]), Eq(h[t], W @ [c[t]] + c[t-1] + x[t]), sizes={'c': 'P'}",
        ("equation (2) for h", "size", "P", "H", "multiply by a matrix"),
        "Eq(c[t], W @ [h[t-1]]), Eq(h[t], U @ [c[t]] + U @ c[t-1] + x[t]), sizes={'c': 'P'}",
    ),
    "another number of vectors": Refusal(
        "Eq(f[t], W @ [h[t-1], x[t]]), Eq(h[t], f[t] + W @ [h[t-1]])",
        ("equation (2), h[t] = ", "W multiplies 1 vector(s) here but 2", "use two matrices"),
        "Eq(f[t], W @ [h[t-1], x[t]]), Eq(h[t], f[t] + U @ [h[t-1]])",
    ),
    "a matrix used element-wise": Refusal(
        "Eq(h[t], W @ [h[t-1], x[t]] + W)",
        ("equation (1) for h", "W is used element-wise, but it is a matrix", "another name"),
        "Eq(h[t], W @ [h[t-1], x[t]] + b)",
    ),
    "a number beyond floating point": Refusal(
        "Eq(h[t], 10**400 * h[t-1] + x[t])",
        ("equation (1), h[t] = 1000000", "...: 1.00000e+400 is beyond the range", "scale"),
        "Eq(h[t], 10**30 * h[t-1] + x[t])",
    ),
    "a number that nothing can print": Refusal(
        "Eq(h[t], h[t-1] / 10**5000 + x[t])",
        ("equation (1): 1.00000e+5000 is beyond the range of floating-point numbers",),
        "Eq(h[t], h[t-1] / 10**30 + x[t])",
    ),
    "a function of SymPy": Refusal(
        "Eq(h[t], sympy.gamma(b + h[t-1] + x[t]))",
        ("equation (1), h[t] = gamma(", "gamma has no known derivative", "known are Abs, Max"),
        "Eq(h[t], tanh(b + h[t-1] + x[t]))",
    ),
    "a function that is none": Refusal(
        "Eq(h[t], b * h[t-1] + sympy.Function('x')(t))",
        ("equation (1), h[t] = ", "x(t) is a function of its argument", "write x[t]"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "a name that is no identifier": Refusal(
        "Eq(h[t], b * h[t-1] + symbols('x̂')[t])",
        ("equation (1), h[t] = ", "'x̂' is not an identifier", "use a letter, then letters"),
        "Eq(h[t], b * h[t-1] + symbols('x_hat')[t])",
    ),
    "a keyword of Python": Refusal(
        "Eq(h[t], h[t-1] * symbols('lambda') + x[t])",
        ("equation (1), h[t] = ", "'lambda' is a keyword of Python", "lambda_1"),
        "Eq(h[t], h[t-1] * symbols('lambda_1') + x[t])",
    ),
    "a keyword of C": Refusal(
        "Eq(symbols('register')[t], x[t]), Eq(h[t], b * h[t-1] + symbols('register')[t])",
        ("equation (1), register[t] = x[t]", "keyword of C++", "register_1 or REGISTER"),
        "Eq(symbols('register_1')[t], x[t]), Eq(h[t], b * h[t-1] + symbols('register_1')[t])",
    ),
    "no state": Refusal(
        "Eq(h[t], tanh(W @ [x[t]] + b))",
        ("the cell has no state", "nothing recurs", "use for example h[t-1]"),
        "Eq(h[t], tanh(W @ [x[t]] + b) + h[t-1])",
    ),
    "an older index": Refusal(
        "Eq(h[t], b * h[t-1] + h[t-2] + x[t])",
        ("equation (1), h[t] = ", "h has an index other than t or t-1 (-2", "Eq(h_old[t]"),
        "Eq(h[t], b * h[t-1] + g[t-1] + x[t]), Eq(g[t], h[t-1])",
    ),
    "an index ahead": Refusal(
        "Eq(h[t], b * h[t-1] + x[t+1])",
        ("equation (1), h[t] = ", "x has an index other than t or t-1 (+1", "look ahead"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "an index that is a number": Refusal(
        "Eq(h[t], b * h[t-1] + h[0] + x[t])",
        ("equation (1), h[t] = ", "index other than t or t-1; write h[t] or h[t-1]"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "a left side at t-1": Refusal(
        "Eq(h[t-1], b * x[t])",
        ("equation (1), h[t-1] = b*x[t]", "the left side must be a vector at time t, like h[t]"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "a left side that is an expression": Refusal(
        "Eq(2 * h[t], x[t] + b * h[t-1])",
        ("equation (1), 2*h[t] = ", "the left side must be a vector"),
        "Eq(h[t], (x[t] + b * h[t-1]) / 2)",
    ),
    "no equation": Refusal("x[t]", ("equation (1) is x[t]", "write Eq(h[t], ...)"), STEP),
    "no equations": Refusal("", ("has no equations", "give at least one Eq(h[t], ...)"), STEP),
    "no output": Refusal(
        "Eq(c[t], b * c[t-1] + x[t])",
        ("no equation defines the output h[t]", "output='c'"),
        "Eq(c[t], b * c[t-1] + x[t]), output='c'",
    ),
    "no input": Refusal(
        "Eq(h[t], tanh(W @ h[t-1]))",
        ("the cell has no input", "use for example x[t]"),
        "Eq(h[t], tanh(W @ h[t-1]) + x[t])",
    ),
    "a vector without its index": Refusal(
        "Eq(h[t], b * h[t-1] + x + x[t])",
        ("equation (1), h[t] = ", "x stands without a time index", "write x[t] or x[t-1]"),
        "Eq(h[t], b * h[t-1] + x[t] + x[t])",
    ),
    "a state without its index": Refusal(
        "Eq(h[t], tanh(h) + x[t] + b * h[t-1])",
        ("equation (1), h[t] = ", "h stands without a time index", "write h[t] or h[t-1]"),
        "Eq(h[t], tanh(h[t-1]) + x[t] + b * h[t-1])",
    ),
    "a scalar that multiplies": Refusal(
        "Eq(h[t], s @ [h[t-1]] + x[t])",
        ("equation (1), h[t] = ", "s is declared as a scalar", "write * for it"),
        "Eq(h[t], s * h[t-1] + x[t])",
    ),
    "a scalar and a vector": Refusal(
        "Eq(h[t], s * h[t-1] + symbols('s') * x[t])",
        ("equation (1), h[t] = ", "s is a scalar in one place", "declare it once"),
        "Eq(h[t], s * h[t-1] + s * x[t])",
    ),
    "a parameter under a matrix": Refusal(
        "Eq(h[t], W @ [b] + h[t-1] + x[t])",
        ("equation (1), h[t] = ", "@ multiplies b, which carries no time index", "write h[t-1]"),
        "Eq(h[t], W @ [b * h[t-1]] + h[t-1] + x[t])",
    ),
    "a transpose of a concatenation": Refusal(
        "Eq(h[t], W.T @ [h[t-1], x[t]])",
        ("equation (1), h[t] = ", "a transposed matrix multiplies one vector"),
        "Eq(h[t], W.T @ [h[t-1]] + x[t])",
    ),
    "a division by zero": Refusal(
        "Eq(h[t], b * h[t-1] + x[t] / 0)",
        ("equation (1), h[t] = ", "divides by 0", "take the division out"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "something else of SymPy": Refusal(
        "Eq(h[t], b * h[t-1] + sympy.I * x[t])",
        ("equation (1), h[t] = ", "is not part of the notation", "use vectors at t or t-1"),
        "Eq(h[t], b * h[t-1] + x[t])",
    ),
    "a size of nothing": Refusal(
        f"{STEP}, sizes={{'q': 'P'}}",
        ("q is not a vector of this cell", "its vectors are x, h"),
        f"{STEP}, sizes={{'x': 'P'}}",
    ),
    "a size that modules use": Refusal(
        f"{STEP}, sizes={{'x': 'T'}}",
        ("the size of x cannot be called T", "T is the number of steps", "call it P"),
        f"{STEP}, sizes={{'x': 'P'}}",
    ),
    "a size called as something of Python's": Refusal(
        f"{STEP}, sizes={{'x': 'ValueError'}}",
        ("the size of x cannot be called ValueError", "a name of Python's", "call it P"),
        f"{STEP}, sizes={{'x': 'P'}}",
    ),
}


def run(tmp_path: Path, arguments: str) -> int:
    """`lstmgen show` of a file that declares the cell."""
    (tmp_path / "mine.py").write_text(f"{HEAD}{arguments})\n", encoding="utf-8")
    return main(["show", str(tmp_path / "mine.py")])


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_it_is_refused_with_the_equation_and_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    assert run(tmp_path, refusal.written) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lstmgen: ") and "Traceback" not in err
    assert f"mine.py:{HEAD.count(chr(10)) + 1}: " in err  # the line of the file, too
    for part in refusal.says:
        assert part in err, err
    assert run(tmp_path, refusal.cured) == 0


def test_the_cell_s_own_name_is_checked() -> None:
    h, x = symbols("h x")
    with pytest.raises(EquationError, match="the cell's name 'class' is a keyword of Python"):
        Cell("class", Eq(h[t], h[t - 1] + x[t]))
    assert EquationError.exit_code == 3


def test_roles_follow_from_the_equations() -> None:
    c, h, k, u, x = symbols("c h k u x")
    W, b, p = symbols("W b p")
    s = scalars("s")
    form = read(
        "roles",
        [
            Eq(k[t], u[t] + x[t]),
            Eq(c[t], p * c[t - 1] + s * k[t]),
            Eq(h[t], W @ [c[t], h[t - 1]] + b),
        ],
    )
    assert form.states == ("h", "c")  # the output first
    assert form.inputs == ("u", "x")
    assert form.parameters == ("p", "s", "W", "b")  # in order of appearance
    assert (list(form.weights), list(form.vectors), form.scalars) == (["W"], ["p", "b"], ("s",))
    assert set(form.sizes.values()) == {"H"}  # combined element-wise, inputs too


def test_the_order_of_states_is_that_of_definition() -> None:
    a, c, h, x = symbols("a c h x")
    b = symbols("b")
    form = read(
        "s", [Eq(c[t], c[t - 1] + b * x[t]), Eq(a[t], a[t - 1] + c[t]), Eq(h[t], a[t])], "h"
    )
    assert form.states == ("c", "a")  # h is no state: nothing uses h[t-1]
    assert form.output == "h"


@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after"])
def test_the_cells_of_the_post_have_the_names_and_parameters_of_the_contract(name: str) -> None:
    contract = {
        "rnn": ("h", "W b"),
        "lstm": ("h C", "W_f b_f W_i b_i W_C b_C W_o b_o"),
        "peephole": ("h C", "W_f b_f W_i b_i W_C b_C W_o b_o"),
        "coupled": ("h C", "W_f b_f W_C b_C W_o b_o"),
        "gru": ("h", "W_z W_r W"),
        "gru_reset_after": ("h", "W_r b_r W_z b_z W_n b_n U_n c_n"),
    }
    states, parameters = (text.split() for text in contract[name])
    cell = lstmgen.load(name)
    assert (list(cell.states), list(cell.parameters)) == (states, parameters)
    matrices = {p: shape for p, shape in cell.parameters.items() if p[0] in "WU"}
    wide = {"W_f", "W_i", "W_o"} if name == "peephole" else set()
    for p, shape in matrices.items():
        special = {"W_n": ("H", "D"), "U_n": ("H", "H")}
        expected = ("H", "H+H+D") if p in wide else special.get(p, ("H", "H+D"))
        assert shape == expected
    assert {cell.parameters[p] for p in parameters if p not in matrices} <= {("H",)}


def test_a_declaration_of_the_post_s_cells_is_at_most_25_lines_with_its_source() -> None:
    for name in ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after"):
        path = Path(lstmgen.__file__).parent / "library" / "cells" / f"{name}.py"
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 25, name
        assert lstmgen.load(name).source, name


def test_a_state_that_is_multiplied_by_zero_is_refused() -> None:
    h, x, W = symbols("h x W")
    with pytest.raises(EquationError, match=r"h\[t-1\] is multiplied by zero"):
        Cell("zero", Eq(h[t], tanh(W @ [x[t]]) + 0 * h[t - 1]))


def test_an_input_that_is_multiplied_by_zero_is_refused() -> None:
    h, x, u, V, W = symbols("h x u V W")
    one = tanh(W @ [h[t - 1], x[t]])
    for term in (0 * u[t], 0 * (V @ [u[t]])):
        with pytest.raises(EquationError, match=r"u\[t\] is multiplied by zero"):
            Cell("zero", Eq(h[t], one + term))
