"""The plan of a NumPy module as the lines that its template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.cell import Cell
from lstmgen.expression import Value
from lstmgen.gradients import MatrixGradient
from lstmgen.printing.python import Python
from lstmgen.schedule import Column, Gather, Outer, Reduction, WeightGradient
from lstmgen.targets.extents import columns as column_slice
from lstmgen.targets.extents import extent
from lstmgen.targets.interface import Identifiers, Interface
from lstmgen.targets.lines import Line
from lstmgen.targets.numpy.backward import BackDot, Backward
from lstmgen.targets.numpy.forward import Ahead, Constant, Dot, Forward, InputProduct, Packed
from lstmgen.targets.numpy.fusion import allocate
from lstmgen.targets.numpy.operations import Operation, View
from lstmgen.targets.numpy.stepping import Step, Stepping
from lstmgen.targets.numpy.storage import Slots, runs, span
from lstmgen.targets.numpy.writing import Bound, LoopNames, Storage, operation_line, stack

RESERVED = frozenset(
    """np sys params x y state tape dy dstate T B t reuse record scratch adjoint factor carry steps
    work chunk lo hi n columns dtype gradients dx dparams sizes shapes activate by_sigma by_tanh
    spent summand sums dstate0 range zip list reversed float int tuple dict len isinstance outer
    set sorted max min name value array exp temporaries key pool back_steps factor_steps run last
    self views type""".split()
)
_SCALE = {"sigma": "by_sigma", "tanh": "by_tanh"}


@dataclass(frozen=True, slots=True)
class NumpyModule:
    """Everything that the template of a NumPy module prints."""

    interface: Interface
    forward: ForwardSource
    backward: BackwardSource
    step: Step

    @property
    def uses_sigma(self) -> bool:
        """Whether `step`, or a bias, needs sigma as a function."""
        lines = (*self.step.lines, *self.forward.ahead, *self.forward.behind)
        return any("_sigma(" in line.code for line in lines)


def numpy_module(cell: Cell) -> NumpyModule:
    """The plan of a cell's NumPy module."""
    interface = Interface(cell, "numpy")
    reserved = RESERVED | {*interface.sizes}
    forward = Forward(cell.schedule)
    backward = Backward(cell.schedule, forward)
    return NumpyModule(
        interface,
        ForwardSource(interface, forward, Identifiers(reserved | forward.variables)),
        BackwardSource(
            interface, forward, backward, Identifiers(reserved | backward.variables)
        ),
        Stepping(interface, Identifiers(reserved)).step(),
    )


