"""The gradients of parameters: one product for each operand, and sums over time and batch."""

from __future__ import annotations

from lstmgen.algebra.expression import ZERO, Expression, Value, add, values
from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import MatrixGradient, VectorGradient
from lstmgen.schedule.program import Outer, Reduction, WeightGradient


def weight_gradients(gradients: Gradients) -> tuple[WeightGradient, ...]:
    """The outer products with one operand, together."""
    adjoints = {a.name for a in gradients.adjoints}
    by_operand: dict[Value, list[Outer]] = {}
    for gradient in gradients.parameters:
        if not isinstance(gradient, MatrixGradient):
            continue
        for slot, block in enumerate(gradient.blocks):
            for outer in block:
                transposed = outer.left.name not in adjoints
                delta, operand = (
                    (outer.right, outer.left) if transposed else (outer.left, outer.right)
                )
                by_operand.setdefault(operand, []).append(
                    Outer(
                        gradient.parameter,
                        slot,
                        transposed,
                        delta.name,
                        outer.negative,
                        gradient.label,
                    )
                )
    return tuple(WeightGradient(o, tuple(rows)) for o, rows in by_operand.items())


def reductions(form: NormalForm, gradients: Gradients) -> tuple[Reduction, ...]:
    """The sums that make the gradients of vectors and scalars."""
    of = {a.name: a.of for a in gradients.adjoints}
    found = []
    for gradient in gradients.parameters:
        if isinstance(gradient, VectorGradient):
            by_size: dict[str, list[Expression]] = {}
            for term in gradient.terms:
                if term == ZERO:
                    continue  # the parameter stands where the slope is 0
                delta = next(v for v in values(term) if v.name in of)
                by_size.setdefault(form.sizes[of[delta.name]], []).append(term)
            for size, terms in by_size.items():
                found.append(Reduction(gradient.label, gradient.parameter, add(*terms), size))
    return tuple(found)
