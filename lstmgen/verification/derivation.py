"""Proof of the derivation: each derived equation against a numerical derivative.

The derivative is a forward difference (L(v + s d) - L(v)) / s with s = 1e-50, evaluated at 110
digits, so that it is itself right to about 50.  What is so small that it has fewer digits left is
looked at again with 550.  An adjoint's equation is checked by itself: the
numerical derivatives stand for every adjoint on both of its sides.  A mistake in one equation
therefore shows in that equation's line and in no other.  Together the lines prove the gradients:
where every equation holds for the true derivatives, solving them from t = T to 1 gives these.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

from lstmgen.algebra.expression import MatVec
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import (
    Adjoint,
    InitialGradient,
    InputGradient,
    MatrixGradient,
    VectorGradient,
)
from lstmgen.stages import Stages
from lstmgen.verification.adjoints import Backward, GradientEquations
from lstmgen.verification.arithmetic import Arithmetic, PointError, Real
from lstmgen.verification.equations import NormalFormEvaluator
from lstmgen.verification.labels import Label, Labels
from lstmgen.verification.points import Point, Shape, Source, find_point, shape_for
from lstmgen.verification.reference import Reference
from lstmgen.verification.report import Check
from lstmgen.verification.unrolling import Trajectory, losses

WORKING_DIGITS = 110
MORE_DIGITS = 550
"""For derivatives beneath 1e-25 of the loss: down to 1e-465, which no dtype has."""

STEP = "1e-50"
DERIVATION_BOUND = 1e-25
NORMAL_FORM_BOUND = 1e-50
_MARGIN = 1e-6  # from kinks and poles: far more than the step
_LOST = 10  # digits that rounding may take
_GROWTH = 1.02  # of a difference quotient over a step 1e-10 as wide: r**0.99 has 1.26
_MANY = 40
"""Definitions beyond which equations are checked one by one with single units, as the work grows
with the square of their number; together they are still checked with several."""

Values = dict[str, list[Real]]
Advance = Callable[[str], None]
"""Called with a label before it is checked."""


def check_derivation(
    cell: Stages, gradients: Gradients | None = None, advance: Advance | None = None
) -> tuple[Check, ...]:
    """One line for each equation of the normal form and each derived equation of the cell.

    `gradients` are those to check, the cell's own by default.
    """
    gradients = gradients or cell.gradients
    checks, resolved = _checked(cell, gradients, WORKING_DIGITS, advance)
    if not resolved:
        checks, _ = _checked(cell, gradients, MORE_DIGITS, None)
    return checks


def _checked(
    cell: Stages, gradients: Gradients, digits: int, advance: Advance | None
) -> tuple[tuple[Check, ...], bool]:
    """The lines, and whether so many digits tell each derivative from nothing."""
    form = gradients.form
    shapes = (
        shape_for(form, T=3, B=2, H=2, D=3),
        shape_for(form, T=2, B=1, H=2, D=1),
        shape_for(form, T=2, B=1, H=1, D=1),
    )
    many = len(form.definitions) > _MANY
    arithmetic = Arithmetic(digits)
    with arithmetic.working():
        at = shapes[2:] if many else shapes
        single = _Derivation(cell, gradients, arithmetic, at, advance)
        checks = list(single.checks())
        whole = _Derivation(cell, gradients, arithmetic, shapes, advance) if many else single
        found = (*checks, whole.check_whole())
        return found, single.resolved and whole.resolved


class _Derivation:
    def __init__(
        self,
        cell: Stages,
        gradients: Gradients,
        arithmetic: Arithmetic,
        shapes: tuple[Shape, ...],
        advance: Advance | None,
    ) -> None:
        self._gradients = gradients
        self._form = gradients.form
        self._labels = Labels(cell, gradients)
        self._advance = advance or (lambda label: None)
        self._arithmetic = arithmetic
        self._reference = Reference(cell, self._arithmetic)
        self._normal = NormalFormEvaluator(self._form, self._arithmetic)
        self._equations = GradientEquations(gradients, self._arithmetic)
        self._equations.arithmetic.allow(far=True)
        self._step = self._arithmetic.number(STEP)
        self._noise = self._arithmetic.number(f"1e-{arithmetic.digits - _LOST}")
        self.resolved = True
        seed = f"derivation of {self._form.name}"
        self._point, self._true = find_point(
            self._form,
            self._arithmetic,
            seed,
            shapes,
            self._reference.run,
            margin=_MARGIN,
        )
        self._at_border = self._arithmetic.border
        self._direction = Source(self._form, self._arithmetic, random.Random(seed)).direction
        self._values = self._normal.run(self._point)
        self._backward = Backward.start(self._point, self._values)

    def checks(self) -> Iterator[Check]:
        for name in self._reference.names:
            yield self._check_value(name)
        for adjoint in self._gradients.adjoints:
            self._advance(adjoint.label)
            self._differentiate_value(adjoint)
        if self._at_border:
            self._mark_infinite()
        for adjoint in self._gradients.adjoints:
            yield self._guarded(self._labels.adjoints[adjoint.of], self._adjoint, adjoint)
        for parameter in self._gradients.parameters:
            self._advance(parameter.label)
            label = self._labels.parameters[parameter.parameter]
            yield self._guarded(label, self._parameter, parameter)
        for gradient in self._gradients.inputs:
            self._advance(gradient.label)
            yield self._guarded(self._labels.inputs[gradient.of], self._input, gradient)
        for initial in self._gradients.initial:
            self._advance(initial.label)
            yield self._guarded(self._labels.initial[initial.state], self._initial, initial)

    def check_whole(self) -> Check:
        """The line for all gradients together."""
        return self._guarded(self._labels.all_derived, self._whole, None)

    def _check_value(self, name: str) -> Check:
        """The normal form's value of a name against the equations'."""
        label = self._labels.values[name]
        true, found = (
            {
                f"t={t}, row {row}": values[name]
                for t, at_t in enumerate(trajectory)
                for row, values in enumerate(at_t)
                if t > 0
            }
            for trajectory in (self._true, self._values)
        )
        error, detail = self._worst(true, found, self._noise, NORMAL_FORM_BOUND)
        passed = error <= NORMAL_FORM_BOUND
        return Check(
            "normal form", label.label, label.text, error, NORMAL_FORM_BOUND, passed, detail
        )

    def _guarded(self, label: Label, compare: Callable[[Any], tuple[float, str]], of: Any) -> Check:
        """A line for one derived equation; one that cannot be evaluated has failed."""
        try:
            error, detail = compare(of)
        except (PointError, LookupError, StopIteration, TypeError, ValueError) as problem:
            error, detail = inf, f"the equation cannot be evaluated: {problem}"
        passed = error <= DERIVATION_BOUND
        return Check("derivation", label.label, label.text, error, DERIVATION_BOUND, passed, detail)

    def _differentiate_value(self, adjoint: Adjoint) -> None:
        """dL/dv_t of every unit, by perturbing v where it is defined; the rows are independent.

        A vector that is nothing but a matrix product is perturbed in the normal form, because
        other equations may take that product from it there; so are helpers, which the equations
        do not name.
        """
        for t in range(1, self._point.shape.T + 1):
            for row, vector in enumerate(self._slopes(adjoint, t, self._step)):
                self._backward.adjoints(t, row)[adjoint.name] = vector

    def _slopes(self, adjoint: Adjoint, t: int, step: Real) -> list[list[Real]]:
        """For each row, dL/dv_t of every unit over a step."""
        shape, zero = self._point.shape, self._arithmetic.zero
        definition = self._form.by_name[adjoint.of]
        named = adjoint.of in self._reference.names and not isinstance(definition.value, MatVec)
        evaluator: Reference | NormalFormEvaluator = self._reference if named else self._normal
        known = self._true if named else self._values
        base = self._losses(self._point, known)
        size = shape.size(self._form.sizes[adjoint.of])
        slopes = []
        for unit in range(size):
            added = [step if k == unit else zero for k in range(size)]
            shift = {(t, adjoint.of): [added] * shape.B}
            try:
                moved = evaluator.run(self._point, shift=shift, known=known, first=t)
            except PointError:  # beyond a border
                slopes.append([self._arithmetic.context.inf] * shape.B)
                continue
            losses_moved = self._losses(self._point, moved)
            slopes.append([(b - a) / step for a, b in zip(base, losses_moved, strict=True)])
        return [[slope[row] for slope in slopes] for row in range(shape.B)]

    def _mark_infinite(self) -> None:
        """Where a derivative is infinite, an equation may say so, or leave out what is off.

        sqrt(r) has an infinite derivative by r where r = relu(a) is 0.  That it is infinite shows
        in a quotient that still grows as the step gets smaller.
        """
        shape, inf = self._point.shape, self._arithmetic.context.inf
        number = self._arithmetic.number
        wide, bound, growth = self._step * number("1e10"), number(DERIVATION_BOUND), number(_GROWTH)
        for t in range(shape.T, 0, -1):
            for adjoint in self._gradients.adjoints:
                over_wide: list[list[Real]] = []
                for row in range(shape.B):
                    true = self._backward.adjoints(t, row)[adjoint.name]
                    try:
                        found = self._equations.adjoint(adjoint, t, row, self._backward)
                    except PointError:
                        continue  # its own line will say so
                    for unit, (a, b) in enumerate(zip(true, found, strict=True)):
                        if a == b or abs(a - b) <= bound * abs(a):
                            continue
                        over_wide = over_wide or self._slopes(adjoint, t, wide)
                        if abs(a) == inf or abs(a) > growth * abs(over_wide[row][unit]):
                            true[unit] = b

    def _adjoint(self, adjoint: Adjoint) -> tuple[float, str]:
        shape = self._point.shape
        true, found = {}, {}
        for t in range(1, shape.T + 1):
            for row in range(shape.B):
                where = f"t={t}, row {row}"
                true[where] = self._backward.adjoints(t, row)[adjoint.name]
                found[where] = self._equations.adjoint(adjoint, t, row, self._backward)
        return self._worst(true, found, self._noise_of_slopes(), DERIVATION_BOUND)

    def _parameter(self, gradient: MatrixGradient | VectorGradient) -> tuple[float, str]:
        name = gradient.parameter
        along = {name: self._direction(self._point.parameters[name])}
        found = {name: self._equations.parameter(gradient, self._backward)}
        return self._compare({"parameters": along}, {"parameters": found})

    def _input(self, gradient: InputGradient) -> tuple[float, str]:
        shape, name = self._point.shape, gradient.of
        found = [
            [
                {name: self._equations.input(gradient, t, row, self._backward)}
                for row in range(shape.B)
            ]
            for t in range(1, shape.T + 1)
        ]
        return self._compare({"inputs": self._direction(found)}, {"inputs": found})

    def _initial(self, gradient: InitialGradient) -> tuple[float, str]:
        name = gradient.state
        found = [
            {name: self._equations.initial(gradient, row, self._backward)}
            for row in range(self._point.shape.B)
        ]
        return self._compare({"initial": self._direction(found)}, {"initial": found})

    def _whole(self, _: None) -> tuple[float, str]:
        """All gradients at once, from the adjoints that the equations themselves give."""
        equations, gradients, shape = self._equations, self._gradients, self._point.shape
        solved = equations.solve(self._point, self._values)
        rows = range(shape.B)
        found = {
            "parameters": {
                g.parameter: equations.parameter(g, solved) for g in gradients.parameters
            },
            "inputs": [
                [
                    {g.of: equations.input(g, t, row, solved) for g in gradients.inputs}
                    for row in rows
                ]
                for t in range(1, shape.T + 1)
            ],
            "initial": [
                {g.state: equations.initial(g, row, solved) for g in gradients.initial}
                for row in rows
            ],
        }
        along = {part: self._direction(value) for part, value in found.items()}
        return self._compare(along, found)

    def _compare(self, along: dict[str, Any], gradient: dict[str, Any]) -> tuple[float, str]:
        """The derivative of the equations' loss in a direction against the gradient times it."""
        moved = replace(
            self._point,
            **{p: _plus(getattr(self._point, p), d, self._step) for p, d in along.items()},
        )
        total = self._arithmetic.context.fsum
        before = total(self._losses(self._point, self._true))
        after = total(self._losses(moved, self._reference.run(moved)))
        true = (after - before) / self._step
        entries, directions = list(_leaves(gradient)), list(_leaves(along))
        found = self._arithmetic.context.fdot(entries, directions)
        scale = max(map(abs, [true, *entries]))
        detail = f"in a random direction the equation gives {_show(found)}, the loss {_show(true)}"
        noise = self._noise_of_slopes()
        return self._relative(abs(found - true), scale, noise, DERIVATION_BOUND), detail

    def _noise_of_slopes(self) -> Real:
        """What rounding leaves of a difference quotient."""
        losses = [abs(loss) for loss in self._losses(self._point, self._true)]
        return self._noise * max(self._arithmetic.one, *losses) / self._step

    def _worst(self, true: Values, found: Values, noise: Real, bound: float) -> tuple[float, str]:
        """The largest difference relative to the largest true value, and where it is."""
        finite = [abs(value) for vector in true.values() for value in vector if abs(value) < inf]
        worst, detail = -self._arithmetic.one, ""
        for where, vector in true.items():
            for unit, (a, b) in enumerate(zip(vector, found[where], strict=True)):
                difference = self._arithmetic.zero if a == b else abs(a - b)  # inf is itself
                if difference > worst:
                    worst = difference
                    detail = f"{where}, unit {unit}: {_show(b)} where {_show(a)} is true"
        scale = max(finite, default=self._arithmetic.zero)
        return self._relative(max(worst, self._arithmetic.zero), scale, noise, bound), detail

    def _relative(self, difference: Real, scale: Real, noise: Real, bound: float) -> float:
        """A difference as a part of what it is a difference of; noise alone meets the bound.

        Nothing where a quotient is nothing too may be less than noise: more digits would tell.
        """
        least = noise / self._arithmetic.number(bound)
        if scale < least:
            self.resolved = False
        return float(difference / max(scale, least))

    def _losses(self, point: Point, trajectory: Trajectory) -> list[Real]:
        return losses(self._arithmetic, point, self._form.output, trajectory)


def _plus(values: Any, direction: Any, step: Real) -> Any:
    """values + step * direction, where the direction has something."""
    if isinstance(values, dict):
        return {
            name: _plus(value, direction[name], step) if name in direction else value
            for name, value in values.items()
        }
    if isinstance(values, list):
        return [_plus(v, d, step) for v, d in zip(values, direction, strict=True)]
    return values + step * direction


def _leaves(tree: Any) -> Iterator[Real]:
    if isinstance(tree, (dict, list)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(part)
    else:
        yield tree


def _show(value: Real) -> str:
    return f"{float(value):.6g}"
