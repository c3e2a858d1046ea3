"""A module against its cell's equations in a few milliseconds, for `lstmgen build`.

The equations themselves are evaluated in float64, not the normal form, the derived gradients or
the schedule: y and the states directly, the gradients by central differences along a random
direction in each array, which a wrong entry anywhere in it changes.  Rounding leaves 1e-9 of
these, where a wrong equation leaves nothing.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lstmgen.errors import UnavailableError
from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.targets.target import Runner
from lstmgen.verification.arithmetic import Arithmetic, PointError
from lstmgen.verification.labels import Label, Labels, spans
from lstmgen.verification.points import RANGES, Range, Shape, shape_for
from lstmgen.verification.reference import Reference
from lstmgen.verification.unrolling import Frame

__all__ = ["check_module"]

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

BOUND = 1e-7
"""Of an error, relative to the largest value of its array."""

_SIZES = ((4, 3, 5, 2), (2, 1, 1, 3))  # T, B, H, D: unequal ones, and single units
_SIZES_OF_MANY = ((2, 2, 3, 1),)
_LAST_SIZES = ((2, 2, 2, 1), (2, 1, 1, 1), (1, 1, 1, 1))  # where larger ones have no point
_MANY = 60  # equations, from which on there is time for few numbers
_DIRECTIONS = 24  # at most; more arrays share them
_STEP = 2.0**-15  # of the differences: their error is that to the fourth, and 1e-16 over it
_WEIGHTS = {2: -1 / 12, 1: 2 / 3, -1: -2 / 3, -2: 1 / 12}  # central, of the fourth order
_MARGIN = 4e-3  # from kinks and poles, so that no difference is taken across one
_SMOOTH = 1e-4  # what differences over one step and over two may differ by where there was none
_SHOWN = 8  # lines
_ATTEMPTS = 12  # of each range
_SHARE = 1e-3  # of the largest value of its kind that an array counts as at least


def check_module(cell: Stages, runner: Runner) -> tuple[str, ...]:
    """What is wrong with a module, an equation at a time; nothing if it agrees with its cell."""
    labels, equations = Labels(cell, cell.gradients), _Equations(cell)
    first = _SIZES_OF_MANY if len(cell.equations) > _MANY else _SIZES
    compared, reason = False, ""
    for sizes in (*first, *_LAST_SIZES):
        if compared and sizes in _LAST_SIZES:
            break
        try:
            case = equations.case(shape_for(cell.normal_form, *sizes))
        except PointError as error:
            reason = str(error)
            continue
        compared = True
        problems = list(_Comparison(cell.normal_form, labels, runner, case).problems())
        if problems:
            more = [f"and {len(problems) - _SHOWN} more"] * (len(problems) > _SHOWN)
            return (*problems[:_SHOWN], *more)
    if compared:
        return ()
    return (
        f"{labels.all_values}: they could not be evaluated at any random point, so nothing was "
        f"compared: {reason}",
    )


class _Vectors(Arithmetic):
    """Numbers are floats and vectors arrays, (units, samples, rows), all samples at once."""

    def __init__(self) -> None:
        super().__init__(15, mpmath.fp)

    def each(self, function: Callable[..., Any], *operands: Any) -> Any:
        """The function, entry by entry."""
        try:
            found = np.frompyfunc(function, len(operands), 1)(*operands)
        except (OverflowError, ValueError, ZeroDivisionError) as error:
            raise PointError(str(error)) from None
        return np.asarray(found, dtype=np.float64)

    def total(self, terms: Any) -> Any:
        """The sum of the terms."""
        return sum(terms[1:], terms[0])

    def product(self, factors: Any) -> Any:
        """The element-wise product of the factors."""
        result = factors[0]
        for factor in factors[1:]:
            result = result * factor
        return result

    def apply(self, matrix: Any, vector: Any) -> Any:
        """A matrix, (rows, columns, samples), times a vector."""
        stacked = np.stack(np.broadcast_arrays(*vector))
        return np.einsum("ijs,jsb->isb", np.asarray(matrix), stacked)


@dataclass(frozen=True, slots=True)
class _Slope:
    """A derivative, and how far differences may be from it."""

    value: float
    uncertainty: float

    def __add__(self, other: _Slope) -> _Slope:
        return _Slope(self.value + other.value, self.uncertainty + other.uncertainty)


@dataclass(frozen=True)
class _Case:
    """A point, in arrays as modules have them, and what must come out of it.

    Attributes:
        given: parameters, inputs (T, B, size) and initial states (B, size), by group and name.
        states: at every step, (T, B, size).
        directions: for each array that is given.
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
    slopes: dict[tuple[tuple[str, str], ...], tuple[_Slope, _Slope]]


