"""Derivatives of element-wise expressions, against numerical ones at 50 digits, and at kinks."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lstmgen.algebra.derivative import derivative
from lstmgen.algebra.expression import (
    ONE,
    ZERO,
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
    add,
    div,
    mul,
    neg,
    number,
    power,
    sub,
)
from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.algebra.text import text

A, B, Y, P = Value("a"), Value("b"), Value("y"), Parameter("p")
POINTS = {"a": "0.7345", "b": "-0.4321", "p": "1.618", "y": "0.25"}

# Written from the definitions, not from lstmgen.
TRUE = {
    "sigma": lambda a: 1 / (1 + mpmath.exp(-a)),
    "tanh": mpmath.tanh,
    "relu": lambda a: max(a, mpmath.mpf(0)),
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "softplus": lambda a: mpmath.log(1 + mpmath.exp(a)),
    "abs": abs,
    "max": max,
    "min": min,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "arctan": mpmath.atan,
    "expm1": lambda a: mpmath.exp(a) - 1,
    "log1p": lambda a: mpmath.log(1 + a),
    "erf": mpmath.erf,
    "erfc": lambda a: 1 - mpmath.erf(a),
    "silu": lambda a: a / (1 + mpmath.exp(-a)),
    "normal_cdf": mpmath.ncdf,
    "gelu": lambda a: a / 2 * (1 + mpmath.erf(a / mpmath.sqrt(2))),
    "gelu_tanh": lambda a: (
        a / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (a + mpmath.mpf("0.044715") * a**3)))
    ),
    "mish": lambda a: a * mpmath.tanh(mpmath.log(1 + mpmath.exp(a))),
    "leaky_relu": lambda a, b: a if a > 0 else a * b,
    "elu": lambda a, b: a if a > 0 else b * (mpmath.exp(a) - 1),
    "selu": lambda a: SELU[0] * (a if a > 0 else SELU[1] * (mpmath.exp(a) - 1)),
    "hard_sigmoid": lambda a: 0 if a < -3 else 1 if a > 3 else a / 6 + mpmath.mpf(1) / 2,
    "hard_tanh": lambda a: -1 if a < -1 else 1 if a > 1 else a,
    "clip": lambda a, b, c: c if a > c else b if a < b else a,
    "positive": lambda a: mpmath.mpf(a > 0),
    "nonzero": lambda a: mpmath.mpf(a != 0),
    "masked": lambda a, b: mpmath.mpf(0) if a == 0 else a * b,
    "step": lambda a: (mpmath.sign(a) + 1) / 2,
    "sign": mpmath.sign,
}

# Klambauer et al. 2017.
SELU = ("1.0507009873554804934193349852946", "1.6732632423543772848170429916717")
SELU = tuple(mpmath.mpf(decimal) for decimal in SELU)
for _name in ("silu", "gelu", "gelu_tanh", "mish", "leaky_relu", "elu", "selu", "clip"):
    TRUE[f"{_name}_slope"] = lambda *a, of=TRUE[_name]: mpmath.diff(
        lambda first: of(first, *a[1:]), a[0]
    )


def evaluate(expression: Expression, at: Mapping[str, mpmath.mpf]) -> mpmath.mpf:
    match expression:
        case Number(value):
            return mpmath.mpf(value.numerator) / value.denominator
        case Value(name) | Parameter(name):
            return at[name]
        case Add(terms):
            return sum((evaluate(term, at) for term in terms), mpmath.mpf(0))
        case Mul(factors):
            return mpmath.fprod(evaluate(factor, at) for factor in factors)
        case Neg(argument):
            return -evaluate(argument, at)
        case Div(above, below):
            return evaluate(above, at) / evaluate(below, at)
        case Pow(base, exponent):
            return evaluate(base, at) ** evaluate(exponent, at)
        case Call(function, arguments):
            return TRUE[function](*(evaluate(a, at) for a in arguments))
    raise AssertionError(expression)


def point(**changed: str) -> dict[str, mpmath.mpf]:
    return {name: mpmath.mpf(value) for name, value in {**POINTS, **changed}.items()}


def agrees(expression: Expression, by: Value | Parameter, **at: str) -> None:
    """The derivative, with and without a name for the value, is the numerical one."""
    with mpmath.workdps(50):
        where = point(**at)
        here = where[by.name]
        numeric = mpmath.diff(lambda v: evaluate(expression, {**where, by.name: v}), here)
        where["y"] = evaluate(expression, where)
        for value in (None, Y):
            exact = evaluate(derivative(expression, by, value), where)
            assert abs(exact - numeric) <= mpmath.mpf(10) ** -20 * max(1, abs(numeric))


def test_every_function_has_a_definition_here() -> None:
    assert set(TRUE) == set(FUNCTIONS)
    differentiable = {name for name, function in FUNCTIONS.items() if function.rule is not None}
    derived = {name for name in TRUE if name.endswith("_slope")}
    assert set(TRUE) - differentiable - derived == {"positive", "step", "nonzero", "masked"}


@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.rule is not None])
def test_every_function_against_a_numerical_derivative(name: str, sign: str) -> None:
    if sign == "-" and name in ("log", "sqrt", "log1p"):
        pytest.skip("defined for positive numbers only")
    call = Call(name, (A, B, P)[: FUNCTIONS[name].arity])
    for by in call.arguments:
        for size in ("0.001", "0.5", "2.3", "17"):
            agrees(call, by, a=sign.strip("+") + size, b="0.75")
            # In an argument of its own, too: the chain rule.
            inner = mul(by, by, number(2))
            composed = Call(name, tuple(inner if x == by else x for x in call.arguments))
            agrees(composed, by, a=sign.strip("+") + size, b="0.75")


@pytest.mark.parametrize(
    ("call", "by", "slope"),
    [
        (Call("relu", (A,)), A, 0),
        (Call("abs", (A,)), A, 0),
        (Call("max", (A, B)), A, Fraction(1, 2)),
        (Call("max", (A, B)), B, Fraction(1, 2)),
        (Call("min", (A, B)), A, Fraction(1, 2)),
        (Call("min", (A, B)), B, Fraction(1, 2)),
        (Call("max", (ZERO, A)), A, Fraction(1, 2)),
        (Call("max", (A, A)), A, 1),
        (Call("min", (A, A)), A, 1),
    ],
)
def test_at_a_kink_the_value_is_that_of_pytorch_and_jax(
    call: Call, by: Value, slope: Fraction | int
) -> None:
    with mpmath.workdps(50):
        where = point(a="0", b="0")
        where["y"] = evaluate(call, where)
        for value in (None, Y):
            assert (
                evaluate(derivative(call, by, value), where)
                == mpmath.mpf(Fraction(slope).numerator) / Fraction(slope).denominator
            )


@pytest.mark.parametrize(
    ("expression", "by", "printed"),
    [
        (Call("sigma", (A,)), A, "y_t * (1 - y_t)"),
        (Call("tanh", (A,)), A, "1 - y_t^2"),
        (Call("exp", (A,)), A, "y_t"),
        (Call("sqrt", (A,)), A, "1 / (2 * y_t)"),
        (add(mul(sub(ONE, A), B), mul(A, P)), A, "p - b_t"),
        (mul(A, Call("tanh", (B,))), B, "a_t * (1 - tanh(b_t)^2)"),
        (mul(A, B, P), B, "a_t * p"),
        (power(A, number(2)), A, "2 * a_t"),
        (power(A, number(3)), A, "3 * a_t^2"),
        (div(A, B), A, "1 / b_t"),
        (div(A, B), B, "-y_t / b_t"),
        (neg(A), A, "-1"),
        (Call("softplus", (A,)), A, "sigma(a_t)"),
        (MatVec("W", 0, False, A), A, "0"),
        (B, A, "0"),
        (Value("a", -1), A, "0"),
    ],
)
def test_it_reads_as_papers_print_it(expression: Expression, by: Value, printed: str) -> None:
    assert text(derivative(expression, by, Y)) == printed


def expressions() -> st.SearchStrategy[Expression]:
    """Defined and differentiable at the point: logarithms, roots and powers of what is positive."""
    leaves = st.sampled_from([A, B, P, number(2), number(Fraction(3, 7))])

    def positive(inner: Expression) -> Expression:
        return add(ONE, mul(inner, inner))

    def extend(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda p: add(*p)),
            pair.map(lambda p: sub(*p)),
            pair.map(lambda p: mul(*p)),
            pair.map(lambda p: div(p[0], positive(p[1]))),
            pair.map(lambda p: power(positive(p[0]), Call("sin", (p[1],)))),
            inner.map(neg),
            inner.map(lambda x: power(x, number(3))),
            st.tuples(st.sampled_from(["log", "sqrt"]), inner).map(
                lambda p: Call(p[0], (positive(p[1]),))
            ),
            st.tuples(st.sampled_from(["sigma", "tanh", "softplus", "sin", "cos"]), inner).map(
                lambda p: Call(p[0], (p[1],))
            ),
        )

    return st.recursive(leaves, extend, max_leaves=8)


@seed(11)
@settings(max_examples=120, deadline=None, database=None)
@given(expressions(), st.sampled_from([A, B, P]))
def test_random_expressions(expression: Expression, by: Value | Parameter) -> None:
    agrees(expression, by, a="0.73", b="-0.43", p="0.61")


@seed(12)
@settings(max_examples=120, deadline=None, database=None)
@given(expressions())
def test_simplification_changes_no_value(expression: Expression) -> None:
    """The constructors against the plain classes, on an expression with zeros and ones in it."""
    with mpmath.workdps(30):
        at = point()
        value = evaluate(expression, at)
        same = [
            (add(expression, ZERO, neg(expression)), mpmath.mpf(0)),
            (mul(ONE, expression, neg(neg(expression))), value * value),
            (mul(neg(expression), number(-2)), 2 * value),
            (div(neg(expression), number(4)), -value / 4),
            (sub(ZERO, expression), -value),
            (mul(expression, ZERO), mpmath.mpf(0)),
        ]
        for made, expected in same:
            assert abs(evaluate(made, at) - expected) <= mpmath.mpf(10) ** -25 * max(1, abs(value))
