"""The plan of a CuPy module as the lines that its template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import Value
from lstmgen.stages import Stages
from lstmgen.targets.common.extents import columns as column_slice
from lstmgen.targets.common.interface import Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.common.parameters import Block, Summed, parameter_gradients
from lstmgen.targets.cupy.arrays import Array, Held, Kind, Owner, Place
from lstmgen.targets.cupy.backward import ADJOINTS
from lstmgen.targets.cupy.expressions import FUNCTIONS
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.resources import MODULE_OPTIONS
from lstmgen.targets.cupy.storage import CupyStage, Product, StackedWeights, WeightBlock


@dataclass(frozen=True)
class Loop:
    """A loop over the time steps.

    Attributes:
        steps: variables of a step and the views of the tape's and workspace's arrays that they are.
        call: variables of a step and the arrays of the call that they are a step of.
        once: what is bound before the loop.
        body: the launches and products.
    """

    steps: tuple[tuple[str, str], ...]
    call: tuple[tuple[str, str], ...]
    once: tuple[Line, ...]
    body: tuple[Line, ...]

    @property
    def head(self) -> list[str]:
        """The variables of a step, those of the tape or workspace as a tuple of their own."""
        steps = [name for name, _ in self.steps]
        return [_tuple(steps)] * bool(steps) + [name for name, _ in self.call]


class CupyModule:
    """Everything that the template of a CuPy module prints.

    Attributes:
        kernels, helpers: the kernels, and the device functions that they call.
        options: for their compiler.
        tape, work: the arrays of a forward pass, and of a backward pass.
        forward_loop, backward_loop: the loops; the packs are their weights.
        ahead, behind, early, late: lines for all steps, before and after each loop.
        operands, outer, sums, inputs: the lines for the parameters' and inputs' gradients.
    """

    def __init__(self, cell: Stages) -> None:
        self.interface = Interface(cell, "cupy")
        self.options = MODULE_OPTIONS
        self.form = cell.normal_form
        self.schedule = cell.schedule
        self.plan = Plan(cell.schedule)
        self.kernels = self.plan.kernels
        used = {f for k in self.kernels for f in k.functions}
        self.helpers = FUNCTIONS.definitions(used)
        self.tape = self._arrays_of(Owner.TAPE)
        self.work = self._arrays_of(Owner.WORK)
        self.forward_loop = self._loop(self.plan.forward.loop)
        self.backward_loop = self._loop(self.plan.backward.loop)
        self.forward_packs = self._packs(self.plan.forward.loop)
        self.backward_packs = self._packs(self.plan.backward.loop)
        self.ahead = self._all_steps(self.plan.forward.before)
        self.behind = self._all_steps(self.plan.forward.after)
        self.early = self._all_steps(self.plan.backward.before)
        self.late = self._all_steps(self.plan.backward.after)
        self.operands: list[Line] = []
        self.outer: list[Line] = []
        self.sums: list[Line] = []
        self.needs_sums = False
        self._parameters()
        self.inputs = tuple(self._input(x) for x in self.form.inputs)

    # Names of arrays

    def _arrays_of(self, owner: Owner) -> tuple[Array, ...]:
        return tuple(a for held, a in self.plan.arrays.items() if held.kind.owner is owner)

    def _name(self, array: Held) -> str:
        match array.kind:
            case Kind.SEED:
                return "dy"
            case Kind.INPUT:
                return "x" if len(self.form.inputs) == 1 else f'x["{array.name}"]'
            case Kind.PARAMETER:
                return f'params["{array.name}"]'
            case Kind.SUMMAND:
                return "summand"
            case Kind.AGAIN:
                return self._again(array.name)
        name = self.plan.arrays[array].name
        match array.kind.owner:
            case Owner.TAPE:
                return f"tape.{name}"
            case Owner.WORK:
                return f"work.{name}"
        return name

    def _again(self, name: str) -> str:
        """The array of a value that is evaluated again."""
        return self.plan.local(f"again_{name}", "array")

    def _at_step(self, array: Held, shift: int) -> str:
        """An array at step t, or all of it if it has no steps."""
        name = self._name(array)
        if self.plan.rank(array) == 2:
            return name
        return f"{name}[t + 1]" if shift else f"{name}[t]"

    def _all(self, array: Held, shift: int) -> str:
        """An array at all steps."""
        name = self._name(array)
        if array.kind is Kind.STATE:
            return f"{name}[1:]" if shift else f"{name}[:-1]"
        return name

    def _matrix(self, array: Held, shift: int, width: str) -> str:
        """An array at all steps as a matrix of (T * B, width)."""
        return f"{self._all(array, shift)}.reshape(T * B, {width})"

    def states(self, step: str) -> dict[str, str]:
        """Each state's array at a step."""
        return {s: f"{self._name(Held(Kind.STATE, s))}[{step}]" for s in self.form.states}

    @property
    def output(self) -> str:
        """The output's array at all steps."""
        name = self.form.output
        kind = Kind.STATE if name in self.form.states else Kind.VALUE
        return self._all(Held(kind, name), 1)

    def carry(self, state: str) -> str:
        """What reaches a state's adjoint from the step after."""
        return self._name(Held(Kind.CARRY, state))

    @property
    def adjoints(self) -> Array:
        """The array of the adjoints that are kept of each step."""
        return self.plan.arrays[ADJOINTS]

    # Products and launches

    def _loop(self, stages: Sequence[CupyStage]) -> Loop:
        steps: dict[str, str] = {}
        call: dict[str, str] = {}
        once: list[Line] = []
        body: list[Line] = []
        for stage in stages:
            if isinstance(stage, Product):
                operand, out = (
                    self._variable(place, steps, call, once) for place in (stage.operand, stage.out)
                )
                trans = '"N", "N"' if stage.back else '"N", "T"'
                beta = ", beta=1.0" if stage.accumulate else ""
                code = f"gemm({trans}, {operand}, {stage.weights.name}, out={out}{beta})"
                body.append(Line(code, stage.labels))
                continue
            parts = []
            ranked: dict[int, list[str]] = {0: [], 1: [], 2: []}
            for a in stage.arguments:
                rank = self.plan.rank(a.array)
                if rank == 1:
                    name = self._step_variable(a.array, 0)
                    call[name] = self._name(a.array)
                    ranked[1].append(name)
                else:
                    ranked[rank].append(self._at_step(a.array, a.shift))
            if ranked[0]:
                steps[f"arrays_{stage.name}"] = _tuple(ranked[0])
                parts.append(f"arrays_{stage.name}")
            if ranked[1]:
                parts.append(_tuple(ranked[1]))
            sizes = [f"np.int32({n})" for n in ("B", *stage.sizes)]
            run = f'run.kernel("{stage.name}", B, {stage.size})'
            once.append(Line(f"{stage.name}, *shape_{stage.name} = {run}"))
            once.append(Line(f"fixed_{stage.name} = {_tuple([*ranked[2], *sizes])}"))
            parts.append(f"fixed_{stage.name}")
            code = f"{stage.name}(*shape_{stage.name}, {' + '.join(parts)})"
            body.append(Line(code, stage.labels))
        return Loop(tuple(steps.items()), tuple(call.items()), tuple(once), tuple(body))

    def _variable(
        self, place: Place, steps: dict[str, str], call: dict[str, str], once: list[Line]
    ) -> str:
        """The variable for an operand or result of a product in the loop."""
        rank = self.plan.rank(place.array)
        if rank == 2:
            name = self.plan.title(place.array, place.shift)
            line = Line(f"{name} = {self._name(place.array)}")
            if line not in once:
                once.append(line)
            return name
        name = self._step_variable(place.array, place.shift)
        if rank == 1:
            call[name] = self._name(place.array)
        else:
            steps[name] = self._at_step(place.array, place.shift)
        return name

    def _step_variable(self, array: Held, shift: int) -> str:
        """The variable for a step of an array: of a state the one before or after it."""
        name = self.plan.title(array, shift)
        if array.kind is Kind.STATE and not shift:
            return self.plan.local(name, "step")
        return self.plan.local(f"{name}_t", "step")

    def _packs(self, stages: Sequence[CupyStage]) -> tuple[Line, ...]:
        return tuple(self._pack(s.weights) for s in stages if isinstance(s, Product))

    def _pack(self, weights: StackedWeights) -> Line:
        return Line(f"{weights.name} = {self._stack(weights)}", weights.labels)

    def _stack(self, weights: StackedWeights) -> str:
        blocks = [" + ".join(map(self._block, terms)) for terms in weights.sums]
        blocks = [block.replace("+ -", "- ") for block in blocks]
        if len(blocks) == 1:
            return f"cp.ascontiguousarray({blocks[0]})"
        return f"cp.concatenate(({', '.join(blocks)}))"

    def _block(self, block: WeightBlock) -> str:
        columns = self.interface.columns(block.weight, block.slot)
        text = f'params["{block.weight}"]' + (f"[:, {columns}]" * (columns != ":"))
        return f"{'-' * block.negative}{text}{'.T' * block.transposed}"

    def _all_steps(self, stages: Sequence[CupyStage]) -> tuple[Line, ...]:
        lines: list[Line] = []
        made: set[Held] = set()
        for stage in stages:
            written = (
                [a.array for a in stage.arguments if a.written]
                if isinstance(stage, Kernel)
                else [stage.out.array]
            )
            for array in written:
                if array.kind is Kind.WHOLE and array not in made:
                    made.add(array)
                    found = self.plan.arrays[array]
                    lines.append(Line(f"{found.name} = cp.empty((T, B, {found.width}), dtype)"))
            if isinstance(stage, Kernel):
                lines.append(self._run(stage))
            else:
                lines += self._product(stage)
        return tuple(lines)

    def _run(self, kernel: Kernel) -> Line:
        """A kernel over all steps."""
        arguments = [self._all(a.array, a.shift) for a in kernel.arguments]
        return Line(
            f'run("{kernel.name}", T * B, {kernel.size}, {_tuple(kernel.sizes)}, '
            f"{_tuple(arguments)})",
            kernel.labels,
        )

    def _product(self, product: Product) -> list[Line]:
        """A product over all steps."""
        width = self.plan.arrays[product.out.array].width
        out = self._matrix(product.out.array, product.out.shift, width)
        lines = [self._pack(product.weights)]
        if product.back:
            operand = self._adjoint_matrix(product.columns)
            trans = '"N", "N"'
        else:
            operand = self._matrix(
                product.operand.array, product.operand.shift, product.operand.stride
            )
            trans = '"N", "T"'
        code = f"gemm({trans}, {operand}, {product.weights.name}, out={out})"
        return [*lines, Line(code, product.labels)]

    def _adjoint_matrix(self, names: tuple[str, ...]) -> str:
        """The columns of some adjoints as a contiguous matrix of (T * B, width)."""
        slices = self.plan.backward.adjoint_runs(names)
        if slices == [":"]:
            return "adjoints"
        parts = [f"adjoints[:, {s}]" for s in slices]
        if len(parts) == 1:
            return f"cp.ascontiguousarray({parts[0]})"
        return f"cp.concatenate(({', '.join(parts)}), axis=1)"

    # Gradients of the parameters

    def _parameters(self) -> None:
        gradients = parameter_gradients(self.schedule, self.plan.backward.adjoints)
        for product in gradients.products:
            operand = self._operand(product.operand)
            adjoints = self._adjoint_matrix(product.adjoints)
            code = f'outer = gemm("T", "N", {adjoints}, {operand})'
            self.outer.append(Line(code, product.labels))
            sizes = tuple(self.schedule.sizes[name] for name in product.adjoints)
            for block in product.blocks:
                rows = column_slice(sizes, product.adjoints.index(block.outer.adjoint))
                self.outer.append(self._store(block, rows))
        for k, summed in enumerate(gradients.sums):
            self._sum(k, summed)
        for zero in gradients.zeros:
            if zero.slot is None:
                self.sums.append(Line(f'dparams["{zero.parameter}"][...] = 0', (zero.label,)))
            else:
                target = self._target(zero.parameter, zero.slot)
                self.outer.append(Line(f"{target} = 0", (zero.label,)))

    def _target(self, weight: str, slot: int) -> str:
        columns = self.interface.columns(weight, slot)
        return f'dparams["{weight}"][' + (f":, {columns}]" if columns != ":" else "...]")

    def _store(self, block: Block, rows: str) -> Line:
        outer = block.outer
        target = self._target(outer.weight, outer.slot)
        value = ("outer" if rows == ":" else f"outer[{rows}]") + (".T" if outer.transposed else "")
        if block.first:
            sign = "= -" if outer.negative else "= "
        else:
            sign = "-= " if outer.negative else "+= "
        return Line(f"{target} {sign}{value}", (outer.label,))

    def _operand(self, value: Value) -> str:
        size = self.schedule.sizes[value.name]
        kernel = self.plan.backward.again_kernels.get(value.name)
        if kernel is None:
            place = self.plan.place(value)
            return self._matrix(place.array, place.shift, size)
        name = self._again(value.name)
        self.operands.append(Line(f"{name} = cp.empty((T, B, {size}), dtype)"))
        self.operands.append(self._run(kernel))
        return f"{name}.reshape(T * B, {size})"

    def _sum(self, k: int, summed: Summed) -> None:
        """A sum; those of adjoints as they are come from the sums of all."""
        kernel = self.plan.backward.summand_kernels.get(k)
        if kernel is None:
            assert summed.adjoint is not None, "other values have kernels"
            self.needs_sums = True
            rows = self.plan.backward.adjoint_runs((summed.adjoint,))[0]
            value = "sums" + (f"[{rows}]" * (rows != ":")) + (".sum()" if summed.scalar else "")
        else:
            size = summed.size
            self.sums.append(Line(f"summand = cp.empty((T, B, {size}), dtype)"))
            self.sums.append(self._run(kernel))
            over_rows = f"summand.reshape(T * B, {size}).sum(axis=0)"
            value = "summand.sum()" if summed.scalar else over_rows
        sign = "=" if summed.first else "+="
        code = f'dparams["{summed.parameter}"][...] {sign} {value}'
        self.sums.append(Line(code, (summed.label,)))

    def _input(self, name: str) -> tuple[str, str]:
        """The name of an input and the array that holds its gradient."""
        gradient = next(g for g in self.schedule.gradients.inputs if g.of == name)
        return name, self.plan.arrays[Held(Kind.WHOLE, gradient.name)].name


def _tuple(items: Sequence[str]) -> str:
    """The items as a tuple in Python."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def cupy_module(cell: Stages) -> CupyModule:
    """The plan of a cell's CuPy module."""
    return CupyModule(cell)


__all__ = ["CupyModule", "cupy_module"]
