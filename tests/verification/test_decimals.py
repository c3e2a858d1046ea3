"""Arithmetic at many digits against mpmath's own, far from 1 too."""

from __future__ import annotations

import decimal
import random
from decimal import Decimal

import mpmath
import pytest

from lstmgen.verification.arithmetic import Arithmetic
from lstmgen.verification.decimals import Decimals

DIGITS = 50
FUNCTIONS = ("exp", "tanh", "sin", "cosh", "atan", "expm1", "erf", "npdf")
POSITIVE = ("log", "log1p", "sqrt", "erfc")


def numbers(seed: int) -> list[float]:
    draw = random.Random(seed)
    return [draw.uniform(0.5, 1) * 10.0**power for power in (-300, -40, -8, -1, 0, 1, 2)]


def near(found: Decimal, expected: mpmath.mpf) -> bool:
    with mpmath.workdps(90):
        return bool(abs(mpmath.mpf(str(found)) - expected) <= abs(expected) * mpmath.mpf("1e-55"))


@pytest.mark.parametrize("name", [*FUNCTIONS, *POSITIVE])
def test_functions_have_all_their_digits(name: str) -> None:
    context = Decimals(DIGITS)
    for value in numbers(1):
        for signed in (value, -value) if name in FUNCTIONS else (value,):
            with mpmath.workdps(90), context.working():
                expected = getattr(mpmath, name)(mpmath.mpf(signed))
                assert near(getattr(context, name)(context.mpf(signed)), expected), signed


def test_sums_products_and_quotients() -> None:
    arithmetic, (a, b, *more) = Arithmetic(DIGITS), numbers(2)[2:]
    context = arithmetic.context
    with arithmetic.working(), mpmath.workdps(90):
        x, y = context.mpf(a), context.mpf(b)
        m, n = mpmath.mpf(a), mpmath.mpf(b)
        assert near(x * y - x / y + x**3 - y, m * n - m / n + m**3 - n)
        assert near(context.fdot([x, y], [y, y]), m * n + n * n)
        assert near(context.fsum(map(context.mpf, more)), mpmath.fsum(more))
        assert near(arithmetic.total([x, y, -x]), n)
        assert near(context.pi, +mpmath.pi)


def test_what_cancels_leaves_nothing() -> None:
    """As the gradient of W - W^T with a single unit, whose terms are of many sizes."""
    arithmetic = Arithmetic(DIGITS)
    with arithmetic.working():
        a, b, c = (arithmetic.number(value) / 3 for value in (1.7, -2.3e-7, 5e4))
        assert arithmetic.context.fdot([a, b, c, a, b, c], [b, c, a, -b, -c, -a]) == 0
        assert arithmetic.context.fsum([a, b, c, -b, -a, -c]) == 0
        assert arithmetic.total([[a], [b], [c], [-a], [-c], [-b]]) == [0]


def test_what_is_infinite_or_no_number() -> None:
    context = Decimals(DIGITS)
    with context.working():
        assert context.exp(-context.inf) == 0
        assert context.tanh(-context.inf) == -1
        assert context.inf == context.exp(context.inf) > 1
        assert context.isnan(context.exp(context.zero * context.inf))
        # Far beyond what a float holds, in both directions.
        assert context.exp(context.mpf(-1_000_000)).adjusted() == -434295
        assert context.tanh(context.mpf("1e-400000")) == Decimal("1e-400000")
        assert context.log(context.mpf("1e-400000")).adjusted() == 5


def test_the_digits_are_those_of_the_block_alone() -> None:
    arithmetic, third = Arithmetic(DIGITS), Decimal(1) / 3
    with arithmetic.working():
        assert Decimal(1) / 3 != third
        assert arithmetic.context.is_working()
    assert Decimal(1) / 3 == third
    assert decimal.getcontext().traps[decimal.DivisionByZero]


def test_what_is_smaller_than_any_decimal_number_is_zero() -> None:
    """erfc(1e10) is exp(-1e20): its exponent has no place in a decimal number."""
    context = Decimals(DIGITS)
    with context.working():
        assert context.erfc(context.mpf(1e10)) == 0
        assert context.exp(context.mpf(-1e30)) == 0
        assert context.cosh(context.mpf(1e30)) == context.inf
