"""Equations in LaTeX and plain text: what they are read as, and what is refused, and where."""

from __future__ import annotations

import builtins
import io
import re
import time
from pathlib import Path

import pytest
import sympy

from lstmgen import Cell, Eq, Max, exp, load, relu, scalars, sigma, softplus, sqrt, symbols, t, tanh
from lstmgen.errors import EquationError, UsageError
from lstmgen.language.papers import OpenQuestions, Reading, read_equations
from lstmgen.language.papers.source import MAX_CHARACTERS, MAX_EQUATIONS, MAX_NESTING
from lstmgen.library.texts import read_file, read_tex

FORMULAS = Path(__file__).parents[1] / "data" / "lstm_formulas.md"
h, x, y, c, f, W, U, p, b, W_f, b_f = symbols("h x y c f W U p b W_f b_f")
alpha, Deltat = scalars("alpha Deltat")


def read(text: str, *declarations: str) -> Cell:
    return read_tex(text, name="cell", declarations=declarations)


def reading(text: str, *declarations: str) -> Reading:
    """How it was read."""
    return read_equations(text, name="cell", declarations=declarations)


def refusal(text: str, *declarations: str) -> str:
    with pytest.raises(EquationError) as caught:
        read(text, *declarations)
    return str(caught.value)


def is_same(text: str, *equations: object, declarations: tuple[str, ...] = ()) -> None:
    """The text gives the cell that the equations declare."""
    expected = Cell("cell", *equations)  # type: ignore[arg-type]
    found = read(text, *declarations)
    assert str(found.normal_form) == str(expected.normal_form)
    assert found.digest == expected.digest


def section(heading: str) -> str:
    """A section of the blog post's formulas, up to the next heading of its level."""
    level = heading.split()[0] + " "
    lines = FORMULAS.read_text(encoding="utf-8").splitlines()
    start = lines.index(next(line for line in lines if line.startswith(heading)))
    taken = []
    for line in lines[start + 1 :]:
        if line.startswith(level):
            break
        taken.append(line)
    return "\n".join(taken)


def test_the_formulas_of_the_post_are_the_built_in_lstm() -> None:
    assert read_tex(section("## 3."), name="lstm").digest == load("lstm").digest


def test_with_its_variant_of_the_cell_state_they_are_the_coupled_cell() -> None:
    text = section("## 3.").replace(
        section("### 3.3").splitlines()[0], section("### 4.2").splitlines()[0]
    )
    without_input_gate = text.replace(section("### 3.2").splitlines()[0], "")
    assert read_tex(without_input_gate, name="coupled").digest == load("coupled").digest


def test_gates_in_the_form_of_the_peephole_formula_are_the_built_in_peephole() -> None:
    gate = section("### 4.1").splitlines()[0]
    walk = section("## 3.")
    old = [line for line in walk.splitlines() if r"\sigma" in line]
    walk = walk.replace(old[0], gate).replace(old[1], gate.replace("f", "i"))
    walk = walk.replace(old[2], gate.replace("f", "o").replace("C_{t-1}", "C_t"))
    assert read_tex(walk, name="peephole").digest == load("peephole").digest


RNN = Eq(h[t], tanh(W @ [h[t - 1], x[t]] + b))
SPLIT = Eq(h[t], tanh(W @ x[t] + U @ h[t - 1] + b))


