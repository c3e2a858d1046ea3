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
from lstmgen.targets.cupy.arrays import Array, Held, Kind, Owner
from lstmgen.targets.cupy.backward import ADJOINTS
from lstmgen.targets.cupy.check import check
from lstmgen.targets.cupy.expressions import FUNCTIONS
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.loops import ArrayNames, as_tuple, loop
from lstmgen.targets.cupy.moving import gather, restart
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.resources import MODULE_OPTIONS
from lstmgen.targets.cupy.storage import CupyStage, Product, StackedWeights, WeightBlock


@dataclass(frozen=True, slots=True)
class State:
    """A state, and what is called after it: its array with the initial rows in front.

    Attributes:
        previous: what each step starts from.
        start: the array in which the loop finds that.
        carry: what reaches its adjoint from the step after.
    """

    name: str
    size: str
    array: str
    previous: str
    start: str
    carry: str


class CupyModule:
    """Everything that the template of a CuPy module prints.

    Attributes:
        kernels, helpers: the kernels, and the device functions that they call.
        gather, restart: the kernels that move rows.
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
        check(cell.schedule, self.plan)
        self.names = ArrayNames(self.plan, single=len(self.form.inputs) == 1)
        self.kernels = self.plan.kernels
        self.gather, self.restart = gather(), restart(self.interface.state_sizes)
        used = {f for k in self.kernels for f in k.functions}
        self.helpers = FUNCTIONS.definitions(used)
        self.tape = self._arrays_of(Owner.TAPE)
        self.work = self._arrays_of(Owner.WORK)
        self.forward_loop = loop(self.plan.forward.loop, self.names, "start")
        self.backward_loop = loop(self.plan.backward.loop, self.names, "previous")
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

    @property
    def states(self) -> tuple[State, ...]:
        """The states, with their arrays."""
        sizes = self.interface.state_sizes
        return tuple(
            State(
                s,
                sizes[s],
                self.names(Held(Kind.STATE, s)),
                self.names.beside("previous", s),
                self.names.beside("start", s),
                self.names(Held(Kind.CARRY, s)),
            )
            for s in self.form.states
        )

    @property
    def state_sizes(self) -> tuple[str, ...]:
        """The sizes of the states, once each."""
        return tuple(dict.fromkeys(state.size for state in self.states))

    @property
    def output(self) -> str:
        """The output's array at all steps."""
        name = self.form.output
        kind = Kind.STATE if name in self.form.states else Kind.VALUE
        return self.names.at_all_steps(Held(kind, name), 1)

    @property
    def adjoints(self) -> Array:
        """The array of the adjoints that are kept of each step."""
        return self.plan.arrays[ADJOINTS]

    # Products and launches

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
                    width = self.plan.arrays[array].width
                    name = self.names(array)
                    lines.append(Line(f"{name} = cp.empty((rows.count, {width}), dtype)"))
            if isinstance(stage, Kernel):
                lines.append(self._run(stage))
            else:
                lines += self._product(stage)
        return tuple(lines)

    def _run(self, kernel: Kernel) -> Line:
        """A kernel over all steps."""
        arguments = [self.names.at_all_steps(a.array, a.shift) for a in kernel.arguments]
        return Line(
            f'run("{kernel.name}", rows.count, {kernel.size}, {as_tuple(kernel.sizes)}, '
            f"{as_tuple(arguments)})",
            kernel.labels,
        )

    def _product(self, product: Product) -> list[Line]:
        """A product over all steps."""
        out = self.names.at_all_steps(product.out.array, product.out.shift)
        lines = [self._pack(product.weights)]
        if product.back:
            operand = self._adjoint_matrix(product.columns)
            trans = '"N", "N"'
        else:
            operand = self.names.at_all_steps(product.operand.array, product.operand.shift)
            trans = '"N", "T"'
        code = f"gemm({trans}, {operand}, {product.weights.name}, out={out})"
        return [*lines, Line(code, product.labels)]

    def _adjoint_matrix(self, names: tuple[str, ...]) -> str:
        """The columns of some adjoints as a contiguous matrix of (count, width)."""
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
            return self.names.at_all_steps(place.array, place.shift)
        name = self.names(Held(Kind.AGAIN, value.name))
        self.operands.append(Line(f"{name} = cp.empty((rows.count, {size}), dtype)"))
        self.operands.append(self._run(kernel))
        return name

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
            self.sums.append(Line(f"summand = cp.empty((rows.count, {size}), dtype)"))
            self.sums.append(self._run(kernel))
            value = "summand.sum()" if summed.scalar else "summand.sum(axis=0)"
        sign = "=" if summed.first else "+="
        code = f'dparams["{summed.parameter}"][...] {sign} {value}'
        self.sums.append(Line(code, (summed.label,)))

    def _input(self, name: str) -> tuple[str, str]:
        """The name of an input and the array that holds its gradient."""
        gradient = next(g for g in self.schedule.gradients.inputs if g.of == name)
        return name, self.plan.arrays[Held(Kind.WHOLE, gradient.name)].name


def cupy_module(cell: Stages) -> CupyModule:
    """The plan of a cell's CuPy module."""
    return CupyModule(cell)


__all__ = ["CupyModule", "cupy_module"]
