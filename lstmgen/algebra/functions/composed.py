"""The functions that are composed of others: each target makes their texts from these.

Where frameworks differ, at kinks too, they are PyTorch's.
"""

from __future__ import annotations

from fractions import Fraction

from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Expression,
    Number,
    add,
    div,
    masked,
    mul,
    neg,
    number,
    power,
    sub,
)
from lstmgen.algebra.functions.entry import Arguments, Context, Function, Real, Text, call
from lstmgen.typeset.formula import Greek, Symbol, Word

_TWO, _SIX = number(2), number(6)
_ONE_OVER_SQRT_TWO = Number(
    Fraction("0.707106781186547524400844362104849039284835937688474036588339868995")
)
_ONE_OVER_SQRT_TWO_PI = Number(
    Fraction("0.398942280401432677939946059934381868475858631164934657665925829671")
)
# The two factors of the tanh form: sqrt(2/pi), here doubled, and that of a cubed.
_GELU_SLOPE = Number(
    Fraction("1.59576912160573071175978423973752747390343452465973863066370331868")
)
_GELU_CUBIC = Number(Fraction("0.044715"))
# Klambauer et al. 2017, to the digits that PyTorch has.
_SELU = ("1.0507009873554804934193349852946", "1.6732632423543772848170429916717")
_SELU_SCALE, _SELU_ALPHA = (Number(Fraction(decimal)) for decimal in _SELU)


def _sigma(m: Context, a: Real) -> Real:
    return m.one / (m.one + m.exp(-a))


def _phi(m: Context, a: Real) -> Real:
    """The normal distribution's cumulative function."""
    return m.erfc(-a / m.sqrt(2)) / 2


def _gelu_tanh_inner(m: Context, a: Real) -> Real:
    """The argument of tanh, doubled."""
    return 2 * m.sqrt(2 / m.pi) * (a + m.mpf("0.044715") * a * a * a)


def _normal_density(a: Expression) -> Expression:
    return mul(_ONE_OVER_SQRT_TWO_PI, call("exp", neg(div(power(a, _TWO), _TWO))))


def _cubic(a: Expression) -> Expression:
    return mul(_GELU_SLOPE, add(a, mul(_GELU_CUBIC, power(a, number(3)))))


def _silu_slope(a: Expression) -> Expression:
    s = call("sigma", a)
    return mul(s, add(ONE, mul(a, sub(ONE, s))))


def _gelu_tanh_slope(a: Expression) -> Expression:
    s = call("sigma", _cubic(a))
    inner = mul(_GELU_SLOPE, add(ONE, mul(Number(3 * _GELU_CUBIC.value), power(a, _TWO))))
    # The square may be infinite where s (1 - s) is 0.
    return add(s, mul(masked(mul(s, sub(ONE, s))), a, inner))


def _mish_slope(a: Expression) -> Expression:
    w = call("tanh", call("softplus", a))
    return add(w, mul(a, sub(ONE, power(w, _TWO)), call("sigma", a)))


def _leaky_relu_slope(a: Expression, slope: Expression) -> Expression:
    on = call("positive", a)
    return add(on, mul(sub(ONE, on), slope))


def _elu_slope(a: Expression, alpha: Expression) -> Expression:
    return _leaky_relu_slope(a, mul(alpha, call("exp", call("min", a, ZERO))))


def _clip_slope(a: Expression, low: Expression, high: Expression) -> Expression:
    below, above = call("positive", sub(low, a)), call("positive", sub(a, high))
    return mul(sub(ONE, below), sub(ONE, above))


def _clip(y: Expression, a: Arguments) -> tuple[Expression, ...]:
    """The borders belong to the inside; where they are crossed, the upper one counts."""
    value, low, high = a
    crossed = call("positive", sub(low, high))
    at_low = mul(masked(call("positive", sub(low, value))), masked(sub(ONE, crossed)))
    at_high = masked(call("positive", sub(call("max", value, low), high)))
    return masked(call("clip_slope", *a)), at_low, at_high


