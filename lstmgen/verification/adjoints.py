"""The derived gradient equations, evaluated literally as they are written.

Nothing is scheduled, fused or rearranged: an adjoint is the sum of its terms, from the last step
to the first; a parameter's gradient is the sum over the steps and the rows of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import (
    Adjoint,
    InitialGradient,
    InputGradient,
    MatrixGradient,
    OuterProduct,
    VectorGradient,
)
from lstmgen.verification.arithmetic import (
    Arithmetic,
    Limits,
    Matrix,
    Operand,
    Real,
    Vector,
    at_digits,
)
from lstmgen.verification.equations import Compiler
from lstmgen.verification.points import Point
from lstmgen.verification.unrolling import Frame, Trajectory, Values, finish


@dataclass
class Backward:
    """A point, and what equations of gradients see there, [t][row].

    Attributes:
        frames_of: for the steps from 1, behind an empty list, the values of the normal form and
            the adjoints, as far as they are known.
    """

    point: Point
    frames_of: list[list[Frame]]

    @classmethod
    def start(cls, point: Point, trajectory: Trajectory) -> Backward:
        """Without adjoints yet."""
        frames: list[list[Frame]] = [[]]
        for before, now in pairwise(trajectory):
            pairs = zip(before, now, strict=True)
            frames.append([Frame(dict(n), b, point.parameters, point.shape) for b, n in pairs])
        return cls(point, frames)

    def frame(self, t: int, row: int) -> Frame:
        """What the equations of step t see in one row."""
        return self.frames_of[t][row]

    def adjoints(self, t: int, row: int) -> Values:
        """Where the adjoints of a step are, by name, from t = 1."""
        return self.frames_of[t][row].now

    def frames(self) -> list[Frame]:
        """All steps and rows."""
        steps, rows = range(1, self.point.shape.T + 1), range(self.point.shape.B)
        return [self.frame(t, row) for t in steps for row in rows]


class GradientEquations:
    """Evaluates derived gradient equations at the digits of `arithmetic`."""

    def __init__(self, gradients: Gradients, arithmetic: Arithmetic) -> None:
        if not isinstance(arithmetic, Limits):
            arithmetic = Limits(arithmetic.digits, arithmetic.context)
        self.arithmetic = arithmetic
        self.gradients = gradients
        self._sizes = gradients.form.sizes
        compiler = Compiler(gradients.form, arithmetic)
        self._here = {a.name: compiler.total(a.here) for a in gradients.adjoints}
        self._later = {a.name: compiler.total(a.later) for a in gradients.adjoints}
        self._inputs = {i.of: compiler.total(i.terms) for i in gradients.inputs}
        self._terms = {
            p.parameter: [compiler.compile(term) for term in p.terms]
            for p in gradients.parameters
            if isinstance(p, VectorGradient)
        }

    @at_digits
    def solve(self, point: Point, trajectory: Trajectory) -> Backward:
        """All adjoints, going backward in t; `trajectory` is that of the normal form."""
        backward = Backward.start(point, trajectory)
        for t in range(point.shape.T, 0, -1):
            for row in range(point.shape.B):
                for adjoint in self.gradients.adjoints:
                    value = self.adjoint(adjoint, t, row, backward)
                    backward.adjoints(t, row)[adjoint.name] = value
        return backward

    @at_digits
    def adjoint(self, adjoint: Adjoint, t: int, row: int, backward: Backward) -> Vector:
        """The right side of an adjoint's equation at step t, from 1 to T."""
        parts: list[Operand] = [self._here[adjoint.name](backward.frame(t, row))]
        parts.append(self._from_later(adjoint, t, row, backward))
        if adjoint.is_output:
            parts.append(backward.point.dy[t - 1][row])
        return self._vector(self.arithmetic.total(parts), adjoint.of, backward)

    @at_digits
    def initial(self, gradient: InitialGradient, row: int, backward: Backward) -> Vector:
        """dL/ds_0: what reaches step 0, which is dstate itself when there are no steps."""
        return self._from_later(self.gradients.adjoint(gradient.state), 0, row, backward)

    @at_digits
    def input(self, gradient: InputGradient, t: int, row: int, backward: Backward) -> Operand:
        """dL/dx_t for t from 1 to T; a number for a scalar input."""
        value = self._inputs[gradient.of](backward.frame(t, row))
        units = self._vector(value, gradient.of, backward)
        if gradient.of in self.gradients.form.scalar_inputs:
            return self.arithmetic.sum(units)
        return units

    @at_digits
    def parameter(self, gradient: MatrixGradient | VectorGradient, backward: Backward) -> Any:
        """dL/d parameter: a matrix, a vector or a number."""
        if isinstance(gradient, MatrixGradient):
            return self._matrix(gradient, backward)
        return self._sum(gradient, self._addends(gradient, backward), backward)

    @at_digits
    def cancellation(self, gradient: VectorGradient, backward: Backward) -> float:
        """How much smaller a gradient is than the numbers that it is the sum of, from 0 to 1.

        Rounding errors of a module are relative to those numbers.
        """
        addends = self._addends(gradient, backward)
        sizes = [[abs(unit) for unit in vector] for vector in addends]
        kept, whole = (
            max(map(abs, total if isinstance(total, list) else [total]))
            for total in (
                self._sum(gradient, addends, backward),
                self._sum(gradient, sizes, backward),
            )
        )
        return float(kept / whole) if whole else 1.0

    def _addends(self, gradient: VectorGradient, backward: Backward) -> list[Vector]:
        terms = self._terms[gradient.parameter]
        return [term(frame) for frame in backward.frames() for term in terms]

    def _sum(self, gradient: VectorGradient, addends: list[Vector], backward: Backward) -> Any:
        if gradient.parameter in self.gradients.form.vectors:
            size = backward.point.shape.size(self.gradients.form.vectors[gradient.parameter])
            zeros = [self.arithmetic.zero] * size
            return self.arithmetic.each(lambda *units: self.arithmetic.sum(units), zeros, *addends)
        return self.arithmetic.sum(unit for vector in addends for unit in vector)

    def _from_later(self, adjoint: Adjoint, t: int, row: int, backward: Backward) -> Vector:
        """The terms at t+1, or dstate in their place at t = T."""
        point = backward.point
        if t == point.shape.T:
            value = point.dstate[row].get(adjoint.of, self.arithmetic.zero)
        else:
            value = self._later[adjoint.name](backward.frame(t + 1, row))
        return self._vector(value, adjoint.of, backward)

    def _vector(self, value: Operand, of: str, backward: Backward) -> Vector:
        return finish(self.arithmetic, value, backward.point.shape.size(self._sizes[of]), None)

    def _matrix(self, gradient: MatrixGradient, backward: Backward) -> Matrix:
        weight = self.gradients.form.weights[gradient.parameter]
        size = backward.point.shape.size
        frames = backward.frames()
        blocks = [
            self._block(products, size(weight.rows), size(column), frames)
            for products, column in zip(gradient.blocks, weight.columns, strict=True)
        ]
        return [[entry for block in blocks for entry in block[k]] for k in range(size(weight.rows))]

    def _block(
        self, products: tuple[OuterProduct, ...], rows: int, columns: int, frames: list[Frame]
    ) -> Matrix:
        """The sum of the outer products, entry by entry as products of what was gathered."""
        left: list[list[Real]] = [[] for _ in range(rows)]
        right: list[list[Real]] = [[] for _ in range(columns)]
        for product in products:
            for frame in frames:
                first = frame.value(product.left.name, product.left.shift)
                second = frame.value(product.right.name, product.right.shift)
                for entry, unit in zip(left, first, strict=True):
                    entry.append(-unit if product.negative else unit)
                for entry, unit in zip(right, second, strict=True):
                    entry.append(unit)
        dot = self.arithmetic.dot
        return [[dot(a, b) for b in right] for a in left]
