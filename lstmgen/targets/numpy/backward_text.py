"""The backward pass as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lstmgen.algebra.expression import Expression, Value, values, walk
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.numpy.backward import Backward
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.gradient_text import GradientText
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.program import Keep, Line, Slot, Sum, Whole
from lstmgen.targets.numpy.scope import Scope
from lstmgen.targets.numpy.writing import LoopWriter, joined_views


class BackwardText:
    """What the template prints of the backward pass.

    Attributes:
        constants: lines for what is computed once a call.
        first, last: lines for all steps of a block, before and after the loop.
        work: arrays of the loop with an axis of steps, (name, rows); `scratch`: those without.
        views: the loop's variables and what they are of the arrays of `work`.
        parts: parts of `scratch` and of what is handed on: (variable, text).
        zipped: variables of the loop, and what they run through.
        loop, ufuncs: its lines, and the NumPy functions in them.
        carry: the name and rows of what is handed from step to step.
        seeds: for each state the rows of it that start as dstate.
        initial: for each state the text of what reaches the state before the first step.
        collected: lines that collect columns; `columns` their arrays, (name, rows).
        gradients: of the parameters; `inputs`: of inputs, the products at the end.
        rows_of_inputs: of inputs, what is collected block by block: (input, variable, size).
    """

    def __init__(
        self, plan: Backward, forward: Forward, naming: Naming, inputs: dict[str, str]
    ) -> None:
        self._plan, self._naming = plan, naming
        self._form = plan.schedule.form
        sizes = {**plan.schedule.sizes, **plan.sizes}
        self._sizes = sizes
        self._inputs, self._forward = inputs, forward
        scope = self._scope = Scope(
            naming, self._slot(forward), sizes, {x: f"{text}[at]" for x, text in inputs.items()}
        )
        writer = LoopWriter(naming)
        self.loop = writer.lines(plan.loop)
        self.ufuncs = writer.ufuncs
        self._matrices = dict(writer.matrices)
        factors = {line.name for line in plan.factors}
        written = {plan.places[a].stack for a in (*plan.in_loop, *factors) if a in plan.places}
        seed = plan.places[plan.schedule.seed]
        self.seed = naming.stack(seed.stack)
        scope.bound[Value(plan.schedule.seed)] = self.seed
        work = [s for s in plan.stacks if s.keep is Keep.BLOCK and s in written]
        self.views = [
            (naming.step(s), naming.of_block(s, "self"))
            for s in writer.steps
            if s.stack in work or s == seed
        ]
        self._read_once(writer.steps)
        for line in plan.again:
            scope.define(line)
        self._wholes(plan.before)
        for line in plan.common:
            scope.define(line)
        for line in plan.factors:
            scope.into(line.value, naming.of_block(plan.places[line.name], "work"), line.labels)
        others = [s for s in writer.steps if s.stack not in work and s != seed]
        self.zipped = [(naming.step(s), f"{self._run_through(s)}[::-1]") for s in others]
        self.first = scope.lines
        scope.lines = []
        wholes = [w.value for w in (*plan.before, *plan.after) if isinstance(w, Line)]
        seed_is_read = any(Value(plan.schedule.seed) in values(value) for value in wholes)
        self.reads_seed = seed in writer.steps or seed_is_read
        self.work = [(naming.stack(s), extent(s.sizes)) for s in work]
        if self.reads_seed:
            self.work.append((self.seed, extent(seed.sizes)))
        self.scratch = [
            (naming.stack(s), extent(s.sizes))
            for s in (*plan.stacks, *plan.scratch)
            if s.keep is Keep.STEP
        ]
        self.parts = list(writer.parts.items())
        self._carry()
        self._wholes(plan.after)
        self._collect()
        self._reduce()
        self._inputs_of_blocks()
        self.last = scope.lines
        self._at_end()
        onces = {**writer.onces, **scope.onces}
        self.constants = [
            *self._matrices.values(),
            *(Text(f"{name} = {text}") for name, text in onces.items()),
        ]

    @property
    def loop_over(self) -> tuple[list[str], list[str]]:
        """The loop's variables, and what they run through, the last step first."""
        names = [name for name, _ in self.zipped]
        runs = [text for _, text in self.zipped]
        if self.views:
            names.insert(0, joined_views(self.views))
            runs.insert(0, "reversed(work.steps[:steps])")
        return names, runs

    def _read_once(self, steps: list[Slot]) -> None:
        """Say which values of the forward pass need no variable, and bind gates together."""
        plan, scope = self._plan, self._scope
        wholes = [w for w in (*plan.before, *plan.after) if isinstance(w, Line)]
        lines = [*plan.again, *wholes, *plan.common, *plan.factors]
        read = Counter(v for line in lines for v in _reads(line.value))
        read += Counter(Value(s.members[0], s.lag) for s in steps if s.count == 1)
        read += Counter(v for s in plan.gradients.sums for v in _reads(s.value))
        for w in (*plan.before, *plan.after):
            if isinstance(w, Sum):
                read += Counter(Value(term.operand) for term in w.terms)
        scope.once = {value for value, count in read.items() if count == 1}
        for stack in self._forward.stacks:
            members = stack.members
            several = [m for m in members if read[Value(m)] > 1 and m not in plan.places]
            alike = len(set(stack.sizes)) == 1 and len(several) == len(members) > 1
            if stack.keep is Keep.TAPE and alike:
                scope.split(stack)

    def _slot(self, forward: Forward):  # type: ignore[no-untyped-def]
        def slot(value: Value) -> Slot:
            if value.name in self._plan.places:
                place = self._plan.places[value.name]
                return Slot(place.stack, place.first, place.count, value.shift)
            return forward.slot(value)

        return slot

    def _run_through(self, slot: Slot) -> str:
        if slot.count == 1:
            return self._scope.value(Value(slot.members[0], slot.lag))
        return self._naming.of_block(slot, "block")

    def _carry(self) -> None:
        plan, naming = self._plan, self._naming
        carry = plan.carry
        assert carry is not None
        self.carry = (naming.stack(carry), extent(carry.sizes))
        self.seeds: list[tuple[str, str]] = []
        self.initial: list[tuple[str, list[str]]] = []
        for state, names in plan.handed.items():
            rows = [columns(carry.sizes, carry.members.index(n)) for n in names]
            self.seeds.append((state, rows[0]))
            self.initial.append((state, rows))

    def _wholes(self, wholes: Iterable[Whole]) -> None:
        scope, naming = self._scope, self._naming
        for whole in wholes:
            if isinstance(whole, Line):
                scope.define(whole)
                continue
            assert isinstance(whole, Sum)
            terms = []
            for term in whole.terms:
                block = naming.block(term.block)
                scope.parameters[term.block.weight] = None
                terms.append(f"np.matmul({block}, {scope.value(Value(term.operand))})")
            name = naming.whole(Value(whole.name))
            scope.bound[Value(whole.name)] = name
            scope.emit(f"{name} = {' + '.join(terms)}", whole.labels)

    # Gradients

    def _collect(self) -> None:
        """Columns for the products at the end."""
        plan, naming, scope = self._plan, self._naming, self._scope
        self.columns: list[tuple[str, str]] = []
        self._rights: dict[Value, str] = {}
        if plan.columns is not None:
            name = naming.stack(plan.columns)
            self.columns.append((name, extent(plan.columns.sizes)))
            at = 0
            members = plan.columns.members
            while at < len(members):
                place = plan.places[members[at]]
                count = 1
                if place.stack.members == members[at : at + len(place.stack.members)]:
                    count = len(place.stack.members)
                slot = Slot(place.stack, place.first, count)
                text = self._run_through(slot)
                rows = columns(plan.columns.sizes, at, count)
                to = f"{name}[{rows}, at]" if rows != ":" else f"{name}[:, at]"
                self._into_columns(text, extent(slot.sizes), to)
                at += count
        for value in dict.fromkeys(p.operand for p in plan.gradients.products):
            if value.name in self._inputs and not value.shift:
                self._rights[value] = self._inputs[value.name]
                continue
            text = scope.inline(value)
            wanted = f"{value.name}{'_prev' if value.shift else ''}_columns"
            name = naming.identifiers(wanted, f"columns {value}")
            self._rights[value] = f"{name}.T"
            size = self._sizes[value.name]
            self.columns.append((name, size))
            self._into_columns(text, size, f"{name}[:, at]")
        self.gradients = GradientText(plan, naming, self._rights)

    def _into_columns(self, text: str, rows: str, to: str) -> None:
        """(steps, rows, n) as (rows, steps * n)."""
        self._scope.emit(f"{to}.reshape({rows}, steps, n)[...] = {text}.transpose(1, 0, 2)")

    def _reduce(self) -> None:
        for summed in self._plan.gradients.sums:
            if not self.gradients.is_total(summed):
                total = self.gradients.total(summed.parameter)
                axes = "" if summed.scalar else ", axis=(0, 2)"
                text = self._scope.text(summed.value)
                self._scope.emit(f"{total} += np.sum({text}{axes})", (summed.label,))

    def _inputs_of_blocks(self) -> None:
        self.rows_of_inputs: list[tuple[str, str, str]] = []
        for gradient in self._plan.schedule.gradients.inputs:
            if gradient.name not in self._plan.places:
                continue
            size = self._sizes[gradient.of]
            name = self._naming.identifiers(f"d_{gradient.of}_rows", f"rows {gradient.of}")
            self.rows_of_inputs.append((gradient.of, name, size))
            text = self._scope.value(Value(gradient.name))
            self._scope.emit(
                f"{name}[at] = {text}.transpose(0, 2, 1).reshape(steps * n, {size})",
                (gradient.label,),
            )

    def _at_end(self) -> None:
        plan, naming = self._plan, self._naming
        self.inputs: dict[str, list[Text]] = {}
        for found in plan.inputs:
            assert plan.columns is not None
            name = naming.matrix_name(found.matrix)
            text = naming.matrix(found.matrix)
            self._matrices[name] = Text(f"{name} = {text}", found.matrix.labels)
            rows = columns(plan.columns.sizes, found.first, len(found.matrix.rows))
            part = naming.stack(plan.columns) + ("" if rows == ":" else f"[{rows}]")
            code = f"np.dot({part}.T, {name})"
            self.inputs.setdefault(found.name, []).append(Text(code, found.matrix.labels))


def _reads(expression: Expression) -> list[Value]:
    """Each time that an expression reads a value."""
    return [node for node in walk(expression) if isinstance(node, Value)]
