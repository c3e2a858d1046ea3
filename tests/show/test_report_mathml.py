"""Formulas in MathML: their structure, and all formulas of the library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from lstmgen.gradients.jacobian import jacobian
from lstmgen.language.names import ACCENTS, GREEK
from lstmgen.library.loading import load, names
from lstmgen.show.printing.jacobian import jacobian_lines
from lstmgen.show.printing.latex_derived import DerivedPrinter, gradient_lines
from lstmgen.show.printing.latex_forward import forward_lines
from lstmgen.show.printing.latex_lines import Line
from lstmgen.show.printing.latex_pieces import BREAK
from lstmgen.show.report.mathml import equation, mathml

_CHILDREN = {
    "msub": 2, "msup": 2, "msubsup": 3, "mfrac": 2, "munder": 2, "mover": 2, "msqrt": 1,
}  # fmt: skip
_TOKENS = {"mi", "mn", "mo", "mtext", "mspace"}


@pytest.mark.parametrize(
    ("latex", "wanted"),
    [
        ("x_t", "<msub><mi>x</mi><mi>t</mi></msub>"),
        (r"W_f^{\top}", "<msubsup><mi>W</mi><mi>f</mi><mo>⊤</mo></msubsup>"),
        (r"\frac{1}{n_t}", "<mfrac><mn>1</mn><msub><mi>n</mi><mi>t</mi></msub></mfrac>"),
        ("f'_t", "<msubsup><mi>f</mi><mi>t</mi><mo>′</mo></msubsup>"),
        (
            r"\tilde{C}_t",
            '<msub><mover accent="true"><mi>C</mi><mo stretchy="false">˜</mo></mover>'
            "<mi>t</mi></msub>",
        ),
        (r"\mathbf{1}", "<mi>\U0001d7cf</mi>"),
        (r"\mathcal{L}", "<mi>ℒ</mi>"),
        (r"\mathrm{W\_t}", "<mi>W_t</mi>"),
        (r"\mathrm{d}", '<mi mathvariant="normal">d</mi>'),
        ("1000.5", "<mn>1000.5</mn>"),
    ],
)
def test_a_formula(latex: str, wanted: str) -> None:
    assert mathml(latex) == f"<math>{wanted}</math>"


def test_a_sum_has_its_index_below() -> None:
    (sign,) = ElementTree.fromstring(mathml(r"\sum_t x_t")).findall("munder")
    assert [child.text for child in sign] == ["∑", "t"]


@pytest.mark.parametrize(
    ("latex", "form"),
    [("-x", "prefix"), ("a - x", "infix"), (r"\exp(-x)", "prefix"), ("(a)-x", "infix")],
)
def test_a_minus_is_a_sign_or_an_operation(latex: str, form: str) -> None:
    found = [node for node in ElementTree.fromstring(mathml(latex)).iter("mo") if node.text == "−"]
    assert [node.get("form") for node in found] == [form]


def test_a_function_is_applied_for_those_who_listen() -> None:
    assert "<mo>\u2061</mo>" in mathml(r"\tanh(x_t)")
    assert "\u2061" not in mathml("x(y)")


def pieces(markup: str) -> list[str]:
    """The text of the parts between which a line may be broken, the left side first."""
    return ["".join(row.itertext()) for row in ElementTree.fromstring(markup)]


def test_a_short_line_breaks_outside_of_parentheses_only() -> None:
    markup = equation("y", f"(a{BREAK} + b){BREAK} + c")
    assert pieces(markup) == ["y=", "(a+b)", "+c"]


def test_a_long_piece_breaks_inside_its_parentheses_too() -> None:
    markup = equation("y", f"(a{BREAK} + b){BREAK} + c", room=4.0)
    assert pieces(markup) == ["y=", "(a", "+b)", "+c"]


def lines(name: str) -> Iterator[Line]:
    cell = load(name)
    printer = DerivedPrinter(cell.normal_form, cell.gradients)
    yield from forward_lines(cell)
    yield from printer.helper_lines()
    yield from printer.block_lines(list(cell.normal_form.weights))
    yield from jacobian_lines(jacobian(cell))
    for group in gradient_lines(cell.gradients):
        yield from group


@pytest.mark.parametrize("name", names())
def test_every_formula_of_the_library(name: str) -> None:
    for line in lines(name):
        markup = equation(line.left, line.right)
        tree = ElementTree.fromstring(markup)
        for node in tree.iter():
            wanted = _CHILDREN.get(node.tag)
            assert wanted is None or len(node) == wanted, markup
            assert (node.tag in _TOKENS) == (len(node) == 0), markup
            assert not (node.text or "").strip() or node.tag in _TOKENS, markup
        text = "".join(tree.itertext())
        assert not re.search(r"[\\{}_\x01]", text), text
        assert symbols(text) == symbols_of_latex(f"{line.left} = {line.right}")


_COUNTED = "⊙⋅∂∑⊤+−=()[],"


def symbols(text: str) -> Counter[str]:
    """How often each operator and each one-letter name appears."""
    return Counter(c for c in text if c in _COUNTED)


def symbols_of_latex(latex: str) -> Counter[str]:
    signs = {r"\odot": "⊙", r"\cdot": "⋅", r"\partial": "∂", r"\sum": "∑", r"\top": "⊤"}
    found = Counter(latex.replace("-", "−"))
    found = Counter({c: found[c] for c in "+−=()[]," if found[c]})
    for command in re.findall(r"\\[A-Za-z]+", latex):
        if command in signs:
            found[signs[command]] += 1
        else:
            known = GREEK | ACCENTS | {"tanh", "frac", "operatorname", "mathrm", "mathbf", "mathit"}
            known |= {"Bigl", "Bigr", "biggl", "biggr", "underbrace", "text", "left", "right"}
            known |= {"exp", "log", "max", "min", "sin", "cos", "sqrt", "lvert", "rvert"}
            assert command[1:] in known, command
    found[","] -= latex.count(r"\,")
    return +found
