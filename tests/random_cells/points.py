"""Points at which a cell is well conditioned: away from kinks and poles, and no sum cancels.

The yardstick is the reference itself in float32: where plain float32 arithmetic loses more than a
thousandth of the largest value, a difference would be the point's fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lstmgen import Cell

from .reference import Array, Arrays, Point, Reference, Result

SEEDS = {"dy": (True, False), "dstate": (False, True), "dy and dstate": (True, True)}
_MARGIN = 2e-3  # from kinks and poles
_LARGEST = 1e3
_LOSS = 1e-3  # of the largest value, in float32
# Signs of parameters and of data, and the scale: most cells take the first.
_RANGES = (
    ("both", "both", 1.0),
    ("both", "both", 0.6),
    ("both", "positive", 0.8),
    ("positive", "positive", 0.8),
    ("positive", "both", 0.7),
    ("both", "both", 0.25),
    ("positive", "positive", 0.3),
    ("both", "both", 1.0),
    ("both", "positive", 0.5),
)


@dataclass(frozen=True)
class Sizes:
    """Steps, rows, and the number for each size symbol."""

    T: int
    B: int
    of: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        named = (("T", self.T), ("B", self.B), *self.of)
        return " ".join(f"{name}={n}" for name, n in named)


@dataclass(frozen=True)
class Case:
    """A point with what is asked of it, and what must come out.

    Attributes:
        true: in float64.
        rough: the same in float32, which tells what float32 can be off by.
    """

    sizes: Sizes
    point: Point
    dy: Array
    dstate: Arrays
    true: Result
    rough: Result

    def expected(self, seeds: str) -> tuple[Arrays, Arrays]:
        """All results by name, in float64 and rough; gradients where `seeds` names some."""
        return self._results(self.true, seeds), self._results(self.rough, seeds)

    def _results(self, found: Result, seeds: str) -> Arrays:
        results = {"y": found.y, **{f"last {s}": a for s, a in found.last.items()}}
        if seeds:
            dy, dstate = SEEDS[seeds]
            results |= found.gradients(self.dy if dy else None, self.dstate if dstate else None)
        return results


def sizes_for(cell: Cell, T: int, B: int, H: int, D: int) -> Sizes:
    """Sizes of a cell: H as given, each other one of its own."""
    form = cell.normal_form
    named = [("H", H)]
    named += [(symbol, D + k) for k, symbol in enumerate(form.input_sizes)]
    named += [(symbol, max(1, H - 1 + 3 * k)) for k, symbol in enumerate(form.extra_sizes)]
    return Sizes(T, B, tuple(dict(named).items()))


def find_case(
    cell: Cell, sizes: Sizes, seed: int, *, ragged: bool = False, restarts: bool = False
) -> Case | None:
    """A case with numbers of float32, so that both dtypes can have it; None if none was found.

    ragged: with rows of different lengths.  restarts: with states that are zero before some steps.
    """
    reference = Reference(cell)
    for k, (parameters, data, scale) in enumerate(_RANGES):
        draw = _Draw(np.random.default_rng((seed, k)), scale)
        point = _point(cell, sizes, draw, parameters, data)
        if ragged:
            point = replace(point, lengths=draw.lengths(sizes.T, sizes.B))
        if restarts:
            point = replace(point, restart=draw.restart(sizes.T, sizes.B))
        with np.errstate(all="ignore"):
            true = reference.run(point)
            if not _is_well_placed(true, ties=k >= len(_RANGES) - 2 or k == 1):
                continue
            rough = reference.run(point, "float32")
        form = cell.normal_form
        of = dict(sizes.of)
        dy = draw.array("both", sizes.T, sizes.B, of[form.sizes[form.output]])
        dstate = {s: draw.array("both", *a.shape) for s, a in point.initial.items()}
        case = Case(sizes, point, dy, dstate, true, rough)
        if _is_well_conditioned(case):
            return case
    return None


class _Draw:
    def __init__(self, generator: np.random.Generator, scale: float) -> None:
        self._generator, self._scale = generator, scale

    def array(self, sign: str, *shape: int, scale: float = 1.0) -> Array:
        """Nothing near zero: a term that is nearly absent would hide a mistake in it."""
        found = self._generator.uniform(0.15, 1.0, shape) * scale * self._scale
        if sign == "both":
            found = found * self._generator.choice([-1.0, 1.0], shape)
        return np.asarray(found, np.float32).astype(np.float64)

    def lengths(self, T: int, B: int) -> Array:
        """One row that takes all steps where there are two rows, one that takes none of three."""
        found = self._generator.integers(0, T + 1, B)
        found[: 1 if B > 1 else 0] = T
        found[1 : 2 if B > 2 else 0] = 0
        return self._generator.permutation(found)

    def restart(self, T: int, B: int) -> Array:
        return self._generator.random((T, B)) < 0.3


def _point(cell: Cell, sizes: Sizes, draw: _Draw, parameters: str, data: str) -> Point:
    form, of = cell.normal_form, {**dict(sizes.of), "1": 1}
    extent = {x: of[size] for x, size in form.input_extents.items()}
    made = {}
    for name in form.parameters:
        if name in form.weights:
            weight = form.weights[name]
            columns = sum(of[c] for c in weight.columns)
            scale = 2 / columns if parameters == "positive" else 2 / columns**0.5
            made[name] = draw.array(parameters, of[weight.rows], columns, scale=min(1, scale))
        else:
            made[name] = draw.array(parameters, *(of[s] for s in form.shape(name)))
    return Point(
        made,
        {x: draw.array(data, sizes.T, sizes.B, extent[x]) for x in form.inputs},
        {s: draw.array(data, sizes.B, of[form.sizes[s]]) for s in form.states},
        {name: of[size] for name, size in form.sizes.items()},
    )


def _is_well_placed(found: Result, *, ties: bool) -> bool:
    kinks = found.kinks
    return (
        kinks.kink > _MARGIN
        and kinks.nearest > _MARGIN
        and (ties or not kinks.tie)
        and found.largest < _LARGEST
        and all(np.all(np.isfinite(a)) for a in (found.y_by, *found.last_by.values()))
    )


def _is_well_conditioned(case: Case) -> bool:
    for seeds in ("dy", "dstate"):
        true, rough = case.expected(seeds)
        largest = max((float(np.max(np.abs(a), initial=0)) for a in true.values()), default=0)
        for name, array in true.items():
            off = float(np.max(np.abs(rough[name] - array), initial=0))
            if not off <= _LOSS * max(1e-3, float(np.max(np.abs(array), initial=0))):
                return False
        if not largest < 1e5:
            return False
    return True
