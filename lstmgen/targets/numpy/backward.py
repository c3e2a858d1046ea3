"""The backward pass of a NumPy module: factors for a whole block, then the loop, then what is left.

The adjoints that parameters' gradients are made of are collected for the whole sequence, one column
for each step and row, so that each gradient is one product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lstmgen.algebra.expression import (
    ONE,
    Add,
    Call,
    Expression,
    Neg,
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
        kept = [a for a in schedule.kept_adjoints if a in self._in_loop]
        if kept:
            kept.sort(key=self._rank)
            self._new(self._name("delta"), kept, Keep.BLOCK)
        self._loop()
        plan.after = tuple(self._whole(self._columns_first()))
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

    def _rank(self, adjoint: str) -> tuple[int, int]:
        """Adjoints lie in the order of the products that their values are made of."""
        of = self._adjoints[adjoint].of
        place = self._forward.places.get(of)
        if place is None:
            return (len(self._forward.stacks), 0)
        return (self._forward.stacks.index(place.stack), place.first)

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

    def _loop(self) -> None:
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
        computed = {a.name: a for a in made}
        scratch = Scratch()
        body: list[Statement] = []
        lowering = Lowering(scratch, body)
        for stage in stages:
            if isinstance(stage, Gather):
                self._gather(stage, body, scratch)
            elif isinstance(stage, ElementWise):
                for d in stage.assignments:
                    if d.name in computed:
                        self._adjoint(computed[d.name], lowering)
        self._plan.loop = tuple(body)
        self._plan.scratch = tuple(scratch.stacks)
        self._finish_factors()

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
        if isinstance(coefficient, Value) or not values(coefficient) or not self._passes.factors:
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

    # Gradients of parameters and inputs

    def _columns_first(self) -> tuple[Stage, ...]:
        """The stages after the loop, without those of inputs that one product at the end makes."""
        schedule = self._schedule
        used = [row.adjoint for w in schedule.weight_gradients for row in w.rows]
        used += [
            v.name
            for r in schedule.reductions
            for term in _terms(r.value)
            if (v := _plain(term, self._adjoints)) is not None
        ]
        in_delta = [a for a in dict.fromkeys(used) if a in self._in_loop]
        members: list[str] = []
        if in_delta:
            members += self._places[in_delta[0]].stack.members
        members += [a for a in dict.fromkeys(used) if a not in members]
        sizes = tuple(schedule.sizes[m] for m in members)
        columns = Stack(self._name("columns"), tuple(members), sizes, Keep.BLOCK)
        self._plan.columns = columns if members else None
        gathers = {s.result: s for s in schedule.backward.after if isinstance(s, Gather)}
        at_end: dict[str, Gather] = {}
        for gradient in schedule.gradients.inputs:
            for stage in schedule.backward.after:
                if not isinstance(stage, ElementWise):
                    continue
                for d in stage.assignments:
                    if d.name == gradient.name and isinstance(d.value, Value):
                        gather = gathers.get(d.value.name)
                        late = gather is not None and self._passes.late
                        if gather is not None and late and self._is_run(gather, members):
                            at_end[d.name] = gather
                            self._input(gradient.of, gather, members)
        left_out = {gather.result for gather in at_end.values()}
        result: list[Stage] = []
        for stage in schedule.backward.after:
            if isinstance(stage, Gather) and stage.result in left_out:
                continue
            if isinstance(stage, ElementWise):
                rest = tuple(d for d in stage.assignments if d.name not in at_end)
                if rest:
                    result.append(ElementWise(stage.size, rest))
                continue
            result.append(stage)
        return tuple(result)

    def _is_run(self, gather: Gather, members: Sequence[str]) -> bool:
        operands = [c.operand for c in gather.columns]
        if len(set(operands)) < len(operands) or any(o not in members for o in operands):
            return False
        places = sorted(members.index(o) for o in operands)
        return places == list(range(places[0], places[0] + len(places)))

    def _input(self, name: str, gather: Gather, members: Sequence[str]) -> None:
        ordered = sorted(gather.columns, key=lambda c: members.index(c.operand))
        # d_x^T is columns^T times the weights as they stand.
        rows = tuple((Block(c.weight, c.slot, not c.transposed, c.negative),) for c in ordered)
        matrix = Matrix(self._name(f"w_d_{name}"), rows, (gather.label,))
        product = InputProduct(name, members.index(ordered[0].operand), matrix)
        self._plan.inputs = (*self._plan.inputs, product)


def _inside(call: Expression, named: Mapping[Expression, Value]) -> Expression:
    """A call whose arguments have names for what they have in common with others."""
    parts = tuple(transform(a, lambda n: named.get(n, n)) for a in children(call))
    return rebuild(call, parts)


def _terms(value: Expression) -> tuple[Expression, ...]:
    return value.terms if isinstance(value, Add) else (value,)


def _plain(term: Expression, adjoints: Iterable[str]) -> Value | None:
    """The adjoint, if a term is one or the negative of one."""
    inner = term.argument if isinstance(term, Neg) else term
    return inner if isinstance(inner, Value) and inner.name in adjoints else None


def _back(column: Column) -> Block:
    """`Column.transposed` says how the gradient multiplies, relative to the weight as it stands."""
    return Block(column.weight, column.slot, column.transposed, column.negative)


__all__ = ["Backward", "InputProduct", "backward"]
