"""The plan of the backward pass as the lines that the template prints."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.gradients.derivation import MatrixGradient
from lstmgen.schedule.program import Gather, Outer, WeightGradient
from lstmgen.targets.common.extents import columns as column_slice
from lstmgen.targets.common.extents import extent
from lstmgen.targets.common.interface import Identifiers, Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.backward import BackDot, Backward
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.fusion import allocate
from lstmgen.targets.numpy.operations import Operation
from lstmgen.targets.numpy.storage import Slots, runs, span
from lstmgen.targets.numpy.weights import Weights
from lstmgen.targets.numpy.writing import (
    LoopNames,
    Storage,
    functions,
    operation_line,
    product_of,
)


class BackwardSource:
    """The backward pass as lines.

    Attributes:
        adjoint, factor, carry: the slots of the adjoints' record, of the factors, and of what the
            loop hands from step to step.
        early: adjoints of what runs after the forward loop, for the steps from lo to hi.
        factors: the factors, for the steps from lo to hi; chunk_scratch is what they work in.
        packs, steps, call_steps, once, loop, functions, scratch: as in `ForwardSource`;
            chunk_steps are the views of arrays that hold a chunk of steps.
        late: adjoints of what runs before the forward loop, for the steps from lo to hi.
        operands: the histories that weights multiply, with their sizes.
        products: rows and columns of the sums of outer products.
        collected: what sums over time take from the steps from lo to hi.
        started: the parameters' gradients that `collected` adds to.
        allocated: the inputs' gradients, and the weights that they take.
        outer, inputs: the sums over the steps from start to end, and the inputs' gradients there.
        totals, sums: the variables of `outer`, and the parameters' gradients from their sums.
    """

    def __init__(
        self, interface: Interface, forward: Forward, plan: Backward, identifiers: Identifiers
    ) -> None:
        self._interface = interface
        self._form = interface.form
        self._plan = plan
        self._forward = forward
        self._weights = Weights(interface)
        self._identifiers = identifiers
        self.schedule = plan.schedule
        self.adjoint = plan.adjoint
        self.carry = plan.carry
        self.scratch = plan.scratch
        count = range(len(plan.factor.names))
        self.factor = Slots("factor", tuple(f"factor{k}" for k in count), plan.factor.sizes)
        arrays = {
            "record": forward.record,
            "adjoint": self.adjoint,
            "factor": self.factor,
            "carry": self.carry,
        }
        self._arrays = arrays
        # Gathers whose adjoints are no neighbours need a place for each further part.
        self.parts = tuple(
            (i.packed.name.removeprefix("w_"), plan.schedule.sizes[i.gathered])
            for i in plan.loop
            if isinstance(i, BackDot) and i.out.array.startswith("partial ")
        )
        parts = {f"partial {name}": Slots(name, (name,), (size,)) for name, size in self.parts}
        loop = Storage(self._form, {**arrays, **parts, "scratch": self.scratch})
        seed = f"whole {self.schedule.seed}"
        names = LoopNames(identifiers, loop, parts, frozenset({"adjoint", "factor", seed}))
        outs = {
            i.packed.name: product_of(i.packed.name, names(i.out, False), identifiers)
            for i in plan.loop
            if isinstance(i, BackDot)
        }
        self.loop = tuple(
            operation_line(i, names, bound=True)
            if isinstance(i, Operation)
            else Line(outs[i.packed.name].call(names(i.operand, False)), i.labels)
            for i in plan.loop
        )
        self.functions = functions(self.loop)
        bound = names.steps.items()
        self.steps = tuple(b for (view, _), b in bound if view.array == "record")
        for_chunks = ("adjoint", "factor", seed)
        self.chunk_steps = tuple(b for (view, _), b in bound if view.array in for_chunks)
        self.call_steps = tuple(
            b for (view, _), b in bound if view.array not in ("record", *for_chunks)
        )
        dots = [i for i in plan.loop if isinstance(i, BackDot)]
        self.once = (
            *names.constants.values(),
            *names.once.values(),
            *(out.bound for out in outs.values()),
        )
        self.packs = tuple(line for dot in dots for line in self._pack(dot))
        self.chunk_scratch = Slots(
            "temporaries", plan.factor_scratch.names, plan.factor_scratch.sizes
        )
        chunk = Storage(self._form, {**arrays, "scratch": self.chunk_scratch})
        self.factors = tuple(operation_line(o, chunk.chunk_name) for o in plan.factors)
        self.early = self._stages(plan.early())
        self.late = self._stages(plan.late())
        self.operands: list[tuple[str, str]] = []
        self.products: list[tuple[str, str]] = []
        self.collected: list[Line] = []
        self.allocated: list[Line] = []
        self.started: list[str] = []
        self.outer: list[Line] = []
        self.totals: list[str] = []
        self.sums: list[Line] = []
        self._outer()
        self._sums()
        self.inputs = tuple(line for x in self._form.inputs for line in self._input(x))

    def _pack(self, dot: BackDot) -> list[Line]:
        """The matrix of a product, bound to its variable."""
        columns = dot.packed.columns
        sizes = [self.schedule.sizes[c.operand] for c in columns]
        size = self.schedule.sizes[dot.gathered]
        codes = self._weights.gathered(dot.packed.name, columns, size, sizes)
        return [Line(code, dot.labels if code is codes[-1] else ()) for code in codes]

    def _stages(self, stages: Sequence[Gather | list[Operation]]) -> tuple[Line, ...]:
        lines: list[Line] = []
        for stage in stages:
            if isinstance(stage, Gather):
                lines.append(self._gather(stage))
            else:
                lines += self._whole(stage)
        return tuple(lines)

    def _gather(self, gather: Gather) -> Line:
        """A sum of products for the steps of a chunk, (n, size, B)."""
        terms = []
        storage = Storage(self._form, self._arrays)
        for c in gather.columns:
            block = self._weights.block(c.weight, c.slot, c.transposed)
            view = storage.chunk(self.adjoint.view(c.operand))
            terms.append(f"{'- ' if c.negative else '+ '}np.matmul({block}, {view})")
        code = " ".join(terms).removeprefix("+ ")
        return Line(f"{gather.result} = {code}", (gather.label,))

    def _whole(self, operations: list[Operation]) -> list[Line]:
        """Operations for the steps of a chunk; arrays that are new are made first."""
        placed = allocate(operations)
        scratch = Slots("passing", tuple(map(str, range(len(placed.sizes)))), placed.sizes)
        storage = Storage(self._form, {**self._arrays, "scratch": scratch})
        lines = []
        if placed.sizes:
            lines.append(Line(f"passing = np.empty((n, {scratch.rows}, B), dtype)"))
        made: set[str] = set()
        for operation in placed.instructions:
            kind, _, name = operation.out.array.partition(" ")
            if kind == "whole" and name not in made:
                made.add(name)
                lines.append(Line(f"{name} = np.empty((n, {operation.size}, B), dtype)"))
            lines.append(operation_line(operation, storage.chunk_name))
        return lines

    # Gradients of the parameters

    def _outer(self) -> None:
        started: set[tuple[str, int]] = set()
        for gradient in self.schedule.weight_gradients:
            operand = self._operand_rows(gradient)
            about = gradient.operand.name + ("_prev" if gradient.operand.shift else "")
            for number, run in enumerate(self._plan.outer_runs(gradient)):
                rows = run.gradient.rows[run.first : run.last + 1]
                labels = tuple(dict.fromkeys(row.label for row in rows))
                stacked = self.adjoint.rows_of(run.adjoints)
                columns = "columns" + (f"[{stacked}]" * (stacked != ":"))
                name = self._identifiers(f"outer_{about}", f"outer {number}")
                self.totals.append(name)
                self.outer.append(Line(f"{name} = _outer({columns}, {operand})", labels))
                sizes = tuple(self.schedule.sizes[row.adjoint] for row in rows)
                product = (extent(sizes), self.schedule.sizes[gradient.operand.name])
                if product not in self.products:
                    self.products.append(product)
                for k, row in enumerate(rows):
                    self.sums.append(self._store(row, name, column_slice(sizes, k), started))
        for derived in self.schedule.gradients.parameters:
            if isinstance(derived, MatrixGradient):
                for slot in range(len(derived.blocks)):
                    if (derived.parameter, slot) not in started:
                        target = self._target(derived.parameter, slot)
                        self.sums.append(Line(f"{target} = 0", (derived.label,)))

    def _target(self, weight: str, slot: int) -> str:
        columns = self._interface.columns(weight, slot)
        return f'dparams["{weight}"][' + (f":, {columns}]" if columns != ":" else "...]")

    def _store(
        self, row: Outer, outer: str, rows: str, started: set[tuple[str, int]]
    ) -> Line:
        target = self._target(row.weight, row.slot)
        value = outer + (f"[{rows}]" * (rows != ":")) + (".T" if row.transposed else "")
        if (row.weight, row.slot) in started:
            sign = "-=" if row.negative else "+="
        else:
            started.add((row.weight, row.slot))
            sign = "= -" if row.negative else "="
        return Line(f"{target} {sign} {value}".replace("= - ", "= -"), (row.label,))

    def _operand_rows(self, gradient: WeightGradient) -> str:
        """The operand's history as (count * B, size), collected chunk by chunk."""
        value = gradient.operand
        size = self.schedule.sizes[value.name]
        storage = Storage(self._form, self._arrays)
        if value.name in self._form.inputs:
            return f"{storage.input(value.name)}[start:end].reshape(count * B, {size})"
        title = value.name + ("_prev" if value.shift else "") + "_rows"
        name = self._identifiers(title, f"rows {value}")
        if (name, size) not in self.operands:
            self.operands.append((name, size))
            if operations := self._plan.evaluate_again(value):
                self.collected += self._whole(operations)
                history = f"{value.name}_again"
            else:
                history = storage.chunk(self._forward.view(value))
            rows = f"work.{name}[lo - start:hi - start]"
            self.collected.append(Line(f"np.copyto({rows}, {history}.transpose(0, 2, 1))"))
        return f"work.{name}[:count].reshape(count * B, {size})"

    def _sums(self) -> None:
        started: set[str] = set()
        for reduction in self.schedule.reductions:
            view, operations = self._plan.reduction(reduction)
            scalar = reduction.parameter in self._form.scalars
            target = f'dparams["{reduction.parameter}"][...]'
            if view is None:
                if reduction.parameter not in self.started:
                    self.started.append(reduction.parameter)
                    started.add(reduction.parameter)
                self.collected.append(Line(f"summand = np.empty((n, {reduction.size}, B), dtype)"))
                self.collected += self._whole(operations)
                value = "summand.sum()" if scalar else "summand.sum(axis=(0, 2))"
                self.collected.append(Line(f"{target} += {value}", (reduction.label,)))
        reduced = [(r, self._plan.reduction(r)[0]) for r in self.schedule.reductions]
        found = [(r, view) for r, view in reduced if view is not None]
        if found:
            labels = tuple(dict.fromkeys(r.label for r, _ in found))
            self.allocated.append(Line(f"sums = np.zeros(({self.adjoint.rows}, B), dtype)"))
            self.collected.append(Line("sums += adjoint[:n].sum(axis=0)", labels))
            self.sums.append(Line("sums = sums.sum(axis=1)", labels))
        for reduction, view in found:
            rows = self.adjoint.rows_of(view)
            scalar = reduction.parameter in self._form.scalars
            value = "sums" + (f"[{rows}]" * (rows != ":")) + (".sum()" if scalar else "")
            sign = "+=" if reduction.parameter in started else "="
            started.add(reduction.parameter)
            target = f'dparams["{reduction.parameter}"][...]'
            self.sums.append(Line(f"{target} {sign} {value}", (reduction.label,)))
        for gradient in self.schedule.gradients.parameters:
            name = gradient.parameter
            if not isinstance(gradient, MatrixGradient) and name not in started:
                self.sums.append(Line(f'dparams["{name}"][...] = 0', (gradient.label,)))

    # Gradients of the inputs

    def _input(self, name: str) -> list[Line]:
        gradient = next(g for g in self.schedule.gradients.inputs if g.of == name)
        size = self.schedule.sizes[name]
        several = len(self._form.inputs) > 1
        target = f'dx["{name}"]' if several else "dx"
        columns, operations = self._plan.input_gradient(gradient)
        gathers = runs([self.adjoint.view(c.operand) for c in columns])
        made = "empty" if operations or gathers else "zeros"
        label = () if operations or gathers else (gradient.label,)
        self.allocated.append(Line(f"{target} = np.{made}((T, B, {size}), dtype)", label))
        if operations:
            self.collected.append(Line(f"summand = np.empty((n, {size}, B), dtype)"))
            self.collected += self._whole(operations)
            code = f"np.copyto({target}[lo:hi], summand.transpose(0, 2, 1))"
            self.collected.append(Line(code, (gradient.label,)))
        lines = []
        for number, run in enumerate(gathers):
            chosen = [columns[k] for k in run]
            views = [self.adjoint.view(c.operand) for c in chosen]
            rows = self.adjoint.rows_of(span(views[0], views[-1]))
            stacked = "columns" + (f"[{rows}]" * (rows != ":")) + ".T"
            packed = self._identifiers(f"w_back_{name}", f"input {name} {number}")
            weights = self._weights.gathered_transpose(chosen)
            self.allocated.append(Line(f"{packed} = {weights}", (gradient.label,)))
            if number == 0 and not operations:
                out = f"{target}[start:end].reshape(count * B, {size})"
                code = f"np.matmul({stacked}, {packed}, out={out})"
            else:
                product = f"({stacked} @ {packed}).reshape(count, B, {size})"
                code = f"{target}[start:end] += {product}"
            lines.append(Line(code, (gradient.label,)))
        return lines

    @property
    def packed_totals(self) -> Line:
        """What a span adds to the sums."""
        return Line(f"parts = {self._summed}")

    @property
    def unpacked_totals(self) -> Line:
        """The sums by their names."""
        return Line(f"{self._summed} = totals")

    @property
    def _summed(self) -> str:
        return f"({', '.join(self.totals)}{',' if len(self.totals) == 1 else ''})"

    def carried(self, state: str) -> list[str]:
        """The slots of what reaches a state's adjoint from the step after."""
        names = [n for n in self._plan.carried[state] if n is not None]
        views = [self.carry.view(n) for n in names]
        return [f"carry[{self.carry.rows_of(view)}]" for view in views]

    def handed(self, state: str) -> list[str]:
        """Products that the step before the first one would take in, from the first one."""
        found = []
        for dot in self._plan.handed(state):
            columns = dot.packed.columns
            sizes = tuple(self.schedule.sizes[c.operand] for c in columns)
            rows = column_slice(sizes, len(columns) - dot.later, dot.later)
            views = [self.adjoint.view(c.operand) for c in columns[-dot.later :]]
            weights = dot.packed.name + (f"[:, {rows}]" * (rows != ":"))
            adjoints = f"adjoint[0, {self.adjoint.rows_of(span(views[0], views[-1]))}]"
            found.append(f"np.dot({weights}, {adjoints})")
        return found

    @property
    def reaches_over(self) -> bool:
        """Whether a product of the loop takes in adjoints of the step after."""
        return any(isinstance(i, BackDot) and i.later for i in self._plan.loop)
