"""Expressions as CUDA C++ in the type `real`, float or double; no literal has another type."""

from __future__ import annotations

from collections.abc import Callable

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
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW, precedence

# The functions that kernels bring along are named otherwise than CUDA's own.
_FUNCTIONS = {
    "sigma": "sigmoid({})",
    "tanh": "tanh({})",
    "exp": "exp({})",
    "log": "log({})",
    "sqrt": "sqrt({})",
    "abs": "fabs({})",
    "sin": "sin({})",
    "cos": "cos({})",
    "max": "fmax({}, {})",
    "min": "fmin({}, {})",
    "relu": "fmax({}, real(0))",
    "softplus": "softplus({})",
    "positive": "positive({})",
    "step": "step({})",
    "sign": "sign({})",
}
HELPERS: dict[str, str] = {
    "sigma": "real sigmoid(real a) { return real(1) / (real(1) + exp(-a)); }",
    "softplus": "real softplus(real a) { return fmax(a, real(0)) + log1p(exp(-fabs(a))); }",
    "positive": "real positive(real a) { return a > real(0) ? real(1) : real(0); }",
    "step": "real step(real a) { return real(0.5) * (real(a > real(0)) + real(a >= real(0))); }",
    "sign": "real sign(real a) { return real(a > real(0)) - real(a < real(0)); }",
}
"""Device functions that CUDA does not have, by the function of `lstmgen.algebra.functions`."""

_SMALL_POWER = 4


class Cuda:
    """Writes expressions; `leaf` writes values and parameters."""

    def __init__(self, leaf: Callable[[Value | Parameter], str]) -> None:
        self._leaf = leaf

    def text(self, expression: Expression) -> str:
        """The expression as CUDA C++ source."""
        match expression:
            case Number(value):
                written = str(value) if value.denominator == 1 else repr(float(value))
                return f"real({written})"
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
                return _FUNCTIONS[function].format(*map(self.text, arguments))

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
