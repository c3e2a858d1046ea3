"""A point at which a module is compared in a few milliseconds: what must come out, in float64.

The equations are evaluated as they are; gradients are central differences along a direction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.verification.arithmetic import Arithmetic, PointError
from lstmgen.verification.points import RANGES, Range, Shape
from lstmgen.verification.reference import Reference
from lstmgen.verification.unrolling import Frame

__all__ = ["Equations", "QuickCase", "Slope"]

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

_DIRECTIONS = 24  # at most; more arrays share them
_STEPS = (2.0**-15, 2.0**-24, 2.0**-33)
"""Of the differences, later ones where a function is steep: their error is that to the fourth, and
1e-16 over it."""
_WEIGHTS = {2: -1 / 12, 1: 2 / 3, -1: -2 / 3, -2: 1 / 12}  # central, of the fourth order
_MARGIN = 4e-3  # from kinks and poles, so that no difference is taken across one
_SMOOTH = 1e-4  # what differences over one step and over two may differ by where there was none
_ATTEMPTS = 12  # of each range
_UNIT = 2.0**-53
_ROUNDINGS = (1, 2)  # seeds of rounding errors
_TIMES = 8  # what one of them moves may be wrong
_MOVED = 1e-8  # by which they may move values, relative to the largest of an array
_MOVED_SLOPE = 1e-3  # the same of slopes, eight times and relative to the largest of all
_AGAIN = 0.4  # the part of the steps at which a row starts again


class _SteepError(PointError):
    """The equations bend within one step of the differences."""


class _Vectors(Arithmetic):
    """Numbers are floats and vectors arrays, (units, samples, rows), all samples at once."""

    def __init__(self) -> None:
        super().__init__(15, mpmath.fp)
        self.random: np.random.Generator | None = None  # of further rounding errors, where wanted

    def _rounded(self, value: Any) -> Any:
        if self.random is None:
            return value
        return value * (1 + _UNIT * self.random.choice((-1.0, 1.0), np.shape(value)))

    def each(self, function: Callable[..., Any], *operands: Any) -> Any:
        """The function, entry by entry."""
        try:
            found = np.frompyfunc(function, len(operands), 1)(*operands)
        except (OverflowError, ValueError, ZeroDivisionError) as error:
            raise PointError(str(error)) from None
        return self._rounded(np.asarray(found, dtype=np.float64))

    def total(self, terms: Any) -> Any:
        """The sum of the terms."""
        result = terms[0]
        for term in terms[1:]:
            result = self._rounded(result + term)
        return result

    def product(self, factors: Any) -> Any:
        """The element-wise product of the factors."""
        result = factors[0]
        for factor in factors[1:]:
            result = self._rounded(result * factor)
        return result

    def apply(self, matrix: Any, vector: Any) -> Any:
        """A matrix, (rows, columns, samples), times a vector."""
        stacked = np.stack(np.broadcast_arrays(*vector))
        return self._rounded(np.einsum("ijs,jsb->isb", np.asarray(matrix), stacked))


@dataclass(frozen=True, slots=True)
class Slope:
    """A derivative, and how far differences may be from it."""

    value: float
    uncertainty: float

    def __add__(self, other: Slope) -> Slope:
        return Slope(self.value + other.value, self.uncertainty + other.uncertainty)


@dataclass(frozen=True)
class QuickCase:
    """A point, in arrays as modules have them, and what must come out of it.

    Attributes:
        given: parameters, inputs (T, B, size) and initial states (B, size), by group and name.
        states: at every step, (T, B, size).
        directions: for each array that is given.
        options: lengths and restart, where the case has them.
        slopes: of the loss along the directions of some arrays at a time, named by group and name:
            for dy alone and for dstate alone, each with what it may be off by.
    """

    shape: Shape
    given: dict[str, Arrays]
    dy: Array
    dstate: Arrays
    y: Array
    states: Arrays
    directions: dict[str, Arrays]
    slopes: dict[tuple[tuple[str, str], ...], tuple[Slope, Slope]]
    options: Arrays

    @property
    def seen(self) -> Arrays:
        """The inputs that a module gets: NaN where they do not matter."""
        lengths = self.options.get("lengths")
        if lengths is None:
            return self.given["x"]
        behind = (np.arange(self.shape.T)[:, None] >= lengths)[:, :, None]
        return {name: np.where(behind, np.nan, array) for name, array in self.given["x"].items()}


class Equations:
    """The cell's equations in float64."""

    def __init__(self, cell: Stages) -> None:
        self._form = cell.normal_form
        self._steps: tuple[float, ...] = _STEPS
        self._arithmetic = _Vectors()
        self._equations = Reference(cell, self._arithmetic).equations

    def case(self, shape: Shape, sequences: bool = False, steady: bool = False) -> QuickCase:
        """The first point, of some seeds, at which the equations can be evaluated.

        With `sequences`, rows have lengths, 0 and T among them, and states start again; with
        `steady`, it is the first at which rounding alone does not move what comes out.
        """
        problem = PointError("there is none")
        for step in self._steps:
            steep = 0
            for (number, span), attempt in itertools.product(enumerate(RANGES), range(_ATTEMPTS)):
                random = np.random.default_rng((number, attempt, shape.T, shape.B))
                try:
                    found = self._case(shape, span, random, sequences, step, steady)
                except PointError as error:
                    problem = error
                    steep += isinstance(error, _SteepError)
                    if steep == _ATTEMPTS:  # so it is everywhere
                        break
                else:
                    self._steps = _STEPS[_STEPS.index(step) :]  # and at other sizes
                    return found
        raise problem

    def _case(
        self,
        shape: Shape,
        span: Range,
        random: np.random.Generator,
        sequences: bool,
        step: float,
        steady: bool,
    ) -> QuickCase:
        form = self._form

        def draw(size: tuple[int, ...], sign: str = "both", scale: float = 1.0) -> Array:
            signs = random.choice((-1.0, 1.0), size) if sign == "both" else 1.0
            return np.asarray(signs * random.uniform(0.15, 1.0, size) * scale * span.scale)

        def rows(name: str, *before: int, sign: str = "both") -> Array:
            return draw((*before, shape.B, shape.size(form.sizes[name])), sign)

        given: dict[str, Arrays] = {"params": {}, "x": {}, "state": {}}
        for name in form.parameters:
            size = parameter_shape(form, name, shape)
            scale = min(1.0, 2.0 / max(1, size[-1]) ** 0.5) if len(size) == 2 else 1.0
            given["params"][name] = draw(size, span.parameters, scale)
        given["x"] = {
            x: draw((shape.T, shape.B, shape.size(extent)), span.data)
            for x, extent in form.input_extents.items()
        }
        given["state"] = {s: rows(s, sign=span.data) for s in form.states}
        dy, dstate = rows(form.output, shape.T), {s: rows(s) for s in form.states}

        options: Arrays = {}
        if sequences:
            lengths = np.arange(shape.B) * shape.T // max(1, shape.B - 1)
            restart = random.random((shape.T, shape.B)) < _AGAIN
            options = {"lengths": random.permutation(lengths), "restart": restart}
        self._arithmetic.watch()
        once = {g: {n: a[..., None] for n, a in arrays.items()} for g, arrays in given.items()}
        self._run(shape, once, 1, options)
        if min(self._arithmetic.kink, self._arithmetic.edge) < _MARGIN:
            raise PointError("an argument at a kink, at a pole or at the border of a domain")
        directions = {
            group: {name: random.uniform(-1.0, 1.0, array.shape) for name, array in arrays.items()}
            for group, arrays in given.items()
        }
        named = [(group, name) for group, arrays in given.items() for name in arrays]
        together = [tuple(named[k::_DIRECTIONS]) for k in range(min(_DIRECTIONS, len(named)))]
        moved: dict[str, Arrays] = {group: {} for group in given}
        for group, name in named:
            by = [step * k * ((group, name) in those) for those in together for k in _WEIGHTS]
            array, direction = given[group][name], directions[group][name]
            moved[group][name] = array[..., None] + direction[..., None] * np.array(by)
        samples = len(together) * len(_WEIGHTS)

        def evaluated() -> tuple[Array, Arrays, list[Slope]]:
            """The values at the point, and the slopes for dy and then for dstate."""
            y, states = self._run(shape, once, 1, options)
            found, after = self._run(shape, moved, samples, options)
            losses = np.zeros((2, samples))
            losses[0] = np.einsum("tbhs,tbh->s", found, dy)
            for name in form.states:
                losses[1] += np.einsum("bhs,bh->s", after[name][-1], dstate[name])
            kinds = losses.reshape(2, len(together), len(_WEIGHTS))
            return y, states, [s for kind in kinds for s in _differences(kind, step)]

        y, states, slopes = evaluated()
        if steady or step < _STEPS[0]:
            for seed in _ROUNDINGS:
                self._arithmetic.random = np.random.default_rng(seed)
                try:
                    slopes = _uncertain((y, states, slopes), evaluated())
                finally:
                    self._arithmetic.random = None
        by_y, by_state = slopes[: len(together)], slopes[len(together) :]
        return QuickCase(
            shape,
            given,
            dy,
            dstate,
            y[..., 0],
            {name: array[..., 0] for name, array in states.items()},
            directions,
            dict(zip(together, zip(by_y, by_state, strict=True), strict=True)),
            options,
        )

    def _run(
        self, shape: Shape, given: dict[str, Arrays], samples: int, options: Arrays
    ) -> tuple[Array, Arrays]:
        """The output and the states at every step, (T, B, size, samples)."""
        form = self._form
        # A number, or a number for each unit, goes with every row.
        parameters = {
            name: array if name in form.weights else array[..., None]
            for name, array in given["params"].items()
        }
        now = {name: np.moveaxis(array, 0, -1) for name, array in given["state"].items()}
        steps, outputs = [], []
        for t in range(shape.T):
            before = {s: now[s] for s in form.states}
            begins = before
            if options:
                begins = {s: np.where(options["restart"][t], 0.0, a) for s, a in before.items()}
            now = {name: np.moveaxis(array[t], 0, -1) for name, array in given["x"].items()}
            frame = Frame(now, begins, parameters, shape)  # type: ignore[arg-type]
            for name, evaluate in self._equations:
                size = (shape.size(form.sizes[name]), samples, shape.B)
                now[name] = np.broadcast_to(evaluate(frame), size)
                if not np.all(np.isfinite(now[name])):
                    raise PointError("a value that is not finite")
            steps.append(now)
            if options:  # rows that have ended stay as they were
                there = t < options["lengths"]
                outputs.append(np.where(there, now[form.output], 0.0))
                now |= {s: np.where(there, now[s], a) for s, a in before.items()}
            else:
                outputs.append(now[form.output])

        def rows_first(arrays: list[Array]) -> Array:
            return np.stack([np.moveaxis(array, -1, 0) for array in arrays])

        states = {name: rows_first([step[name] for step in steps]) for name in form.states}
        return rows_first(outputs), states