@pytest.mark.parametrize(
    "text",
    [
        r"h_t = \tanh(W \cdot [h_{t-1}, x_t] + b)",
        r"h_t = \tanh(W [h_{t-1}, x_t] + b)",
        r"h_t = \tanh\left( W [h_{t-1}; x_t] + b \right).",
        r"h_{t} &= \tanh\bigl(W\,[h_{t-1},x_{t}]+b\bigr) \tag{1} \\",
        r"$$ h_t = \tanh(W\cdot[h_{t-1},x_t]+b), $$ where $x_t$ is the input",
        r"\[ h^{(t)} = \tanh(W [h^{(t-1)}, x^{(t)}] + b) \]",
        r"\begin{equation}\label{eq:a} h^t = \mathrm{tanh}(W [h^{t-1}, x^t] + b) \end{equation}",
        r"\mathbf{h}_t = \operatorname{tanh}(\mathbf W[\mathbf h_{t-1}, \mathbf{x}_t]+\mathbf{b})",
        r"h_n = \tanh(W \begin{bmatrix} h_{n-1} \\ x_n \end{bmatrix} + b)",
        r"h_t = \tanh(W [h_{t-1} \parallel x_t] + b) % the plain network",
        "h_t = tanh(W·[h_{t-1}, x_t] + b)",
        "hₜ = tanh(W·[hₜ₋₁, xₜ] + b)",
        "# a heading\nh_t = tanh(W [h_{t-1}; x_t] + b)\n",
        "𝐡_t = tanh(𝐖 · [𝐡_{t−1}, 𝐱_t] + 𝐛)",
        "\\begin{align}\n  h_t &= \\tanh(W [h_{t-1}, x_t]\\\\\n  &\\quad {} + b)\n\\end{align}",
        "h_t\n= \\tanh(W [h_{t-1},\nx_t] + b)",
    ],
)
def test_one_network_in_many_spellings(text: str) -> None:
    is_same(text, RNN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("W x_t + U h_{t-1}", W @ x[t] + U @ h[t - 1]),
        (r"p \odot h_{t-1} + W x_t", p * h[t - 1] + W @ x[t]),
        (r"p \circ h_{t-1}", p * h[t - 1]),
        ("h_{t-1} * x_t", h[t - 1] * x[t]),
        ("h_{t-1} x_t", h[t - 1] * x[t]),
        (r"x_t \odot W h_{t-1}", x[t] * (W @ h[t - 1])),
        (r"x_t \odot W \cdot h_{t-1}", x[t] * (W @ h[t - 1])),
        ("(1 - x_t) h_{t-1}", (1 - x[t]) * h[t - 1]),
        (r"U (x_t \odot h_{t-1})", U @ [x[t] * h[t - 1]]),
        (r"W^\top h_{t-1} + W x_t", W.T @ h[t - 1] + W @ x[t]),
        ("W^T h_{t-1} + W x_t", W.T @ h[t - 1] + W @ x[t]),
        (r"(W - W^\top) h_{t-1} + U x_t", W @ h[t - 1] - W.T @ h[t - 1] + U @ x[t]),
        (r"\frac{h_{t-1}}{2 + x_t}", h[t - 1] / (2 + x[t])),
        (r"h_{t-1} / x_t", h[t - 1] / x[t]),
        ("h_{t-1}^2", h[t - 1] ** 2),
        (r"\tanh^2(h_{t-1})", tanh(h[t - 1]) ** 2),
        (r"\tanh(h_{t-1})^2", tanh(h[t - 1]) ** 2),
        ("(h_{t-1} + x_t)^{3}", (h[t - 1] + x[t]) ** 3),
        (r"\sqrt{h_{t-1}}", sqrt(h[t - 1])),
        (r"\sqrt{h_{t-1} + 1}^3", sqrt(h[t - 1] + 1) ** 3),
        (r"|h_{t-1}|^3", abs(h[t - 1]) ** 3),
        (r"\lvert h_{t-1} \rvert^{3}", abs(h[t - 1]) ** 3),
        (r"e^{-h_{t-1}} + x_t", exp(-h[t - 1]) + x[t]),
        (r"\max(h_{t-1}, x_t, p)", Max(h[t - 1], x[t], p)),
        (r"\mathrm{softplus}(h_{t-1})", softplus(h[t - 1])),
        (r"\operatorname{sigmoid}(h_{t-1})", sigma(h[t - 1])),
        (r"\tanh x_t + h_{t-1}", tanh(x[t]) + h[t - 1]),
        (r"0.5 h_{t-1} + \frac{3}{4} x_t", 0.5 * h[t - 1] + 3 * x[t] / 4),
        ("-h_{t-1} - -x_t", -h[t - 1] + x[t]),
        (r"\sigma(p) \odot x_t + h_{t-1}", sigma(p) * x[t] + h[t - 1]),
        (r"W 2 h_{t-1} + x_t", W @ [2 * h[t - 1]] + x[t]),
        (r"x_t W + h_{t-1} U", W.T @ x[t] + U.T @ h[t - 1]),
        (r"x_t W^\top + h_{t-1} \cdot U", W @ x[t] + U.T @ h[t - 1]),
        (r"x_t^\top W + h_{t-1}", W.T @ x[t] + h[t - 1]),
        (r"\operatorname{diag}(p) h_{t-1}", p * h[t - 1]),
        (r"(U - \operatorname{diag}(p)) h_{t-1}", U @ h[t - 1] - p * h[t - 1]),
        (r"(U - 0.5 I) h_{t-1}", U @ h[t - 1] - 0.5 * h[t - 1]),
        (r"U W h_{t-1}", U @ [W @ h[t - 1]]),
        (r"(U W)^\top h_{t-1}", W.T @ [U.T @ h[t - 1]]),
        (r"[W, U] [x_t; h_{t-1}]", W @ x[t] + U @ h[t - 1]),
        (r"[h_{t-1} + x_t]_+", relu(h[t - 1] + x[t])),
        (r"e^{p + h_{t-1}} + x_t", exp(p + h[t - 1]) + x[t]),
        (r"h_{t-1} + 1e-5 x_t", h[t - 1] + 1e-5 * x[t]),
        (r"\frac12 h_{t-1} + x_t", sympy.Rational(1, 2) * h[t - 1] + x[t]),
    ],
)
def test_expressions(text: str, value: object) -> None:
    found = read(f"h_t = {text} \\\\ y_t = x_t", "h output")
    expected = Cell("cell", Eq(h[t], value), Eq(y[t], x[t]))
    if "3}{4" not in text:  # 3/4 x and (3 x)/4 are the same number, written differently
        assert str(found.normal_form) == str(expected.normal_form)
    else:
        assert "= 1/2 * h_{t-1} + 3/4 * x_t" in str(found.normal_form)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"\tilde{C}_t", "C_tilde"),
        (r"\tilde C_t", "C_tilde"),
        (r"{\tilde C}_t", "C_tilde"),
        (r"\widetilde{C_t}", "C_tilde"),
        (r"\hat{\mathbf{c}}_{t}", "c_hat"),
        ("i'_t", "i_prime"),
        (r"i^{\prime}_t", "i_prime"),
        ("d^c_t", "d_c"),
        ("W_{xi,t}", "W_xi"),
        (r"\mathcal{M}_t", "M_mathcal"),
        (r"\mathrm{gate}_t", "gate"),
        (r"{\Delta t}_t", "Deltat"),
        (r"\lambda_t", "lambda_"),
        (r"f_{1,t}^{(a)}", "f_1_a"),
    ],
)
def test_names(written: str, name: str) -> None:
    cell = read(f"{written} = x_t \\\\ h_t = {written} \\odot h_{{t-1}}")
    assert next(iter(cell.normal_form.by_name)) == name


