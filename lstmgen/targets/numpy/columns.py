"""What the backward pass collects for the end: adjoints, one column for each step and row.

Each gradient of a parameter, and what products add to that of an input, is then one product for the
whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from lstmgen.algebra.expression import Add, Expression, Neg, Value, add
from lstmgen.schedule.program import Block as ElementWise
from lstmgen.schedule.program import Column, Gather, Stage
from lstmgen.targets.numpy.backward_plan import Backward, InputProduct
from lstmgen.targets.numpy.program import Block, Keep, Matrix, Stack


def collected(
    plan: Backward, in_loop: Collection[str], name: Callable[[str], str]
) -> tuple[Stage, ...]:
    """Plan what is collected; gives the stages after the loop that are left.

    Args:
        plan: gets `columns` and `inputs`.
        in_loop: what the loop computes.
        name: makes a name that nothing has.
    """
    schedule = plan.schedule
    adjoints = {a.name for a in schedule.gradients.adjoints}
    used = [row.adjoint for w in schedule.weight_gradients for row in w.rows]
    used += [
        v.name
        for r in schedule.reductions
        for term in _terms(r.value)
        if (v := _plain(term, adjoints)) is not None
    ]
    in_delta = [a for a in dict.fromkeys(used) if a in in_loop]
    members: list[str] = []
    if in_delta:
        members += plan.places[in_delta[0]].stack.members
    members += [a for a in dict.fromkeys(used) if a not in members]
    sizes = tuple(schedule.sizes[m] for m in members)
    columns = Stack(name("columns"), tuple(members), sizes, Keep.BLOCK)
    plan.columns = columns if members else None
    return tuple(_without_products_of_inputs(plan, members, name))


def _without_products_of_inputs(
    plan: Backward, members: Sequence[str], name: Callable[[str], str]
) -> Iterable[Stage]:
    """The stages after the loop, without the products that inputs' gradients have as terms."""
    after = plan.schedule.backward.after
    gathers = {s.result: s for s in after if isinstance(s, Gather)}
    of = {g.name: g.of for g in plan.schedule.gradients.inputs}
    at_end: set[str] = set()
    rest: dict[str, tuple[Expression, ...]] = {}
    for stage in after:
        for d in stage.assignments if isinstance(stage, ElementWise) else ():
            if d.name in of:
                terms = _terms(d.value)
                products = [t for t in terms if isinstance(t, Value) and t.name in gathers]
                rest[d.name] = tuple(t for t in terms if t not in products)
                for term in products:
                    plan.inputs += _products(of[d.name], gathers[term.name], members, name)
                    at_end.add(term.name)
    for stage in after:
        if isinstance(stage, ElementWise):
            left = [
                replace(d, value=add(*rest[d.name])) if d.name in rest else d
                for d in stage.assignments
                if rest.get(d.name) != ()
            ]
            if left:
                yield ElementWise(stage.size, tuple(left))
        elif not (isinstance(stage, Gather) and stage.result in at_end):
            yield stage


def _products(
    of: str, gather: Gather, members: Sequence[str], name: Callable[[str], str]
) -> tuple[InputProduct, ...]:
    """One for each run of operands that lie side by side among the columns."""
    runs: list[list[Column]] = []
    for column in sorted(gather.columns, key=lambda c: members.index(c.operand)):
        if runs and members.index(runs[-1][-1].operand) + 1 == members.index(column.operand):
            runs[-1].append(column)
        else:
            runs.append([column])
    products = []
    for run in runs:
        # d_x^T is columns^T times the weights as they stand.
        blocks = [Block(c.weight, c.slot, not c.transposed, c.negative) for c in run]
        matrix = Matrix(name(f"w_d_{of}"), tuple((block,) for block in blocks), (gather.label,))
        products.append(InputProduct(of, members.index(run[0].operand), matrix))
    return tuple(products)


def _terms(value: Expression) -> tuple[Expression, ...]:
    return value.terms if isinstance(value, Add) else (value,)


def _plain(term: Expression, adjoints: Collection[str]) -> Value | None:
    """The adjoint, if a term is one or the negative of one."""
    inner = term.argument if isinstance(term, Neg) else term
    return inner if isinstance(inner, Value) and inner.name in adjoints else None
