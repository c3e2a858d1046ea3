"""Expressions as Python with NumPy functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    walk,
)
from lstmgen.algebra.functions import Function
from lstmgen.algebra.precedence import ATOM, MUL, POW, precedence
from lstmgen.targets.common.functions import Language


class Python:
    """Writes expressions; `leaf` writes values, parameters and matrix products."""

    def __init__(self, leaf: Callable[[Value | Parameter | MatVec], str]) -> None:
        self._leaf = leaf

    def text(self, expression: Expression) -> str:
        """The expression as Python source."""
        match expression:
            case Number(value):
                return str(value) if value.denominator == 1 else repr(float(value))
            case Value() | Parameter() | MatVec():
                return self._leaf(expression)
            case Add(terms):
                first, *rest = terms
                return self.text(first) + "".join(map(self._signed, rest))
            case Mul(factors):
                return " * ".join(self.at(MUL, f) for f in factors)
            case Neg(argument):
                return "-" + self.at(MUL, argument)
            case Div(numerator, denominator):
                return f"{self.at(MUL, numerator)} / {self.at(POW, denominator)}"
            case Pow(base, exponent):
                return f"{self.at(ATOM, base)} ** {self.at(ATOM, exponent)}"
            case Call(function, arguments):
                return self._called(function, arguments)

    def _called(self, function: str, arguments: Sequence[Expression]) -> str:
        """A call; NumPy's functions of a Python number are float64, which nothing must become."""
        texts = [self.text(argument) for argument in arguments]
        constant = [not _varies(argument) for argument in arguments]
        if constant[0] and not all(constant):
            texts[0] = f"np.array({texts[0]}, dtype)"
        if all(constant):  # helpers compute in the dtype that they are given, be it int
            return f"float({FUNCTIONS.call(function, [self._as_float(a) for a in arguments])})"
        return FUNCTIONS.call(function, texts)

    def _as_float(self, constant: Expression) -> str:
        if isinstance(constant, Number):
            return repr(float(constant.value))
        written = self.text(constant)
        return written if isinstance(constant, Call) else f"float({written})"

    def at(self, level: int, expression: Expression) -> str:
        """The expression, in parentheses if it binds less tightly than `level`."""
        written = self.text(expression)
        return f"({written})" if precedence(expression) < level else written

    def _signed(self, term: Expression) -> str:
        if isinstance(term, Neg):
            return " - " + self.at(MUL, term.argument)
        return " + " + self.text(term)


def _varies(expression: Expression) -> bool:
    return any(isinstance(node, (Value, Parameter)) for node in walk(expression))


def _name(function: Function) -> str:
    return f"_{function.name}"


def _define(function: Function, value: Expression) -> str:
    code = Python(lambda leaf: leaf.name if not isinstance(leaf, MatVec) else "").text(value)
    return (
        f"def {_name(function)}({', '.join(function.arguments)}):\n"
        f'    """{function.summary}"""\n'
        f"    return {code}\n"
    )


FUNCTIONS = Language(lambda function: function.numpy, _name, _define)
"""The functions as modules call them, and the definitions that a module needs for them."""