COMPOSED = (
    Function(
        "silu",
        ("a",),
        "a sigma(a), also called swish.",
        Word("silu"),
        lambda m, a: a * _sigma(m, a),
        lambda y, a: (call("silu_slope", *a),),
        lambda a: mul(a, call("sigma", a)),
        aliases=("swish",),
        words=("SiLU", "swish", "Swish"),
    ),
    Function(
        "normal_cdf",
        ("a",),
        "The normal distribution's cumulative function, (1 + erf(a / sqrt(2))) / 2.",
        Greek("Phi"),
        _phi,
        lambda y, a: (_normal_density(a[0]),),
        # erf would have no digits where this is small.
        lambda a: div(call("erfc", neg(mul(_ONE_OVER_SQRT_TWO, a))), _TWO),
        label="Φ",
    ),
    Function(
        "gelu",
        ("a",),
        "a Phi(a), exactly: Phi(a) = (1 + erf(a / sqrt(2))) / 2.",
        Word("gelu"),
        lambda m, a: a * _phi(m, a),
        lambda y, a: (call("gelu_slope", *a),),
        lambda a: mul(a, call("normal_cdf", a)),
        words=("GELU", "GeLU"),
    ),
    Function(
        "gelu_tanh",
        ("a",),
        "The tanh form of gelu: a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) / 2.",
        Word("gelutanh"),
        lambda m, a: a * _sigma(m, _gelu_tanh_inner(m, a)),
        lambda y, a: (call("gelu_tanh_slope", *a),),
        lambda a: mul(a, call("sigma", _cubic(a))),
        words=("gelutanh",),
    ),
    Function(
        "mish",
        ("a",),
        "a tanh(softplus(a)).",
        Word("mish"),
        lambda m, a: a * m.tanh(m.log1p(m.exp(a))),
        lambda y, a: (call("mish_slope", *a),),
        lambda a: mul(a, call("tanh", call("softplus", a))),
        words=("Mish",),
    ),
    Function(
        "leaky_relu",
        ("a", "slope"),
        "a where a > 0, else slope a.",
        Word("leakyrelu"),
        lambda m, a, slope: a if a > 0 else slope * a,
        lambda y, a: (call("leaky_relu_slope", *a), call("min", a[0], ZERO)),
        lambda a, slope: add(call("max", a, ZERO), mul(slope, call("min", a, ZERO))),
        words=("leakyrelu", "LeakyReLU", "LeakyRelu", "lrelu", "PReLU"),
        defaults=(Fraction(1, 100),),
        kinks=lambda m, a, slope: (a,),
        note="The slope is 0.01 where none is given, and may be a parameter (PReLU). The "
        "derivative at 0 is the slope.",
    ),
    Function(
        "elu",
        ("a", "alpha"),
        "a where a > 0, else alpha (exp(a) - 1).",
        Word("elu"),
        lambda m, a, alpha: a if a > 0 else alpha * m.expm1(a),
        lambda y, a: (call("elu_slope", *a), call("expm1", call("min", a[0], ZERO))),
        lambda a, alpha: add(call("max", a, ZERO), mul(alpha, call("expm1", call("min", a, ZERO)))),
        words=("ELU",),
        defaults=(Fraction(1),),
        kinks=lambda m, a, alpha: (a,),
        note="alpha is 1 where none is given, and the derivative at 0.",
    ),
    Function(
        "selu",
        ("a",),
        "1.0507... elu(a, 1.6732...) of self-normalizing networks.",
        Word("selu"),
        lambda m, a: m.mpf(_SELU[0]) * (a if a > 0 else m.mpf(_SELU[1]) * m.expm1(a)),
        lambda y, a: (call("selu_slope", *a),),
        lambda a: mul(_SELU_SCALE, call("elu", a, _SELU_ALPHA)),
        words=("SELU",),
        kinks=lambda m, a: (a,),
    ),
    Function(
        "hard_sigmoid",
        ("a",),
        "max(0, min(6, a + 3)) / 6.",
        Word("hardsigmoid"),
        lambda m, a: max(m.zero, min(m.one, (a + 3) / 6)),
        lambda y, a: (mul(masked(call("positive", mul(y, sub(ONE, y)))), div(ONE, _SIX)),),
        lambda a: div(call("clip", add(a, number(3)), ZERO, _SIX), _SIX),
        words=("hardsigmoid", "HardSigmoid", "hardsigm"),
        vanishes=True,
        kinks=lambda m, a: (a + 3, a - 3),
        note="As in PyTorch; the older one of Keras is clip(0.2*a + 0.5, 0, 1). The derivative at "
        "the kinks is 0.",
    ),
    Function(
        "hard_tanh",
        ("a",),
        "max(-1, min(1, a)).",
        Word("hardtanh"),
        lambda m, a: max(-m.one, min(m.one, a)),
        lambda y, a: (masked(call("positive", sub(ONE, call("abs", y)))),),
        lambda a: call("clip", a, number(-1), ONE),
        words=("hardtanh", "HardTanh", "Hardtanh"),
        kinks=lambda m, a: (a + 1, a - 1),
        note="The derivative at the kinks is 0.",
    ),
    Function(
        "clip",
        ("a", "low", "high"),
        "min(max(a, low), high).",
        Word("clip"),
        lambda m, a, low, high: min(max(a, low), high),
        _clip,
        lambda a, low, high: call("min", call("max", a, low), high),
        numpy=Text("np.clip({}, {}, {})", into=True),
        words=("clamp",),
        kinks=lambda m, a, low, high: (a - low, a - high, low - high),
        note="The derivative at the borders is 1, outside them 0.",
        rounds=False,
    ),
)

