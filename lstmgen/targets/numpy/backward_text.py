"""The backward pass as lines."""

from __future__ import annotations

from collections.abc import Iterable

from lstmgen.algebra.expression import Value, values
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.numpy.backward import Backward, Outer, OuterProduct
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.program import Keep, Line, Slot, Sum, Whole
from lstmgen.targets.numpy.scope import Scope
from lstmgen.targets.numpy.writing import LoopWriter


class BackwardText:
    """What the template prints of the backward pass.

    Attributes:
        constants: lines for what is computed once a call.
        first, last: lines for all steps of a block, before and after the loop.
        work: arrays of the loop that have an axis of steps, (name, rows); `scratch`: those without.
        views: the loop's variables and what they are of the arrays of `work`.
        parts: parts of `scratch` and of what is handed on: (variable, text).
        zipped: further variables of the loop, and what they run through, last step first.
        loop, ufuncs: its lines, and the NumPy functions in them.
        carry: the name and rows of what is handed from step to step.
        seeds: for each state the rows of it that start as dstate.
        initial: for each state the text of what reaches the state before the first step.
        collected: lines that collect columns; `columns` their arrays, (name, rows).
        outer, totals, inputs: lines at the end.
        rows_of_inputs: the inputs whose gradient is collected block by block, (name, size).
        numbers: how many numbers the arrays have for a step and a row.
    """

    def __init__(
        self, plan: Backward, forward: Forward, naming: Naming, inputs: dict[str, str]
    ) -> None:
        self._plan, self._naming = plan, naming
        self._form = plan.schedule.form
        sizes = {**plan.schedule.sizes, **plan.sizes}
        self._sizes = sizes
        self._inputs = inputs
        scope = self._scope = Scope(
            naming, self._slot(forward), sizes, {x: f"{text}[span]" for x, text in inputs.items()}
        )
        writer = LoopWriter(naming)
        self.loop = writer.lines(plan.loop)
        self.ufuncs = writer.ufuncs
        self._matrices = dict(writer.matrices)
        written = {slot.stack for slot, _, _ in plan.factors}
        written |= {plan.places[a].stack for a in plan.in_loop if a in plan.places}
        seed = plan.places[plan.schedule.seed]
        self.seed = naming.stack(seed.stack)
        scope.bound[Value(plan.schedule.seed)] = self.seed
        work = [s for s in plan.stacks if s.keep is Keep.BLOCK and s in written]
        reads_seed = seed in writer.steps
        self.work = [(naming.stack(s), extent(s.sizes)) for s in work]
        self.views = [
            (naming.step(s), naming.of_block(s, "self"))
            for s in writer.steps
            if s.stack in work or s == seed
        ]
        self.first: list[Text] = []
        for line in plan.again:
            scope.define(line)
        self._wholes(plan.before)
        for line in plan.common:
            scope.define(line)
        for slot, value, labels in plan.factors:
            scope.into(value, naming.stack(slot.stack), labels)
        others = [s for s in writer.steps if s.stack not in work and s != seed]
        self.zipped = [(naming.step(s), self._run_through(s)) for s in others]
        self.first = scope.lines
        scope.lines = []
        wholes = [w.value for w in (*plan.before, *plan.after) if isinstance(w, Line)]
        seed_is_read = any(Value(plan.schedule.seed) in values(value) for value in wholes)
        self.reads_seed = reads_seed or seed_is_read
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
        self.parameters = list(scope.parameters)
        self.numbers = extent([size for s in work for size in s.sizes])

    steps = "range(steps - 1, -1, -1)"
    views_run = "work.steps[steps - 1 :: -1]"

    def reverse(self, text: str) -> str:
        """What runs through the steps from the last one on."""
        return f"{text}[::-1]"

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
                to = f"{name}[{rows}, span]" if rows != ":" else f"{name}[:, span]"
                scope.emit(f"_columns({text}, {to})")
                at += count
        for right in plan.rights:
            if right.is_input:
                continue
            text = scope.value(right.value)
            wanted = f"{right.value.name}{'_prev' if right.value.shift else ''}_columns"
            name = naming.identifiers(wanted, f"columns {right.value}")
            self._rights[right.value] = name
            size = self._sizes[right.value.name]
            self.columns.append((name, size))
            scope.emit(f"_columns({text}, {name}[:, span])")

    def _reduce(self) -> None:
        for reduced in self._plan.reduced:
            value = self._scope.text(reduced.value)
            axes = "" if reduced.parameter in self._form.scalars else ", axis=(0, 2)"
            self._scope.emit(
                f'dparams["{reduced.parameter}"] += np.sum({value}{axes})', (reduced.label,)
            )

    def _inputs_of_blocks(self) -> None:
        at_end = {product.name for product in self._plan.inputs}
        self.rows_of_inputs: list[tuple[str, str, str]] = []
        for gradient in self._plan.schedule.gradients.inputs:
            if gradient.of in at_end:
                continue
            size = self._sizes[gradient.of]
            name = self._naming.identifiers(f"d_{gradient.of}_rows", f"rows {gradient.of}")
            self.rows_of_inputs.append((gradient.of, name, size))
            text = self._scope.value(Value(gradient.name))
            self._scope.emit(
                f"{name}[span] = {text}.transpose(0, 2, 1).reshape(steps * n, {size})",
                (gradient.label,),
            )

    def _at_end(self) -> None:
        plan, naming = self._plan, self._naming
        self.outer: list[Text] = []
        for product in plan.outer:
            self._outer(product)
        self.totals: list[Text] = []
        if plan.totals:
            assert plan.columns is not None
            self.totals.append(Text(f"sums = {naming.stack(plan.columns)}.sum(axis=1)"))
            for total in plan.totals:
                rows = columns(plan.columns.sizes, plan.columns.members.index(total.adjoint))
                part = "sums" if rows == ":" else f"sums[{rows}]"
                part += ".sum()" if total.parameter in self._form.scalars else ""
                sign = "-=" if total.negative else "+="
                code = f'dparams["{total.parameter}"] {sign} {part}'
                self.totals.append(Text(code, (total.label,)))
        self.inputs: list[tuple[str, str, str, tuple[str, ...]]] = []
        for found in plan.inputs:
            assert plan.columns is not None
            name = naming.matrix_name(found.matrix)
            text = naming.matrix(found.matrix)
            self._matrices[name] = Text(f"{name} = {text}", found.matrix.labels)
            rows = columns(plan.columns.sizes, found.first, len(found.matrix.rows))
            part = naming.stack(plan.columns) + ("" if rows == ":" else f"[{rows}]")
            rows_name = naming.identifiers(f"d_{found.name}_rows", f"rows {found.name}")
            code = f"np.dot({part}.T, {name})"
            self.inputs.append((found.name, rows_name, code, found.matrix.labels))

    def _outer(self, product: OuterProduct) -> None:
        plan, naming = self._plan, self._naming
        assert plan.columns is not None
        rows = columns(plan.columns.sizes, product.first, len(product.rows))
        left = naming.stack(plan.columns) + ("" if rows == ":" else f"[{rows}]")
        right = product.right
        if right.is_input:
            text = self._inputs[right.value.name]
        else:
            text = f"{self._rights[right.value]}.T"
        labels = tuple(dict.fromkeys(row.label for row in product.rows))
        if len(product.rows) == 1:
            self.outer.append(self._gradient(product.rows[0], f"np.dot({left}, {text})"))
            return
        self.outer.append(Text(f"product = np.dot({left}, {text})", labels))
        sizes = [plan.schedule.sizes[row.adjoint] for row in product.rows]
        for k, row in enumerate(product.rows):
            self.outer.append(self._gradient(row, f"product[{columns(sizes, k)}]"))

    def _gradient(self, row: Outer, text: str) -> Text:
        weight = self._form.weights[row.weight]
        place = "..."
        if len(weight.columns) > 1:
            place = f":, {columns(weight.columns, row.slot)}"
        sign = "-=" if row.negative else "+="
        text = f"{text}.T" if row.transposed else text
        return Text(f'dparams["{row.weight}"][{place}] {sign} {text}', (row.label,))
