"""Products that reach over two steps.

A state may be multiplied by weights in its own step and again, by others, in the step after it, as
is the cell state that gates look at.  One product serves both: forward, the rows for the next step
wait there; backward, the adjoints of both steps are one operand where they lie side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lstmgen.algebra.expression import Add, Value, add, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Column, Fanout, Gather, Stage


def fanout_pairs(loop: Sequence[Stage]) -> list[tuple[Fanout, Fanout]]:
    """Products with a state, each with the product with the same state one step later."""
    fanouts = [stage for stage in loop if isinstance(stage, Fanout)]
    return [
        (now, later)
        for now in fanouts
        for later in fanouts
        if not now.operand.shift and later.operand == Value(now.operand.name, -1)
    ]


@dataclass(frozen=True, slots=True)
class Joined:
    """A backward loop in which gathers of a step take in what the step after it handed over.

    Attributes:
        stages: the loop without the gathers that were taken in.
        later: for each gather's result, its columns whose operands are of the step after.
        carried: as in the schedule, without what is taken in.
        handed: for each state, the gather that takes in what its step after hands over.
    """

    stages: tuple[Stage, ...]
    later: dict[str, tuple[Column, ...]]
    carried: dict[str, tuple[str | None, str | None]]
    handed: dict[str, str]


def join_gathers(
    loop: Sequence[Stage], carried: Mapping[str, tuple[str | None, str | None]]
) -> Joined:
    """Join each gather that is carried to the step before with one of that step, where both are
    terms of one sum and nothing else reads them."""
    stages = list(loop)
    remaining = dict(carried)
    later: dict[str, tuple[Column, ...]] = {}
    handed: dict[str, str] = {}
    for state, (elementwise, product) in carried.items():
        # Without the element-wise part nothing would hold the last step's adjoint.
        if elementwise is None or product is None:
            continue
        gathers = {s.result: s for s in stages if isinstance(s, Gather)}
        here = _summed_with(product, stages, gathers)
        if product not in gathers or here is None or here in later:
            continue
        later[here] = gathers[product].columns
        handed[state] = here
        remaining[state] = (elementwise, None)
        stages = [_without(product, s) for s in stages if s != gathers[product]]
    return Joined(tuple(stages), later, remaining, handed)


def _summed_with(
    product: str, stages: Sequence[Stage], gathers: Mapping[str, Gather]
) -> str | None:
    """The gather of the same step whose result is added to `product`, and to nothing else."""
    read: dict[str, list[Definition]] = {}
    for d in _definitions(stages):
        for v in values(d.value):
            read.setdefault(v.name, []).append(d)
    users = read.get(product, [])
    if len(users) != 1 or not isinstance(users[0].value, Add):
        return None
    terms = users[0].value.terms
    if Value(product) not in terms:
        return None
    for name in gathers:
        if name != product and Value(name) in terms and len(read[name]) == 1:
            return name
    return None


def _definitions(stages: Sequence[Stage]) -> list[Definition]:
    return [d for s in stages if isinstance(s, Block) for d in s.assignments]


def _without(product: str, stage: Stage) -> Stage:
    """The stage with no term `product` in its sums."""
    if not isinstance(stage, Block):
        return stage
    changed = []
    for d in stage.assignments:
        if isinstance(d.value, Add) and Value(product) in d.value.terms:
            terms = [term for term in d.value.terms if term != Value(product)]
            d = replace(d, value=add(*terms))
        changed.append(d)
    return replace(stage, assignments=tuple(changed))