def _uncertain(
    true: tuple[Array, Arrays, list[Slope]], moved: tuple[Array, Arrays, list[Slope]]
) -> list[Slope]:
    """The slopes, and how far they and the values are moved by rounding errors: not far."""
    pairs = [(true[0], moved[0]), *((array, moved[1][name]) for name, array in true[1].items())]
    for array, other in pairs:
        if np.max(np.abs(array - other)) > _MOVED * np.max(np.abs(array)):
            raise PointError("rounding alone moves what comes out")
    largest = max(abs(slope.value) for slope in true[2])
    found = []
    for slope, other_slope in zip(true[2], moved[2], strict=True):
        by = _TIMES * abs(slope.value - other_slope.value)
        if by > _MOVED_SLOPE * largest:
            raise PointError("rounding alone moves a gradient")
        found.append(Slope(slope.value, max(slope.uncertainty, by)))
    return found


def _differences(losses: Array, step: float) -> list[Slope]:
    """The derivatives of losses, one a row, at the steps that `_WEIGHTS` names."""
    two, one, minus_one, minus_two = losses.T
    short, long = (one - minus_one) / (2 * step), (two - minus_two) / (4 * step)
    if np.any(np.abs(short - long) > _SMOOTH * (np.max(np.abs(short), initial=0.0) + 1e-6)):
        raise _SteepError("a kink near the point")
    slopes = losses @ (np.array([*_WEIGHTS.values()]) / step)
    # What is left of the curvature, and of the rounding of the losses.
    uncertain = 0.05 * np.abs(short - long) + 1e-14 * np.max(np.abs(losses), axis=1) / step
    return [Slope(*pair) for pair in zip(slopes.tolist(), uncertain.tolist(), strict=True)]


def parameter_shape(form: NormalForm, name: str, shape: Shape) -> tuple[int, ...]:
    """The concrete shape of a parameter."""
    if name in form.weights:
        weight = form.weights[name]
        return (shape.size(weight.rows), sum(map(shape.size, weight.columns)))
    return (shape.size(form.vectors[name]),) if name in form.vectors else ()
