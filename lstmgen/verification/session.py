"""Calling a module under check: arguments on its device, and its results against expectations."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmgen.normal_form import NormalForm
from lstmgen.verification.cases import Array, Arrays, Case, Gradient
from lstmgen.verification.labels import Label, Labels
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.runners import Runner


class Session:
    """A module, the ledger that its results go to, and the labels of the cell."""

    def __init__(self, form: NormalForm, labels: Labels, runner: Runner, ledger: Ledger) -> None:
        self.form = form
        self.labels = labels
        self.runner = runner
        self.module = runner.module
        self.ledger = ledger
        self.output = labels.values[form.output]

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

    def results(self, check: str, y: Any, last: Any, case: Case, where: str) -> None:
        """y and the last states against the expected ones."""
        self._compare(check, self.output, y, case.y, case, where)
        self.states(check, last, case.last, case, where, "last ")

    def states(
        self, check: str, found: Any, expected: Arrays, case: Case, where: str, prefix: str = ""
    ) -> None:
        """A dict of states against the expected ones; `prefix` says which in the report."""
        with self.ledger.guard(check, self.output, case.bound, where):
            states = _same_names(_dict(found, "state"), expected, "state")
            for name, array in expected.items():
                label = self.labels.values[name]
                if prefix:
                    label = Label(label.label, f"{prefix}{name}: {label.text}")
                self._compare(check, label, states[name], array, case, where)

    def gradients(self, check: str, found: Any, expected: Gradient, case: Case, where: str) -> None:
        """What backward returned against the expected gradients."""
        labels = self.labels
        with self.ledger.guard(check, labels.all_derived, case.bound, where):
            if not isinstance(found, tuple) or len(found) != 3:
                raise TypeError("backward must return (dparams, dx, dstate0)")
            groups = (
                (found[0], expected.parameters, labels.parameters, "dparams"),
                (self.by_input(found[1]), expected.inputs, labels.inputs, "dx"),
                (found[2], expected.initial, labels.initial, "dstate0"),
            )
            for group, arrays, names, what in groups:
                values = _same_names(_dict(group, what), arrays, what)
                for name, array in arrays.items():
                    self._compare(check, names[name], values[name], array, case, where)

    def _compare(
        self, check: str, label: Label, got: Any, expected: Array, case: Case, where: str
    ) -> None:
        self.ledger.compare(check, label, got, expected, case.dtype, case.bound, where)


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{what} must be a dict, not {type(value).__name__}")
    return value


def _same_names(found: dict[str, Any], expected: Arrays, what: str) -> dict[str, Any]:
    if set(found) != set(expected):
        raise ValueError(f"{what} has the names {sorted(found)}, not {sorted(expected)}")
    return found
