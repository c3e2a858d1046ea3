"""LaTeX as printed: the paper's form, the derived gradients, and documents that compile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lstmgen import (
    Abs,
    Cell,
    Eq,
    exp,
    load,
    log,
    relu,
    render,
    scalars,
    sigma,
    softplus,
    sqrt,
    symbols,
    t,
    tanh,
)
from lstmgen.algebra.pieces import Piece, product, total
from lstmgen.algebra.symbols import symbol
from lstmgen.gradients.derivation import derive
from lstmgen.latex import document_body, standalone
from lstmgen.library.loading import names
from lstmgen.show.explaining import explain
from lstmgen.typeset.formula import Letters, Sum, Time, fenced
from lstmgen.typeset.latex import latex, width
from lstmgen.typeset.lines import LINE_WIDTH, broken

h, x, c, W, U, p, b = symbols("h x c W U p b")
alpha, beta = scalars("alpha beta")


def right_side(expression: object) -> str:
    """The right-hand side of h_t = expression as printed."""
    body = document_body(Cell("cell", Eq(h[t], expression), Eq(c[t], x[t])), gradients=False)
    match = re.search(r"h_t &= (.*) \\tag\{1\}", body, re.DOTALL)
    assert match is not None
    return match[1]


def gradient(cell: Cell, label: str) -> str:
    """The derived equation with that label, on one line."""
    text = cell.gradients.latex().replace("\\\\\n&\\quad {} ", "")
    (line,) = [x for x in text.splitlines() if rf"\tag{{$\delta${label}}}" in x]
    return line.partition(r" \tag")[0]


def test_forward_equations_are_those_of_the_paper() -> None:
    assert document_body(load("peephole"), gradients=False) == (
        "\\begin{align*}\n"
        "f_t &= \\sigma(W_f \\cdot [C_{t-1}, h_{t-1}, x_t] + b_f) \\tag{1} \\\\\n"
        "i_t &= \\sigma(W_i \\cdot [C_{t-1}, h_{t-1}, x_t] + b_i) \\tag{2} \\\\\n"
        "\\tilde{C}_t &= \\tanh(W_C \\cdot [h_{t-1}, x_t] + b_C) \\tag{3} \\\\\n"
        "C_t &= f_t \\odot C_{t-1} + i_t \\odot \\tilde{C}_t \\tag{4} \\\\\n"
        "o_t &= \\sigma(W_o \\cdot [C_t, h_{t-1}, x_t] + b_o) \\tag{5} \\\\\n"
        "h_t &= o_t \\odot \\tanh(C_t) \\tag{6}\n"
        "\\end{align*}\n"
    )


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (
            "1",
            r"\delta h_t &= \mathrm{d}y_t + W_{f,h}^{\top} \delta a^{f}_{t+1} + W_{i,h}^{\top} "
            r"\delta a^{i}_{t+1} + W_{C,h}^{\top} \delta a^{\tilde{C}}_{t+1} + W_{o,h}^{\top} "
            r"\delta a^{o}_{t+1}",
        ),
        ("2", r"\delta o_t &= \delta h_t \odot \tanh(C_t)"),
        ("3", r"\delta a^{o}_t &= \delta o_t \odot o_t \odot (1 - o_t)"),
        (
            "4",
            r"\delta C_t &= W_{o,C}^{\top} \delta a^{o}_t + \delta h_t \odot o_t \odot "
            r"(1 - \tanh^2(C_t)) + W_{f,C}^{\top} \delta a^{f}_{t+1} + W_{i,C}^{\top} "
            r"\delta a^{i}_{t+1} + \delta C_{t+1} \odot f_{t+1}",
        ),
        ("6", r"\delta a^{\tilde{C}}_t &= \delta \tilde{C}_t \odot (1 - \tilde{C}_t^2)"),
        ("11", r"\delta W_f &= \sum_t \delta a^{f}_t\, [C_{t-1}, h_{t-1}, x_t]^{\top}"),
        ("12", r"\delta b_f &= \sum_t \delta a^{f}_t"),
        (
            "21",
            r"\delta C_0 &= W_{f,C}^{\top} \delta a^{f}_1 + W_{i,C}^{\top} \delta a^{i}_1 + "
            r"\delta C_1 \odot f_1",
        ),
    ],
)
def test_gradients_of_the_peephole_cell(label: str, expected: str) -> None:
    assert gradient(load("peephole"), label) == expected


def test_parts_and_blocks_are_introduced_before_they_are_used() -> None:
    text = load("peephole").gradients.latex()
    definition = r"a^{f}_t &= W_f \cdot [C_{t-1}, h_{t-1}, x_t] + b_f \tag{1a}"
    blocks = r"W_f &= [W_{f,C}, W_{f,h}, W_{f,x}]"
    assert 0 < text.index(definition) < text.index(blocks) < text.index(r"\delta h_t &=")
    assert text.count(blocks) == 1


def test_every_derived_equation_has_its_label_once() -> None:
    for name in names():
        cell = load(name)
        text = cell.gradients.latex()
        labels = re.findall(r"\\tag\{\$\\delta\$(\d+)\}", text)
        assert labels == [str(k) for k in range(1, len(cell.gradients) + 1)], name


def test_scalars_are_juxtaposed_and_their_gradient_is_summed_over_the_units() -> None:
    cell = Cell("cell", Eq(h[t], alpha * h[t - 1] * x[t] - 0.5 * beta * tanh(h[t - 1])))
    assert r"\alpha h_{t-1} \odot x_t - 0.5 \beta \tanh(h_{t-1})" in cell.latex(gradients=False)
    assert gradient(cell, "2") == (
        r"\delta \alpha &= \sum_t \mathbf{1}^{\top}(\delta h_t \odot h_{t-1} \odot x_t)"
    )
    assert gradient(cell, "3") == (
        r"\delta \beta &= -\sum_t \mathbf{1}^{\top}\Bigl(\frac{1}{2} \delta h_t \odot "
        r"\tanh(h_{t-1})\Bigr)"
    )


def test_transposed_and_shared_weights() -> None:
    cell = Cell("cell", Eq(h[t], tanh(W @ h[t - 1] - W.T @ h[t - 1] + U @ x[t])))
    assert right_side(tanh(W.T @ h[t - 1])) == r"\tanh(W^{\top} h_{t-1})"
    (line,) = [x for x in cell.gradients.latex().splitlines() if x.startswith(r"\delta W &=")]
    assert r"\delta a^{h}_t\, h_{t-1}^{\top} - h_{t-1}\, (\delta a^{h}_t)^{\top}" in line


def test_operands_and_products_of_blocks() -> None:
    text = load("gru").gradients.latex()
    assert r"u^{\tilde{h}}_t &= r_t \odot h_{t-1} \tag{3a}" in text
    assert r"W &= [W_u, W_x]" in text
    assert r"\delta W &= \sum_t \delta a^{\tilde{h}}_t\, [u^{\tilde{h}}_t, x_t]^{\top}" in text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (1 - h[t - 1], "1 - h_{t-1}"),
        (-(h[t - 1] + x[t]), "-(h_{t-1} + x_t)"),
        (h[t - 1] - (x[t] - b), "h_{t-1} - (x_t - b)"),
        (h[t - 1] / (1 + x[t]), r"\frac{h_{t-1}}{1 + x_t}"),
        (h[t - 1] ** 2, "h_{t-1}^2"),
        ((h[t - 1] + x[t]) ** 2, "(h_{t-1} + x_t)^2"),
        (h[t - 1] ** alpha, r"(h_{t-1})^{\alpha}"),
        (tanh(h[t - 1]) ** 2, r"\tanh^2(h_{t-1})"),
        (exp(h[t - 1]) ** 2, r"(\exp(h_{t-1}))^2"),
        (sqrt(h[t - 1]), r"\sqrt{h_{t-1}}"),
        (Abs(h[t - 1]), r"\lvert h_{t-1} \rvert"),
        (softplus(h[t - 1]), r"\operatorname{softplus}(h_{t-1})"),
        (log(1 + exp(h[t - 1])), r"\log(1 + \exp(h_{t-1}))"),
        (sigma(sqrt(h[t - 1])), r"\sigma\Bigl(\sqrt{h_{t-1}}\Bigr)"),
        (p * h[t - 1] * 3, r"p \odot h_{t-1} \cdot 3"),
        (U @ [relu(h[t - 1])], r"U \cdot \operatorname{relu}(h_{t-1})"),
        (U @ [h[t - 1] * x[t]], r"U \cdot (h_{t-1} \odot x_t)"),
        (x[t] * (U @ h[t - 1]), r"x_t \odot (U h_{t-1})"),
    ],
)
def test_forms_of_expressions(expression: object, expected: str) -> None:
    assert right_side(expression) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C_tilde", r"\tilde{C}"),
        ("b_f", "b_f"),
        ("W_xi", "W_{xi}"),
        ("W_alpha", r"W_{\alpha}"),
        ("W_h_f", "W_{h f}"),
        ("i_prime", "i'"),
        ("C_tilde_prime", r"\tilde{C}'"),
        ("W_hf_tilde", r"W_{\tilde{\mathrm{hf}}}"),
        ("W1", "W1"),
        ("lambda_", r"\lambda"),
        ("Deltat", r"{\Delta t}"),
        ("W_t", r"\mathrm{W\_t}"),
        ("W__x", r"\mathrm{W\_\_x}"),
        ("gate", r"\mathrm{gate}"),
        ("log_f", r"\mathit{log}_f"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert latex(symbol(name)) == expected


def test_names_with_time_and_superscript() -> None:
    assert latex(symbol("C_tilde", Time(-1))) == r"\tilde{C}_{t-1}"
    assert latex(symbol("f_i", Time())) == "f_{i,t}"
    assert latex(symbol("i_prime", Time(), above=Letters("2"))) == "{i'}^{2}_t"


def test_signs_and_ones_in_products() -> None:
    v, w = Letters("v"), Letters("w")
    vector, scalar = Piece(v), Piece(Letters("s"), scalar=True)
    assert latex(product([vector, scalar]).formula) == "v s"
    assert latex(product([scalar, vector, vector]).formula) == r"s v \odot v"
    minus = product([Piece(v, negative=True), Piece(w, negative=True)])
    assert (latex(minus.formula), minus.negative) == (r"v \odot w", False)
    assert latex(total([vector, Piece(w, negative=True)]).formula) == "v - w"


def test_long_lines_are_broken_at_the_outermost_operators() -> None:
    term = fenced(Sum((Letters("a" * 14), Letters("b" * 14))))
    lines = broken(Sum((term, term, term)), 40.0)
    assert len(lines) == 3
    assert all(line[0].depth == 0 for line in lines)
    assert all(sum(piece.width for piece in line) <= 40.0 for line in lines)


def test_no_line_is_wider_than_the_page() -> None:
    for name in names():
        for group in load(name).gradients.lines():
            room = LINE_WIDTH - max(width(line.left) for line in group)
            for line in (one for whole in group for one in broken(whole.right, room)):
                assert sum(piece.width for piece in line) <= room + 12, (name, line)


def test_the_same_text_each_time() -> None:
    cell = load("lipschitz")
    assert standalone(cell) == standalone(cell)
    assert derive(cell.normal_form).latex() == cell.gradients.latex()


@pytest.mark.parametrize("name", ["peephole", "lstm_fgr", "lipschitz", "slstm"])
def test_standalone_compiles_and_nothing_runs_off_the_page(name: str, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not here: install texlive-latex-base to run this test")
    (tmp_path / "cell.tex").write_text(standalone(load(name)), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "cell.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        env={**os.environ, "max_print_line": "1000"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "cell.pdf").stat().st_size > 10_000
    assert "Overfull" not in done.stdout


def test_what_only_gradients_have_is_defined_where_it_stands() -> None:
    """step, and the indicator of a kink; a cell without says nothing of them."""
    text = load("slstm").gradients.latex()
    assert r"\operatorname{step}(" in text
    assert text.endswith(
        r"Here $\operatorname{step}(a)$ is 0 where $a < 0$, one half at 0, 1 where $a > 0$."
    )
    assert "Here" not in load("lstm").gradients.latex()
    explained = explain(load("indrnn"))
    assert "where positive(a) is 1 where a > 0, else 0." in explained
    module = render(load("slstm"), "numpy")
    assert "    where step(a) is 0 where a < 0, one half at 0, 1 where a > 0." in module
