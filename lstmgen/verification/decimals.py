"""Many digits, quickly: arithmetic is that of Python's decimal numbers, functions are mpmath's.

Sums and products of `decimal.Decimal` are computed in C, ten times as fast as mpmath's.  They take
their digits from the thread's decimal context, which `Decimals.working` sets for a while.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache, reduce
from typing import Any

import mpmath
from mpmath.libmp import from_int, mpf_mul, mpf_pow_int

__all__ = ["Decimals"]

_GUARD = 10
"""Digits besides those that are asked for, which the roundings of many operations may use up."""
_SPREAD = 200
"""Digits that numbers may lie apart and be added without rounding."""
_CACHED = 1 << 14
"""Values of functions that are kept: forward and backward evaluate the same ones."""


class Decimals:
    """What an mpmath context offers, for decimal numbers of so many digits.

    Functions that are not defined here are mpmath's, by their names there.
    """

    def __init__(self, digits: int) -> None:
        self.digits = digits + _GUARD
        # Nothing is trapped: 1/0 is infinite and 0 times infinity no number.
        self._context = decimal.Context(
            prec=self.digits,
            Emin=decimal.MIN_EMIN,
            Emax=decimal.MAX_EMAX,
            rounding=decimal.ROUND_HALF_EVEN,
            traps=[],
        )
        self._wide = self._context.copy()
        self._wide.prec += _GUARD
        self._exact = self._context.copy()
        self._exact.prec = 2 * self.digits + _SPREAD
        self._functions = mpmath.MPContext()
        self._functions.dps = self.digits + _GUARD
        self.zero, self.one, self.inf = Decimal(0), Decimal(1), Decimal("Infinity")
        self.pi = self._back(+self._functions.pi)
        self.exp = self._function("exp")
        self.tanh = self._function("tanh")

    def working(self) -> Any:
        """Within this, operators have these digits in this thread."""
        return decimal.localcontext(self._context)

    def is_working(self) -> bool:
        """Whether operators have these digits now."""
        return decimal.getcontext().prec == self.digits

    def mpf(self, value: int | float | str) -> Decimal:
        """The number, of which none of the digits is lost."""
        # A program that calls this may want to hear of floats; here they are exact.
        return Decimal.from_float(value) if isinstance(value, float) else Decimal(value)

    def sqrt(self, a: Decimal | int) -> Decimal:
        """The square root."""
        return self._context.sqrt(Decimal(a))

    def sign(self, a: Decimal) -> Decimal:
        """1, 0 or -1."""
        return self.one.copy_sign(a) if a else self.zero

    def fsum(self, terms: Iterable[Decimal]) -> Decimal:
        """The sum, rounded once: what cancels leaves nothing."""
        return self._context.plus(reduce(self._exact.add, terms, self.zero))

    def fdot(self, first: Iterable[Decimal], second: Iterable[Decimal]) -> Decimal:
        """The sum of the products, rounded once."""
        total, add_product = self.zero, self._exact.fma
        for a, b in zip(first, second, strict=True):
            total = add_product(a, b, total)
        return self._context.plus(total)

    def isnan(self, a: Decimal) -> bool:
        """Whether it is not a number."""
        return a.is_nan()

    def __getattr__(self, name: str) -> Callable[..., Decimal]:
        function = self._function(name)
        setattr(self, name, function)
        return function

    def _function(self, name: str) -> Callable[..., Decimal]:
        """mpmath's function of that name."""
        exact = getattr(self._functions, name)

        @lru_cache(maxsize=_CACHED)
        def evaluate(*arguments: Decimal) -> Decimal:
            return self._back(exact(*map(self._there, arguments)))

        return evaluate

    def _there(self, value: Decimal | int) -> Any:
        """The number as mpmath's, to more digits than are used."""
        value, m = Decimal(value), self._functions
        if not value.is_finite():
            return m.nan if value.is_nan() else (m.inf if value > 0 else -m.inf)
        places = self._wide.prec - 1 - value.adjusted()  # value = whole / 10 ** places
        whole = from_int(int(self._wide.scaleb(value, places)))
        return m.make_mpf(mpf_mul(whole, _ten_to(-places, m.prec), m.prec))

    def _back(self, value: Any) -> Decimal:
        """mpmath's number as a decimal one."""
        sign, mantissa, exponent, _ = value._mpf_
        if not mantissa:
            if exponent:
                return Decimal(float(value))  # infinite, or not a number
            return self.zero
        context = self._context
        found = Decimal(-mantissa if sign else mantissa)
        power = _two_to(abs(exponent), self._wide.prec)
        return context.divide(found, power) if exponent < 0 else context.multiply(found, power)


@lru_cache(maxsize=4096)
def _ten_to(power: int, bits: int) -> Any:
    """10 ** power to so many bits, in the form of mpmath's functions."""
    return mpf_pow_int(from_int(10), power, bits + abs(power).bit_length())


@lru_cache(maxsize=4096)
def _two_to(power: int, digits: int) -> Decimal:
    """2 ** power to so many digits."""
    # Beyond all exponents it is infinite: what it multiplies is too, and what it divides is zero.
    context = decimal.Context(prec=digits, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])
    return context.power(Decimal(2), power)