SLOPES = (
    Function(
        "silu_slope",
        ("a",),
        "The derivative of silu.",
        Symbol(Word("silu"), primes=1),
        lambda m, a: _sigma(m, a) + a * _sigma(m, a) * _sigma(m, -a),
        composed=_silu_slope,
        label="silu'",
    ),
    Function(
        "gelu_slope",
        ("a",),
        "The derivative of gelu.",
        Symbol(Word("gelu"), primes=1),
        lambda m, a: _phi(m, a) + a * m.npdf(a),
        composed=lambda a: add(call("normal_cdf", a), mul(a, _normal_density(a))),
        label="gelu'",
    ),
    Function(
        "gelu_tanh_slope",
        ("a",),
        "The derivative of gelu_tanh.",
        Symbol(Word("gelutanh"), primes=1),
        lambda m, a: (
            _sigma(m, _gelu_tanh_inner(m, a))
            + a
            * _sigma(m, _gelu_tanh_inner(m, a))
            * _sigma(m, -_gelu_tanh_inner(m, a))
            * (2 * m.sqrt(2 / m.pi) * (1 + 3 * m.mpf("0.044715") * a * a))
        ),
        composed=_gelu_tanh_slope,
        label="gelu_tanh'",
    ),
    Function(
        "mish_slope",
        ("a",),
        "The derivative of mish.",
        Symbol(Word("mish"), primes=1),
        lambda m, a: m.tanh(m.log1p(m.exp(a))) + a * _sigma(m, a) / m.cosh(m.log1p(m.exp(a))) ** 2,
        composed=_mish_slope,
        label="mish'",
    ),
    Function(
        "leaky_relu_slope",
        ("a", "slope"),
        "The derivative of leaky_relu by a.",
        Symbol(Word("leakyrelu"), primes=1),
        lambda m, a, slope: m.one if a > 0 else slope,
        composed=_leaky_relu_slope,
        label="leaky_relu'",
    ),
    Function(
        "elu_slope",
        ("a", "alpha"),
        "The derivative of elu by a.",
        Symbol(Word("elu"), primes=1),
        lambda m, a, alpha: m.one if a > 0 else alpha * m.exp(a),
        composed=_elu_slope,
        label="elu'",
    ),
    Function(
        "selu_slope",
        ("a",),
        "The derivative of selu.",
        Symbol(Word("selu"), primes=1),
        lambda m, a: m.mpf(_SELU[0]) * (m.one if a > 0 else m.mpf(_SELU[1]) * m.exp(a)),
        composed=lambda a: mul(_SELU_SCALE, call("elu_slope", a, _SELU_ALPHA)),
        label="selu'",
    ),
    Function(
        "clip_slope",
        ("a", "low", "high"),
        "The derivative of clip by a: 1 inside the borders and on them, else 0.",
        Symbol(Word("clip"), primes=1),
        lambda m, a, low, high: m.one if low <= a <= high else m.zero,
        composed=_clip_slope,
        label="clip'",
    ),
)
