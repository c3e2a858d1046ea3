"""The smooth functions that every language has, or nearly so."""

from __future__ import annotations

from fractions import Fraction

from lstmgen.algebra.expression import ONE, Number, add, div, mul, neg, number, power, sub
from lstmgen.algebra.functions.entry import Context, Function, Real, Text, call, ufunc
from lstmgen.algebra.functions.erf import NUMPY_ERF, NUMPY_ERFC
from lstmgen.typeset.formula import Greek, Root, Word

_TWO = number(2)
_TWO_OVER_SQRT_PI = Number(
    Fraction("1.12837916709551257389615890312154517168810125865799771368817144342")
)


def _sigma(m: Context, a: Real) -> Real:
    tail = m.exp(-abs(a))
    return (m.one if a > 0 else tail) / (m.one + tail)


def _softplus(m: Context, a: Real) -> Real:
    return max(a, m.zero) + m.log(m.one + m.exp(-abs(a)))


SMOOTH = (
    Function(
        "sigma",
        ("a",),
        "The logistic function 1 / (1 + exp(-a)).",
        Greek("sigma"),
        _sigma,
        lambda y, a: (mul(y, sub(ONE, y)),),
        # (1 + tanh(a / 2)) / 2 has no digits where it is small.
        numpy=Text(
            "_sigma({})",
            '''def _sigma(a):
    """1 / (1 + exp(-a)) to its last digits, small or large: where exp is inf, it is 0."""
    return 1 / (1 + np.exp(-a))
''',
            unfolded=lambda a: div(ONE, add(call("exp", neg(a)), ONE)),
        ),
        # Where exp is infinite, 1 / (1 + inf) is the 0 that is meant.
        c=Text("sigmoid({})", "real sigmoid(real a) { return 1 / (1 + exp(-a)); }"),
        aliases=("sigmoid",),
        words=("sigmoid", "sigm", "logistic", "σ"),
        commands=("sigma",),
        label="σ",
        power_on_name=True,
        flat=lambda m, y: m.one - y,
    ),
    Function(
        "tanh",
        ("a",),
        "Hyperbolic tangent.",
        Word("tanh"),
        lambda m, a: m.tanh(a),
        lambda y, a: (sub(ONE, power(y, _TWO)),),
        numpy=ufunc("tanh"),
        c=Text("tanh({})"),
        commands=("tanh",),
        power_on_name=True,
        flat=lambda m, y: m.one - abs(y),
    ),
    Function(
        "exp",
        ("a",),
        "Exponential.",
        Word("exp"),
        lambda m, a: m.exp(a),
        lambda y, a: (y,),
        numpy=ufunc("exp"),
        c=Text("exp({})"),
        commands=("exp",),
    ),
    Function(
        "log",
        ("a",),
        "Natural logarithm.",
        Word("log"),
        lambda m, a: m.log(a),
        lambda y, a: (div(ONE, a[0]),),
        numpy=ufunc("log"),
        c=Text("log({})"),
        words=("ln",),
        commands=("log", "ln"),
        singular=True,
        domain=lambda m, a: a,
        pole=-1,
    ),
    Function(
        "sqrt",
        ("a",),
        "Square root.",
        Root,
        lambda m, a: m.sqrt(a),
        lambda y, a: (div(ONE, mul(_TWO, y)),),
        numpy=ufunc("sqrt"),
        c=Text("sqrt({})"),
        singular=True,
        domain=lambda m, a: a,
    ),
    Function(
        "softplus",
        ("a",),
        "log(1 + exp(a)).",
        Word("softplus"),
        _softplus,
        lambda y, a: (call("sigma", a[0]),),
        numpy=Text("np.logaddexp({}, 0)", into=True),
        c=Text(
            "softplus({})",
            "real softplus(real a) { return (a < 0 ? 0 : a) + log1p(exp(-fabs(a))); }",
        ),
    ),
    Function(
        "sin",
        ("a",),
        "Sine.",
        Word("sin"),
        lambda m, a: m.sin(a),
        lambda y, a: (call("cos", a[0]),),
        numpy=ufunc("sin"),
        c=Text("sin({})"),
        commands=("sin",),
        power_on_name=True,
    ),
    Function(
        "cos",
        ("a",),
        "Cosine.",
        Word("cos"),
        lambda m, a: m.cos(a),
        lambda y, a: (neg(call("sin", a[0])),),
        numpy=ufunc("cos"),
        c=Text("cos({})"),
        commands=("cos",),
        power_on_name=True,
    ),
    Function(
        "sinh",
        ("a",),
        "Hyperbolic sine.",
        Word("sinh"),
        lambda m, a: m.sinh(a),
        lambda y, a: (call("cosh", a[0]),),
        numpy=ufunc("sinh"),
        c=Text("sinh({})"),
        commands=("sinh",),
        power_on_name=True,
    ),
    Function(
        "cosh",
        ("a",),
        "Hyperbolic cosine.",
        Word("cosh"),
        lambda m, a: m.cosh(a),
        lambda y, a: (call("sinh", a[0]),),
        numpy=ufunc("cosh"),
        c=Text("cosh({})"),
        commands=("cosh",),
        power_on_name=True,
    ),
    Function(
        "arctan",
        ("a",),
        "Inverse tangent.",
        Word("arctan"),
        lambda m, a: m.atan(a),
        lambda y, a: (div(ONE, add(ONE, power(a[0], _TWO))),),
        numpy=ufunc("arctan"),
        c=Text("atan({})"),
        aliases=("atan",),
        words=("atan",),
        commands=("arctan",),
    ),
    Function(
        "expm1",
        ("a",),
        "exp(a) - 1, with all its digits near 0.",
        Word("expm1"),
        lambda m, a: m.expm1(a),
        lambda y, a: (call("exp", a[0]),),
        numpy=ufunc("expm1"),
        c=Text("expm1({})"),
    ),
    Function(
        "log1p",
        ("a",),
        "log(1 + a), with all its digits near 0.",
        Word("log1p"),
        lambda m, a: m.log1p(a),
        lambda y, a: (div(ONE, add(ONE, a[0])),),
        numpy=ufunc("log1p"),
        c=Text("log1p({})"),
        singular=True,
        domain=lambda m, a: 1 + a,
        pole=-1,
    ),
    Function(
        "erf",
        ("a",),
        "The error function.",
        Word("erf"),
        lambda m, a: m.erf(a),
        lambda y, a: (mul(_TWO_OVER_SQRT_PI, call("exp", neg(power(a[0], _TWO)))),),
        numpy=NUMPY_ERF,
        c=Text("erf({})"),
    ),
    Function(
        "erfc",
        ("a",),
        "1 - erf(a), with all its digits where it is small.",
        Word("erfc"),
        lambda m, a: m.erfc(a),
        lambda y, a: (neg(mul(_TWO_OVER_SQRT_PI, call("exp", neg(power(a[0], _TWO))))),),
        numpy=NUMPY_ERFC,
        c=Text("erfc({})"),
    ),
)