def test_names_in_plain_text() -> None:
    cell = read("C~_t = x_t\nc̃_t = C~_t\ngate_t = c̃_t\nα_t = gate_t\nh_t = α_t * h_{t-1}")
    assert list(cell.normal_form.by_name) == ["C_tilde", "c_tilde", "gate", "alpha", "h"]


def test_time_is_the_letter_that_occurs_with_minus_one() -> None:
    is_same(r"h_n = \tanh(W_f h_{n-1} + x_n)", Eq(h[t], tanh(W_f @ h[t - 1] + x[t])))
    message = refusal("h_n = h_{n-1} + x_k + x_{k-1}")
    assert "both n-1 and k-1" in message


def test_two_equations_on_a_line_and_defined_functions() -> None:
    text = r"""
        c_t = c_{t-1} + g(x_t) \qquad h_t = f_o(c_t)
        g(a) = 4\sigma(a) - 2 \qquad f_o(a) = a \odot a
    """
    is_same(text, Eq(c[t], c[t - 1] + (4 * sigma(x[t]) - 2)), Eq(h[t], c[t] * c[t]))


def test_declarations_in_the_file_and_besides_it() -> None:
    equation = Eq(h[t], alpha * h[t - 1] + W @ x[t])
    text = r"h_t = \alpha h_{t-1} + W x_t"
    is_same(f"% lstmgen: alpha scalar\n{text}", equation)
    is_same(f"% lstmgen: \\alpha scalar\n{text}", equation)
    is_same(text, equation, declarations=(r"\alpha scalar",))
    theta = symbols("alpha")
    matrix = Eq(h[t], theta @ h[t - 1] + W @ x[t])
    is_same(f"% lstmgen: alpha scalar\n{text}", matrix, declarations=("alpha matrix",))
    is_same(text, Eq(h[t], theta * h[t - 1] + W @ x[t]), declarations=("alpha vector",))
    is_same(r"h_t = \phi(W x_t + U h_{t-1} + b)", SPLIT, declarations=(r"\phi = tanh",))
    is_same(r"h_t = \sigma_h(W x_t + U h_{t-1} + b)", SPLIT, declarations=(r"\sigma_h = tanh",))