class _Weights:
    """Blocks of weights as Python."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    def block(self, weight: str, slot: int, transposed: bool) -> str:
        columns = self._interface.columns(weight, slot)
        block = f'params["{weight}"]' + (f"[:, {columns}]" * (columns != ":"))
        return block + (".T" if transposed else "")

    def packed(self, packed: Packed) -> Line:
        """The stack of a `Fanout`, scaled for the activations that it feeds."""
        blocks = []
        for row, scale, negative in zip(packed.rows, packed.scales, packed.negative, strict=True):
            block = self.block(row.weight, row.slot, row.transposed)
            block += f" * {_SCALE[scale]}" if scale is not None else ""
            blocks.append(f"-{block}" if negative else block)
        return Line(f"{packed.name} = {stack(blocks)}", packed.labels)

    def gathered(self, columns: Sequence[Column]) -> str:
        """The transpose of the matrix of a `Gather`: its blocks one below the other."""
        blocks = []
        for c in columns:
            block = self.block(c.weight, c.slot, not c.transposed)
            blocks.append(f"-{block}" if c.negative else block)
        return stack(blocks)


class ForwardSource:
    """The forward pass as lines.

    Attributes:
        record: the slots of a step's record.
        packs: the weights of the loop.
        ahead, behind: what runs for all steps before and after the loop.
        steps, call_steps, once: the variables of the loop: views of the tape's memory for each
            step, views of what only the call has for each step, and what is bound once.
        loop: the lines of the loop.
        products, scratch: the arrays that the loop works in.
        temporaries: rows of the scratch array of `ahead` and `behind`, or "".
    """

    def __init__(self, interface: Interface, plan: Forward, identifiers: Identifiers) -> None:
        self._interface = interface
        self._plan = plan
        self._weights = _Weights(interface)
        self.record = plan.record
        self.scratch = plan.scratch
        self.products = tuple(
            Slots(
                f"p{i.packed.name[1:]}",
                tuple(r.result for r in i.packed.rows),
                tuple(plan.schedule.sizes[r.result] for r in i.packed.rows),
            )
            for i in plan.loop
            if isinstance(i, Dot) and i.out.array == f"product {i.packed.name}"
        )
        named = {f"product w{p.array[1:]}": p for p in self.products}
        self._storage = Storage(
            interface.form, {"record": self.record, "scratch": self.scratch, **named}
        )
        names = LoopNames(identifiers, self._storage, named)
        self.loop = tuple(self._instruction(i, names) for i in plan.loop)
        bound = names.steps.items()
        self.steps = tuple(b for (view, _), b in bound if view.array == "record")
        self.call_steps = tuple(b for (view, _), b in bound if view.array != "record")
        self.once = (*names.constants.values(), *names.once.values())
        dots = [i for i in plan.loop if isinstance(i, Dot)]
        self.packs = tuple(self._weights.packed(d.packed) for d in dots)
        before, after = allocate(plan.before()), allocate(plan.after())
        widest = max((before.sizes, after.sizes), key=len)
        self.temporaries = extent(widest) if widest else ""
        self.ahead = self._all_steps(before.instructions, before.sizes)
        self.behind = self._all_steps(after.instructions, after.sizes)
        self.activates = any("activate" in line.code for line in (*self.loop, *self.ahead))

    def at(self, name: str, shift: int, step: str) -> str:
        """A value's slot in the record of one step."""
        view = self._plan.view(Value(name, shift))
        rows = self.record.rows_of(view)
        return f"record[{step}]" if rows == ":" else f"record[{step}, {rows}]"

    def history(self, name: str) -> str:
        """A value at all steps, (T, size, B)."""
        return self._storage.all_steps(self._plan.view(Value(name)))

    def _instruction(self, instruction: Dot | Operation, names: LoopNames) -> Line:
        if isinstance(instruction, Operation):
            return operation_line(instruction, names)
        operand, out = names(instruction.operand, False), names(instruction.out, False)
        packed = instruction.packed
        return Line(f"np.dot({packed.name}, {operand}, out={out})", instruction.labels)

    def _all_steps(self, items: Sequence[Ahead], sizes: tuple[str, ...]) -> tuple[Line, ...]:
        scratch = Slots("temporaries", tuple(map(str, range(len(sizes)))), sizes)
        storage = Storage(self._interface.form, {"record": self.record, "scratch": scratch})
        lines: list[Line] = []
        packed: set[str] = set()
        for item in items:
            if isinstance(item, InputProduct):
                if item.packed.name not in packed:
                    packed.add(item.packed.name)
                    lines.append(self._weights.packed(item.packed))
                lines.append(self._input_product(item, storage))
            elif isinstance(item, Constant):
                lines.append(self._constant(item, storage))
            else:
                lines.append(operation_line(item, storage.names("T")))
        return tuple(lines)

    def _input_product(self, item: InputProduct, storage: Storage) -> Line:
        packed = item.packed
        sizes = tuple(self._plan.schedule.sizes[row.result] for row in packed.rows)
        rows = column_slice(sizes, item.first, item.last - item.first + 1)
        weight = packed.name + (f"[{rows}]" * (rows != ":"))
        operand = storage.all_steps(self._plan.view(packed.operand))
        target = storage.all_steps(item.target)
        if item.accumulate:
            code = f"{target} += np.matmul({weight}, {operand})"
        else:
            code = f"np.matmul({weight}, {operand}, out={target})"
        return Line(code, packed.labels)

    def _constant(self, item: Constant, storage: Storage) -> Line:
        python = Python(lambda leaf: f'params["{leaf.name}"]' if hasattr(leaf, "name") else "")
        parts = []
        for value, size, scale in zip(item.values, item.sizes, item.scales, strict=True):
            code = python.at(2 if scale else 1, value) + (f" * {_SCALE[scale]}" if scale else "")
            if not any(f'"{p}"' in code for p in self._interface.form.vectors):
                code = f"np.full({size}, {code}, dtype)"
            parts.append(code)
        whole = parts[0] if len(parts) == 1 else f"np.concatenate(({', '.join(parts)}))"
        # Repeated for each row of the batch: adding arrays of one shape is quicker by far.
        rows = extent(item.sizes)
        column = f"np.repeat({whole}, B).reshape({rows}, B)"
        if not item.accumulate:
            column = f"{whole}[:, None]"
        if not item.accumulate and " " in whole and not whole.startswith("np."):
            column = f"({whole})[:, None]"
        sign = "+=" if item.accumulate else "="
        return Line(f"{storage.all_steps(item.target)} {sign} {column}", item.labels)


