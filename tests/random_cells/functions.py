"""The functions of equations with their slopes, and how near their arguments come to trouble.

Written from their definitions.  A function that is not here is evaluated at 60 digits from its
definition in the table, and its slope is a difference quotient: slow, and independent of the rule
for its derivative, so that a new function is tested from its first day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.algebra.functions import BY_NOTATION
from lstmgen.verification.arithmetic import Arithmetic, PointError

Array = npt.NDArray[Any]


class Kinks:
    """The least distances of arguments to a kink, and to a pole or the border of a domain.

    Attributes:
        kink: to a kink, but zero.
        tie: whether an argument was right at a kink.
        nearest: to a pole or border; nan and negative where it was crossed.
    """

    def __init__(self) -> None:
        self.kink = math.inf
        self.tie = False
        self.nearest = math.inf

    def near(self, distance: Array) -> None:
        """Arguments at these distances (of either sign) from a kink."""
        size = np.abs(distance)
        self.tie |= bool(np.any(size == 0))
        self.kink = min(self.kink, float(np.min(size, initial=math.inf, where=size > 0)))

    def edge(self, distance: Array) -> None:
        """Arguments that must stay well above zero."""
        self.nearest = min(self.nearest, float(np.min(distance, initial=math.inf)))


Call = Callable[[Sequence[Array], Kinks], tuple[Array, Sequence[Array]]]


def call(function: str, arguments: Sequence[Array], kinks: Kinks) -> tuple[Array, Sequence[Array]]:
    """The value of a function, as the notation spells it, and its slope by each argument."""
    known = _KNOWN.get(function)
    return known(arguments, kinks) if known else _difference_quotient(function, arguments, kinks)


def _sigma(a: Array) -> Array:
    tail = np.exp(-np.abs(a))
    return np.asarray(np.where(a > 0, 1, tail) / (1 + tail))


def _slope_of_tanh(a: Array, y: Array) -> Array:
    """In float32 as it is usually computed, which tells what that loses where tanh is flat."""
    return np.asarray(1 - y * y if a.dtype == np.float32 else 1 / np.cosh(a) ** 2)


def _smooth(value: Callable[[Array], Array], slope: Callable[[Array, Array], Array]) -> Call:
    def evaluate(arguments: Sequence[Array], kinks: Kinks) -> tuple[Array, Sequence[Array]]:
        (a,) = arguments
        y = value(a)
        return y, [slope(a, y)]

    return evaluate


def _above_zero(value: Callable[[Array], Array], slope: Callable[[Array, Array], Array]) -> Call:
    def evaluate(arguments: Sequence[Array], kinks: Kinks) -> tuple[Array, Sequence[Array]]:
        kinks.edge(arguments[0])
        return _smooth(value, slope)(arguments, kinks)

    return evaluate


def _kinked(value: Callable[[Array], Array], slope: Callable[[Array, Array], Array]) -> Call:
    def evaluate(arguments: Sequence[Array], kinks: Kinks) -> tuple[Array, Sequence[Array]]:
        kinks.near(arguments[0])
        return _smooth(value, slope)(arguments, kinks)

    return evaluate


def _largest(sign: int) -> Call:
    def evaluate(arguments: Sequence[Array], kinks: Kinks) -> tuple[Array, Sequence[Array]]:
        """Two at a time; each side of a tie gets half of the slope."""
        y = arguments[0]
        slopes = [np.ones_like(y)]
        for a in arguments[1:]:
            above = sign * (a - y)
            kinks.near(above)
            share = np.where(above > 0, 1.0, np.where(above < 0, 0.0, 0.5)).astype(y.dtype)
            slopes = [s * (1 - share) for s in slopes] + [share]
            y = np.where(above > 0, a, y)
        return y, slopes

    return evaluate


_KNOWN: dict[str, Call] = {
    "sigma": _smooth(_sigma, lambda a, y: y * (1 - y)),
    "tanh": _smooth(np.tanh, _slope_of_tanh),
    "exp": _smooth(np.exp, lambda a, y: y),
    "sin": _smooth(np.sin, lambda a, y: np.cos(a)),
    "cos": _smooth(np.cos, lambda a, y: -np.sin(a)),
    "sinh": _smooth(np.sinh, lambda a, y: np.cosh(a)),
    "cosh": _smooth(np.cosh, lambda a, y: np.sinh(a)),
    "arctan": _smooth(np.arctan, lambda a, y: 1 / (1 + a * a)),
    "expm1": _smooth(np.expm1, lambda a, y: np.exp(a)),
    "softplus": _smooth(lambda a: np.logaddexp(0, a).astype(a.dtype), lambda a, y: _sigma(a)),
    "log": _above_zero(np.log, lambda a, y: 1 / a),
    "sqrt": _above_zero(np.sqrt, lambda a, y: 0.5 / y),
    "relu": _kinked(lambda a: np.where(a > 0, a, 0 * a), lambda a, y: (a > 0).astype(a.dtype)),
    "Abs": _kinked(np.abs, lambda a, y: np.sign(a)),
    "Max": _largest(1),
    "Min": _largest(-1),
}


@cache
def _arithmetic() -> Arithmetic:
    return Arithmetic(60)


def _difference_quotient(
    function: str, arguments: Sequence[Array], kinks: Kinks
) -> tuple[Array, Sequence[Array]]:
    exact = _arithmetic()
    f = exact.functions[BY_NOTATION[function].name]
    small = exact.number("1e-20")
    given = np.broadcast_arrays(*arguments)
    value = np.zeros(given[0].size, given[0].dtype)
    slopes = [np.zeros(value.size, value.dtype) for _ in given]
    exact.watch()
    for k, numbers in enumerate(zip(*(a.ravel().tolist() for a in given), strict=True)):
        at = [exact.number(a) for a in numbers]
        try:
            with exact.working():
                value[k] = float(f(*at))
                for j, slope in enumerate(slopes):
                    up, down = (f(*at[:j], at[j] + h, *at[j + 1 :]) for h in (small, -small))
                    slope[k] = float((up - down) / (2 * small))
        except (PointError, ValueError):
            value[k] = math.nan
            kinks.edge(np.array([-1.0]))
    # A quotient across a kink is no slope: there such a point is never taken.
    kinks.near(np.array([1e-30 if exact.tie else float(exact.kink)]))
    kinks.edge(np.array([float(exact.edge)]))
    return value.reshape(given[0].shape), [s.reshape(given[0].shape) for s in slopes]
