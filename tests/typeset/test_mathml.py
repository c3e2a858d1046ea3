"""Formulas in MathML: their structure, and all formulas of the library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from lstmgen.algebra.pieces import Piece, call
from lstmgen.algebra.symbols import symbol
from lstmgen.gradients.jacobian import jacobian
from lstmgen.language.typesetting import forward_lines
from lstmgen.library.loading import load, names
from lstmgen.typeset.formula import (
    ACCENTS,
    GREEK,
    Accented,
    Condition,
    Fence,
    Formula,
    Greek,
    Letters,
    Negative,
    Number,
    Power,
    Quotient,
    Style,
    Sum,
    SumOver,
    Symbol,
    Time,
    Transposed,
    fenced,
)
from lstmgen.typeset.latex import latex
from lstmgen.typeset.lines import Line
from lstmgen.typeset.mathml import equation, mathml

X, A, B, C = (Letters(letter) for letter in "xabc")
X_T = symbol("x", Time())
_CHILDREN = {
    "msub": 2, "msup": 2, "msubsup": 3, "mfrac": 2, "munder": 2, "mover": 2, "msqrt": 1,
}  # fmt: skip
_TOKENS = {"mi", "mn", "mo", "mtext", "mspace"}


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        (X_T, "<msub><mi>x</mi><mi>t</mi></msub>"),
        (Transposed(symbol("W_f")), "<msubsup><mi>W</mi><mi>f</mi><mo>⊤</mo></msubsup>"),
        (
            Quotient(Number("1"), symbol("n", Time())),
            "<mfrac><mn>1</mn><msub><mi>n</mi><mi>t</mi></msub></mfrac>",
        ),
        (symbol("f_prime", Time()), "<msubsup><mi>f</mi><mi>t</mi><mo>′</mo></msubsup>"),
        (
            symbol("C_tilde", Time()),
            '<msub><mover accent="true"><mi>C</mi><mo stretchy="false">˜</mo></mover>'
            "<mi>t</mi></msub>",
        ),
        (Letters("1", Style.BOLD), "<mi>\U0001d7cf</mi>"),
        (symbol("L_mathcal"), "<mi>ℒ</mi>"),
        (Accented("mathcal", Accented("tilde", C)), mathml(Accented("tilde", C))[6:-7]),
        (symbol("W_t"), "<mi>W_t</mi>"),
        (Letters("d", Style.UPRIGHT), '<mi mathvariant="normal">d</mi>'),
        (Number("1000.5"), "<mn>1000.5</mn>"),
        (
            symbol("W2", Time()),
            "<msub><mrow><mi>W</mi><mn>2</mn></mrow><mi>t</mi></msub>",
        ),
        (
            Transposed(symbol("u", Time(), above=X)),
            "<msup><msubsup><mi>u</mi><mi>t</mi><mi>x</mi></msubsup><mo>⊤</mo></msup>",
        ),
        (
            Symbol(Letters("1", Style.BOLD), below=Condition("≠", Number("0"))),
            '<msub><mi>\U0001d7cf</mi><mrow><mo form="prefix">≠</mo><mn>0</mn></mrow></msub>',
        ),
    ],
    ids=repr,
)
def test_a_formula(formula: Formula, wanted: str) -> None:
    assert mathml(formula) == f"<math>{wanted}</math>"


def test_a_sum_has_its_index_below() -> None:
    (sign,) = ElementTree.fromstring(mathml(SumOver(Time(), X_T))).findall("munder")
    assert [child.text for child in sign] == ["∑", "t"]


@pytest.mark.parametrize(
    ("formula", "form"),
    [
        (Negative(X), "prefix"),
        (Sum((A, Negative(X))), "infix"),
        (call("exp", [Piece(X, negative=True)]).formula, "prefix"),
        (call("abs", [Piece(X, negative=True)]).formula, "prefix"),
        (Sum((Fence(A), Negative(X))), "infix"),
    ],
)
def test_a_minus_is_a_sign_or_an_operation(formula: Formula, form: str) -> None:
    signs = ElementTree.fromstring(mathml(formula)).iter("mo")
    assert [node.get("form") for node in signs if node.text == "−"] == [form]


def test_a_function_is_applied_for_those_who_listen() -> None:
    assert "<mo>\u2061</mo>" in mathml(call("tanh", [Piece(X_T)]).formula)
    assert "<mo>\u2061</mo>" in mathml(call("positive", [Piece(X_T)]).formula)
    # A parameter that is called sigma is no function.
    assert "\u2061" not in mathml(Power(Greek("sigma"), Number("2")))


@pytest.mark.parametrize(
    ("inner", "size"),
    [
        (X, 0),
        (Quotient(A, B), 1),
        (Quotient(Fence(Quotient(A, B)), B), 2),
        (Quotient(A, Quotient(A, B)), 2),
        (Quotient(Power(Fence(A), Quotient(A, B)), B), 1),  # small, in an exponent
    ],
)
def test_parentheses_grow_with_what_they_hold(inner: Formula, size: int) -> None:
    assert fenced(inner).size == size
    assert latex(fenced(inner)).startswith(("(", r"\Bigl(", r"\biggl(")[size])
    found = ElementTree.fromstring(mathml(fenced(inner))).find("mo")
    assert found is not None
    assert found.get("minsize") == (None, "1.8em", "2.4em")[size]


def pieces(markup: str) -> list[str]:
    """The text of the parts between which a line may be broken, the left side first."""
    return ["".join(row.itertext()) for row in ElementTree.fromstring(markup)]


def test_a_short_line_breaks_outside_of_parentheses_only() -> None:
    markup = equation(Letters("y"), Sum((Fence(Sum((A, B))), C)))
    assert pieces(markup) == ["y=", "(a+b)", "+c"]


def test_a_long_piece_breaks_inside_its_parentheses_too() -> None:
    markup = equation(Letters("y"), Sum((Fence(Sum((A, B))), C)), room=4.0)
    assert pieces(markup) == ["y=", "(a", "+b)", "+c"]


def lines(name: str) -> Iterator[Line]:
    cell = load(name)
    printer = cell.gradients.typesetter()
    yield from forward_lines(cell.equations, cell.normal_form)
    yield from printer.helper_lines()
    yield from printer.block_lines(list(cell.normal_form.weights))
    yield from jacobian(cell).lines()
    for group in cell.gradients.lines():
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
        assert symbols(text) == symbols_of_latex(f"{latex(line.left)} = {latex(line.right)}")


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
            known = (
                GREEK.keys()
                | ACCENTS
                | {"tanh", "frac", "operatorname", "mathrm", "mathbf", "mathit"}
            )
            known |= {"Bigl", "Bigr", "biggl", "biggr", "underbrace", "text", "left", "right"}
            known |= {"exp", "log", "max", "min", "sin", "cos", "sqrt", "lvert", "rvert"}
            assert command[1:] in known, command
    found[","] -= latex.count(r"\,")
    return +found
