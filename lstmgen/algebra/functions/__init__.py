"""The functions that equations may use: one entry each, which everything else reads.

docs/adding-a-function.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    masked,
    mul,
    power,
    sub,
    walk,
)
from lstmgen.algebra.functions.composed import COMPOSED, SLOPES
from lstmgen.algebra.functions.entry import Function, Text, call
from lstmgen.algebra.functions.kinked import KINKED, MASKS
from lstmgen.algebra.functions.smooth import SMOOTH

__all__ = [
    "BY_COMMAND",
    "BY_NOTATION",
    "BY_WORD",
    "FUNCTIONS",
    "Function",
    "Text",
    "call",
    "composition",
    "infinite_where_off",
    "is_singular",
    "partials",
    "power_partials",
    "used",
    "vanishing_factor",
]

FUNCTIONS: dict[str, Function] = {f.name: f for f in (*SMOOTH, *KINKED, *COMPOSED, *SLOPES, *MASKS)}
"""Every function, by its name in expressions."""

BY_NOTATION: dict[str, Function] = {
    name: f for f in FUNCTIONS.values() if f.is_offered for name in (f.notation, *f.aliases)
}
"""The functions of cell files, by their names there; SymPy's own have the same names."""

BY_WORD: dict[str, Function] = {
    word: f
    for f in FUNCTIONS.values()
    if f.is_offered
    for word in (f.name, f.notation, *f.aliases, *f.words)
}
r"""The functions that papers and plain text name, by the word: "sigmoid", "ReLU", "LeakyReLU"."""

BY_COMMAND: dict[str, Function] = {
    command: f for f in FUNCTIONS.values() if f.is_offered for command in f.commands
}
r"""The functions that LaTeX has commands for, by the command without its backslash: "tanh"."""


def partials(call: Call, value: Expression) -> tuple[Expression, ...]:
    """The partial derivative of `call` by each argument, written in `value` where that is known."""
    rule = FUNCTIONS[call.function].rule
    assert rule is not None, call.function
    return rule(value, call.arguments)


def power_partials(
    base: Expression, exponent: Expression, value: Expression
) -> tuple[Expression, Expression]:
    """The partial derivatives of base ** exponent by base and by exponent.

    By the exponent it is 0 where the base is, although the logarithm is infinite there.
    """
    lowered = Number(exponent.value - 1) if isinstance(exponent, Number) else sub(exponent, ONE)
    by_exponent = mul(value, call("log", base))
    if not isinstance(base, Number):
        by_exponent = masked(call("nonzero", base), by_exponent)
    return mul(exponent, power(base, lowered)), by_exponent


def is_singular(expression: Expression) -> bool:
    """Whether a derivative of the expression can be infinite at a point where it is finite."""
    for node in walk(expression):
        match node:
            case Call(function) if FUNCTIONS[function].singular:
                return True
            case Div(_, below) if not isinstance(below, Number):
                return True
            case Pow(_, exponent):
                number = exponent.value if isinstance(exponent, Number) else Fraction(-1)
                if number < 1 or number.denominator != 1:
                    return True
    return False


def vanishing_factor(
    expression: Expression, also: Mapping[Expression, Expression]
) -> Expression | None:
    """What makes the expression 0 over whole ranges, as relu(a) does; None if nothing does.

    `also` are values of which that is known.
    """
    match expression:
        case Call("max" | "min" | "clip", arguments):
            return expression if ZERO in arguments else None
        case Call("sqrt", (inner,)):
            return vanishing_factor(inner, also)
        case Call(function):
            return expression if FUNCTIONS[function].vanishes else None
        case Mul(factors):
            found = (vanishing_factor(factor, also) for factor in factors)
            return next((factor for factor in found if factor is not None), None)
        case Neg(inner) | Div(inner, _) | Pow(inner, _):
            return vanishing_factor(inner, also)
    return also.get(expression)


def infinite_where_off(
    slope: Expression, vanishing: Mapping[Expression, Expression]
) -> Expression | None:
    """The factor that is 0 where a derivative is infinite, as r in 1 / (2 sqrt(k r)); or None."""
    for node in walk(slope):
        found = None
        match node:
            case Div(_, below):
                found = vanishing_factor(below, vanishing)
            case Pow(base, exponent) if not isinstance(exponent, Number) or exponent.value < 0:
                found = vanishing_factor(base, vanishing)
        if found is not None:
            return found
    return None


def composition(function: Function) -> Expression | None:
    """A composed function of parameters that are named like its arguments."""
    if function.composed is None:
        return None
    return function.composed(*map(Parameter, function.arguments))


def used(expressions: Iterable[Expression]) -> set[str]:
    """The functions that expressions call."""
    return {n.function for e in expressions for n in walk(e) if isinstance(n, Call)}
