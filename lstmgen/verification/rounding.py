"""How far rounding alone moves what a right module computes.

A module rounds each value; where a cell makes much of it (cos(1000 a), 1 - y^2 of a tanh that is
all but 1), no module of that precision is as near to the exact numbers as the usual bound asks.
The normal form and the gradient equations are therefore evaluated once more with a rounding error
in every operation, and what moves by that is how well the case can be known at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from math import inf, isfinite
from typing import Any

import numpy as np

from lstmgen.algebra.functions import Function
from lstmgen.verification.arithmetic import Arithmetic, Limits, Operand, PointError, Real

__all__ = ["MOST", "Moves", "Rounded", "Rounding", "moves"]

MOST = 0.1
"""Of an array's largest value: what rounding moves by more cannot be told right from wrong."""

_SAMPLES = 2  # of rounding errors
_ROUNDINGS = 8  # times what a sample moves is allowed: functions are not rounded best

_VALUES = ("y", "states")
Moves = dict[tuple[str, str], tuple[float, ...]]
"""By what is returned (y, states, or a part of the gradient) and name, relative to the array: a
number for each of the gradients of a case, and one for values."""
Measure = Callable[[float], Moves]


class Rounding:
    """What rounding moves in one case, found out when it is first asked for.

    Args:
        measures: give the moves, for sums whose rounding errors are so many times as large; the
            case is put together of what they stand for.
        of_copies: the same where each unit is there more than once.  A right module may round each
            copy in another way, in tiles of other widths say, and the difference between copies may
            grow while what they have in common, which is all that `measures` know, vanishes.
    """

    def __init__(self, *measures: Measure, of_copies: Sequence[Measure] = ()) -> None:
        self._measures, self._of_copies = measures, tuple(of_copies)
        self._found: dict[float, Moves] = {}

    @classmethod
    def joined(cls, parts: Sequence[Rounding]) -> Rounding:
        """Of a case that is put together of several."""
        measures = (measure for part in parts for measure in part._measures)
        return cls(*measures, of_copies=[m for part in parts for m in part._of_copies])

    @property
    def of_copies(self) -> Rounding:
        """Of the case with several copies of each unit."""
        return Rounding(*self._of_copies, of_copies=self._of_copies)

    def of(self, group: str, name: str, sums: float = 1.0, which: int | None = None) -> float:
        """What an array may be off by, relative to its largest value.

        `which` of the gradients: the worst by default.
        """
        found = self._moves(sums).get((group, name), (0.0,))
        return max(found) if which is None else found[which]

    def of_gradients(self) -> float:
        """The largest of all gradients'."""
        moves = self._moves(1.0).items()
        return max((max(m) for (group, _), m in moves if group not in _VALUES), default=0.0)

    def _moves(self, sums: float) -> Moves:
        if sums not in self._found:
            found: Moves = {}
            for measure in self._measures:
                for key, move in measure(sums).items():
                    found[key] = tuple(map(max, move, found.get(key, move)))
            self._found[sums] = found
        return self._found[sums]


def moves(evaluate: Callable[[Rounded | None], Any], exact: Arithmetic, dtype: str) -> Measure:
    """The measure of a `Rounding`.

    Args:
        evaluate: gives the arrays by group, a list for several of a name, with rounding errors or,
            with None, without.
        exact: the arithmetic of the latter.
        dtype: whose roundings.
    """
    unit = float(np.finfo(dtype).eps) / 2

    def measure(sums: float) -> Moves:
        true, worst = evaluate(None), Moves()
        for seed in range(_SAMPLES):
            try:
                moved = evaluate(Rounded(exact, unit, seed, sums))
            except PointError:
                return dict.fromkeys(true, (inf, inf, inf))
            for key, arrays in true.items():
                move = [
                    _ROUNDINGS * _relative(m, t) for m, t in zip(moved[key], arrays, strict=True)
                ]
                if key[0] in _VALUES:
                    move = [max(move, default=0.0)]
                worst[key] = tuple(map(max, move, worst.get(key, move)))
        return worst

    return measure


def _relative(moved: Any, true: Any) -> float:
    size = float(np.max(np.abs(true), initial=0.0))
    error = float(np.max(np.abs(moved - true), initial=0.0))
    found = error / size if size else 0.0
    return found if isfinite(found) else inf


def by_group(gradient: Any) -> dict[tuple[str, str], Any]:
    """The arrays of a `Gradient`, by the part of it and name."""
    parts = {part.name: getattr(gradient, part.name) for part in fields(gradient)}
    return {(part, name): array for part, of in parts.items() for name, array in of.items()}


class Rounded(Limits):
    """Arithmetic with rounding errors.

    Args:
        arithmetic: whose digits are taken.
        unit: the relative size of a rounding error; its sign is drawn from `seed`.
        seed: of the signs.
        sums: how many times as large the errors of products with matrices are, and of sums over
            steps and rows; they are relative to the sizes of what is added.
    """

    def __init__(self, arithmetic: Arithmetic, unit: float, seed: int, sums: float = 1.0) -> None:
        self._random = random.Random(seed)
        super().__init__(arithmetic.digits, arithmetic.context)
        with self.working():
            error = self.number(unit)
            self._factors = (self.one - error, self.one + error)
            self._errors = tuple(factor * self.number(sums) * error for factor in (-1, 1))
        self.allow(far=True)

    def total(self, terms: Sequence[Operand]) -> Operand:
        return self.each(self._added, *terms) if len(terms) > 1 else terms[0]

    def product(self, factors: Sequence[Operand]) -> Operand:
        return self.each(self._rounded, super().product(factors))

    def dot(self, first: Iterable[Real], second: Iterable[Real]) -> Real:
        return self.sum([a * b for a, b in zip(first, second, strict=True)])

    def sum(self, terms: Iterable[Real]) -> Real:
        terms = list(terms)
        size, total = self.context.fsum(map(abs, terms)), self.context.fsum(terms)
        return (
            total + size * self._random.choice(self._errors) if size < self.context.inf else total
        )

    def quotient(self, above: Real, below: Real) -> Real:
        return self._rounded(super().quotient(above, below))

    def power(self, base: Real, exponent: Real) -> Real:
        return self._rounded(super().power(base, exponent))

    def varying_power(self, base: Real, exponent: Real) -> Real:
        return self._rounded(super().varying_power(base, exponent))

    def _function(self, entry: Function) -> Callable[..., Real]:
        exact = super()._function(entry)
        if not entry.rounds:
            return exact
        return lambda *arguments: self._rounded(exact(*arguments))

    def _rounded(self, value: Real) -> Real:
        return value * self._random.choice(self._factors)

    def _added(self, first: Real, *more: Real) -> Real:
        """Each partial sum is rounded; what is equal cancels wholly."""
        for term in more:
            first = self._rounded(first + term)
        return first
