"""The comparison: numbers at several sizes, and what explains where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.errors import UsageError, VerificationError
from lstmgen.stages import Stages
from lstmgen.verification.against.differences import differences
from lstmgen.verification.against.explaining import Findings, explain
from lstmgen.verification.against.functions import function_subjects
from lstmgen.verification.against.layers import fixed_sizes, is_layer, layer_subjects
from lstmgen.verification.against.numbers import distance
from lstmgen.verification.against.result import Comparison
from lstmgen.verification.against.subjects import Subject, find, shown
from lstmgen.verification.cases import SEEDS, Arrays, Case, Cases, Gradient
from lstmgen.verification.labels import Label, Labels
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.points import Shape, shape_for

__all__ = ["compare", "compare_with"]

Progress = Callable[[str, float], None]

BOUNDS = {"float64": 1e-9, "float32": 1e-4}
"""Of outputs, states and gradients by autograd, relative to the largest number of an array."""
_DIFFERENCES_BOUND = 1e-7
_FLOOR = 1e-2  # an array counts at least this part of the largest of its kind
_LARGEST = 40_000  # numbers in the parameters of a layer that cannot be made smaller


def compare(cell: Stages, name: str, progress: Progress | None = None) -> Comparison:
    """Compare a cell with what PACKAGE.MODULE:NAME names; see `compare_with`.

    Raises:
        UsageError: there is no such thing, or it cannot be compared.
    """
    return compare_with(cell, find(name), name, progress)


def compare_with(
    cell: Stages, implementation: Any, name: str = "", progress: Progress | None = None
) -> Comparison:
    """Compare outputs, last states and gradients of an implementation with the cell's equations.

    Args:
        cell: the cell.
        implementation: a function (params, x, state) -> (y, state) on NumPy arrays or torch
            tensors, where params is a dict by the cell's names, x is (T, B, D) or a dict of the
            inputs, and state a dict of arrays (B, H); or a torch module (x, state) -> (y, state);
            or a class of them, or a function (input_size, hidden_size), that makes one.
        name: what the report calls it.
        progress: called with a text and the part of the work done, 0 to 1.

    Gradients come from autograd; where there is none, and outputs and states agree, from
    differences of eighth order.

    Raises:
        UsageError: it is none of these, or its parameters are not the cell's.
        VerificationError: it stops with an error however it is called.
    """
    name = name or getattr(implementation, "__name__", type(implementation).__name__)
    tell = progress or (lambda text, done: None)
    subjects, sizes = _subjects(implementation, cell, name)
    maker = Cases(cell)
    one, several = _shapes(cell, sizes, name)
    tell("calling the implementation", 0.05)
    subject, dtype = _choose(subjects, maker, one)
    cases = [maker.make(shape, dtype) for shape in (one, several)]
    comparing = _Comparing(cell, subject, dtype)
    for number, case in enumerate(cases):
        tell(f"comparing, {case}", 0.1 + 0.3 * number)
        comparing.add(case)
    right = all(check.passed for check in comparing.ledger.checks())
    if right and not comparing.findings.gradients and dtype == "float64":
        tell("differences in place of gradients", 0.5)
        comparing.add_differences(cases[-1])
    checks = tuple(comparing.ledger.checks())
    without = right and not comparing.findings.gradients
    report = Comparison(
        cell.name,
        "",
        "cpu",
        name,
        checks,
        unchecked=(_NO_GRADIENTS,) if without else (),
        what=f"{subject.what}, in {dtype}",
    )
    if report.ok:
        return report
    tell("trying the mistakes that people make", 0.7)
    origins, tried, agreements = explain(comparing.findings, comparing.labels)
    return replace(report, origins=origins, tried=tried, agreements=agreements)


_NO_GRADIENTS = (
    "gradients: it computes in float32 and has none of its own, and differences need float64"
)


def _subjects(
    implementation: Any, cell: Stages, name: str
) -> tuple[list[Subject], dict[str, int] | None]:
    if is_layer(implementation):
        sizes = fixed_sizes(implementation, cell, name)
        return layer_subjects(implementation, cell, name), sizes
    if isinstance(implementation, type) or not callable(implementation):
        raise UsageError(
            f"--against {name}: expected a function (params, x, state) -> (y, state), or a torch "
            f"module or its class, got {shown(implementation)}"
        )
    return function_subjects(implementation, cell.normal_form, name), None


def _shapes(cell: Stages, sizes: dict[str, int] | None, name: str) -> tuple[Shape, Shape]:
    """One step, and several."""
    form = cell.normal_form
    if sizes is None:
        return shape_for(form, 1, 2, 4, 3), shape_for(form, 4, 3, 4, 3)
    others = tuple((symbol, size) for symbol, size in sizes.items() if symbol != "H")
    one, several = Shape(1, 2, sizes["H"], others), Shape(3, 2, sizes["H"], others)
    count = sum(
        one.size(weight.rows) * sum(map(one.size, weight.columns))
        for weight in form.weights.values()
    )
    if count > _LARGEST:
        raise UsageError(
            f"--against {name}: {count:,} numbers are too many to compare at 50 digits; give a "
            "smaller layer, its class, or a function (input_size, hidden_size) that makes one"
        )
    return one, several


def _choose(subjects: list[Subject], maker: Cases, shape: Shape) -> tuple[Subject, str]:
    """The way of calling that comes nearest, and the dtype that it computes in."""
    first: VerificationError | None = None
    for dtype in BOUNDS:
        case = maker.make(shape, dtype)
        worked: list[tuple[float, int, str]] = []
        for number, subject in enumerate(subjects):
            try:
                found = subject.run(case)
            except VerificationError as error:
                first = first or error
                continue
            computed = "float32" if found.y.dtype == np.float32 else dtype
            right = {"y": case.y, **case.last}
            worked.append((distance(found.arrays, right), number, computed))
        if worked:
            _, number, computed = min(worked)
            return subjects[number], computed
    assert first is not None
    raise first


class _Comparing:
    """Compares case by case, and keeps what was found for the explanation."""

    def __init__(self, cell: Stages, subject: Subject, dtype: str) -> None:
        self.labels = Labels(cell, cell.gradients)
        self.ledger = Ledger(np.asarray)
        self.findings = Findings(cell, dtype)
        self._form, self._subject, self._dtype = cell.normal_form, subject, dtype

    def add(self, case: Case) -> None:
        """Outputs, states, and the gradients of a loss of each kind."""
        found = self._subject.run(case)
        self.findings.outcomes.append((case, found.arrays))
        values = self.labels.values
        self._compare(
            "output",
            {self._form.output: values[self._form.output]},
            case,
            {self._form.output: found.y},
            {self._form.output: case.y},
        )
        last = {s: Label(values[s].label, f"last {s}: {values[s].text}") for s in self._form.states}
        self._compare("state", last, case, found.last, case.last)
        for seed in SEEDS[:2]:
            gradient = self._subject.autograd(case, seed)
            if gradient is not None:
                self._gradients(case, seed, gradient, "gradient by autograd")

    def add_differences(self, case: Case) -> None:
        """For an implementation without autograd: the gradients of the whole loss."""
        seed = SEEDS[-1]
        gradient = differences(self._subject.run, case, seed)
        self._gradients(case, seed, gradient, "gradient by differences")

    def _gradients(self, case: Case, seed: str, gradient: Gradient, check: str) -> None:
        self.findings.gradients.append((case, seed, gradient))
        right = case.gradients[seed]
        for labels, got, expected in (
            (self.labels.parameters, gradient.parameters, right.parameters),
            (self.labels.inputs, gradient.inputs, right.inputs),
            (self.labels.initial, gradient.initial, right.initial),
        ):
            where = seed if seed == SEEDS[-1] else f"{seed} alone"
            self._compare(check, labels, case, got, expected, where)

    def _compare(
        self,
        check: str,
        labels: Mapping[str, Label],
        case: Case,
        found: Arrays,
        expected: Arrays,
        where: str = "",
    ) -> None:
        bound = _DIFFERENCES_BOUND if "differences" in check else BOUNDS[self._dtype]
        floor = _FLOOR * max(float(np.max(np.abs(a), initial=0.0)) for a in expected.values())
        for name, array in expected.items():
            got = np.asarray(found[name]).astype(self._dtype)
            place = ", ".join([str(case), where] if where else [str(case)])
            self.ledger.compare(check, labels[name], got, array, self._dtype, bound, place, floor)
