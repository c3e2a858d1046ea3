"""The backward pass of a NumPy module: factors for a whole block, then the loop, then what is left.

The adjoints that parameters' gradients are made of are collected for the whole sequence, one column
for each step and row, so that each gradient is one product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lstmgen.algebra.expression import (
    ONE,
    Call,
    Expression,
    Value,
    add,
    children,
    mul,
    neg,
    rebuild,
    transform,
    values,
    walk,
)
from lstmgen.schedule.program import Block as ElementWise
from lstmgen.schedule.program import Column, Gather, Schedule, Stage
from lstmgen.targets.common.parameters import parameter_gradients
from lstmgen.targets.numpy.backward_plan import Backward, InputProduct
from lstmgen.targets.numpy.columns import collected
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.linear import Adjoint, Part, simplified
from lstmgen.targets.numpy.lowering import Lowering, Scratch
from lstmgen.targets.numpy.passes import ALL, Passes
from lstmgen.targets.numpy.program import (
    Block,
    Dot,
    Keep,
    Line,
    Matrix,
    Slot,
    Stack,
    Statement,
    Sum,
    Term,
    Whole,
)
from lstmgen.targets.numpy.program import Call as Operation
from lstmgen.targets.numpy.trees import tree


def backward(schedule: Schedule, forward: Forward, passes: Passes = ALL) -> Backward:
    """Plan the backward pass of a schedule whose forward pass is planned."""
    return _Planner(schedule, forward, passes).plan()


class _Planner:
    def __init__(self, schedule: Schedule, forward: Forward, passes: Passes) -> None:
        self._schedule, self._passes = schedule, passes
        self._forward = forward
        self._plan = Backward(schedule)
        self._places = self._plan.places
        self._stacks: list[Stack] = []
        self._adjoints = {a.name: a for a in schedule.gradients.adjoints}
        self._in_loop = {
            d.name
            for s in schedule.backward.loop
            if isinstance(s, ElementWise)
            for d in s.assignments
        }
        self._factors: dict[Expression, tuple[str, list[str]]] = {}
        self._taken = {*schedule.variables, *schedule.form.parameters}

    def plan(self) -> Backward:
        plan, schedule = self._plan, self._schedule
        plan.again = tuple(Line(d.name, d.value, (d.label,)) for d in schedule.recomputed)
        for d in schedule.recomputed:
            # In the backward pass it lives for a block, whatever the forward pass did with it.
            self._new(d.name, (d.name,), Keep.BLOCK)
        self._new(schedule.seed, (schedule.seed,), Keep.BLOCK)
        plan.before = tuple(self._whole(schedule.backward.before))
        self._carries()
        made = self._made()
        kept = [a for a in schedule.kept_adjoints if a in self._in_loop]
        if kept:
            kept.sort(key=lambda a: self._rank(a, made))
            self._new(self._name("delta"), kept, Keep.BLOCK)
        self._loop(made)
        plan.after = tuple(self._whole(collected(plan, self._in_loop, self._name)))
        order = plan.columns.members if plan.columns is not None else ()
        plan.gradients = parameter_gradients(schedule, order, adjacent=True, by_term=True)
        plan.stacks = tuple(self._stacks)
        plan.in_loop = tuple(sorted(self._in_loop))
        return plan

    def _name(self, wanted: str) -> str:
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def _new(
        self, name: str, members: Sequence[str], keep: Keep, sizes: Sequence[str] | None = None
    ) -> Stack:
        if sizes is None:
            sizes = [self._schedule.sizes[m] for m in members]
        stack = Stack(name, tuple(members), tuple(sizes), keep)
        self._plan.sizes |= dict(zip(members, sizes, strict=True))
        self._stacks.append(stack)
        for k, member in enumerate(members):
            self._places[member] = Slot(stack, k)
        return stack

    def _rank(self, adjoint: str, made: Mapping[str, Adjoint]) -> tuple[int, int, int]:
        """Adjoints lie in the order of the products that their values are made of.

        Among those of one product, what is made of the same adjoint lies together.
        """
        of = self._adjoints[adjoint].of
        place = self._forward.places.get(of)
        if place is None:
            return (len(self._forward.stacks), 0, 0)
        source = made[adjoint].parts[0].source if len(made[adjoint].parts) == 1 else ""
        together = [a.parts[0].source for a in made.values() if len(a.parts) == 1]
        group = together.index(source) if source in together else -1
        return (self._forward.stacks.index(place.stack), group, place.first)

    def slot(self, value: Value) -> Slot:
        """Where a value of either pass is, of the step itself or of the one before."""
        if value.name in self._places:
            place = self._places[value.name]
            return Slot(place.stack, place.first, place.count, value.shift)
        return self._forward.slot(value)

    # Before and after the loop

    def _whole(self, stages: Iterable[Stage]) -> Iterable[Whole]:
        for stage in stages:
            if isinstance(stage, Gather):
                self._new(stage.result, (stage.result,), Keep.BLOCK)
                terms = tuple(Term(_back(c), c.operand) for c in stage.columns)
                yield Sum(stage.result, terms, (stage.label,))
            elif isinstance(stage, ElementWise):
                for d in stage.assignments:
                    self._new(d.name, (d.name,), Keep.BLOCK)
                    yield Line(d.name, d.value, (d.label,))

    # The loop

    def _carries(self) -> None:
        handed = {
            state: tuple(name for name in names if name is not None)
            for state, names in self._schedule.carried.items()
        }
        self._plan.handed = handed
        members = [name for names in handed.values() for name in names]
        self._plan.carry = self._new(self._name("carry"), members, Keep.CARRY)

    def _made(self) -> dict[str, Adjoint]:
        """The adjoints that the loop computes."""
        stages = self._schedule.backward.loop
        assignments = [d for s in stages if isinstance(s, ElementWise) for d in s.assignments]
        gathered = {c.operand for s in stages if isinstance(s, Gather) for c in s.columns}
        carries = {name for names in self._plan.handed.values() for name in names}
        needed = gathered | carries | set(self._schedule.kept_adjoints)
        sources = {
            *self._adjoints,
            self._schedule.seed,
            *carries,
            *(s.result for s in self._schedule.backward.stages if isinstance(s, Gather)),
        }
        made = simplified(assignments, sources, needed, carries, direct=self._passes.direct)
        return {a.name: a for a in made}

    def _loop(self, made: Mapping[str, Adjoint]) -> None:
        scratch = Scratch()
        body: list[Statement] = []
        lowering = Lowering(scratch, body)
        for stage in self._schedule.backward.loop:
            if isinstance(stage, Gather):
                self._gather(stage, body, scratch)
            elif isinstance(stage, ElementWise):
                here = [made[d.name] for d in stage.assignments if d.name in made]
                while here:
                    group = self._alike(here)
                    if len(group) > 1:
                        body.append(self._together(group))
                    else:
                        self._adjoint(group[0], lowering)
                    here = [adjoint for adjoint in here if adjoint not in group]
        self._plan.loop = tuple(body)
        self._plan.scratch = tuple(scratch.stacks)
        self._finish_factors()

    def _alike(self, adjoints: Sequence[Adjoint]) -> list[Adjoint]:
        """The first, and those beside it that are the same adjoint times a factor each."""
        first, *others = adjoints
        size = self._schedule.sizes[first.name]

        def alike(a: Adjoint) -> bool:
            place = self._places.get(a.name)
            if len(a.parts) != 1 or place is None or place.stack.keep is not Keep.BLOCK:
                return False
            (part,) = a.parts
            source = self._places.get(part.source)
            return (
                self._needs_factor(part.coefficient)
                and part.coefficient not in self._factors
                and not part.negative
                and part.source == first.parts[0].source
                and source is not None
                and self._schedule.sizes[a.name] == size == source.sizes[0]
            )

        if not self._passes.stacked or not alike(first):
            return [first]
        group = {self._places[first.name].first: first}
        stack = self._places[first.name].stack
        near = {self._places[a.name].first: a for a in others if alike(a)}
        near = {k: a for k, a in near.items() if self._places[a.name].stack == stack}
        for step in (-1, 1):
            at = self._places[first.name].first + step
            while at in near:
                group[at] = near[at]
                at += step
        found = [group[at] for at in sorted(group)]
        different = {a.parts[0].coefficient for a in found}
        return found if len(different) == len(found) else [first]

    def _together(self, group: Sequence[Adjoint]) -> Operation:
        """One product for adjoints that are alike."""
        names = [self._name(f"k_{a.name.removeprefix('d_')}") for a in group]
        sizes = [self._schedule.sizes[a.name] for a in group]
        for name, a in zip(names, group, strict=True):
            self._factors[a.parts[0].coefficient] = (name, list(a.parts[0].labels))
        joined = "_".join(name.removeprefix("k_") for name in names)
        if len(names) > 4:
            joined = f"{names[0].removeprefix('k_')}_to_{names[-1].removeprefix('k_')}"
        factors = self._new(self._name(f"k_{joined}"), names, Keep.BLOCK, sizes)
        first = self._places[group[0].name]
        count = len(group)
        labels = tuple(dict.fromkeys(label for a in group for label in a.labels))
        return Operation(
            "multiply",
            (Slot(factors, 0, count, apart=True), self._places[group[0].parts[0].source]),
            Slot(first.stack, first.first, count, apart=True),
            labels,
        )

    def _needs_factor(self, coefficient: Expression) -> bool:
        """Whether a coefficient is computed for the whole block, before the loop."""
        plain = isinstance(coefficient, Value) or not values(coefficient)
        return not plain and self._passes.factors

    def _adjoint(self, adjoint: Adjoint, lowering: Lowering) -> None:
        if adjoint.name not in self._places:
            only = adjoint.parts[0] if len(adjoint.parts) == 1 else None
            if only is not None and only.coefficient == ONE and not only.negative:
                source = self._places[only.source]
                if source.stack.keep is not Keep.CARRY:
                    self._places[adjoint.name] = source
                    return
            self._new(adjoint.name, (adjoint.name,), Keep.STEP)
        slot = self._places[adjoint.name]
        size = self._schedule.sizes[adjoint.name]
        value = add(*(self._term(adjoint, part, size) for part in adjoint.parts))
        found = tree(value, size, self.slot, self._schedule.form.scalars)
        lowering.store(found, slot, adjoint.labels)

    def _term(self, adjoint: Adjoint, part: Part, size: str) -> Expression:
        source = Value(part.source)
        term = mul(self._operand(adjoint, part, size), source)
        return neg(term) if part.negative else term

    def _operand(self, adjoint: Adjoint, part: Part, size: str) -> Expression:
        """A coefficient as the loop reads it: a value, something of parameters, or a factor."""
        coefficient = part.coefficient
        if not self._needs_factor(coefficient):
            return coefficient
        if coefficient not in self._factors:
            name = self._name(f"k_{adjoint.name.removeprefix('d_')}")
            self._factors[coefficient] = (name, [])
            self._new(name, (name,), Keep.BLOCK, [size])
        name, labels = self._factors[coefficient]
        labels += [label for label in part.labels if label not in labels]
        return Value(name)

    def _finish_factors(self) -> None:
        """Calls that occur in several factors are evaluated once."""
        count: dict[Call, int] = {}
        for coefficient in self._factors:
            for node in walk(coefficient):
                if isinstance(node, Call) and values(node):
                    count[node] = count.get(node, 0) + 1
        named: dict[Expression, Value] = {}
        common = []
        for node, uses in count.items():
            if uses > 1:
                argument = node.arguments[0]
                of = argument.name if isinstance(argument, Value) else str(len(named) + 1)
                if isinstance(argument, Value) and argument.shift:
                    of += "_prev"
                name = self._name(f"{node.function}_{of}")
                labels = dict.fromkeys(
                    label
                    for coefficient, (_, mine) in self._factors.items()
                    if any(n == node for n in walk(coefficient))
                    for label in mine
                )
                named[node] = Value(name)
                size = next(self._schedule.sizes[v.name] for v in values(node))
                self._new(name, (name,), Keep.BLOCK, [size])
                common.append(Line(name, node, tuple(labels)))
        # A call within a call that both are named: the inner one first, and the outer one reads it.
        common.sort(key=lambda line: sum(1 for _ in walk(line.value)))
        self._plan.common = tuple(
            Line(line.name, _inside(line.value, named), line.labels) for line in common
        )
        self._plan.factors = tuple(
            Line(name, transform(coefficient, lambda n: named.get(n, n)), tuple(labels))
            for coefficient, (name, labels) in self._factors.items()
        )

    def _gather(self, stage: Gather, body: list[Statement], scratch: Scratch) -> None:
        if stage.result not in self._places:
            self._new(stage.result, (stage.result,), Keep.STEP)
        out = self._places[stage.result]
        labels = (stage.label,)
        runs = self._runs(stage.columns)
        for k, run in enumerate(runs):
            first = self._places[run[0].operand]
            operand = Slot(first.stack, first.first, len(run))
            name = self._name(f"w_{stage.result}" + (f"_{k + 1}" if len(runs) > 1 else ""))
            matrix = Matrix(name, (tuple(_back(c) for c in run),), labels)
            if k == 0:
                body.append(Dot(matrix, operand, out, labels))
                continue
            more = scratch.take(out.sizes)
            body.append(Dot(matrix, operand, more, labels))
            body.append(Operation("add", (out, more), out, labels))
            scratch.give(more)

    def _runs(self, columns: Sequence[Column]) -> list[list[Column]]:
        """Columns whose operands lie one below the other."""
        ordered = sorted(
            columns,
            key=lambda c: (
                self._stacks.index(self._places[c.operand].stack),
                self._places[c.operand].first,
            ),
        )
        runs: list[list[Column]] = []
        for column in ordered:
            place = self._places[column.operand]
            if runs:
                last = self._places[runs[-1][-1].operand]
                if (last.stack, last.first + 1) == (place.stack, place.first):
                    runs[-1].append(column)
                    continue
            runs.append([column])
        return runs


def _inside(call: Expression, named: Mapping[Expression, Value]) -> Expression:
    """A call whose arguments have names for what they have in common with others."""
    parts = tuple(transform(a, lambda n: named.get(n, n)) for a in children(call))
    return rebuild(call, parts)


def _back(column: Column) -> Block:
    """`Column.transposed` says how the gradient multiplies, relative to the weight as it stands."""
    return Block(column.weight, column.slot, column.transposed, column.negative)


__all__ = ["Backward", "InputProduct", "backward"]
