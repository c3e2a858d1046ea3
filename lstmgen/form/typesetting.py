r"""Definitions of a normal form, and what is derived from them, as typeset formulas.

\delta v_t is dL/dv_t.  The block of the columns of W_f that multiplies h is W_{f,h}.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
    unmasked,
)
from lstmgen.algebra.pieces import (
    Piece,
    call,
    matrix_product,
    negated,
    number,
    power,
    product,
    quotient,
    signed,
    total,
)
from lstmgen.algebra.symbols import symbol
from lstmgen.form.normal_form import NormalForm
from lstmgen.typeset.formula import (
    Columns,
    Commas,
    Formula,
    Greek,
    Joint,
    Letters,
    Time,
    Transposed,
    adjacent,
)
from lstmgen.typeset.lines import Line

__all__ = ["Typesetter", "delta"]

_FIRST_STEP: dict[int, Formula] = {0: Letters("1"), -1: Letters("0")}


def delta(value: Formula) -> Formula:
    r"""\delta v, the gradient of the loss by v."""
    return adjacent(Greek("delta"), value, joint=Joint.BESIDE)


class Typesetter:
    """Typesets expressions over a cell's values, parameters and adjoints.

    Args:
        form: the normal form.
        adjoints: of the names of adjoints, the values whose they are.
        others: what is written in a way of its own, at step t.
    """

    def __init__(
        self,
        form: NormalForm,
        adjoints: Mapping[str, str] | None = None,
        others: Mapping[str, Formula] | None = None,
    ) -> None:
        self.form = form
        self.scalars = frozenset(form.scalars)
        self._helpers = {
            d.name: form_name
            for d in form.definitions
            if (form_name := _helper(d.label, d.name, form)) is not None
        }
        self._adjoints = dict(adjoints or {})
        self._others = dict(others or {})
        self._times: Mapping[int, Formula] = {k: Time(k) for k in (-1, 0, 1)}
        self.blocks = {w: self._block_names(w) for w in form.weights}

    def at_first_step(self) -> Typesetter:
        """The same with t = 1: h_{t-1} is h_0."""
        printer = Typesetter(self.form, self._adjoints, self._others)
        printer._times = _FIRST_STEP
        return printer

    def value(self, name: str, shift: int = 0) -> Formula:
        r"""x_{t-1}, a^{f}_t, or for an adjoint \delta x_t."""
        if name in self._others and shift == 0:
            return self._others[name]
        if name in self._adjoints:
            return delta(self.value(self._adjoints[name], shift))
        time = self._times[shift]
        if name in self._helpers:
            letter, above = self._helpers[name]
            return symbol(letter, time, above=above)
        return symbol(name, time)

    def block(self, weight: str, slot: int, is_transposed: bool = False) -> Formula:
        """A block of a weight's columns, or its transpose."""
        block = self.blocks[weight][slot]
        return Transposed(block) if is_transposed else block

    def piece(self, expression: Expression) -> Piece:
        """The expression as a part of a formula."""
        match expression:
            case Number(value):
                return number(value)
            case Value(name, shift):
                return Piece(self.value(name, shift))
            case Parameter(name):
                return Piece(symbol(name), scalar=name in self.scalars)
            case MatVec(weight, slot, is_transposed, operand):
                matrix = self.block(weight, slot, is_transposed)
                return matrix_product(matrix, [self.piece(operand)], bare=True)
            case Add(terms):
                return total(self._terms(terms))
            case Mul(factors):
                return self._product(factors)
            case Neg(argument):
                return negated(self.piece(argument))
            case Div(above, below):
                return quotient(self.piece(above), self.piece(below))
            case Pow(base, exponent):
                applied = None
                if isinstance(base, Call):
                    applied = (base.function, [self.piece(a) for a in base.arguments])
                return power(self.piece(base), self.piece(exponent), call=applied)
            case Call("masked"):
                return self.piece(unmasked(expression))
            case Call(function, arguments):
                return call(function, [self.piece(a) for a in arguments])

    def _product(self, factors: Sequence[Expression]) -> Piece:
        """The numbers first, multiplied out, then the vectors in their order."""
        constant = math.prod(f.value for f in factors if isinstance(f, Number))
        pieces = [self.piece(f) for f in factors if not isinstance(f, Number)]
        ordered = [*(p for p in pieces if p.scalar), *(p for p in pieces if not p.scalar)]
        return product([number(Fraction(constant)), *ordered])

    def _terms(self, terms: Sequence[Expression]) -> list[Piece]:
        """The terms of a sum, the blocks of a whole weight joined: W [h_{t-1}, x_t]."""
        pieces: list[Piece] = []
        k = 0
        while k < len(terms):
            first, negative = _product_and_sign(terms[k])
            count = len(self.form.weights[first.weight].columns) if first else 1
            if first and count > 1 and self._is_whole(terms[k : k + count], first, negative):
                group = [_product_and_sign(term)[0] for term in terms[k : k + count]]
                operands = [self.piece(p.operand) for p in group if p is not None]
                piece = matrix_product(symbol(first.weight), operands, bare=False)
                pieces.append(negated(piece) if negative else piece)
                k += count
            else:
                pieces.append(self.piece(terms[k]))
                k += 1
        return pieces

    def _is_whole(self, terms: Sequence[Expression], first: MatVec, negative: bool) -> bool:
        found = [_product_and_sign(term) for term in terms]
        slots = range(len(self.form.weights[first.weight].columns))
        return not first.transposed and [
            (p.weight, p.slot, n) for p, n in found if p is not None
        ] == [(first.weight, slot, negative) for slot in slots]

    def _block_names(self, weight: str) -> tuple[Formula, ...]:
        """W_{f,h} for each block of columns; by number where two multiply the same vector."""
        operands = self.form.blocks[weight]
        if len(operands) == 1:
            return (symbol(weight),)
        letters: list[Formula] = [self._letter(operand.name) for operand in operands]
        if len(set(letters)) < len(letters):
            letters = [Letters(str(k)) for k in range(1, len(operands) + 1)]
        return tuple(symbol(weight, letter) for letter in letters)

    def _letter(self, name: str) -> Formula:
        """A vector's letter without the time, for the name of a block: h, or u for an operand."""
        if name in self._helpers:
            letter, above = self._helpers[name]
            alone = sum(h[0] == letter for h in self._helpers.values()) == 1
            return symbol(letter) if alone else symbol(letter, above=above)
        return symbol(name)

    def block_lines(self, weights: Sequence[str]) -> list[Line]:
        """W_f = [W_{f,C}, W_{f,h}, W_{f,x}] for the given weights."""
        return [
            Line(symbol(w), Columns(self.blocks[w])) for w in weights if len(self.blocks[w]) > 1
        ]

    def helper_lines(self) -> list[Line]:
        """The definitions that the normal form adds: pre-activations, operands, products."""
        return [
            Line(self.value(d.name), signed(self.piece(d.value)), d.label)
            for d in self.form.definitions
            if d.name in self._helpers
        ]


def _helper(label: str, name: str, form: NormalForm) -> tuple[str, Formula] | None:
    """Letter and superscript of an added definition: a_f is a^{f}, u_h_tilde is u^{\tilde h}."""
    if not label.endswith(tuple(string.ascii_lowercase)):
        return None
    letter = name.partition("_")[0]
    equation = next(d.name for d in form.definitions if d.label == _number(label))
    above = symbol(equation)
    count = letter.lstrip(string.ascii_letters)
    if count:
        above = Commas((above, Letters(count)))
    return letter.rstrip(string.digits), above


def _number(label: str) -> str:
    return label.rstrip(string.ascii_lowercase)


def _product_and_sign(term: Expression) -> tuple[MatVec | None, bool]:
    match term:
        case MatVec():
            return term, False
        case Neg(MatVec() as inner):
            return inner, True
    return None, False