def test_strict_asks_about_what_was_inferred_and_not_declared() -> None:
    text = r"h_{t+1} = \tanh(W x_t + U h_t + b)"
    with pytest.raises(OpenQuestions) as caught:
        read_tex(text, name="cell", declarations=["U matrix"], strict=True)
    problems = [q.problem for q in caught.value.questions]
    assert [p.partition(" is taken")[0] for p in problems] == ["W", "b", "h_{t+1}"]
    assert "a capital letter before the vector" in problems[0]
    repeated = reading(text).written_out
    assert read_tex(repeated, name="cell", strict=True).digest == read(text).digest


def test_what_a_text_leaves_out_of_a_function_is_told() -> None:
    (note,) = reading(r"h_t = \operatorname{LeakyReLU}(x_t + h_{t-1})").notes
    assert "slope = 0.01" in note
    assert not reading(r"h_t = \operatorname{LeakyReLU}(x_t + h_{t-1}, 0.2)").notes
    assert "PyTorch" in reading(r"h_t = \mathrm{hardsigmoid}(x_t + h_{t-1})").notes[0]


def test_output_and_sizes_are_declared() -> None:
    equations = "m_t = W r_{t-1} + U x_t + m_{t-1}\nr_t = V m_t"
    cell = read(f"% lstmgen: r output\n% lstmgen: r size P\n{equations}")
    assert (cell.output, cell.states) == ("r", ("r", "m"))
    assert cell.parameters["W"] == ("H", "P")


def test_what_follows_the_end_mark_is_not_read() -> None:
    is_same(r"h_t = \tanh(W [h_{t-1}, x_t] + b)" + "\n% lstmgen: end\n???", RNN)


def test_symbols_are_told_as_they_were_read() -> None:
    found = reading(
        "% lstmgen: alpha scalar\n"
        r"\mathbf{h}_t = \alpha \mathbf{h}_{t-1} \odot \tanh(W_{x} x_t + p \odot x_t)"
    )
    assert "\n".join(map(str, found.symbols)) == (
        "line 2: \\mathbf{h}_t is h, state and output (H): an equation defines it, and it is used "
        "at t-1; the output, by its name\n"
        "line 2: \\alpha is alpha, scalar parameter: declared\n"
        "line 2: W_{x} is W_x, matrix (H, H): it is a capital letter before the vector it "
        "multiplies\n"
        "line 2: x_t is x, input (H): no equation defines it\n"
        "line 2: p is p, vector parameter (H): it is multiplied element-wise"
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (r"h_t = \alpha h_{t-1} + x_t", ["a scalar, a vector or a matrix", "alpha scalar"]),
        (r"h_t = \sigma(\alpha) h_{t-1} + x_t", ["a scalar or a vector", "alpha vector"]),
        (r"h_t = h_{t-1} / \tau + x_t", ["a scalar or a vector", "tau scalar"]),
        ("h_t = a h_{t-1} + x_t", ["a scalar, a vector or a matrix", "a vector"]),
        (r"h_t = \Delta t\, h_{t-1} + x_t", ["Deltat scalar"]),
        ("h_t = I h_{t-1} + x_t", ["identity", "I matrix"]),
        (r"h_t = \phi(W x_t + h_{t-1})", ["phi = tanh", "phi matrix"]),
        ("h_t = g(h_{t-1}) + x_t", ["g = tanh", "g matrix"]),
        ("h_t = f(h_{t-1}, x_t)", ["f = tanh"]),
        (r"h_t = \sigma_g(h_{t-1}) + x_t", ["sigma_g = tanh"]),
        ("h_t = W * h_{t-1} + x_t", ["* beside W", "W matrix", "W vector", "convolution"]),
        (r"h_t = W \times h_{t-1} + x_t", [r"\times beside W", "W matrix", "W vector"]),
        (r"h_t = W \star h_{t-1} + U x_t", [r"\star beside W", "W matrix"]),
        ("h_t = A_t h_{t-1} + x_t", ["A_t before a vector", "matrix", "A vector"]),
        ("h_t = W^2 h_{t-1} + x_t", ["a power of the matrix W", "W^2 name"]),
        (r"h_t = w^\top h_{t-1} + x_t", ["one number", "w matrix"]),
        (r"h_t = \gamma^c h_{t-1} + x_t", ["to the power c", "gamma_c name", "gamma_c power"]),
        ("h_t = tanh(x_t + h_{t-1})\ny_t = W h_t", ["y is used by no other", "y output"]),
        ("z_t = z_{t-1} + x_t\ny_t = W z_t", ["no equation defines h", "z output", "y output"]),
    ],
)
def test_what_is_open_is_asked_with_the_declarations_that_decide(
    text: str, parts: list[str]
) -> None:
    with pytest.raises(OpenQuestions) as caught:
        read(text)
    for part in parts:
        assert part in str(caught.value)
    answers = [a.line for q in caught.value.questions for a in q.answers if a.is_declaration]
    assert answers
    for answer in answers:  # each of them is understood, and none is asked for again
        still: set[str] = set()
        try:
            read(text, answer)
        except OpenQuestions as more:
            still = {a.line for q in more.questions for a in q.answers}
        except EquationError:
            pass
        assert answer not in still


