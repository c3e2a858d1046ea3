"""The functions that equations may use, each with its derivative: all that the derivation knows.

A rule takes the value y of the call and its arguments, and returns one partial derivative per
argument.  Where it can, it is written in y: that is how papers print it, and y is what the forward
pass has at hand.  At a kink the rule takes the value that PyTorch and JAX take: 0 for relu at 0,
one half for each side of a tie of Max or Min, 0 for Abs at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstmgen.algebra.expression import (
    ONE,
    Call,
    Expression,
    Number,
    div,
    mul,
    neg,
    number,
    power,
    sub,
)

Rule = Callable[[Expression, tuple[Expression, ...]], tuple[Expression, ...]]


@dataclass(frozen=True, slots=True)
class Function:
    """A differentiable function: how LaTeX writes it, and its derivative.

    `operations` counts what the work estimate takes one evaluation for (one multiplication or
    addition is 1; a transcendental function is counted as 10).
    """

    name: str
    arity: int
    latex: str
    rule: Rule | None
    operations: int = 10


def _call(name: str, *arguments: Expression) -> Call:
    return Call(name, arguments)


_TWO = number(2)

FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("sigma", 1, r"\sigma", lambda y, a: (mul(y, sub(ONE, y)),)),
        Function("tanh", 1, r"\tanh", lambda y, a: (sub(ONE, power(y, _TWO)),)),
        Function("relu", 1, r"\operatorname{relu}", lambda y, a: (_call("positive", y),), 1),
        Function("exp", 1, r"\exp", lambda y, a: (y,)),
        Function("log", 1, r"\log", lambda y, a: (div(ONE, a[0]),)),
        Function("sqrt", 1, r"\sqrt", lambda y, a: (div(ONE, mul(_TWO, y)),)),
        Function(
            "softplus", 1, r"\operatorname{softplus}", lambda y, a: (_call("sigma", a[0]),), 20
        ),
        Function("abs", 1, r"\lvert", lambda y, a: (_call("sign", a[0]),), 1),
        Function(
            "max",
            2,
            r"\max",
            lambda y, a: (_call("step", sub(a[0], a[1])), _call("step", sub(a[1], a[0]))),
            1,
        ),
        Function(
            "min",
            2,
            r"\min",
            lambda y, a: (_call("step", sub(a[1], a[0])), _call("step", sub(a[0], a[1]))),
            1,
        ),
        Function("sin", 1, r"\sin", lambda y, a: (_call("cos", a[0]),)),
        Function("cos", 1, r"\cos", lambda y, a: (neg(_call("sin", a[0])),)),
        # These appear in derivatives only; first-order gradients never differentiate them.
        Function("positive", 1, r"\mathbf{1}_{>0}", None, 1),  # 1 where a > 0, else 0
        Function("step", 1, r"\operatorname{step}", None, 1),  # 0, one half at 0, 1
        Function("sign", 1, r"\operatorname{sign}", None, 1),
    )
}


def partials(call: Call, value: Expression) -> tuple[Expression, ...]:
    """The partial derivative of `call` by each argument, written in `value` where that is known."""
    rule = FUNCTIONS[call.function].rule
    assert rule is not None, call.function
    return rule(value, call.arguments)


def power_partials(
    base: Expression, exponent: Expression, value: Expression
) -> tuple[Expression, Expression]:
    """The partial derivatives of base ** exponent by base and by exponent."""
    lowered = Number(exponent.value - 1) if isinstance(exponent, Number) else sub(exponent, ONE)
    return mul(exponent, power(base, lowered)), mul(value, _call("log", base))
