"""Expressions in what C11 with <tgmath.h> and CUDA C++ have in common, in the type `real`.

`real` is float or double; no literal has another type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache

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
)
from lstmgen.algebra.functions import Function
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW, precedence
from lstmgen.targets.common.functions import Language

_SMALL_POWER = 4


class CFamily(ABC):
    """Writes expressions; `leaf` writes values and parameters."""

    def __init__(self, leaf: Callable[[Value | Parameter], str]) -> None:
        self._leaf = leaf

    def text(self, expression: Expression) -> str:
        """The expression as source."""
        match expression:
            case Number(value):
                return self.number(str(value) if value.denominator == 1 else repr(float(value)))
            case Value() | Parameter():
                return self._leaf(expression)
            case MatVec():
                raise AssertionError(f"a product inside a kernel: {expression}")
            case Add(terms):
                first, *rest = terms
                return self.text(first) + "".join(map(self._signed, rest))
            case Mul(factors):
                return " * ".join(self.at(MUL, f) for f in factors)
            case Neg(argument):
                return "-" + self.at(MUL, argument)
            case Div(numerator, denominator):
                return f"{self.at(MUL, numerator)} / {self.at(POW, denominator)}"
            case Pow(base, Number(value)) if value.denominator == 1 and 1 < value <= _SMALL_POWER:
                return "(" + " * ".join([self.at(ATOM, base)] * int(value)) + ")"
            case Pow(base, exponent):
                return f"pow({self.text(base)}, {self.text(exponent)})"
            case Call(function, arguments):
                return language(type(self)).call(function, map(self.text, arguments))

    @abstractmethod
    def number(self, decimal: str) -> str:
        """A number in the type `real`."""

    def at(self, level: int, expression: Expression) -> str:
        """The expression, in parentheses if it binds less tightly than `level`."""
        written = self.text(expression)
        return f"({written})" if self._precedence(expression) < level else written

    def _precedence(self, expression: Expression) -> int:
        if isinstance(expression, (Number, Pow)):
            return ATOM
        return max(ADD, precedence(expression))

    def _signed(self, term: Expression) -> str:
        if isinstance(term, Neg):
            return " - " + self.at(MUL, term.argument)
        return " + " + self.text(term)


@cache
def language(printer: type[CFamily]) -> Language:
    """The functions as a printer of the family writes them."""

    def name(function: Function) -> str:
        return function.name

    def define(function: Function, value: Expression) -> str:
        parameters = ", ".join(f"real {argument}" for argument in function.arguments)
        code = printer(lambda leaf: leaf.name).text(value)
        return f"real {function.name}({parameters}) {{ return {code}; }}"

    return Language(lambda function: function.c, name, define)
