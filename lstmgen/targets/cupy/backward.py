"""The backward pass on the device: where adjoints live, its products and its kernels.

The adjoints that outlive a step are the columns of one array, in an order that lets most products
read neighbouring columns; a product of the loop over some of them reads a compact copy, which the
kernel writes too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from lstmgen.algebra.expression import Expression, Value, transform, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Gather, Schedule, Stage
from lstmgen.targets.common.extents import columns as column_slice
from lstmgen.targets.common.extents import extent
from lstmgen.targets.common.ordering import best_order
from lstmgen.targets.cupy.arrays import Held, Kind, Place, Steps
from lstmgen.targets.cupy.forward import ForwardPlan
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.storage import (
    CupyStage,
    Product,
    StackedWeights,
    Storage,
    WeightBlock,
    without,
)

ADJOINTS = Held(Kind.ADJOINT)


class BackwardPlan:
    """Places and stages of the backward pass.

    Attributes:
        adjoints: those that are kept of each step, in the order of their columns.
        before, loop, after: the stages.
    """

    def __init__(self, schedule: Schedule, storage: Storage, forward: ForwardPlan) -> None:
        self.schedule = schedule
        self.form = schedule.form
        self._storage = storage
        self._arrays = storage.arrays
        self._forward = forward
        self._order_adjoints()
        self.before = self._stages(schedule.backward.before, Steps.EACH)
        self.loop = self._stages(schedule.backward.loop, Steps.ONE)
        self.after = self._stages(schedule.backward.after, Steps.EACH)

    # Where adjoints are

    def _order_adjoints(self) -> None:
        sizes = self.schedule.sizes
        gathers = [
            {c.operand for c in s.columns}
            for s in (*self.schedule.backward.loop, *self.schedule.backward.after)
            if isinstance(s, Gather)
        ]
        groups = gathers + [{r.adjoint for r in w.rows} for w in self.schedule.weight_gradients]

        def cost(order: tuple[str, ...]) -> int:
            return sum(len(_runs(order, group)) for group in groups)

        self.adjoints = best_order(tuple(reversed(self.schedule.kept_adjoints)), cost)
        self.widths = tuple(sizes[a] for a in self.adjoints)
        self._storage.add(ADJOINTS, Steps.EACH, extent(self.widths))
        for state in self.form.states:
            self._storage.add(Held(Kind.CARRY, state), Steps.ONE, sizes[state])
        # A product over some of the adjoints reads them from a compact copy.
        self.compact: dict[str, tuple[str, ...]] = {}
        made_in_loop = {
            d.name
            for s in self.schedule.backward.loop
            if isinstance(s, Block)
            for d in s.assignments
        }
        for stage in self.schedule.backward.loop:
            if isinstance(stage, Gather):
                if {c.operand for c in stage.columns} != {*self.adjoints}:
                    operands = tuple(dict.fromkeys(c.operand for c in stage.columns))
                    self.compact[stage.result] = operands
                    # An adjoint that is known before the loop is copied for all steps.
                    steps = Steps.ONE if {*operands} <= made_in_loop else Steps.EACH
                    width = extent([sizes[n] for n in operands])
                    self._storage.add(Held(Kind.COMPACT, stage.result), steps, width)
                if stage.result not in self._carried:
                    held = Held(Kind.GATHERED, stage.result)
                    self._storage.add(held, Steps.ONE, sizes[stage.result])
        self._same: dict[str, str] = {}  # a product's result that is an assignment's value as it is
        after = self.schedule.backward.after
        gathered = {stage.result for stage in after if isinstance(stage, Gather)}
        inputs = {gradient.name for gradient in self.schedule.gradients.inputs}
        wanted = inputs | {*self._crossing(after)}
        for stage in after:
            for d in stage.assignments if isinstance(stage, Block) else ():
                shared = d.name in wanted and d.name not in self.adjoints
                if shared and isinstance(d.value, Value) and d.value.name in gathered:
                    self._same[d.value.name] = d.name
        self._loop_values = self._crossing(self.schedule.backward.loop)
        for name in self._loop_values:
            self._storage.add(Held(Kind.WITHIN, name), Steps.ONE, sizes[name])
        for stages in (self.schedule.backward.before, self.schedule.backward.after):
            read = inputs | {*self._crossing(stages)}
            for stage in stages:
                names = [stage.result] if isinstance(stage, Gather) else []
                if isinstance(stage, Block):
                    names = [d.name for d in stage.assignments if d.name in read]
                for name in names:
                    if name not in self.adjoints and name not in self._same:
                        self._storage.add(Held(Kind.WHOLE, name), Steps.EACH, sizes[name])

    @cached_property
    def _carried(self) -> dict[str, str]:
        """The names of what reaches a state's adjoint from the step after, and the state."""
        return {n: s for s, pair in self.schedule.carried.items() for n in pair if n is not None}

    def _crossing(self, stages: tuple[Stage, ...]) -> tuple[str, ...]:
        """Adjoints that a later kernel of the same step reads and no history keeps."""
        blocks = [s for s in stages if isinstance(s, Block)]
        made = {d.name: k for k, b in enumerate(blocks) for d in b.assignments}
        found = {
            v.name
            for k, b in enumerate(blocks)
            for d in b.assignments
            for v in values(d.value)
            if made.get(v.name, k) != k
        }
        gathered = {c.operand for s in stages if isinstance(s, Gather) for c in s.columns}
        names = (found | (gathered & {*made})) - {*self.adjoints} - {*self._carried}
        return tuple(sorted(names))

    def _where_backward(self, value: Value) -> Place:
        name = self._same.get(value.name, value.name)
        size = self.schedule.sizes[name]
        if name == self.schedule.seed:
            return Place(Held(Kind.SEED), 0, size)
        if name in self._carried:
            return Place(Held(Kind.CARRY, self._carried[name]), 0, size)
        if name in self.adjoints:
            k = self.adjoints.index(name)
            return Place(ADJOINTS, 0, extent(self.widths), extent(self.widths[:k]))
        for kind in (Kind.GATHERED, Kind.WITHIN, Kind.WHOLE):
            if Held(kind, name) in self._arrays:
                return Place(Held(kind, name), 0, size)
        return self._forward.place(value)

    # Stages

    def _stages(self, stages: tuple[Stage, ...], steps: Steps) -> tuple[CupyStage, ...]:
        found: list[CupyStage] = []
        for stage in stages:
            if isinstance(stage, Gather):
                found.append(self._gather(stage, steps))
            elif isinstance(stage, Block):
                same = {*self._same.values()}
                chosen = tuple(d for d in stage.assignments if d.name not in same)
                if chosen:
                    kernel = self._backward_kernel(replace(stage, assignments=chosen))
                    found += [kernel] if kernel is not None else []
        return tuple(found)

    def _gather(self, stage: Gather, steps: Steps) -> Product:
        operands = self._gathered_operands(stage)
        weights = StackedWeights(
            self._storage.local(f"weights_{stage.result}", "weights"),
            tuple(
                tuple(
                    WeightBlock(c.weight, c.slot, not c.transposed, c.negative)
                    for c in stage.columns
                    if c.operand == operand
                )
                for operand in operands
            ),
            (stage.label,),
        )
        if stage.result in self.compact and steps is Steps.ONE:
            operand = Place(Held(Kind.COMPACT, stage.result), 0, "")
        else:
            operand = Place(ADJOINTS, 0, "")
        accumulate = False
        if stage.result in self._carried:
            elementwise, _ = self.schedule.carried[self._carried[stage.result]]
            accumulate = elementwise is not None
        return Product(
            weights,
            operand,
            self._where_backward(Value(stage.result)),
            accumulate,
            True,
            (stage.label,),
            operands,
        )

    def _gathered_operands(self, stage: Gather) -> tuple[str, ...]:
        """The adjoints that a gather multiplies, in the order in which they lie."""
        operands = tuple(dict.fromkeys(c.operand for c in stage.columns))
        if stage.result in self.compact:
            return operands
        return tuple(sorted(operands, key=self.adjoints.index))

    def _backward_kernel(self, stage: Block) -> Kernel | None:
        both = {
            names[1]: names[0]
            for names in self.schedule.carried.values()
            if names[0] is not None and names[1] is not None
        }
        assignments = [
            Definition(d.label, d.name, self.plain(without(d.value, {n for n in both if n})))
            for d in stage.assignments
        ]
        of = {a.name: a.of for a in self.schedule.gradients.adjoints}
        of |= {g.name: g.of for g in self.schedule.gradients.inputs} | self._carried
        name = f"backward_{of[assignments[0].name]}"
        return self._storage.kernel(
            name, stage.size, assignments, self._where_backward, self._stores_backward
        )

    def _stores_backward(self, name: str) -> Iterable[Place]:
        sizes = self.schedule.sizes
        if name in self._carried:
            yield Place(Held(Kind.CARRY, self._carried[name]), 0, sizes[name])
            return
        kept = (Held(kind, name) for kind in (Kind.WITHIN, Kind.WHOLE))
        if name in self.adjoints or any(held in self._arrays for held in kept):
            yield self._where_backward(Value(name))
        for result, operands in self.compact.items():
            if name in operands:
                widths = [sizes[operand] for operand in operands]
                offset = extent(widths[: operands.index(name)])
                yield Place(Held(Kind.COMPACT, result), 0, extent(widths), offset)

    def plain(self, expression: Expression) -> Expression:
        """The expression with what is evaluated again written out."""
        again = {d.name: d for d in self.schedule.recomputed}

        def change(node: Expression) -> Expression:
            if isinstance(node, Value) and node.name in again:
                return self.plain(again[node.name].value)
            return node

        return transform(expression, change)

    # Kernels for parameters' gradients

    @cached_property
    def extra_kernels(self) -> tuple[Kernel, ...]:
        """Kernels for operands that are evaluated again, and for summands of reductions."""
        return (*self.again_kernels.values(), *self.summand_kernels.values())

    @cached_property
    def again_kernels(self) -> dict[str, Kernel]:
        """Kernels that evaluate operands of weights again, for all steps."""
        again = {d.name: d for d in self.schedule.recomputed}
        found = {}
        for gradient in self.schedule.weight_gradients:
            name = gradient.operand.name
            if name in again and name not in found:
                found[name] = self._single(f"again_{name}", again[name], Held(Kind.AGAIN, name))
        return found

    @cached_property
    def summand_kernels(self) -> dict[int, Kernel]:
        """Kernels for reductions of more than a plain adjoint, by their position."""
        found = {}
        for k, reduction in enumerate(self.schedule.reductions):
            if not isinstance(reduction.value, Value):
                d = Definition(reduction.label, "summand", reduction.value)
                called = f"summand_{reduction.parameter}"
                found[k] = self._single(called, d, Held(Kind.SUMMAND), reduction.size)
        return found

    def _single(self, called: str, d: Definition, array: Held, size: str = "") -> Kernel:
        size = size or self.schedule.sizes[d.name]
        assignment = Definition(d.label, d.name, self.plain(d.value))
        kernel = self._storage.kernel(
            called, size, [assignment], self._where_backward, lambda _: [Place(array, 0, size)]
        )
        assert kernel is not None
        return kernel

    def adjoint_runs(self, names: tuple[str, ...]) -> list[str]:
        """The slices of columns of the adjoints' array that hold some of them."""
        runs = _runs(self.adjoints, set(names))
        return [column_slice(self.widths, run[0], len(run)) for run in runs]


def _runs(order: tuple[str, ...], group: set[str]) -> list[list[int]]:
    """The runs of neighbouring positions that the members of a group take."""
    found: list[list[int]] = []
    for k, name in enumerate(order):
        if name in group:
            if found and found[-1][-1] == k - 1:
                found[-1].append(k)
            else:
                found.append([k])
    return found