def test_a_matrix_before_a_parameter_is_refused() -> None:
    message = refusal("h_t = W b + h_{t-1} x_t", "b vector")
    assert "right before the vector" in message and "W scalar" in message


def test_all_that_is_open_is_asked_at_once() -> None:
    with pytest.raises(OpenQuestions) as caught:
        read("h_t = \\alpha h_{t-1} + \\beta x_t \\\\ y_t = \\phi(h_t)")
    problems = [q.problem for q in caught.value.questions]
    assert len(problems) == 4
    assert "(and 3 more questions, below)" in str(caught.value)
    declared = ("alpha scalar", "beta vector", "phi = tanh", "y output")
    cell = read(r"h_t = \alpha h_{t-1} + \beta x_t \\ y_t = \phi(h_t)", *declared)
    assert cell.output == "y"
    assert cell.parameters == {"alpha": (), "beta": ("H",)}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (r"h_t = \mathrm{LN}(h_{t-1}) + x_t", ["LN is a normalisation"]),
        (r"h_t = \operatorname{softmax}(h_{t-1}) + x_t", ["softmax", "element-wise"]),
        ("h_t = h_{t-1} / 2 x_t", ["how much is divided by", "parentheses"]),
        ("h_t = h_{t-1} U + W x_t", ["a vector before U", "U x_t"]),
        ("h_t = W h_{t-1} x_t", ["what the matrix multiplies", "parentheses"]),
        (r"h_t = \tanh W h_{t-1} + x_t", ["argument of tanh", "parentheses"]),
        ("h_t = exp -h_{t-1} + x_t", ["argument of exp", "parentheses"]),
        (r"h_t = W h_{t-1} + W \odot x_t", ["W is a matrix in line 1"]),
        (r"h_t = h_{t-1} + \mathbf{x}_t + x_t", ["both be called x"]),
        (r"h_t = h_{t-1} + x_t, \mathbf{h}_t = x_t", ["both be called h"]),
        (r"h_t = h_{t-1} \odot W_{xi} + W_\xi + x_t", ["both be called W_xi"]),
        (r"h_t = W^{-1} h_{t-1} + x_t", ["inverse"]),
        (r"h_t = (M \odot W) h_{t-1} + x_t", ["mask"]),
        (r"h_t = W [h_{t-1} x_t]", ["list of the two or their product"]),
        (r"h_t = \tanh([W \; U] [h_{t-1}; x_t])", ["list of the two or their product"]),
        (r"h_t = k_t^\top q_t + h_{t-1}", ["inner product"]),
        (r"h_t = k_t q_t^\top + h_{t-1}", ["outer product"]),
        (r"h_t = \frac{x_t}{\|x_t\|} + h_{t-1}", ["norm"]),
        ("h_t = h_{t-1} / t + x_t", ["number of the step"]),
        ("h_t = x_t / 2^3^2 + h_{t-1}", ["a second exponent"]),
        (r"\dot{h}_t = -h_t + \tanh(W x_t)", ["derivative"]),
        (r"h_t = \begin{cases} x_t & a \\ h_{t-1} & b \end{cases}", ["condition"]),
        (r"h_t = x_t + h_{t-1} \text{ if } x_t > 0", ["condition"]),
        (r"h_0 = 1 \\ h_t = x_t + h_{t-1}", ["initial value", "not zero"]),
        ("h_t = h_{t-1} + x_t\nh_t = x_t", ["h is defined already in line 1"]),
        ("h_t = tanh(x_t + h_t-1)", ["h_{t-1}", "h_t - 1"]),
    ],
)
def test_what_is_no_cell_is_refused_and_named(text: str, parts: list[str]) -> None:
    message = refusal(text)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "problem", "at"),
    [
        ("h_t = x_t + )", "unexpected ')'; expected a symbol", ")"),
        ("h_t = (x_t + h_{t-1}", "the equation ends here; expected ')'", "end"),
        (r"h_t = \sum_j h_{t-1}", r"the command \sum", r"\sum"),
        ("h_t = h_{t-1} ? x_t", "the character '?'", "?"),
        ("h_t = x_t + 1 = h_{t-1}", "a second '='", "h_{t-1}"),
        ("h_t + x_t", "no equation: expected '='", "h_t"),
        ("h_t = h_{t-2} + x_t", "an index other than t or t-1", "h_{t-2}"),
        ("h_t = h_{t-1} + x_{t+1}", "an index other than t or t-1", "x_{t+1}"),
        ("h_t = h_{t-1} + x_{s+v}", "an index that is neither", "s+v"),
        ("h = h_{t-1} + x_t", "h has no time index here", "h ="),
        (r"h_t x_t = h_{t-1}", "the left side must be one vector", "h_t"),
        (r"h_t = [h_{t-1}, x_t, b] + b", "this part of the concatenation", "b]"),
        (r"h_t = \tanh(h_{t-1}, x_t)", "tanh takes 1 argument(s), not 2", r"\tanh"),
        (r"h_t = h_{t-1} + x_t \quad x_t", "wide gap", "x_t"),
        (r"h_t = h_{t-1} + \text{input}", "not prose", r"\text"),
        ("h_t = h_{t-1} / 0", "a division by zero", "h_{t-1} /"),
        ("h_t = h_{t-1} + int_t", "keyword of C++", "int"),
    ],
)
def test_errors_show_the_line_with_a_caret_under_the_place(
    text: str, problem: str, at: str
) -> None:
    message = refusal("% the first line\n" + text)
    head, line, caret = message.splitlines()
    assert problem in head
    assert line == "    " + text
    place = len(text) if at == "end" else text.rindex(at) if at in ")x_t" else text.index(at)
    assert caret == " " * (4 + place) + "^"
    assert head.startswith(f"cell:2:{place + 1}: ")


