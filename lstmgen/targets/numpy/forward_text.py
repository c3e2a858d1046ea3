"""The forward pass as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import Expression, Value, walk
from lstmgen.targets.common.extents import extent
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.program import (
    Ahead,
    Call,
    Dot,
    Keep,
    Line,
    Product,
    Slot,
    Stack,
    Whole,
)
from lstmgen.targets.numpy.scope import Scope
from lstmgen.targets.numpy.trees import Tree, stacked, tree
from lstmgen.targets.numpy.writing import LoopWriter, joined_views


@dataclass(frozen=True, slots=True)
class Allocation:
    """An array that a block has from the start; a state has a step more."""

    name: str
    rows: str
    is_state: bool


class ForwardText:
    """What the template prints of the forward pass.

    Attributes:
        arrays: the arrays of a block; `views`: the loop's variables and what they are of a block.
        constants: lines for what is computed once a call.
        first, last: lines for all steps of a block, before and after the loop.
        scratch: arrays without an axis of steps, (name, rows); `whole`: others of the loop.
        parts: parts of these: (variable, text).
        zipped: variables of the loop beside those of the block, and what they run through.
        loop, ufuncs: its lines, and the NumPy functions in them.
        output: the output at all steps.
        numbers: how many numbers a block has for a step and a row.
    """

    def __init__(self, plan: Forward, naming: Naming, inputs: dict[str, str]) -> None:
        self._plan, self._naming = plan, naming
        self._form = plan.schedule.form
        self._scope = Scope(naming, plan.slot, plan.schedule.sizes, inputs)
        self._inputs = inputs
        writer = LoopWriter(naming)
        self.loop = writer.lines(plan.loop)
        self.ufuncs = writer.ufuncs
        self._matrices: dict[str, Text] = dict(writer.matrices)
        self._scope.once = {value for value, count in self._reads(writer).items() if count == 1}
        loop_stacks = {s.out.stack for s in plan.loop if isinstance(s, (Call, Dot))}
        self._write_first()
        own = [s for s in plan.stacks if s in loop_stacks and s.keep in (Keep.TAPE, Keep.STATE)]
        states = [s for s in plan.stacks if s.keep is Keep.STATE and s not in own]
        kept = [*own, *states]
        self.arrays = [self._allocation(s) for s in kept]
        in_block = [s for s in writer.steps if s.stack in kept]
        self.views = [(naming.step(s), naming.of_block(s, "self")) for s in in_block]
        self.zipped = [
            (naming.identifiers(f"{a.name}_t", "ahead step"), self._ahead_name(a))
            for a in plan.aheads
            if not a.once
        ]
        others = [s for s in writer.steps if s.stack not in kept]
        self.zipped += [(naming.step(s), self._steps_of(s)) for s in others]
        self.first = self._scope.lines
        self._scope.lines = []
        self.whole = [
            (naming.stack(s), extent(s.sizes))
            for s in plan.stacks
            if s in loop_stacks and s.keep is Keep.BLOCK
        ]
        self.scratch = [
            (naming.stack(s), extent(s.sizes))
            for s in (*plan.stacks, *plan.scratch)
            if s.keep is Keep.STEP
        ]
        self.parts = list(writer.parts.items())
        self._wholes(plan.after)
        self.output = self._scope.inline(Value(self._form.output))
        self.last = self._scope.lines
        onces = {**writer.onces, **self._scope.onces}
        self.constants = [
            *self._matrices.values(),
            *(Text(f"{name} = {text}") for name, text in onces.items()),
        ]
        ahead = [size for a in plan.aheads for size in a.out.sizes]
        self.numbers = extent([size for s in kept for size in s.sizes] + ahead)

    def _reads(self, writer: LoopWriter) -> Counter[Value]:
        """How often each value is read as a whole."""
        wholes = [*self._plan.before, *self._plan.after]
        expressions = [w.value for w in wholes if isinstance(w, Line)]
        expressions += [term for ahead in self._plan.aheads for term in ahead.terms]
        reads = Counter(n for e in expressions for n in walk(e) if isinstance(n, Value))
        reads += Counter(Value(s.members[0], s.lag) for s in writer.steps if s.count == 1)
        reads += Counter(
            Value(w.operand, -1 if w.lagged else 0) for w in wholes if isinstance(w, Product)
        )
        return reads

    @property
    def loop_over(self) -> tuple[list[str], list[str]]:
        """The loop's variables, and what they run through."""
        names = [name for name, _ in self.zipped]
        runs = [text for _, text in self.zipped]
        if self.views:
            names.insert(0, joined_views(self.views))
            runs.insert(0, "block.steps")
        return names, runs

    def _allocation(self, stack: Stack) -> Allocation:
        is_state = stack.keep is Keep.STATE
        return Allocation(self._naming.stack(stack), extent(stack.sizes), is_state)

    def _ahead_name(self, ahead: Ahead) -> str:
        return self._naming.identifiers(ahead.name, "ahead")

    def _steps_of(self, slot: Slot) -> str:
        """What a slot of the loop runs through that is not the block's own."""
        if slot.count == 1 and slot.stack.members[0] in self._inputs:
            return f"np.ascontiguousarray({self._scope.value(Value(slot.members[0]))})"
        if slot.count == 1 and not slot.lag:
            return self._scope.value(Value(slot.members[0]))
        return self._naming.of_block(slot, "block")

    # Before and after the loop

    def _write_first(self) -> None:
        naming = self._naming
        for ahead in self._plan.aheads:
            within = self._plan.within.get(ahead.name)
            if within is not None and not naming.rows(within):
                naming.call(within.stack, self._ahead_name(ahead))
        self._wholes(self._plan.before)
        for ahead in self._plan.aheads:
            name = self._ahead_name(ahead)
            if ahead.once:
                self._ahead_once(ahead, name)
                continue
            within = self._plan.within.get(ahead.name)
            rows = extent(ahead.out.sizes)
            memory = f"np.empty((steps, {rows}, n), dtype)"
            if within is not None:
                memory = naming.of_block(within, "block")
            if memory != name:
                self._scope.emit(f"{name} = {memory}")
            for slot, value, label in self._runs(ahead):
                part = self._naming.rows_within(slot, ahead.out)
                out = f"{name}[:, {part}]" if part else name
                self._scope.into(value, out, label)

    def _ahead_once(self, ahead: Ahead, name: str) -> None:
        sizes = ahead.out.sizes
        parts = []
        for term, size in zip(ahead.terms, sizes, strict=True):
            text = self._naming.of_parameters(term)
            parts.append(f"np.broadcast_to({text}, ({size},))")
            if self._naming.is_vector(term):
                parts[-1] = text
        text = parts[0] if len(parts) == 1 else f"np.concatenate(({', '.join(parts)}))"
        text = f"({text})" if len(parts) == 1 and not text.isidentifier() else text
        self._matrices[name] = Text(f"{name} = {text}[:, None]", tuple(dict.fromkeys(ahead.labels)))

    def _runs(self, ahead: Ahead) -> Iterable[tuple[Slot, Expression, tuple[str, ...]]]:
        """Sums of one shape over operands that lie one below the other, together."""
        form, sizes = self._form, self._plan.schedule.sizes
        run: list[int] = []

        def trees(members: Sequence[int]) -> list[Tree]:
            return [
                tree(
                    ahead.terms[k],
                    sizes[ahead.out.members[k]],
                    self._plan.slot,
                    form.scalars,
                )
                for k in members
            ]

        def made() -> tuple[Slot, Expression, tuple[str, ...]]:
            together = stacked(trees(run))
            assert together is not None
            out = ahead.out
            slot = Slot(out.stack, out.first + run[0], len(run))
            labels = tuple(dict.fromkeys(ahead.labels[k] for k in run))
            return slot, self._scope.tree(together), labels

        for k in range(len(ahead.terms)):
            if run and stacked(trees([run[-1], k])) is None:
                yield made()
                run = []
            run.append(k)
        yield made()

    def _wholes(self, wholes: Iterable[Whole]) -> None:
        scope, naming = self._scope, self._naming
        for whole in wholes:
            if isinstance(whole, Line):
                kept = self._plan.places[whole.name].stack.keep is Keep.TAPE
                scope.define(whole, on_block=kept)
                continue
            assert isinstance(whole, Product)
            name = naming.matrix_name(whole.matrix)
            self._matrices[name] = Text(f"{name} = {naming.matrix(whole.matrix)}", whole.labels)
            out = naming.stack(whole.out)
            operand = Value(whole.operand, -1 if whole.lagged else 0)
            scope.emit(f"{out} = np.matmul({name}, {scope.value(operand)})", whole.labels)
