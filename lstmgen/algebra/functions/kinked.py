"""The functions with a kink or a jump, and those that occur in derivatives only.

At a kink a derivative is what PyTorch takes: 0 for relu and abs, one half for each side of a tie of
max and min.
"""

from __future__ import annotations

from lstmgen.algebra.expression import ZERO, Expression, masked, sub
from lstmgen.algebra.functions.entry import Context, Function, Real, Text, call, ufunc
from lstmgen.typeset.formula import (
    Bars,
    Condition,
    Letters,
    Number,
    Style,
    Symbol,
    Word,
)


def _step(m: Context, a: Real) -> Real:
    return m.one if a > 0 else (m.zero if a < 0 else m.one / 2)


def _first(a: Expression, b: Expression) -> Expression:
    """1 where a > b, one half where they are equal."""
    return masked(call("step", sub(a, b)))


def _indicator(relation: str) -> Symbol:
    """A bold 1 with the condition against 0 under which it is 1."""
    return Symbol(Letters("1", Style.BOLD), below=Condition(relation, Number("0")))


KINKED = (
    Function(
        "relu",
        ("a",),
        "max(0, a).",
        Word("relu"),
        lambda m, a: a if a > 0 else m.zero,
        lambda y, a: (masked(call("positive", y)),),
        numpy=Text("np.maximum({}, 0)", into=True),
        c=Text("relu({})", "real relu(real a) { return a < 0 ? 0 : a; }"),
        words=("ReLU",),
        vanishes=True,
        kinks=lambda m, a: (a,),
        note="The derivative at 0 is 0.",
        operations=1,
        rounds=False,
    ),
    Function(
        "abs",
        ("a",),
        "Absolute value.",
        Bars,
        lambda m, a: abs(a),
        lambda y, a: (masked(call("sign", a[0])),),
        numpy=ufunc("absolute"),
        c=Text("fabs({})"),
        python="Abs",
        kinks=lambda m, a: (a,),
        note="The derivative at 0 is 0.",
        operations=1,
        rounds=False,
    ),
    Function(
        "max",
        ("a", "b"),
        "The larger of two or more.",
        Word("max"),
        lambda m, a, b: max(a, b),
        lambda y, a: (_first(a[0], a[1]), _first(a[1], a[0])),
        numpy=Text("np.maximum({}, {})", into=True),
        # Unlike fmax it hands on a NaN.
        c=Text(
            "maximum({}, {})",
            "real maximum(real a, real b) { return a > b || a != a ? a : b; }",
        ),
        python="Max",
        commands=("max",),
        repeats=True,
        kinks=lambda m, a, b: (a - b,),
        note="Where two are equal each gets half of the gradient.",
        operations=1,
        rounds=False,
    ),
    Function(
        "min",
        ("a", "b"),
        "The smaller of two or more.",
        Word("min"),
        lambda m, a, b: min(a, b),
        lambda y, a: (_first(a[1], a[0]), _first(a[0], a[1])),
        numpy=Text("np.minimum({}, {})", into=True),
        c=Text(
            "minimum({}, {})",
            "real minimum(real a, real b) { return a < b || a != a ? a : b; }",
        ),
        python="Min",
        commands=("min",),
        repeats=True,
        kinks=lambda m, a, b: (a - b,),
        note="Where two are equal each gets half of the gradient.",
        operations=1,
        rounds=False,
    ),
    Function(
        "sign",
        ("a",),
        "1 where a > 0, 0 at 0, -1 where a < 0.",
        Word("sign"),
        lambda m, a: m.sign(a),
        lambda y, a: (ZERO,),
        numpy=ufunc("sign"),
        c=Text(
            "sign({})",
            "real sign(real a) { return a != a ? a : (real)((a > 0) - (a < 0)); }",
        ),
        words=("sgn",),
        commands=("sgn",),
        kinks=lambda m, a: (a,),
        note="The derivative is 0.",
        operations=1,
        rounds=False,
    ),
)

MASKS = (
    Function(
        "positive",
        ("a",),
        "1 where a > 0, else 0.",
        _indicator(">"),
        lambda m, a: m.one if a > 0 else m.zero,
        numpy=Text("np.heaviside({}, 0)", into=True),
        c=Text("positive({})", "real positive(real a) { return a > 0; }"),
        label="1>0",
        operations=1,
        rounds=False,
    ),
    Function(
        "step",
        ("a",),
        "0 where a < 0, one half at 0, 1 where a > 0.",
        Word("step"),
        _step,
        numpy=Text("np.heaviside({}, 0.5)", into=True),
        c=Text("step({})", "real step(real a) { return (real)((a > 0) + (a >= 0)) / 2; }"),
        operations=1,
        rounds=False,
    ),
    Function(
        "nonzero",
        ("a",),
        "0 at 0, else 1.",
        _indicator("≠"),
        lambda m, a: m.one if a else m.zero,
        numpy=Text("np.sign(np.abs({}))", into=True),
        c=Text("nonzero({})", "real nonzero(real a) { return a != 0; }"),
        label="1≠0",
        operations=1,
        rounds=False,
    ),
    Function(
        "masked",
        ("mask", "a"),
        "mask * a, and 0 where the mask is 0, even if a is infinite there.",
        Word("masked"),  # written as the product that it is
        lambda m, mask, a: mask * a if mask else m.zero,
        numpy=Text(
            "_masked({}, {})",
            '''def _masked(mask, a):
    """mask * a, and 0 where the mask is 0, even if a is infinite there."""
    return mask * np.where(mask == 0, 0, a)
''',
        ),
        c=Text(
            "masked({}, {})",
            "real masked(real mask, real a) { return mask == 0 ? 0 : mask * a; }",
        ),
        operations=1,
        rounds=False,
    ),
)