class _Equations:
    """The cell's equations in float64."""

    def __init__(self, cell: Stages) -> None:
        self._form = cell.normal_form
        self._arithmetic = _Vectors()
        self._equations = Reference(cell, self._arithmetic).equations

    def case(self, shape: Shape) -> _Case:
        """The first point, of some seeds, at which the equations can be evaluated."""
        problem = PointError("there is none")
        for number, span in enumerate(RANGES):
            for attempt in range(_ATTEMPTS):
                random = np.random.default_rng((number, attempt, shape.T, shape.B))
                try:
                    return self._case(shape, span, random)
                except PointError as error:
                    problem = error
        raise problem

    def _case(self, shape: Shape, span: Range, random: np.random.Generator) -> _Case:
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

        self._arithmetic.watch()
        once = {g: {n: a[..., None] for n, a in arrays.items()} for g, arrays in given.items()}
        y, states = self._run(shape, once, 1)
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
            by = [_STEP * k * ((group, name) in those) for those in together for k in _WEIGHTS]
            array, direction = given[group][name], directions[group][name]
            moved[group][name] = array[..., None] + direction[..., None] * np.array(by)
        samples = len(together) * len(_WEIGHTS)
        found, after = self._run(shape, moved, samples)
        losses = np.zeros((2, samples))
        losses[0] = np.einsum("tbhs,tbh->s", found, dy)
        for name in form.states:
            losses[1] += np.einsum("bhs,bh->s", after[name][-1], dstate[name])
        by_y, by_state = map(_differences, losses.reshape(2, len(together), len(_WEIGHTS)))
        return _Case(
            shape,
            given,
            dy,
            dstate,
            y[..., 0],
            {name: array[..., 0] for name, array in states.items()},
            directions,
            dict(zip(together, zip(by_y, by_state, strict=True), strict=True)),
        )

    def _run(self, shape: Shape, given: dict[str, Arrays], samples: int) -> tuple[Array, Arrays]:
        """The output and the states at every step, (T, B, size, samples)."""
        form = self._form
        # A number, or a number for each unit, goes with every row.
        parameters = {
            name: array if name in form.weights else array[..., None]
            for name, array in given["params"].items()
        }
        now = {name: np.moveaxis(array, 0, -1) for name, array in given["state"].items()}
        steps = []
        for t in range(shape.T):
            before = now
            now = {name: np.moveaxis(array[t], 0, -1) for name, array in given["x"].items()}
            frame = Frame(now, before, parameters, shape)  # type: ignore[arg-type]
            for name, evaluate in self._equations:
                size = (shape.size(form.sizes[name]), samples, shape.B)
                now[name] = np.broadcast_to(evaluate(frame), size)
                if not np.all(np.isfinite(now[name])):
                    raise PointError("a value that is not finite")
            steps.append(now)

        def rows_first(name: str) -> Array:
            return np.stack([np.moveaxis(step[name], -1, 0) for step in steps])

        return rows_first(form.output), {name: rows_first(name) for name in form.states}


