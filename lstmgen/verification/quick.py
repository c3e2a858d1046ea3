"""A module against its cell's equations in a few milliseconds, for `lstmgen build`.

The equations themselves are evaluated in float64, not the normal form, the derived gradients or
the schedule: y and the states directly, the gradients by central differences along a random
direction in each array, which a wrong entry anywhere in it changes.  Rounding leaves 1e-9 of
these, where a wrong equation leaves nothing.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.errors import UnavailableError
from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.targets.target import Runner
from lstmgen.verification.arithmetic import PointError
from lstmgen.verification.labels import Label, Labels, spans
from lstmgen.verification.points import shape_for
from lstmgen.verification.quick_case import Equations, QuickCase, Slope

__all__ = ["check_module"]

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

BOUND = 1e-7
"""Of an error, relative to the largest value of its array."""

_SIZES = ((4, 3, 5, 2), (2, 1, 1, 3))  # T, B, H, D: unequal ones, and single units
_SIZES_OF_MANY = ((2, 2, 3, 1),)
_LAST_SIZES = ((2, 2, 2, 1), (2, 1, 1, 1), (1, 1, 1, 1))  # where larger ones have no point
_SEQUENCES = (3, 4, 2, 1)  # with lengths and restarts
_MANY = 60  # equations, from which on there is time for few numbers
_SHOWN = 8  # lines
_SHARE = 1e-3  # of the largest value of its kind that an array counts as at least


def check_module(cell: Stages, runner: Runner, *, sequences: bool | None = None) -> tuple[str, ...]:
    """What is wrong with a module, an equation at a time; nothing if it agrees with its cell.

    `sequences`: whether it takes lengths and restart; by default as its target says.
    """
    labels, equations = Labels(cell, cell.gradients), Equations(cell)

    def compare(case: QuickCase, sequences: bool = False) -> list[str]:
        """What is wrong, at this point or at the next one that rounding does not move."""
        problems = list(_Comparison(cell.normal_form, labels, runner, case).problems())
        if problems:
            with suppress(PointError):
                case = equations.case(case.shape, sequences, steady=True)
                problems = list(_Comparison(cell.normal_form, labels, runner, case).problems())
        return problems

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
        problems = compare(case)
        if problems:
            return _shown(problems)
    if compared:
        if not (runner.target.sequences if sequences is None else sequences):
            return ()
        try:
            case = equations.case(shape_for(cell.normal_form, *_SEQUENCES), sequences=True)
        except PointError:  # a state of zeros may be where an equation has no value
            return ()
        return _shown(compare(case, sequences=True))
    return (
        f"{labels.all_values}: they could not be evaluated at any random point, so nothing was "
        f"compared: {reason}",
    )


def _shown(problems: list[str]) -> tuple[str, ...]:
    """The first of them, and how many more."""
    more = [f"and {len(problems) - _SHOWN} more"] * (len(problems) > _SHOWN)
    return (*problems[:_SHOWN], *more)


class _Comparison:
    """A module at one point."""

    def __init__(self, form: NormalForm, labels: Labels, runner: Runner, case: QuickCase) -> None:
        self._form, self._labels = form, labels
        self._runner, self._module, self._case = runner, runner.module, case

    def problems(self) -> Iterator[str]:
        """What is wrong, in the order of the equations; at the first exception it ends.

        float32 has the same numbers, to fewer digits: at the smaller size its types are looked at.
        """
        dtypes = ("float64", "float32") if self._case.shape.H == 1 else ("float64",)
        steps = [] if self._case.options else [self._step]
        calls = [
            (dtype, call)
            for dtype in dtypes
            if dtype in self._runner.target.dtypes
            for call in (self._forward, self._backward, *steps)
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
            self._sent("params", dtype),
            self._x(dtype),
            self._sent("state", dtype),
            **{n: self._runner.to_device(a) for n, a in self._case.options.items()},
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
        if group == "x":
            arrays = self._case.seen
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
        true: Slope,
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
