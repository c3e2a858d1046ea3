r"""Building blocks of typeset formulas, shared by the printers of equations and of gradients.

A `Piece` is LaTeX text with what its neighbours must know: how tightly it binds, whether it is one
number rather than a vector (numbers are juxtaposed, vectors joined by \odot), and its sign.  The
character `BREAK` marks where a long line may be broken; `latex_lines` removes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW

BREAK = "\x01"
_NESTED = re.compile(r"\\frac\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\\frac")
_UPRIGHT, _SPACE = r"\mathrm", r"\,"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a formula; `text` is without the sign when `negative` is set."""

    text: str
    level: int = ATOM
    scalar: bool = False
    negative: bool = False
    is_product: bool = False  # a matrix product: needs parentheses beside another factor
    is_number: bool = False


def wrapped(text: str) -> str:
    """The text in parentheses, grown to its height where it holds a fraction or a root."""
    if r"\frac" in text or r"\sqrt" in text:
        size = "bigg" if _NESTED.search(text) else "Big"
        return rf"\{size}l({text}\{size}r)"
    return f"({text})"


def is_raised(text: str) -> bool:
    """Whether a symbol has a superscript or a prime, so that TeX refuses another."""
    return "^" in text or "'" in text


def transposed(weight: str) -> str:
    r"""W^{\top}."""
    return rf"{{{weight}}}^{{\top}}" if is_raised(weight) else rf"{weight}^{{\top}}"


def unbroken(text: str) -> str:
    """The text without places to break a line."""
    return text.replace(BREAK, "")


def at_level(level: int, piece: Piece) -> str:
    """The piece's text, in parentheses if it binds less tightly than `level` or has a sign."""
    if piece.negative:
        return wrapped("-" + (piece.text if piece.level >= MUL else wrapped(piece.text)))
    return wrapped(piece.text) if piece.level < level else piece.text


def signed(piece: Piece) -> str:
    """The piece as a whole formula, with its sign."""
    if not piece.negative:
        return piece.text
    return "-" + (piece.text if piece.level >= MUL else wrapped(piece.text))


def negated(piece: Piece) -> Piece:
    """-piece."""
    return replace(piece, negative=not piece.negative)


def number(value: Fraction, decimal: str = "") -> Piece:
    """An exact number; `decimal` is how the user wrote it, if in decimals."""
    magnitude = abs(value)
    if decimal:
        text = f"{abs(Decimal(decimal)):f}"
    elif magnitude.denominator == 1:
        text = str(magnitude.numerator)
    elif magnitude.denominator <= 1000:
        text = rf"\frac{{{magnitude.numerator}}}{{{magnitude.denominator}}}"
    else:
        exact = Fraction(f"{float(magnitude):.12g}") == magnitude
        text = f"{float(magnitude):.12g}" if exact else rf"{float(magnitude):.6g}\ldots"
    return Piece(text, scalar=True, negative=value < 0, is_number=True)


def total(terms: Sequence[Piece]) -> Piece:
    """The sum of the terms in their order."""
    if len(terms) == 1:
        return terms[0]
    text = signed(terms[0])
    for term in terms[1:]:
        body = at_level(MUL, replace(term, negative=False)) if term.negative else term.text
        text += f"{BREAK} {'-' if term.negative else '+'} {body}"
    return Piece(text, ADD, scalar=all(term.scalar for term in terms))


def product(factors: Sequence[Piece]) -> Piece:
    r"""The element-wise product in the given order: \odot between vectors, numbers juxtaposed."""
    negative = False
    text, vector, last = "", False, None
    kept = [f for f in factors if not (f.is_number and f.text == "1" and len(factors) > 1)]
    for factor in factors:
        negative ^= factor.negative and factor.level >= MUL
    if len(kept) == 1:
        return replace(kept[0], negative=negative or (kept[0].negative and kept[0].level < MUL))
    for factor in kept:
        own = replace(factor, negative=False) if factor.level >= MUL else factor
        body = wrapped(own.text) if own.is_product else at_level(MUL, own)
        if last is None:
            text = body
        elif vector and not factor.scalar:
            text += rf"{BREAK} \odot {body}"
        elif factor.is_number:
            text += rf" \cdot {body}"
        else:
            text += f" {body}"
        vector = vector or not factor.scalar
        last = factor
    if last is None:
        return number(Fraction(-1 if negative else 1))
    return Piece(text, MUL, scalar=not vector, negative=negative)


def quotient(above: Piece, below: Piece) -> Piece:
    """above / below as a fraction."""
    text = rf"\frac{{{unbroken(replace(above, negative=False).text)}}}{{{unbroken(signed(below))}}}"
    if above.negative and above.level < MUL:
        text = rf"\frac{{{unbroken(signed(above))}}}{{{unbroken(signed(below))}}}"
        return Piece(text, MUL, scalar=above.scalar and below.scalar)
    return Piece(text, MUL, scalar=above.scalar and below.scalar, negative=above.negative)


def power(
    base: Piece, exponent: Piece, *, call: tuple[str, Sequence[Piece]] | None = None
) -> Piece:
    r"""base ** exponent; `call` is the function and arguments if the base is a call: \tanh^2(C).

    A base with a letter in the exponent stands in parentheses, because x^a names a symbol.
    """
    raised = unbroken(signed(exponent))
    group = raised if len(raised) == 1 else f"{{{raised}}}"
    scalar = base.scalar and exponent.scalar
    plain = exponent.is_number and not exponent.negative
    if call is not None and plain and FUNCTIONS[call[0]].power_on_name:
        inner = ", ".join(signed(a) for a in call[1])
        return Piece(f"{FUNCTIONS[call[0]].latex}^{group}{wrapped(inner)}", POW, scalar)
    bare = base.level == ATOM and plain and not base.negative and not base.is_number
    if bare and call is None and not is_raised(base.text):
        return Piece(f"{base.text}^{group}", POW, scalar)
    return Piece(f"{wrapped(unbroken(signed(base)))}^{group}", POW, scalar)


def call(function: str, arguments: Sequence[Piece]) -> Piece:
    """A function of the table, applied."""
    scalar = all(a.scalar for a in arguments)
    inner = ", ".join(signed(a) for a in arguments)
    entry = FUNCTIONS[function]
    if entry.around is not None:
        left, right = entry.around
        return Piece(f"{left}{unbroken(inner)}{right}", ATOM, scalar)
    return Piece(entry.latex + wrapped(inner), ATOM, scalar)


def matrix_product(weight: str, operands: Sequence[Piece], *, bare: bool) -> Piece:
    r"""W_f \cdot [h_{t-1}, x_t], or W_f x_t if `bare`: one operand that is a plain vector."""
    if bare:
        text = f"{weight}{_SPACE if weight.startswith(_UPRIGHT) else ' '}{operands[0].text}"
    elif len(operands) == 1:
        text = rf"{weight} \cdot {at_level(POW, operands[0])}"
    else:
        text = rf"{weight} \cdot [{', '.join(signed(o) for o in operands)}]"
    return Piece(text, MUL, is_product=True)
