"""What is kept for later: values for the backward pass, adjoints for the parameters' gradients."""

from __future__ import annotations

from collections.abc import Iterable

from lstmgen.algebra.expression import Expression, values
from lstmgen.form.normal_form import Definition, NormalForm, uses_product
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import MatrixGradient, VectorGradient
from lstmgen.schedule.program import Block, Gather, Program, Reduction, WeightGradient


def kept(form: NormalForm, gradients: Gradients) -> tuple[tuple[str, ...], tuple[Definition, ...]]:
    """The least set of histories from which all that the gradients read is cheap to evaluate.

    A value is evaluated again if only element-wise operations lead to it from what is kept anyway;
    a matrix product is never repeated.
    """
    adjoints = {a.name for a in gradients.adjoints}
    needed: set[str] = set()
    for expression in _gradient_terms(gradients):
        needed.update(v.name for v in values(expression) if v.name not in adjoints)
    for gradient in gradients.parameters:
        if isinstance(gradient, MatrixGradient):
            for block in gradient.blocks:
                for outer in block:
                    needed.update({outer.left.name, outer.right.name} - adjoints)
    keeping = set(form.states)
    again: set[str] = set()
    available = set(form.inputs) | keeping
    # Defined by element-wise operations that lead from what is kept to it.
    reachable: set[str] = set()
    for d in form.definitions:
        if d.name in available:
            continue
        used = {v.name for v in values(d.value)}
        if not uses_product(d.value) and used <= available | reachable:
            reachable.add(d.name)
        if d.name not in needed:
            continue
        if d.name not in reachable:
            keeping.add(d.name)
            available.add(d.name)
            continue
        todo = [d.name]
        while todo:
            name = todo.pop()
            if name not in available:
                available.add(name)
                again.add(name)
                todo += (v.name for v in values(form.by_name[name].value))
    order = [d.name for d in form.definitions]
    return (
        tuple(sorted(keeping, key=order.index)),
        tuple(d for d in form.definitions if d.name in again),
    )


def _gradient_terms(gradients: Gradients) -> Iterable[Expression]:
    for adjoint in gradients.adjoints:
        yield from (*adjoint.here, *adjoint.later)
    for parameter in gradients.parameters:
        if isinstance(parameter, VectorGradient):
            yield from parameter.terms
    for inputs in gradients.inputs:
        yield from inputs.terms


def kept_adjoints(
    gradients: Gradients,
    backward: Program,
    weight_gradients: tuple[WeightGradient, ...],
    reductions: tuple[Reduction, ...],
) -> tuple[str, ...]:
    """Adjoints that something outside their own part of the program reads."""
    read: set[str] = {row.adjoint for w in weight_gradients for row in w.rows}
    for reduction in reductions:
        read.update(v.name for v in values(reduction.value))
    for stages in (backward.before, backward.loop, backward.after):
        made = {d.name for s in stages if isinstance(s, Block) for d in s.assignments}
        for stage in stages:
            if isinstance(stage, Block):
                used = {v.name for d in stage.assignments for v in values(d.value)}
            elif isinstance(stage, Gather):
                used = {column.operand for column in stage.columns}
            else:
                continue
            read |= used - made
    return tuple(a.name for a in gradients.adjoints if a.name in read)
