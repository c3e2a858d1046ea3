"""The data on which modules are checked: inputs of one size and dtype, and what must come out.

The reference is evaluated at 50 digits on exactly the numbers that the module gets (drawn in
float32 for float32), and then rounded to float64, which loses 1e-16 where the bound is 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lstmgen.errors import VerificationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.equations import VectorGradient
from lstmgen.stages import Stages
from lstmgen.verification.adjoints import Backward, GradientEquations
from lstmgen.verification.arithmetic import (
    Arithmetic,
    IndefiniteError,
    PointError,
    at_digits,
)
from lstmgen.verification.equations import NormalFormEvaluator
from lstmgen.verification.points import (
    RANGES,
    Point,
    Range,
    Shape,
    doubled,
    find_point,
    shape_for,
)
from lstmgen.verification.reference import Reference
from lstmgen.verification.rounding import Measure, Rounded, Rounding, by_group, moves
from lstmgen.verification.trees import as_array, by_name, times, vector_of, zeros_like
from lstmgen.verification.unrolling import Trajectory

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Result = TypeVar("Result")
Sizes4 = tuple[int, int, int, int]
"""T, B, H, D."""

DIGITS = 50
BOUNDS = {"float64": 1e-12, "float32": 1e-4}
SEEDS = ("dy", "dstate", "dy and dstate")
"""Which loss gradients a backward gets; the others are left out."""
_MARGIN = 2e-3  # from kinks and poles: more than float32 can be off
_CANCELLATION = 0.02  # least size of a parameter's gradient relative to what is summed
_FLAT = 3e-3
"""A tanh or a sigma so near to its limit has a derivative in which rounding may count."""
_REDRAWS = 20
_FLAT_REDRAWS = 6  # of points where rounding counts: there may be no other
_LARGE = {"float64": 3000, "float32": 300}  # exp overflows beyond 709 and 88


@dataclass(frozen=True)
class Gradient:
    """What backward must return: by parameter, by input, by state."""

    parameters: Arrays
    inputs: Arrays
    initial: Arrays

    def __add__(self, other: Gradient) -> Gradient:
        """Gradients are linear in (dy, dstate)."""
        return Gradient(
            {name: array + other.parameters[name] for name, array in self.parameters.items()},
            {name: array + other.inputs[name] for name, array in self.inputs.items()},
            {name: array + other.initial[name] for name, array in self.initial.items()},
        )


@dataclass(frozen=True)
class Case:
    """One size and dtype; all arrays are C-contiguous and the inputs have `dtype`.

    Attributes:
        inputs: by name, (T, B, size), with size 1 for a scalar input.
        y: expected output, (T, B, size).
        states: expected states at every step, (T, B, size), by name.
        last: expected last states, by name.
        gradients: expected gradients, by what `SEEDS` names; none in a case of large inputs.
        rounding: how far rounding alone moves what comes out.
        sums: how many times as large its errors are in sums, which have more terms than the case
            had that this one was made of.
        lengths: (B,), where rows take so many steps; the inputs are NaN behind them.
        restart: (T, B), where the state before a step is zero.
    """

    shape: Shape
    dtype: str
    parameters: Arrays
    inputs: Arrays
    initial: Arrays
    dy: Array
    dstate: Arrays
    y: Array
    states: Arrays
    last: Arrays
    gradients: dict[str, Gradient]
    rounding: Rounding = field(default_factory=Rounding)
    sums: float = 1.0
    lengths: Array | None = None
    restart: Array | None = None

    @property
    def bound(self) -> float:
        """What an error may be, relative to the largest value of its array."""
        return BOUNDS[self.dtype]

    def moved(self, group: str, name: str, gradient: Gradient | None = None) -> float:
        """What an array may be off by for rounding alone: y, one of the states, or a gradient.

        Of which of the case's gradients it is may be said.
        """
        seeds = [k for k, seed in enumerate(SEEDS) if self.gradients.get(seed) is gradient]
        which = seeds[0] if gradient is not None and seeds else None
        return self.rounding.of(group, name, self.sums, which)

    def repeated(self, times: int) -> Case:
        """The case with its batch repeated: the sums over the batch are that many times as large.

        A reference for wide batches that costs nothing.
        """

        def rows(arrays: Arrays, axis: int) -> Arrays:
            repeats = [1] * axis + [times, 1]
            return {name: np.tile(array, repeats) for name, array in arrays.items()}

        return replace(
            self,
            shape=replace(self.shape, B=self.shape.B * times),
            inputs=rows(self.inputs, 1),
            initial=rows(self.initial, 0),
            dy=np.tile(self.dy, (1, times, 1)),
            dstate=rows(self.dstate, 0),
            y=np.tile(self.y, (1, times, 1)),
            states=rows(self.states, 1),
            last=rows(self.last, 0),
            gradients={
                seed: Gradient(
                    {name: array * times for name, array in gradient.parameters.items()},
                    rows(gradient.inputs, 1),
                    rows(gradient.initial, 0),
                )
                for seed, gradient in self.gradients.items()
            },
            lengths=None if self.lengths is None else np.tile(self.lengths, times),
            restart=None if self.restart is None else np.tile(self.restart, (1, times)),
            sums=self.sums * times**0.5,
        )

    def __str__(self) -> str:
        return f"{self.where} {self.dtype}"

    @property
    def where(self) -> str:
        """The sizes, and what else the case is about."""
        given = {"lengths": self.lengths, "restart": self.restart}
        return ", ".join([str(self.shape), *(n for n, a in given.items() if a is not None)])


def shapes(form: NormalForm, more: Sequence[Sizes4] = ()) -> tuple[Shape, ...]:
    """The sizes to check: ones, unequal ones, and none a multiple of what machines like.

    `more` are those that a target adds, as (T, B, H, D).
    """
    sizes = [(4, 3, 5, 3), (1, 2, 3, 4), (3, 1, 4, 2), (3, 2, 3, 1), (2, 3, 1, 2), (5, 2, 7, 6)]
    return tuple(dict.fromkeys(shape_for(form, *size) for size in (*sizes, *more)))


def quick_shapes(form: NormalForm, more: Sequence[Sizes4] = ()) -> tuple[Shape, ...]:
    """Of these the general one, the one of a single unit, and those that a target adds."""
    general, *others = shapes(form)
    single = [shape for shape in others if shape.H == 1]
    return (general, *single, *(shape_for(form, *size) for size in more))


class Cases:
    """Makes the cases of a cell."""

    def __init__(self, cell: Stages) -> None:
        self._form = cell.normal_form
        self.arithmetic = Arithmetic(DIGITS)
        self._reference = Reference(cell, self.arithmetic)
        self._normal = NormalFormEvaluator(self._form, self.arithmetic)
        self._equations = GradientEquations(cell.gradients, self.arithmetic)

    @at_digits
    def make(self, shape: Shape, dtype: str, spans: Sequence[Range] = RANGES) -> Case:
        """The case of this size; raises `VerificationError` where the cell cannot be evaluated.

        `spans` are the ranges of its numbers, tried in turn.
        """
        case: Case | None = None
        for attempt in range(2 * _REDRAWS):
            if case is not None and attempt == _REDRAWS:
                break
            self._equations.arithmetic.allow(attempt >= _REDRAWS)
            point, true = self._point(shape, dtype, attempt, spans)
            try:
                flat = self.arithmetic.flat < _FLAT
                solved = self._solve(point)
                found = self._case(point, true, solved, dtype)
            except IndefiniteError as error:
                raise VerificationError(
                    f"the derived gradients of {self._form.name} cannot be evaluated at {shape}, "
                    f"where its equations can: {error}"
                ) from error
            except PointError:
                continue
            case = found
            if flat and attempt < _FLAT_REDRAWS and found.rounding.of_gradients() > found.bound:
                continue
            if all(map(self._well_conditioned, solved)):
                break
        if case is None:
            raise VerificationError(
                f"the gradients of {self._form.name} are infinite or out of range at all "
                f"{2 * _REDRAWS} random points of {shape}"
            )
        return case

    @at_digits
    def make_large(self, dtype: str) -> Case | None:
        """A small case with inputs far beyond the range of exp.

        None where the equations themselves leave the range of numbers there; without gradients
        where these do.
        """
        point, _ = self._point(shape_for(self._form, 2, 2, 3, 4), dtype, 0)
        factor = self.arithmetic.number(_LARGE[dtype])
        point = replace(
            point,
            inputs=[
                [{name: times(factor, v) for name, v in row.items()} for row in at_t]
                for at_t in point.inputs
            ],
        )
        try:
            true = self._reference.run(point)
        except PointError:
            return None
        try:
            return self._case(point, true, self._solve(point), dtype)
        except PointError:
            return self._case(point, true, (), dtype)

    @at_digits
    def make_pool(self, shape: Shape, dtype: str, zeros: bool = True) -> list[Case] | None:
        """Sequences of one row, of 1 to T steps, with the same parameters.

        Those of each length begin with a state of their own, and then with one of `zeros`, or of
        their own too.  None where the equations cannot be evaluated so.
        """
        T, zero = shape.T, self.arithmetic.zero

        def rows(point: Point) -> list[Point]:
            found = []
            for row in range(2 * T):
                steps = row // 2 + 1
                initial = [point.initial[row]]
                found.append(
                    Point(
                        replace(shape, T=steps, B=1),
                        point.parameters,
                        [[at_t[row]] for at_t in point.inputs[:steps]],
                        zeros_like(initial, zero) if zeros and row % 2 else initial,
                        [[at_t[row]] for at_t in point.dy[:steps]],
                        [point.dstate[row]],
                    )
                )
            return found

        def run(point: Point) -> list[tuple[Point, Trajectory]]:
            return [(part, self._reference.run(part)) for part in rows(point)]

        for attempt in range(2 * _REDRAWS):
            self._equations.arithmetic.allow(attempt >= _REDRAWS)
            try:
                _, parts = self._found(replace(shape, B=2 * T), dtype, f"rows {attempt}", run)
            except VerificationError:
                return None
            try:
                cases = [self._case(p, true, self._solve(p), dtype) for p, true in parts]
            except IndefiniteError:
                raise
            except PointError:
                continue
            whole = Rounding.joined([case.rounding for case in cases])
            return [replace(case, rounding=whole) for case in cases]
        return None

    def _point(
        self, shape: Shape, dtype: str, attempt: int, spans: Sequence[Range] = RANGES
    ) -> tuple[Point, Trajectory]:
        return self._found(shape, dtype, str(attempt), self._reference.run, spans)

    def _found(
        self,
        shape: Shape,
        dtype: str,
        seed: str,
        evaluate: Callable[[Point], Result],
        spans: Sequence[Range] = RANGES,
    ) -> tuple[Point, Result]:
        return find_point(
            self._form,
            self.arithmetic,
            f"module of {self._form.name} {seed}",
            (shape,),
            evaluate,
            margin=_MARGIN,
            float32=dtype == "float32",
            ties_at_once=True,
            spans=spans,
        )

    def _solve(
        self,
        point: Point,
        equations: GradientEquations | None = None,
        values: Trajectory | None = None,
    ) -> tuple[Backward, Backward]:
        """With dy alone and with dstate alone."""
        equations, zero = equations or self._equations, self.arithmetic.zero
        values = values or self._normal.run(point)
        return (
            equations.solve(replace(point, dstate=zeros_like(point.dstate, zero)), values),
            equations.solve(replace(point, dy=zeros_like(point.dy, zero)), values),
        )

    def _well_conditioned(self, solved: Backward) -> bool:
        """Whether no sum over steps and rows cancels: its error would be the point's fault."""
        return all(
            self._equations.cancellation(gradient, solved) > _CANCELLATION
            for gradient in self._equations.gradients.parameters
            if isinstance(gradient, VectorGradient)
        )

    def _case(
        self,
        point: Point,
        true: Trajectory,
        solved: tuple[Backward, ...],
        dtype: str,
    ) -> Case:
        form, shape = self._form, point.shape
        found = [self._gradient(backward, self._equations) for backward in solved]
        if not all(map(_is_finite, found)):
            raise PointError("an infinite gradient")
        if found:
            found.append(found[0] + found[1])

        def measure(outcome: Callable[..., dict[tuple[str, str], list[Array]]]) -> Measure:
            return moves(partial(outcome, point, bool(found)), self.arithmetic, dtype)

        return Case(
            shape,
            dtype,
            parameters={p: as_array(point.parameters[p], dtype) for p in form.parameters},
            inputs=by_name(point.inputs, form.inputs, dtype),
            initial=by_name(point.initial, form.states, dtype),
            dy=as_array(point.dy, dtype),
            dstate=by_name(point.dstate, form.states, dtype),
            y=by_name(true[1:], (form.output,))[form.output],
            states=by_name(true[1:], form.states),
            last=by_name(true[-1], form.states),
            gradients=dict(zip(SEEDS, found, strict=False)),
            rounding=Rounding(measure(self._outcome), of_copies=[measure(self._outcome_of_copies)]),
        )

    def _outcome(
        self, point: Point, gradients: bool, rounded: Rounded | None
    ) -> dict[tuple[str, str], list[Array]]:
        """y, the states and the gradients as `moves` wants them."""
        form, equations = self._form, self._equations
        normal = NormalFormEvaluator(form, rounded) if rounded else self._normal
        values = normal.run(point)
        found = {("y", ""): [by_name(values[1:], (form.output,))[form.output]]}
        for name, array in by_name(values[1:], form.states).items():
            found["states", name] = list(array)
        if gradients:
            if rounded:
                equations = GradientEquations(equations.gradients, rounded)
            dy, dstate = (
                self._gradient(solved, equations)
                for solved in self._solve(point, equations, values)
            )
            for gradient in (dy, dstate, dy + dstate):
                for key, array in by_group(gradient).items():
                    found.setdefault(key, []).append(array)
        return found

    @at_digits
    def _outcome_of_copies(
        self, point: Point, gradients: bool, rounded: Rounded | None
    ) -> dict[tuple[str, str], list[Array]]:
        return self._outcome(doubled(self._form, point), gradients, rounded)

    def _gradient(self, solved: Backward, equations: GradientEquations) -> Gradient:
        gradients = equations.gradients
        steps, rows = range(1, solved.point.shape.T + 1), range(solved.point.shape.B)
        return Gradient(
            {g.parameter: as_array(equations.parameter(g, solved)) for g in gradients.parameters},
            {
                g.of: as_array(
                    [[vector_of(equations.input(g, t, r, solved)) for r in rows] for t in steps]
                )
                for g in gradients.inputs
            },
            {
                g.state: as_array([equations.initial(g, row, solved) for row in rows])
                for g in gradients.initial
            },
        )


def _is_finite(gradient: Gradient) -> bool:
    groups = (gradient.parameters, gradient.inputs, gradient.initial)
    return all(np.all(np.isfinite(array)) for group in groups for array in group.values())
