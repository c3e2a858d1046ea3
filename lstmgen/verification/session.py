"""Calling a module under check: arguments on its device, and its results against expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.targets.target import Runner
from lstmgen.verification.cases import Array, Arrays, Case, Gradient
from lstmgen.verification.coverage import Coverage, Recorded
from lstmgen.verification.labels import Label, Labels
from lstmgen.verification.ledger import Ledger

_SHARE = 1e-2
"""In float32, an array's scale is at least this part of the largest value of its kind.

With one unit, an array may be the difference of two much larger numbers that nearly cancel: its
few digits are then what float32 leaves, though every step to it is exact to the last digit.  Other
arrays of the same kind (parameters' gradients, states, ...) in the same case tell how large those
numbers are.  float64 has the digits to do without.
"""


class Session:
    """A module, the ledger that its results go to, and the labels of the cell.

    With `coverage`, that is told which statements of the module are run.
    """

    def __init__(
        self,
        form: NormalForm,
        labels: Labels,
        runner: Runner,
        ledger: Ledger,
        coverage: Coverage | None = None,
    ) -> None:
        self.form = form
        self.labels = labels
        self.runner = runner
        module = Recorded(runner.module, coverage) if coverage else runner.module
        self.module = Told(module, ledger)
        self._coverage = coverage
        self.ledger = ledger
        self.output = labels.values[form.output]

    def recording(self) -> AbstractContextManager[None]:
        """Where the module runs though none of its functions is called by name."""
        return self._coverage.recording() if self._coverage else nullcontext()

    def inputs(self, arrays: Any) -> Any:
        """What the module takes as x: the array of the one input, or a dict of several."""
        return dict(arrays) if len(self.form.inputs) != 1 else arrays[self.form.inputs[0]]

    def by_input(self, x: Any) -> dict[str, Any]:
        """The dict of a module's x or dx, by input."""
        if len(self.form.inputs) != 1:
            return _dict(x, "dx")
        return {self.form.inputs[0]: x}

    def send(self, arrays: Arrays) -> dict[str, Any]:
        """New arrays on the device."""
        return {name: self.runner.to_device(array) for name, array in arrays.items()}

    def strided(self, arrays: Arrays) -> dict[str, Any]:
        """New arrays on the device, with the same values but another order in memory."""
        return {name: self.strided_array(array) for name, array in arrays.items()}

    def strided_array(self, array: Array) -> Any:
        """A new array that is the transpose of a contiguous one."""
        return self.runner.to_device(np.array(array.T, order="C")).T

    def results(
        self, check: str, y: Any, last: Any, case: Case, where: str, floor: float = 0.0
    ) -> None:
        """y and the last states against the expected ones; for `floor` see `Ledger.compare`."""
        moved, least = partial(case.moved, "y", ""), max(floor, _least(case))
        self._compare(check, self.output, y, case.y, case, where, least, moved)
        self.states(check, last, case.last, case, where, "last ", floor)

    def states(
        self,
        check: str,
        found: Any,
        expected: Arrays,
        case: Case,
        where: str,
        prefix: str = "",
        floor: float = 0.0,
        whole: Arrays | None = None,
    ) -> None:
        """A dict of states against the expected ones; `prefix` says which in the report.

        `whole` has all rows of the case, where some are compared: what rounding moves is known of
        these, relative to the largest value among them.
        """
        with self.ledger.guard(check, self.output, case.bound, where):
            states = _same_names(_dict(found, "state"), expected, "state")
            least = max(floor, least_scale(case, expected.values()))
            for name, array in expected.items():
                label = self.labels.values[name]
                if prefix:
                    label = Label(label.label, f"{prefix}{name}: {label.text}")
                times = _size((whole or expected)[name]) / (_size(array) or 1.0)
                moved = partial(_moved, times, case, name)
                self._compare(check, label, states[name], array, case, where, least, moved)

    def gradients(
        self,
        check: str,
        found: Any,
        expected: Gradient,
        case: Case,
        where: str,
    ) -> None:
        """What backward returned against the expected gradients."""
        labels = self.labels
        with self.ledger.guard(check, labels.all_derived, case.bound, where):
            if not isinstance(found, tuple) or len(found) != 3:
                raise TypeError("backward must return (dparams, dx, dstate0)")
            groups = (
                ("parameters", found[0], labels.parameters, "dparams"),
                ("inputs", self.by_input(found[1]), labels.inputs, "dx"),
                ("initial", found[2], labels.initial, "dstate0"),
            )
            for kind, group, names, what in groups:
                arrays: Arrays = getattr(expected, kind)
                values = _same_names(_dict(group, what), arrays, what)
                least = least_scale(case, arrays.values())
                for name, array in arrays.items():
                    moved = partial(case.moved, kind, name, expected)
                    got, label = values[name], names[name]
                    self._compare(check, label, got, array, case, where, least, moved)

    def _compare(
        self,
        check: str,
        label: Label,
        got: Any,
        expected: Array,
        case: Case,
        where: str,
        floor: float,
        moved: Callable[[], float],
    ) -> None:
        self.ledger.compare(
            check, label, got, expected, case.dtype, case.bound, where, floor, moved
        )


class Told:
    """A module, of all of whose functions a ledger is told when they are called."""

    def __init__(self, module: Any, ledger: Ledger) -> None:
        self._module, self._ledger = module, ledger

    def __getattr__(self, name: str) -> Any:
        """The module's own; a function tells."""
        value = getattr(self._module, name)
        if not callable(value) or isinstance(value, type):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            with self._ledger.calling(name):
                return value(*arguments, **options)

        return call


def _moved(times: float, case: Case, state: str) -> float:
    return times * case.moved("states", state)


def _size(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _least(case: Case) -> float:
    """The least scale of arrays: what is less has no digits, or is none at all."""
    limits = np.finfo(case.dtype)
    return float(limits.tiny / limits.eps)


def least_scale(case: Case, arrays: Iterable[Array]) -> float:
    """The least scale of arrays of one kind."""
    least = _least(case)
    if case.dtype != "float32":
        return least
    largest = max(map(_size, arrays), default=0.0)
    return max(least, _SHARE * largest)


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{what} must be a dict, not {type(value).__name__}")
    return value


def _same_names(found: dict[str, Any], expected: Arrays, what: str) -> dict[str, Any]:
    if set(found) != set(expected):
        raise ValueError(f"{what} has the names {sorted(found)}, not {sorted(expected)}")
    return found
