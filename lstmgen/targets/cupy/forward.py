"""The forward pass on the device: where values live, its products and its kernels.

* Each state has T + 1 rows, the initial one first.
* The results of one input product are the columns of one array; a gate takes the column of its
  pre-activation.
* A product of the loop is added to the input's by cuBLAS (beta = 1) where both have the same rows;
  else it has a small array of its own, which the block adds.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from lstmgen.algebra.expression import Add, Call, Expression, Neg, Value, transform, values
from lstmgen.form.normal_form import Definition, Names
from lstmgen.schedule.program import Block, Fanout, Schedule, Stage
from lstmgen.targets.common.extents import extent
from lstmgen.targets.cupy.arrays import Held, Kind, Place, Steps
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.storage import (
    CupyStage,
    Product,
    StackedWeights,
    Storage,
    WeightBlock,
    without,
)


class ForwardPlan:
    """Places and stages of the forward pass.

    Attributes:
        before, loop, after: the stages.
    """

    def __init__(self, schedule: Schedule, storage: Storage) -> None:
        self.schedule = schedule
        self.form = schedule.form
        self._storage = storage
        self._producer: dict[str, tuple[Fanout, str]] = {
            row.result: (stage, part)
            for part in ("before", "loop", "after")
            for stage in getattr(schedule.forward, part)
            if isinstance(stage, Fanout)
            for row in stage.rows
        }
        self._user = {
            v.name: d
            for s in schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
            for v in values(d.value)
            if v.name in self._producer
        }
        self._names = self._product_names()
        self._store_values()
        self.before = self._stages(schedule.forward.before)
        self.loop = self._stages(schedule.forward.loop)
        self.after = self._stages(schedule.forward.after)

    # Where values are

    def _product_names(self) -> dict[Fanout, str]:
        named: dict[Fanout, str] = {}
        for stage in self.schedule.forward.stages:
            if isinstance(stage, Fanout):
                name = stage.operand.name + ("_prev" if stage.operand.shift < 0 else "")
                while name in named.values():
                    name += "_"
                named[stage] = name
        return named

    def _store_values(self) -> None:
        """Give each value that outlives its kernel a column of a product's array, or an array."""
        self.places: dict[str, Place] = {}
        sizes = self.schedule.sizes
        for state in self.form.states:
            self._storage.add(Held(Kind.STATE, state), Steps.AND_FIRST, sizes[state])
        for stage, name in self._names.items():
            whole = self._producer[stage.rows[0].result][1] != "loop"
            if whole or not self._accumulates(stage):
                widths = tuple(sizes[row.result] for row in stage.rows)
                steps = Steps.EACH if whole else Steps.ONE
                self._storage.add(Held(Kind.PRODUCT, name), steps, extent(widths))
        for d in self.form.definitions:
            if d.name in self.form.states or d.name not in self._outliving:
                continue
            # Operands of products and the output are matrices of their own.
            column = None if d.name in self._matrices else self._column_of(d)
            if column is not None:
                self.places[d.name] = self._result_place(column)
            else:
                steps = Steps.EACH if d.name in self._lasting else Steps.ONE
                self._storage.add(Held(Kind.VALUE, d.name), steps, sizes[d.name])

    @cached_property
    def _outliving(self) -> set[str]:
        """Values that something outside of their own kernel reads."""
        found = {*self.schedule.kept, self.form.output}
        found |= {p.operand.name for d in self.form.definitions for p in d.products}
        for stage in self.schedule.forward.stages:
            if isinstance(stage, Block):
                made = {d.name for d in stage.assignments}
                read = {v.name for d in stage.assignments for v in values(d.value)}
                found |= read - made
        return found & {*self.form.by_name}

    @cached_property
    def _matrices(self) -> set[str]:
        operands = {p.operand.name for d in self.form.definitions for p in d.products}
        return operands | {self.form.output}

    @cached_property
    def _lasting(self) -> set[str]:
        """Values whose history is needed: kept, or computed or read outside of the loop."""
        blocks = [s for s in self.schedule.forward.loop if isinstance(s, Block)]
        loop = {d.name for b in blocks for d in b.assignments}
        found = ({*self.form.by_name} - loop) | {*self.schedule.kept, self.form.output}
        for d in self.form.definitions:
            if d.name not in loop:
                found |= {v.name for v in values(d.value)} | {p.operand.name for p in d.products}
        return found

    def _column_of(self, d: Definition) -> str | None:
        """The result of an input product whose column a value can take: nothing reads it later."""
        if d.products:
            for name in self._results(d):
                if self._producer[name][1] != "loop":
                    return name
        if isinstance(d.value, Call) and len(d.value.arguments) == 1:
            argument = d.value.arguments[0]
            if (
                isinstance(argument, Value)
                and not argument.shift
                and argument.name in (self.form.by_name)
            ):
                inner = self.form.by_name[argument.name]
                # The pre-activation's own block must be this one's: its column is free then.
                if argument.name not in self._outliving:
                    return self._column_of(inner) if inner.products else None
        return None

    def _results(self, d: Definition) -> list[str]:
        return [name for name, user in self._user.items() if user.name == d.name]

    def _row(self, result: str) -> tuple[Fanout, int]:
        stage = self._producer[result][0]
        return stage, [row.result for row in stage.rows].index(result)

    def _result_place(self, result: str) -> Place:
        stage, k = self._row(result)
        widths = tuple(self.schedule.sizes[row.result] for row in stage.rows)
        held = Held(Kind.PRODUCT, self._names[stage])
        return Place(held, 0, extent(widths), extent(widths[:k]))

    def _accumulates(self, stage: Fanout) -> Fanout | None:
        """The input product with the same users as this product of the loop, if there is one."""
        if self._producer[stage.rows[0].result][1] != "loop":
            return None
        users = [self._user[row.result].name for row in stage.rows]
        for other in self.schedule.forward.before:
            if isinstance(other, Fanout) and other is not stage:
                theirs = [self._user[row.result].name for row in other.rows]
                if sorted(theirs) == sorted(users) and len(set(users)) == len(users):
                    return other
        return None

    def place(self, value: Value) -> Place:
        """Where a value of the forward pass lives."""
        name = self._in_sums.get(value.name, value.name)
        size = self.schedule.sizes[name]
        if name in self.form.states:
            return Place(Held(Kind.STATE, name), 1 + value.shift, size)
        if name in self.form.inputs:
            return Place(Held(Kind.INPUT, name), 0, size)
        if name in self._producer:
            return self._result_place(name)
        if name in self.places:
            return self.places[name]
        return Place(Held(Kind.VALUE, name), 0, size)

    # Stages

    def _stages(self, stages: tuple[Stage, ...]) -> tuple[CupyStage, ...]:
        found: list[CupyStage] = []
        for stage in stages:
            if isinstance(stage, Fanout):
                found.append(self._fanout(stage))
            elif isinstance(stage, Block):
                assignments = self._remaining(stage)
                if not all(map(self._is_there, assignments)):
                    kernel = self._forward_kernel(stage, assignments)
                    found += [kernel] if kernel is not None else []
        return tuple(found)

    def _fanout(self, stage: Fanout) -> Product:
        into = self._accumulates(stage)
        rows = list(stage.rows)
        signs = [False] * len(rows)
        if into is not None:
            # The rows in the order of the array that they are added to, with its sign.
            order = [self._user[row.result].name for row in into.rows]
            rows.sort(key=lambda row: order.index(self._user[row.result].name))
            theirs = [self._negative(row.result) for row in into.rows]
            signs = [
                self._negative(row.result) is not their
                for row, their in zip(rows, theirs, strict=True)
            ]
        labels = tuple(dict.fromkeys(row.label for row in stage.rows))
        weights = StackedWeights(
            self._storage.local(f"weights_{self._names[stage]}", "weights"),
            tuple(
                (WeightBlock(row.weight, row.slot, row.transposed, negative),)
                for row, negative in zip(rows, signs, strict=True)
            ),
            labels,
        )
        out = self._result_place((into or stage).rows[0].result)
        return Product(weights, self.place(stage.operand), out, into is not None, False, labels)

    def _negative(self, result: str) -> bool:
        d = self._user[result]
        block_value = self._assignment(d.name).value
        terms = block_value.terms if isinstance(block_value, Add) else (block_value,)
        return Neg(Value(result)) in terms

    def _assignment(self, name: str) -> Definition:
        return next(
            d
            for s in self.schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
            if d.name == name
        )

    def _remaining(self, stage: Block) -> list[Definition]:
        """A block's assignments; what cuBLAS has added to an input product is there already."""
        found = []
        for d in stage.assignments:
            added = self._added(d)
            value = without(d.value, added)
            if added:
                value = transform(value, self._whole_sum)
            found.append(Definition(d.label, d.name, value))
        return found

    def _whole_sum(self, node: Expression) -> Expression:
        """A result of an input product that products of the loop are added to, by its own name."""
        if isinstance(node, Value) and node.name in self._sums:
            return Value(self._sums[node.name])
        return node

    @cached_property
    def _sums(self) -> dict[str, str]:
        """What the sums of an input's and the loop's products are called, by the input's."""
        found = {}
        names = Names({*self.schedule.variables, *self.form.parameters})
        for stage in self.schedule.forward.loop:
            into = self._accumulates(stage) if isinstance(stage, Fanout) else None
            for row in into.rows if into is not None else ():
                found[row.result] = names.new("products", self._user[row.result].name)
        return found

    def _is_there(self, d: Definition) -> bool:
        """Whether a product has left the value in its place: nothing is to be computed."""
        return isinstance(d.value, Value) and self.place(d.value) == self.place(Value(d.name))

    @cached_property
    def _in_sums(self) -> dict[str, str]:
        return {name: result for result, name in self._sums.items()}

    def _forward_kernel(self, stage: Block, assignments: list[Definition]) -> Kernel | None:
        def stores(name: str) -> Iterable[Place]:
            return [self.place(Value(name))] if self._is_stored(name) else []

        name = f"forward_{_called(assignments)}"
        return self._storage.kernel(name, stage.size, assignments, self.place, stores)

    def _is_stored(self, name: str) -> bool:
        return name in self.form.states or name in self._outliving

    def _added(self, d: Definition) -> set[str]:
        return {
            v.name
            for v in values(d.value)
            if v.name in self._producer and self._accumulates(self._producer[v.name][0])
        }


def _called(assignments: list[Definition]) -> str:
    """A kernel's name after what it is for: what no other of its assignments reads."""
    read = {v.name for d in assignments for v in values(d.value) if not v.shift}
    names = [d.name for d in assignments if d.name not in read]
    return "_".join(names[:3])