class BackwardSource:
    """The backward pass as lines.

    Attributes:
        adjoint, factor, carry: the slots of the adjoints' record, of the factors, and of what the
            loop hands from step to step.
        early: adjoints of what runs after the forward loop, for all steps.
        factors: the factors, for the steps from lo to hi; chunk_scratch is what they work in.
        packs, steps, call_steps, factor_steps, once, loop, scratch: as in `ForwardSource`.
        late: adjoints of what runs before the forward loop, for all steps.
        operands, outer, sums, inputs: the gradients of parameters and inputs.
    """

    def __init__(
        self, interface: Interface, forward: Forward, plan: Backward, identifiers: Identifiers
    ) -> None:
        self._interface = interface
        self._form = interface.form
        self._plan = plan
        self._forward = forward
        self._weights = _Weights(interface)
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
        names = LoopNames(identifiers, loop, parts)
        self.loop = tuple(self._instruction(i, names) for i in plan.loop)
        kept = {"record", "adjoint", f"whole {self.schedule.seed}"}
        bound = names.steps.items()
        self.steps = tuple(b for (view, _), b in bound if view.array in kept)
        self.factor_steps = tuple(b for (view, _), b in bound if view.array == "factor")
        self.call_steps = tuple(
            b for (view, _), b in bound if view.array not in kept and view.array != "factor"
        )
        self.once = (*names.constants.values(), *names.once.values())
        self.packs = tuple(
            Line(f"{i.packed.name} = {self._weights.gathered(i.packed.columns)}", i.labels)
            for i in plan.loop
            if isinstance(i, BackDot)
        )
        self.chunk_scratch = Slots(
            "temporaries", plan.factor_scratch.names, plan.factor_scratch.sizes
        )
        chunk = Storage(self._form, {**arrays, "scratch": self.chunk_scratch})
        self.factors = tuple(operation_line(o, chunk.names("n")) for o in plan.factors)
        self.early = self._stages(plan.early())
        self.late = self._stages(plan.late())
        self.operands: list[Line] = []
        self.outer: list[Line] = []
        self._outer()
        self.sums: list[Line] = []
        self._sums()
        self.inputs = tuple(line for x in self._form.inputs for line in self._input(x))

    def _instruction(self, instruction: BackDot | Operation, names: LoopNames) -> Line:
        if isinstance(instruction, Operation):
            return operation_line(instruction, names)
        operand, out = names(instruction.operand, False), names(instruction.out, False)
        packed = instruction.packed
        return Line(f"np.dot({packed.name}.T, {operand}, out={out})", instruction.labels)

    def _stages(self, stages: Sequence[Gather | list[Operation]]) -> tuple[Line, ...]:
        lines: list[Line] = []
        for stage in stages:
            if isinstance(stage, Gather):
                lines.append(self._gather(stage))
            else:
                lines += self._whole(stage)
        return tuple(lines)

    def _gather(self, gather: Gather) -> Line:
        """A sum of products for all steps, (T, size, B)."""
        terms = []
        storage = Storage(self._form, self._arrays)
        for c in gather.columns:
            block = self._weights.block(c.weight, c.slot, c.transposed)
            view = storage.all_steps(self.adjoint.view(c.operand))
            terms.append(f"{'- ' if c.negative else '+ '}np.matmul({block}, {view})")
        code = " ".join(terms).removeprefix("+ ")
        return Line(f"{gather.result} = {code}", (gather.label,))

    def _whole(self, operations: list[Operation]) -> list[Line]:
        """Operations for all steps; arrays that are new are made first."""
        placed = allocate(operations)
        scratch = Slots("temporaries", tuple(map(str, range(len(placed.sizes)))), placed.sizes)
        storage = Storage(self._form, {**self._arrays, "scratch": scratch})
        lines = []
        if placed.sizes:
            lines.append(Line(f"temporaries = np.empty((T, {scratch.rows}, B), dtype)"))
        made: set[str] = set()
        for operation in placed.instructions:
            kind, _, name = operation.out.array.partition(" ")
            if kind == "whole" and name not in made:
                made.add(name)
                lines.append(Line(f"{name} = np.empty((T, {operation.size}, B), dtype)"))
            lines.append(operation_line(operation, storage.names("T")))
        return lines

    # Gradients of the parameters

    def _outer(self) -> None:
        started: set[tuple[str, int]] = set()
        for gradient in self.schedule.weight_gradients:
            operand = self._operand_rows(gradient)
            for run in self._plan.outer_runs(gradient):
                rows = run.gradient.rows[run.first : run.last + 1]
                labels = tuple(dict.fromkeys(row.label for row in rows))
                stacked = self.adjoint.rows_of(run.adjoints)
                columns = "columns" + (f"[{stacked}]" * (stacked != ":"))
                self.outer.append(Line(f"outer = {columns} @ {operand}", labels))
                sizes = tuple(self.schedule.sizes[row.adjoint] for row in rows)
                for k, row in enumerate(rows):
                    self.outer.append(self._store(row, column_slice(sizes, k), started))
        for derived in self.schedule.gradients.parameters:
            if isinstance(derived, MatrixGradient):
                for slot in range(len(derived.blocks)):
                    if (derived.parameter, slot) not in started:
                        target = self._target(derived.parameter, slot)
                        self.outer.append(Line(f"{target} = 0", (derived.label,)))

    def _target(self, weight: str, slot: int) -> str:
        columns = self._interface.columns(weight, slot)
        return f'dparams["{weight}"][' + (f":, {columns}]" if columns != ":" else "...]")

    def _store(self, row: Outer, rows: str, started: set[tuple[str, int]]) -> Line:
        target = self._target(row.weight, row.slot)
        value = ("outer" if rows == ":" else f"outer[{rows}]") + (".T" if row.transposed else "")
        if (row.weight, row.slot) in started:
            sign = "-=" if row.negative else "+="
        else:
            started.add((row.weight, row.slot))
            sign = "= -" if row.negative else "="
        return Line(f"{target} {sign} {value}".replace("= - ", "= -"), (row.label,))

    def _operand_rows(self, gradient: WeightGradient) -> str:
        """The operand's history as (T * B, size), made ahead of the products."""
        value = gradient.operand
        size = self.schedule.sizes[value.name]
        storage = Storage(self._form, self._arrays)
        if value.name in self._form.inputs:
            return f"{storage.input(value.name)}.reshape(T * B, {size})"
        title = value.name + ("_prev" if value.shift else "") + "_columns"
        name = self._identifiers(title, f"columns {value}")
        if operations := self._plan.evaluate_again(value):
            self.operands += self._whole(operations)
            history = f"{value.name}_again"
        else:
            history = storage.all_steps(self._forward.view(value))
        self.operands.append(Line(f"{name} = _columns({history})"))
        return f"{name}.T"

    def _sums(self) -> None:
        started: set[str] = set()
        self.needs_sums = False
        for reduction in self.schedule.reductions:
            view, operations = self._plan.reduction(reduction)
            scalar = reduction.parameter in self._form.scalars
            if view is not None:
                self.needs_sums = True
                rows = self.adjoint.rows_of(view)
                value = "sums" + (f"[{rows}]" * (rows != ":")) + (".sum()" if scalar else "")
            else:
                self.sums.append(Line(f"summand = np.empty((T, {reduction.size}, B), dtype)"))
                self.sums += self._whole(operations)
                value = "summand.sum()" if scalar else "summand.sum(axis=(0, 2))"
            self.sums.append(self._add_sum(reduction, value, started))
        for gradient in self.schedule.gradients.parameters:
            name = gradient.parameter
            if not isinstance(gradient, MatrixGradient) and name not in started:
                self.sums.append(Line(f'dparams["{name}"][...] = 0', (gradient.label,)))

    def _add_sum(self, reduction: Reduction, value: str, started: set[str]) -> Line:
        sign = "+=" if reduction.parameter in started else "="
        started.add(reduction.parameter)
        return Line(f'dparams["{reduction.parameter}"][...] {sign} {value}', (reduction.label,))

    # Gradients of the inputs

    def _input(self, name: str) -> list[Line]:
        gradient = next(g for g in self.schedule.gradients.inputs if g.of == name)
        size = self.schedule.sizes[name]
        several = len(self._form.inputs) > 1
        target = f'dx["{name}"]' if several else "dx"
        columns, operations = self._plan.input_gradient(gradient)
        lines = []
        started = False
        for run in runs([self.adjoint.view(c.operand) for c in columns]):
            chosen = [columns[k] for k in run]
            views = [self.adjoint.view(c.operand) for c in chosen]
            rows = self.adjoint.rows_of(span(views[0], views[-1]))
            stacked = "columns" + (f"[{rows}]" * (rows != ":"))
            weights = self._weights.gathered(chosen)
            code = f"({stacked}.T @ {weights}).reshape(T, B, {size})"
            lines.append(Line(f"{target} {'+=' if started else '='} {code}", (gradient.label,)))
            started = True
        if operations:
            lines.append(Line(f"summand = np.empty((T, {size}, B), dtype)"))
            lines += self._whole(operations)
            code = "summand.transpose(0, 2, 1)"
            code = f"+= {code}" if started else f"= np.ascontiguousarray({code})"
            lines.append(Line(f"{target} {code}", (gradient.label,)))
        elif not started:
            code = f"np.zeros((T, B, {size}), dtype)"
            lines.append(Line(f"{target} = {code}", (gradient.label,)))
        return lines

    @property
    def uses_count(self) -> bool:
        """Whether the factors' lines need the number of steps in a chunk."""
        return any(":n" in line.code or "(n," in line.code for line in self.factors)

    def carried(self, state: str) -> list[str]:
        """The slots of what reaches a state's adjoint from the step after."""
        names = [n for n in self.schedule.carried[state] if n is not None]
        views = [self.carry.view(n) for n in names]
        return [f"carry[{self.carry.rows_of(view)}]" for view in views]


__all__ = ["Bound", "NumpyModule", "View", "numpy_module"]