def _differences(losses: Array) -> list[_Slope]:
    """The derivatives of losses, one a row, at the steps that `_WEIGHTS` names."""
    two, one, minus_one, minus_two = losses.T
    short, long = (one - minus_one) / (2 * _STEP), (two - minus_two) / (4 * _STEP)
    if np.any(np.abs(short - long) > _SMOOTH * (np.max(np.abs(short), initial=0.0) + 1e-6)):
        raise PointError("a kink near the point")
    slopes = losses @ (np.array([*_WEIGHTS.values()]) / _STEP)
    # What is left of the curvature, and of the rounding of the losses.
    uncertain = 0.05 * np.abs(short - long) + 1e-14 * np.max(np.abs(losses), axis=1) / _STEP
    return [_Slope(*pair) for pair in zip(slopes.tolist(), uncertain.tolist(), strict=True)]


class _Comparison:
    """A module at one point."""

    def __init__(self, form: NormalForm, labels: Labels, runner: Runner, case: _Case) -> None:
        self._form, self._labels = form, labels
        self._runner, self._module, self._case = runner, runner.module, case

    def problems(self) -> Iterator[str]:
        """What is wrong, in the order of the equations; at the first exception it ends.

        float32 has the same numbers, to fewer digits: at the smaller size its types are looked at.
        """
        dtypes = ("float64", "float32") if self._case.shape.H == 1 else ("float64",)
        calls = [
            (dtype, call)
            for dtype in dtypes
            if dtype in self._runner.target.dtypes
            for call in (self._forward, self._backward, self._step)
        ]
        tapes: dict[str, Any] = {}
        for dtype, call in calls:
            try:
                with np.errstate(all="ignore"):
                    found = list(call(dtype, tapes))
            except UnavailableError:
                raise
            except Exception as error:  # whatever the module does
                what = call.__name__.removeprefix("_")
                where = self._equation_of(error)
                yield f"{where}: {what} in {dtype} raises {type(error).__name__}: {error}"
                return
            yield from found
            if found:
                return  # gradients of wrong values would say nothing more

    def _forward(self, dtype: str, tapes: dict[str, Any]) -> Iterator[str]:
        y, last, tape = self._module.forward(
            self._sent("params", dtype), self._x(dtype), self._sent("state", dtype)
        )
        tapes[dtype] = tape
        label = self._labels.values[self._form.output]
        yield from self._compare(label, "y", y, self._case.y, dtype)
        for name, states in self._case.states.items():
            yield from self._state(name, last, states[-1], dtype, "the last ")

    def _backward(self, dtype: str, tapes: dict[str, Any]) -> Iterator[str]:
        send = self._runner.to_device
        dy = send(self._case.dy.astype(dtype))
        dstate = {n: send(a.astype(dtype)) for n, a in self._case.dstate.items()}
        params, tape = self._sent("params", dtype), tapes[dtype]
        wrong = False
        seeds = (({"dy": dy}, 0), ({"dstate": dstate}, 1), ({"dy": dy, "dstate": dstate}, None))
        for given, which in seeds:
            dparams, dx, dstate0 = self._module.backward(params, tape, **given)
            groups = {"params": dparams, "x": self._by_input(dx), "state": dstate0}
            how = " and ".join(given)
            for those, slopes in self._case.slopes.items():
                true = slopes[0] + slopes[1] if which is None else slopes[which]
                found = list(self._slope(those, groups, true, dtype, how))
                wrong = wrong or bool(found)
                yield from found
            if wrong:
                return

    def _step(self, dtype: str, _: dict[str, Any]) -> Iterator[str]:
        params, state = self._sent("params", dtype), self._sent("state", dtype)
        inputs = self._sent("x", dtype)
        for t in range(self._case.shape.T):
            x = {name: array[t] for name, array in inputs.items()}
            given = x if len(x) != 1 else x[self._form.inputs[0]]
            state = self._module.step(params, given, state)
            for name, states in self._case.states.items():
                yield from self._state(name, state, states[t], dtype, f"step {t + 1}: ")

    def _sent(self, group: str, dtype: str) -> dict[str, Any]:
        arrays = self._case.given[group]
        return {n: self._runner.to_device(a.astype(dtype)) for n, a in arrays.items()}

    def _x(self, dtype: str) -> Any:
        sent = self._sent("x", dtype)
        return sent if len(sent) != 1 else sent[self._form.inputs[0]]

    def _by_input(self, dx: Any) -> Any:
        return dx if len(self._form.inputs) != 1 else {self._form.inputs[0]: dx}

    def _state(self, name: str, found: Any, true: Array, dtype: str, what: str) -> Iterator[str]:
        label = self._labels.values[name]
        yield from self._compare(label, f"{what}{name}", found[name], true, dtype)

    def _compare(self, label: Label, what: str, got: Any, true: Array, dtype: str) -> Iterator[str]:
        found, problem = self._host(got, true.shape, dtype)
        if problem:
            yield f"({label.label}) {label.text}: {what} {problem}"
            return
        if dtype != "float64":
            return
        error = np.where(np.isfinite(found), np.abs(found - true), np.inf)
        worst = np.unravel_index(int(np.argmax(error)), error.shape)
        if error[worst] > BOUND * float(np.max(np.abs(true))):
            place = ", ".join(str(int(k)) for k in worst)
            yield (
                f"({label.label}) {label.text}: {what}[{place}] is {found[worst]:.9g}, and by the "
                f"equations {true[worst]:.9g}"
            )

    def _slope(
        self,
        those: tuple[tuple[str, str], ...],
        groups: dict[str, Any],
        true: _Slope,
        dtype: str,
        how: str,
    ) -> Iterator[str]:
        """Gradients times their directions against the derivative along these."""
        tables = {"params": "parameters", "x": "inputs", "state": "initial"}
        labels = [getattr(self._labels, tables[group])[name] for group, name in those]
        about = labels[0].text if len(labels) == 1 else f"{len(labels)} equations"
        equations = f"({spans(label.label for label in labels)}) {about}"
        along, largest = 0.0, abs(true.value)
        for group, name in those:
            direction = self._case.directions[group][name]
            found, problem = self._host(groups[group][name], direction.shape, dtype)
            if problem:
                yield f"{equations}: the gradient of {group}[{name!r}] for {how} {problem}"
                return
            along += float(np.sum(found * direction))
            largest = max(largest, float(np.max(np.abs(found * direction), initial=0.0)))
        size = max(abs(s.value) for slopes in self._case.slopes.values() for s in slopes)
        bound = BOUND * max(largest, _SHARE * size) + true.uncertainty
        if dtype == "float64" and not abs(along - true.value) <= bound:
            names = " and ".join(f"{group}[{name!r}]" for group, name in those)
            yield (
                f"{equations}: the gradient of {names} for {how}, times a direction, is "
                f"{along:.9g}, and by differences of the equations {true.value:.9g}"
            )

    def _host(self, got: Any, shape: tuple[int, ...], dtype: str) -> tuple[Array, str]:
        found = self._runner.to_host(got)
        if found.shape != shape:
            return found, f"has the shape {found.shape}, not {shape}"
        if found.dtype != np.dtype(dtype):
            return found, f"has the dtype {found.dtype}, not {dtype}"
        if not np.all(np.isfinite(found)):
            return found, "is not finite"
        return found, ""

    def _equation_of(self, error: BaseException) -> str:
        """The equations whose line of the module raised, by the comment at it; else all."""
        labels = ""
        trace = error.__traceback__
        place = getattr(self._module, "__file__", None)
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == place:
                number = trace.tb_lineno
                for line in (linecache.getline(place, n) for n in (number, number - 1)):
                    cited = _CITED.search(line)
                    if cited is not None:
                        labels = cited[1]
                        break
            trace = trace.tb_next
        return labels or self._labels.all_values


_CITED = re.compile(r"# ((?:\((?:\d+[a-z]*|δ\d+)\) ?)+)$")


def parameter_shape(form: NormalForm, name: str, shape: Shape) -> tuple[int, ...]:
    """The concrete shape of a parameter."""
    if name in form.weights:
        weight = form.weights[name]
        return (shape.size(weight.rows), sum(map(shape.size, weight.columns)))
    return (shape.size(form.vectors[name]),) if name in form.vectors else ()
