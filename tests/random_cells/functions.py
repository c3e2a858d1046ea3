"""The functions of equations with their slopes, and how near their arguments come to trouble.

Written from their definitions.  A function that is not here yet is taken from the 50-digit
arithmetic of `lstmgen.verification`, and its slope is a difference quotient at 60 digits: slow, and
as independent, so that a new function of the table is tested from its first day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.verification.arithmetic import Arithmetic, PointError

Array = npt.NDArray[Any]
_MARGIN = 2e-3


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
    "tanh": _smooth(np.tanh, lambda a, y: 1 / np.cosh(a) ** 2),
    "exp": _smooth(np.exp, lambda a, y: y),
    "sin": _smooth(np.sin, lambda a, y: np.cos(a)),
    "cos": _smooth(np.cos, lambda a, y: -np.sin(a)),
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
    f = exact.functions[function]
    small, margin = exact.number("1e-20"), exact.number(_MARGIN)
    given = np.broadcast_arrays(*arguments)
    shape, dtype = given[0].shape, given[0].dtype
    value = np.zeros(given[0].size, dtype)
    slopes = [np.zeros(given[0].size, dtype) for _ in given]
    for k, numbers in enumerate(zip(*(a.ravel().tolist() for a in given), strict=True)):
        at = [exact.number(a) for a in numbers]
        try:
            value[k] = float(f(*at))
            for j in range(len(at)):

                def along(step: Any, j: int = j, at: list[Any] = at) -> Any:
                    return f(*at[:j], at[j] + step, *at[j + 1 :])

                slope = (along(small) - along(-small)) / (2 * small)
                left = (along(0) - along(-margin)) / margin
                right = (along(margin) - along(0)) / margin
                slopes[j][k] = float(slope)
                if abs(right - left) > 0.03 * (1 + abs(slope)):
                    kinks.near(np.array([0.0 if along(0) == 0 else _MARGIN / 2]))
        except PointError:
            value[k] = math.nan
            kinks.edge(np.array([-1.0]))
    return value.reshape(shape), [s.reshape(shape) for s in slopes]