@pytest.mark.parametrize(
    ("declaration", "problem"),
    [
        ("beta scalar", "beta is declared but does not occur"),
        ("x matrix", "x carries a time index"),
        ("b magic", "expected NAME scalar"),
        ("b = softsign", "softsign is no known function"),
        ("b number", "no known number"),
        ("+ scalar", "is no name"),
        (r"\ref{ zeta scalar", "is no name"),  # once an IndexError: nothing is left of it
        ("x size", "expected NAME scalar"),
    ],
)
def test_a_wrong_declaration_is_refused(declaration: str, problem: str) -> None:
    text = r"h_t = \tanh(W [h_{t-1}, x_t] + b)"
    assert problem in refusal(text, declaration)
    assert problem in refusal(f"% lstmgen: {declaration}\n{text}")
    assert "cell:1:12:" in refusal(f"% lstmgen: {declaration}\n{text}")


def test_an_equation_that_the_cell_refuses_has_its_line() -> None:
    message = refusal("c_t = x_t\n\nh_t = o_t * c_t + h_{t-1}\no_t = h_t")
    assert message.startswith("cell:3:1: equation (2)")
    assert "depends on itself within one step" in message


def test_an_empty_text_is_refused() -> None:
    for text in ("", "   \n", "% nothing", "$$ $$"):
        assert "no equations found" in refusal(text)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("h_t = " + "(" * 500 + "x_t" + ")" * 500, f"deeper than {MAX_NESTING}"),
        ("h_t = " + r"\tanh " * 500 + "x_t", f"more than {MAX_NESTING} functions"),
        ("h_t = " + "|h_{t-1}+" * 300 + "x_t" + "|" * 300, "bars"),
        ("h_t = h_{t-1}" + " + x_t" * 4000, "signs"),
        ("\n".join("h_t = x_t" for _ in range(MAX_EQUATIONS + 1)), "equations"),
        ("h" * (MAX_CHARACTERS + 1), "characters"),
        ("f(a) = a + a\nh_t = " + "f(" * 25 + "h_{t-1}" + ")" * 25, "symbols"),
        ("f(a) = f(a)\nh_t = f(h_{t-1})", "defined by itself"),
        ("h_t = h_{t-1}^{99999}", "exponent"),
        ("h_t = h_{t-1} + 99999999999999999999", "digits"),
        (r"\begin{align}" * 15000, "no equations"),
        (r"\[" * 90000, "no equations"),
    ],
)
def test_size_and_nesting_are_bounded(text: str, bound: str) -> None:
    start = time.perf_counter()
    assert bound in refusal(text)
    assert time.perf_counter() - start < 5


