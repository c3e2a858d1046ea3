"""What a variant of a cell gives on the numbers of a case, and how far from what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.derivation import derive
from lstmgen.verification.adjoints import GradientEquations
from lstmgen.verification.against.variants import Variant
from lstmgen.verification.arithmetic import Arithmetic, PointError
from lstmgen.verification.cases import Array, Arrays, Case, Gradient
from lstmgen.verification.equations import NormalFormEvaluator
from lstmgen.verification.points import Point
from lstmgen.verification.trees import vector_of
from lstmgen.verification.unrolling import Trajectory

__all__ = ["Evaluation", "distance"]

_DIGITS = 30


class Evaluation:
    """The numbers of one case for any variant of its cell."""

    def __init__(self, form: NormalForm, case: Case) -> None:
        self._form = form
        self._arithmetic = Arithmetic(_DIGITS)
        self._point = _point(form, case, self._arithmetic)

    def forward(self, variant: Variant) -> Arrays | None:
        """y and the last states, by name ("y" the output); None where it cannot be evaluated."""
        trajectory = self._run(variant)
        return None if trajectory is None else self._results(variant, trajectory)

    def gradient(self, variant: Variant, seed: str) -> Gradient | None:
        """The derived gradients of a variant whose output is not delayed, for a loss of `SEEDS`."""
        trajectory = self._run(variant)
        if trajectory is None or variant.delayed:
            return None
        for row in (row for at_t in trajectory for row in at_t):
            row.update({name: row[of] for name, of in variant.detached if of in row})
        form = self._form
        equations = GradientEquations(derive(variant.form), self._arithmetic)
        point, zero = self._point, self._arithmetic.zero
        if "dy" not in seed.split(" and "):
            point = replace(point, dy=[[[zero] * len(v) for v in at_t] for at_t in point.dy])
        if "dstate" not in seed.split(" and "):
            point = replace(
                point,
                dstate=[{n: [zero] * len(v) for n, v in row.items()} for row in point.dstate],
            )
        try:
            solved = equations.solve(point, trajectory)
        except (ArithmeticError, ValueError):
            return None
        steps, rows = range(1, point.shape.T + 1), range(point.shape.B)
        derived = equations.gradients
        return Gradient(
            {g.parameter: _array(equations.parameter(g, solved)) for g in derived.parameters},
            {
                g.of: _array(
                    [[vector_of(equations.input(g, t, r, solved)) for r in rows] for t in steps]
                )
                for g in derived.inputs
                if g.of in form.inputs
            },
            {
                g.state: _array([equations.initial(g, row, solved) for row in rows])
                for g in derived.initial
            },
        )

    def _run(self, variant: Variant) -> Trajectory | None:
        form = self._form if variant.detached else variant.form
        try:
            return NormalFormEvaluator(form, self._arithmetic).run(self._point)
        except (PointError, ValueError):
            return None

    def _results(self, variant: Variant, trajectory: Trajectory) -> Arrays:
        form = self._form
        outputs = trajectory[:-1] if variant.delayed else trajectory[1:]
        y = [[row[form.output] for row in at_t if form.output in row] for at_t in outputs]
        last = {s: _array([row[s] for row in trajectory[-1]]) for s in form.states}
        return {"y": _array(y) if all(y) else np.zeros(0), **last}


def distance(found: Arrays, expected: Arrays) -> float:
    """The largest difference relative to the largest number of its array; infinite if unlike."""
    worst = 0.0
    for name, array in expected.items():
        if found[name].shape != array.shape:
            return float("inf")
        difference = float(np.max(np.abs(found[name] - array), initial=0.0))
        scale = float(np.max(np.abs(array), initial=0.0)) or 1.0
        worst = max(worst, difference / scale if np.isfinite(difference) else float("inf"))
    return worst


def _point(form: NormalForm, case: Case, arithmetic: Arithmetic) -> Point:
    """The case's numbers, which are floats, at many digits."""

    def many(array: Array) -> Any:
        if array.ndim == 0:
            return arithmetic.number(float(array))
        return [many(part) for part in array]

    def rows(arrays: Arrays, names: Iterable[str], at: tuple[int, ...]) -> dict[str, Any]:
        return {name: many(arrays[name][at]) for name in names}

    def inputs(at: tuple[int, ...]) -> dict[str, Any]:
        found = rows(case.inputs, form.inputs, at)
        return found | {x: found[x][0] for x in form.scalar_inputs}

    steps, batch = range(case.shape.T), range(case.shape.B)
    return Point(
        case.shape,
        parameters={name: many(array) for name, array in case.parameters.items()},
        inputs=[[inputs((t, b)) for b in batch] for t in steps],
        initial=[rows(case.initial, form.states, (b,)) for b in batch],
        dy=many(case.dy),
        dstate=[rows(case.dstate, form.states, (b,)) for b in batch],
    )


def _array(tree: Any) -> Array:
    def floats(part: Any) -> Any:
        return [floats(p) for p in part] if isinstance(part, list) else float(part)

    return np.array(floats(tree), dtype="float64")
