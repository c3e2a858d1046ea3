"""Element-wise blocks: assignments of one size that need no further product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lstmgen.algebra.expression import Expression, MatVec, Value, transform
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block
from lstmgen.schedule.variables import Variable


def blocks(
    chosen: Sequence[Definition], ready: Mapping[MatVec, str], variables: Mapping[str, Variable]
) -> list[Block]:
    """One block for each size of vectors; products give way to the names of their results."""

    def named(node: Expression) -> Expression:
        return Value(ready[node]) if isinstance(node, MatVec) else node

    by_size: dict[str, list[Definition]] = {}
    for d in chosen:
        assignment = Definition(d.label, d.name, transform(d.value, named))
        by_size.setdefault(variables[d.name].size, []).append(assignment)
    return [Block(size, tuple(assignments)) for size, assignments in by_size.items()]