def test_nothing_is_evaluated_and_no_file_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    read("h_t = h_{t-1} + x_t")  # the grammar is loaded once, from the package

    def forbidden(*arguments: object, **_: object) -> None:
        raise AssertionError(f"called with {arguments}")

    import sympy.parsing.latex
    import sympy.parsing.sympy_parser

    monkeypatch.setattr(sympy.parsing.latex, "parse_latex", forbidden)
    monkeypatch.setattr(sympy.parsing.sympy_parser, "parse_expr", forbidden)
    monkeypatch.setattr(builtins, "open", forbidden)
    monkeypatch.setattr(builtins, "eval", forbidden)
    monkeypatch.setattr(builtins, "exec", forbidden)
    cell = read(r"h_t = \tanh(W [h_{t-1}, x_t] + \mathrm{os}) + 2^{3} \odot h_{t-1}")
    assert cell.states == ("h",)
    refusal("__import__('os').system('true')")


def test_a_file_gives_a_cell_of_its_name_and_messages_have_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my-cell.tex"
    path.write_text("\ufeffhₜ = tanh(W·[hₜ₋₁, xₜ] + b)", encoding="utf-8")
    assert read_file(path).name == "my_cell"
    path.write_text("h_t = ", encoding="utf-8")
    with pytest.raises(EquationError, match=r"my-cell\.tex:1:6: the equation ends here"):
        read_file(path)
    path.write_bytes(b"h_t = x_t\n\xff")
    with pytest.raises(EquationError, match=r"my-cell\.tex:2: this is no UTF-8"):
        read_file(path)
    path.write_bytes(b" " * 10_000_000)
    with pytest.raises(EquationError, match="bytes are not read"):
        read_file(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path / "none.tex")


def test_the_library_and_the_command_line_read_files_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "h_t = \\alpha h_{t-1} + W x_t"
    path = tmp_path / "net.tex"
    path.write_text(text, encoding="utf-8")
    assert load(path, declarations=["alpha scalar"]).parameters["alpha"] == ()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert load("-", declarations=["alpha matrix"]).parameters["alpha"] == ("H", "H")
    with pytest.raises(UsageError, match="declarations are for"):
        load("lstm", declarations=["alpha scalar"])


def test_the_two_declarations_of_the_documentation_are_one_cell(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "declaring.md"
    text = page.read_text(encoding="utf-8")
    for language, suffix in (("latex", "tex"), ("python", "py")):
        block = text.partition(f"```{language}\n")[2].partition("```")[0]
        (tmp_path / f"gated.{suffix}").write_text(block, encoding="utf-8")
    assert load(tmp_path / "gated.tex").digest == load(tmp_path / "gated.py").digest


def test_output_and_sizes_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "declaring.md").read_text(encoding="utf-8")
    (source,) = (
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "sizes=" in block
    )
    (tmp_path / "projected.py").write_text(source, encoding="utf-8")
    cell = load(tmp_path / "projected.py")
    assert cell.output == "r" and cell.parameters == {"W": ("H", "P+D"), "V": ("P", "H")}
