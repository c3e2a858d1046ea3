"""Unrolling one step of a cell over time, and the loss whose gradients are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lstmgen.verification.arithmetic import Arithmetic, Operand, Real, Vector
from lstmgen.verification.points import Point, Shape

Values = dict[str, Vector]
Shift = Mapping[tuple[int, str], list[Vector]]
"""What is added to a value where it is defined: by step (from 1) and name, a vector per row."""


@dataclass(frozen=True)
class Frame:
    """What one row of the batch sees in one step: this step's and the last one's values."""

    now: Values
    before: Values
    parameters: dict[str, Any]
    shape: Shape

    def value(self, name: str, shift: int) -> Vector:
        """The vector at t (shift 0) or t-1 (shift -1)."""
        return self.now[name] if shift == 0 else self.before[name]


class Step(Protocol):
    """One step of a cell for one row: fills `frame.now` with every value that is defined."""

    arithmetic: Arithmetic

    def step(self, frame: Frame, size: Mapping[str, int], added: Mapping[str, Vector]) -> None:
        """Evaluate in the order of the equations; `added` is added to the values of its names."""


Trajectory = list[list[Values]]
"""[t][row][name]: the initial states at t = 0, then every input and value of the steps 1 to T."""


def unroll(
    cell: Step,
    point: Point,
    sizes: Mapping[str, str],
    *,
    shift: Shift | None = None,
    known: Trajectory | None = None,
    first: int = 1,
) -> Trajectory:
    """All values of all steps; with `known`, those before step `first` are taken from there."""
    shift = shift or {}
    size = {name: point.shape.size(symbol) for name, symbol in sizes.items()}
    trajectory: Trajectory = known[:first] if known else [point.initial]
    for t in range(first, point.shape.T + 1):
        at_t: list[Values] = []
        for row, inputs in enumerate(point.inputs[t - 1]):
            added = {name: rows[row] for (step, name), rows in shift.items() if step == t}
            frame = Frame(dict(inputs), trajectory[-1][row], point.parameters, point.shape)
            cell.step(frame, size, added)
            at_t.append(frame.now)
        trajectory.append(at_t)
    return trajectory


def finish(arithmetic: Arithmetic, value: Operand, size: int, added: Vector | None) -> Vector:
    """A defined value as a vector: a number stands for every unit; a perturbation is added."""
    vector: Vector = value if isinstance(value, list) else [value] * size
    if len(vector) != size:
        raise ValueError(f"a value of size {len(vector)} where {size} was expected")
    if added is not None:
        vector = [v + a for v, a in zip(vector, added, strict=True)]
    return arithmetic.in_range(vector)


def losses(arithmetic: Arithmetic, point: Point, output: str, trajectory: Trajectory) -> list[Real]:
    """For each row, L = sum over t of dy_t . y_t + sum over the states of dstate . s_T."""
    dot = arithmetic.context.fdot
    result = []
    for row, dstate in enumerate(point.dstate):
        parts = [dot(point.dy[t][row], at_t[row][output]) for t, at_t in enumerate(trajectory[1:])]
        parts += [dot(seed, trajectory[-1][row][state]) for state, seed in dstate.items()]
        result.append(arithmetic.context.fsum(parts))
    return result
