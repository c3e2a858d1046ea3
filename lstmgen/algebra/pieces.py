r"""Parts of typeset formulas, put together with the parentheses that they need.

Shared by the printers of equations and of gradients.  A `Piece` is a formula with what its
neighbours must know: how tightly it binds, whether it is one number rather than a vector (numbers
stand side by side, vectors are joined by \odot), and its sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW
from lstmgen.typeset.formula import (
    Call,
    Columns,
    Fence,
    Formula,
    Joint,
    Letters,
    List,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Style,
    Sum,
    Symbol,
    Transposed,
    adjacent,
    fenced,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a formula; `formula` is without the sign when `negative` is set."""

    formula: Formula
    level: int = ATOM
    scalar: bool = False
    negative: bool = False
    is_product: bool = False  # a matrix product: needs parentheses beside another factor
    is_number: bool = False


ZERO = Number("0")


def at_level(level: int, piece: Piece) -> Formula:
    """The piece, in parentheses if it binds less tightly than `level` or has a sign."""
    if piece.negative:
        return fenced(signed(piece))
    return fenced(piece.formula) if piece.level < level else piece.formula


def signed(piece: Piece) -> Formula:
    """The piece as a whole formula, with its sign."""
    if not piece.negative:
        return piece.formula
    return Negative(piece.formula if piece.level >= MUL else fenced(piece.formula))


def negated(piece: Piece) -> Piece:
    """-piece."""
    return replace(piece, negative=not piece.negative)


def number(value: Fraction, decimal: str = "") -> Piece:
    """An exact number; `decimal` is how the user wrote it, if in decimals."""
    magnitude = abs(value)
    written: Formula
    if decimal:
        written = Number(f"{abs(Decimal(decimal)):f}")
    elif magnitude.denominator == 1:
        written = Number(str(magnitude.numerator))
    elif magnitude.denominator <= 1000:
        written = Quotient(Number(str(magnitude.numerator)), Number(str(magnitude.denominator)))
    elif Fraction(f"{float(magnitude):.12g}") == magnitude:
        written = Number(f"{float(magnitude):.12g}")
    else:
        written = Number(f"{float(magnitude):.6g}", continued=True)
    return Piece(written, scalar=True, negative=value < 0, is_number=True)


def total(terms: Sequence[Piece]) -> Piece:
    """The sum of the terms in their order."""
    if len(terms) == 1:
        return terms[0]
    first, *others = terms
    written = [signed(first)]
    for term in others:
        positive = replace(term, negative=False)
        written.append(Negative(at_level(MUL, positive)) if term.negative else term.formula)
    return Piece(Sum(tuple(written)), ADD, scalar=all(term.scalar for term in terms))


def product(factors: Sequence[Piece]) -> Piece:
    r"""The element-wise product in the given order: \odot between vectors, numbers side by side."""
    negative = False
    kept = [f for f in factors if not (f.is_number and f.formula == Number("1"))]
    kept = list(factors) if len(factors) == 1 else kept
    for factor in factors:
        negative ^= factor.negative and factor.level >= MUL
    if not kept:
        return number(Fraction(-1 if negative else 1))
    if len(kept) == 1:
        return replace(kept[0], negative=negative or (kept[0].negative and kept[0].level < MUL))
    vector = not kept[0].scalar
    others: list[tuple[Joint, Formula]] = []
    for factor in kept[1:]:
        joint = Joint.DOT if factor.is_number else Joint.BESIDE
        others.append(
            (Joint.ELEMENTWISE if vector and not factor.scalar else joint, _factor(factor))
        )
        vector = vector or not factor.scalar
    written = Product(_factor(kept[0]), tuple(others))
    return Piece(written, MUL, scalar=not vector, negative=negative)


def _factor(piece: Piece) -> Formula:
    own = replace(piece, negative=False) if piece.level >= MUL else piece
    return fenced(own.formula) if own.is_product else at_level(MUL, own)


def quotient(above: Piece, below: Piece) -> Piece:
    """above / below as a fraction."""
    scalar = above.scalar and below.scalar
    if above.negative and above.level < MUL:
        return Piece(Quotient(signed(above), signed(below)), MUL, scalar=scalar)
    written = Quotient(above.formula, signed(below))
    return Piece(written, MUL, scalar=scalar, negative=above.negative)


def power(
    base: Piece, exponent: Piece, *, call: tuple[str, Sequence[Piece]] | None = None
) -> Piece:
    r"""base ** exponent; `call` is the function and arguments if the base is a call: \tanh^2(C).

    A base with a letter in the exponent stands in parentheses, because x^a names a symbol.
    """
    raised = signed(exponent)
    scalar = base.scalar and exponent.scalar
    plain = exponent.is_number and not exponent.negative
    if call is not None and plain and FUNCTIONS[call[0]].power_on_name:
        written = FUNCTIONS[call[0]].written
        assert isinstance(written, Formula), call[0]
        return Piece(Call(written, _arguments(call[1]), raised), POW, scalar)
    bare = base.level == ATOM and plain and not base.negative and not base.is_number
    if bare and call is None and not (isinstance(base.formula, Symbol) and base.formula.is_raised):
        return Piece(Power(base.formula, raised), POW, scalar)
    return Piece(Power(fenced(signed(base)), raised), POW, scalar)


def call(function: str, arguments: Sequence[Piece]) -> Piece:
    """A function of the table, applied."""
    scalar = all(a.scalar for a in arguments)
    written = FUNCTIONS[function].written
    if isinstance(written, Formula):
        return Piece(Call(written, _arguments(arguments)), ATOM, scalar)
    (argument,) = arguments
    return Piece(written(signed(argument)), ATOM, scalar)


def _arguments(arguments: Sequence[Piece]) -> Fence:
    return fenced(List(tuple(map(signed, arguments))))


def matrix_product(weight: Formula, operands: Sequence[Piece], *, bare: bool) -> Piece:
    r"""W_f \cdot [h_{t-1}, x_t], or W_f x_t if `bare`: one operand that is a plain vector."""
    if bare:
        joint = Joint.WORD if _is_word(weight) else Joint.BESIDE
        written = adjacent(weight, operands[0].formula, joint=joint)
    elif len(operands) == 1:
        written = adjacent(weight, at_level(POW, operands[0]), joint=Joint.DOT)
    else:
        written = adjacent(weight, Columns(tuple(map(signed, operands))), joint=Joint.DOT)
    return Piece(written, MUL, is_product=True)


def _is_word(weight: Formula) -> bool:
    """Whether the weight's name is an upright word, which would run into the next letter."""
    match weight:
        case Transposed(base) | Symbol(base):
            return _is_word(base)
        case Letters(_, Style.UPRIGHT):
            return True
    return False
