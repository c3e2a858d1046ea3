"""The checker of plans: it executes kernels and products symbolically, one step of each pass.

It knows which expression every column of every array holds at each moment.  A read of what was
never written, or is there no more, an argument that is no array, a product with the wrong vector, a
sum that lacks a term: all end in an expression that is not the one that the schedule wants there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lstmgen.algebra.expression import (
    Expression,
    MatVec,
    Parameter,
    Value,
    add,
    neg,
    transform,
)
from lstmgen.errors import StageError
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Gather, Schedule
from lstmgen.targets.common.canonical import canonical
from lstmgen.targets.common.extents import extent
from lstmgen.targets.cupy.arrays import Held, Kind, Place, Steps
from lstmgen.targets.cupy.backward import ADJOINTS
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.storage import CupyStage, Product, WeightBlock

__all__ = ["check"]


def check(schedule: Schedule, plan: Plan) -> None:
    """Raise `StageError`, with the equation named, unless the plan computes the schedule."""
    memory = _Memory(schedule, plan)
    _check_forward(schedule, plan, memory)
    memory.forget()
    _check_backward(schedule, plan, memory)


def _refuse(label: str, problem: str) -> StageError:
    return StageError(
        f"equation ({label}): {problem}; this is a fault of lstmgen's CuPy target, not of the "
        "equations: please report the cell"
    )


class _Memory:
    """What the columns of the arrays hold, in the rows of a step."""

    def __init__(self, schedule: Schedule, plan: Plan) -> None:
        form = schedule.form
        self._plan = plan
        # A number for each size, so that columns meet only if they do for every size.
        symbols = dict.fromkeys([*schedule.sizes.values(), *form.vectors.values()])
        self._numbers = {symbol: 10_007 + 104_729 * k * k for k, symbol in enumerate(symbols)}
        self._numbers["1"] = 1
        self._widths = {held: array.width for held, array in plan.arrays.items()}
        self._widths |= {Held(Kind.INPUT, x): form.sizes[x] for x in form.inputs}
        self._widths |= {Held(Kind.PARAMETER, p): size for p, size in form.vectors.items()}
        self._widths |= {Held(Kind.PARAMETER, p): "1" for p in form.scalars}
        self._widths |= {Held(Kind.SEED): form.sizes[form.output], Held(Kind.SUMMAND): ""}
        for name in plan.backward.again_kernels:
            self._widths[Held(Kind.AGAIN, name)] = schedule.sizes[name]
        self._held: dict[tuple[Held, int], dict[tuple[int, int], Expression]] = {}

    def number(self, sizes: str) -> int:
        """A sum of sizes, `2 * H + P`, as a number."""
        found = 0
        for term in sizes.split(" + ") if sizes else ():
            count, _, symbol = term.rpartition(" * ")
            value = self._numbers.get(symbol)
            found += int(count or 1) * (int(symbol) if value is None else value)
        return found

    def columns(self, place: Place, size: str, label: str) -> tuple[int, int]:
        """The first and the number of columns; raises unless the array is there and has them."""
        if place.array not in self._widths:
            raise _refuse(label, f"there is no array {place.array}")
        width = self._widths[place.array] or size
        scalar = place.stride == place.offset == "1"
        first = 0 if scalar else self.number(place.offset)
        if place.stride and self.number(place.stride) != self.number(width):
            raise _refuse(label, f"rows of {place.array} have {width} columns, not {place.stride}")
        if not scalar and first + self.number(size) > self.number(width):
            raise _refuse(label, f"{place.array} ends before {place.offset} + {size}")
        return first, self.number(size)

    def write(self, place: Place, size: str, value: Expression, label: str) -> None:
        """Whatever it meets there is gone."""
        first, count = self.columns(place, size, label)
        held = self._held.setdefault((place.array, place.shift), {})
        for at, width in [*held]:
            if at < first + count and first < at + width:
                del held[at, width]
        held[first, count] = value

    def read(self, place: Place, size: str, label: str) -> Expression:
        """What is there, written as these columns and no others."""
        columns = self.columns(place, size, label)
        found = self._held.get((place.array, place.shift), {}).get(columns)
        if found is None:
            raise _refuse(label, f"reads {place.array} at {place.offset} where nothing was written")
        return found

    def forget(self) -> None:
        """Arrays of one step hold nothing before and after a loop."""
        self._held = {
            (array, shift): held
            for (array, shift), held in self._held.items()
            if array not in self._plan.arrays or self._plan.arrays[array].steps is not Steps.ONE
        }


class _Machine:
    """Executes stages.

    Args:
        schedule: of the cell.
        memory: what is there, and what comes to be there.
        expected: what each value is, in values that are finished before it.
        adjoints: where those that are kept of each step lie.
    """

    def __init__(
        self,
        schedule: Schedule,
        memory: _Memory,
        expected: Mapping[str, Expression],
        adjoints: Mapping[str, Place],
    ) -> None:
        self._schedule, self._memory, self._adjoints = schedule, memory, adjoints
        self.expected: dict[str, Any] = {name: canonical(e) for name, e in expected.items()}
        self._names = {value: name for name, value in self.expected.items()}

    def run(self, stages: Iterable[CupyStage]) -> None:
        for stage in stages:
            if isinstance(stage, Kernel):
                self.launch(stage)
            else:
                self.multiply(stage, stage.labels[0])

    def launch(self, kernel: Kernel) -> None:
        """Each assignment gives what is expected of it, and goes where it is stored."""
        arguments = {a.name: a for a in kernel.arguments}
        loads: dict[Value | Parameter, Place] = {}
        for access in (*kernel.vectors, *kernel.loads, *kernel.stores):
            found = arguments.get(access.argument)
            if found is None or (found.array, found.shift) != (
                access.place.array,
                access.place.shift,
            ):
                raise _refuse(kernel.labels[0], f"{kernel.name} has no {access.argument}")
        for access in (*kernel.vectors, *kernel.loads):
            loads[access.of] = access.place
        scalars = {argument for _, argument in kernel.scalars}
        if not scalars <= {*arguments}:
            raise _refuse(kernel.labels[0], f"{kernel.name} lacks one of {', '.join(scalars)}")
        made: set[str] = set()
        for d in kernel.assignments:
            self._assign(d, kernel, loads, made)
            made.add(d.name)
        for access in kernel.stores:
            if not arguments[access.argument].written or access.of.name not in made:
                raise _refuse(kernel.labels[0], f"{kernel.name} cannot store {access.of.name}")
            self._memory.write(access.place, kernel.size, Value(access.of.name), kernel.labels[0])

    def _assign(
        self,
        d: Definition,
        kernel: Kernel,
        loads: Mapping[Value | Parameter, Place],
        made: set[str],
    ) -> None:
        def found(node: Expression) -> Expression:
            if not isinstance(node, Value) or (node.shift == 0 and node.name in made):
                return node
            if node not in loads:
                raise _refuse(d.label, f"{kernel.name} does not load {node.name}")
            return self._finished(node.name, loads[node], kernel.size, d.label)

        for node, place in loads.items():
            if isinstance(node, Parameter):
                self._memory.columns(place, kernel.size, d.label)
                if place.array != Held(Kind.PARAMETER, node.name):
                    raise _refuse(d.label, f"{kernel.name} takes {place.array} for {node.name}")
        value = canonical(transform(d.value, found))
        if d.name in self.expected and value != self.expected[d.name]:
            raise _refuse(d.label, f"{kernel.name} does not compute {d.name} as it should")

    def _finished(self, name: str, place: Place, size: str, label: str) -> Expression:
        """What is at a place; a sum of products that is all of a value gets its name."""
        found = self._memory.read(place, size, label)
        if not isinstance(found, Value) and canonical(found) == self.expected.get(name, ""):
            return Value(name)
        return found

    def kept(self, adjoint: str, label: str) -> None:
        """Raise unless an adjoint is there of each step."""
        if adjoint not in self._adjoints:
            raise _refuse(label, f"{adjoint} is not kept")
        self.holds(Value(adjoint), self._adjoints[adjoint], label)

    def holds(self, value: Value, place: Place, label: str) -> None:
        """Raise unless a value is at its place."""
        size = self._schedule.sizes[value.name]
        found = self._finished(value.name, place, size, label)
        if found != value:
            raise _refuse(label, f"{place.array} does not hold {value.name}, but {found}")

    def multiply(self, product: Product, label: str) -> None:
        """The columns of `out`, each a sum of products."""
        vectors = self._vectors(product, label)
        out, stack = product.out, product.weights.sums
        if product.back:
            if len(vectors) != len(stack):
                raise _refuse(
                    label, f"a product of {len(vectors)} vectors with {len(stack)} blocks"
                )
            terms = [
                _term(block, vector, not block.transposed)
                for blocks, vector in zip(stack, vectors, strict=True)
                for block in blocks
            ]
            sums, sizes = [add(*terms)], [self._extents(stack[0][0])[1]]
        else:
            sums = [add(*(_term(b, vectors[0], b.transposed) for b in blocks)) for blocks in stack]
            sizes = [self._extents(blocks[0])[0] for blocks in stack]
        if out.offset != "0":
            raise _refuse(label, f"a product that is not all of {out.array}")
        for k, value in enumerate(sums):
            place = Place(out.array, out.shift, extent(sizes), extent(sizes[:k]))
            if product.accumulate:
                value = add(self._memory.read(place, sizes[k], label), value)
            self._memory.write(place, sizes[k], value, label)

    def _extents(self, block: WeightBlock) -> tuple[str, str]:
        """The rows and columns of a block as it stands in a stack."""
        weight = self._schedule.form.weights[block.weight]
        found = weight.rows, weight.columns[block.slot]
        return found[::-1] if block.transposed else found

    def _vectors(self, product: Product, label: str) -> list[Value]:
        """What lies side by side in a product's operand."""
        operand = product.operand
        if not product.back:
            places = [operand]
        elif operand.array == ADJOINTS:
            places = [self._adjoints[name] for name in product.columns if name in self._adjoints]
        else:
            sizes = [self._schedule.sizes[name] for name in product.columns]
            width = extent(sizes)
            places = [Place(operand.array, 0, width, extent(sizes[:k])) for k in range(len(sizes))]
        names = product.columns or ("",)
        if len(places) != len(names) or operand.offset != "0":
            raise _refuse(label, f"a product of what is not all in {operand.array}")
        found = []
        for place, name in zip(places, names, strict=True):
            size = self._schedule.sizes[name] if name else place.stride
            vector = self._memory.read(place, size, label)
            if not isinstance(vector, Value):
                vector = Value(self._names.get(canonical(vector), ""))
            if not vector.name:
                raise _refuse(label, f"multiplies what is unfinished in {place.array}")
            found.append(vector)
        return found


def _term(block: WeightBlock, vector: Value, transposed: bool) -> Expression:
    found = MatVec(block.weight, block.slot, transposed, vector)
    return neg(found) if block.negative else found


def _check_forward(schedule: Schedule, plan: Plan, memory: _Memory) -> None:
    form = schedule.form
    for x in form.inputs:
        memory.write(Place(Held(Kind.INPUT, x), 0, form.sizes[x]), form.sizes[x], Value(x), "?")
    for s in form.states:
        size = form.sizes[s]
        memory.write(plan.place(Value(s, -1)), size, Value(s, -1), form.by_name[s].label)
    expected = {d.name: d.value for d in form.definitions}
    machine = _Machine(schedule, memory, expected, {})
    machine.run(plan.forward.before)
    memory.forget()
    machine.run(plan.forward.loop)
    memory.forget()
    machine.run(plan.forward.after)
    for name in dict.fromkeys((*form.states, form.output, *schedule.kept)):
        if name in form.by_name:
            machine.holds(Value(name), plan.place(Value(name)), form.by_name[name].label)


def _check_backward(schedule: Schedule, plan: Plan, memory: _Memory) -> None:
    form, half, sizes = schedule.form, plan.backward, schedule.sizes
    again = {d.name: d.value for d in schedule.recomputed}
    carried = {name for pair in schedule.carried.values() for name in pair if name is not None}
    gathered = {s.result: _gathered(s) for s in schedule.backward.stages if isinstance(s, Gather)}

    def expanded(expression: Expression) -> Expression:
        """Without what is not stored: evaluated again, or a product that a kernel adds."""

        def change(node: Expression) -> Expression:
            if not isinstance(node, Value):
                return node
            if node.name in again:
                return expanded(again[node.name])
            if node.name in carried:
                return Value(node.name, 1)
            return gathered.get(node.name, node)

        return transform(expression, change)

    blocks = [s for s in schedule.backward.stages if isinstance(s, Block)]
    assignments = [d for block in blocks for d in block.assignments]
    # What a product left in its place in the forward pass is known by its equation.
    expected = {d.name: d.value for d in form.definitions}
    expected |= {d.name: expanded(d.value) for d in (*schedule.recomputed, *assignments)}
    places = {
        name: Place(ADJOINTS, 0, extent(half.widths), extent(half.widths[:k]))
        for k, name in enumerate(half.adjoints)
    }
    machine = _Machine(schedule, memory, expected, places)
    size = sizes[form.output]
    memory.write(Place(Held(Kind.SEED), 0, size), size, Value(schedule.seed), "?")
    machine.run(half.before)
    memory.forget()
    for s, pair in schedule.carried.items():
        later = add(*(Value(name, 1) for name in pair if name is not None))
        memory.write(Place(Held(Kind.CARRY, s), 0, sizes[s]), sizes[s], later, "?")
    machine.run(half.loop)
    for s, (elementwise, product) in schedule.carried.items():
        wanted = [Value(elementwise)] if elementwise is not None else []
        found = memory.read(Place(Held(Kind.CARRY, s), 0, sizes[s]), sizes[s], "δ")
        terms = [*wanted, *([gathered[product]] if product is not None else [])]
        if canonical(found) != canonical(add(*terms)):
            raise _refuse(form.by_name[s].label, f"what reaches {s} from the step after is {found}")
    memory.forget()
    machine.run(half.after)
    for gradient in schedule.gradients.inputs:
        place = Place(Held(Kind.WHOLE, gradient.name), 0, sizes[gradient.name])
        machine.holds(Value(gradient.name), place, gradient.label)
    _check_parameters(schedule, plan, machine, expanded)


def _check_parameters(
    schedule: Schedule,
    plan: Plan,
    machine: _Machine,
    expanded: Callable[[Expression], Expression],
) -> None:
    """What the gradients of parameters are made of is there."""
    half = plan.backward
    for gradient in schedule.weight_gradients:
        label, operand = gradient.rows[0].label, gradient.operand
        kernel = half.again_kernels.get(operand.name)
        if kernel is None:
            machine.holds(operand, plan.place(operand), label)
        else:
            machine.launch(kernel)
            size = schedule.sizes[operand.name]
            machine.holds(operand, Place(Held(Kind.AGAIN, operand.name), 0, size), label)
        for row in gradient.rows:
            machine.kept(row.adjoint, row.label)
    for k, reduction in enumerate(schedule.reductions):
        kernel = half.summand_kernels.get(k)
        if kernel is not None:
            machine.expected["summand"] = canonical(expanded(reduction.value))
            machine.launch(kernel)
        elif isinstance(reduction.value, Value):
            machine.kept(reduction.value.name, reduction.label)
        else:
            raise _refuse(reduction.label, f"d_{reduction.parameter} is not summed")


def _gathered(stage: Gather) -> Expression:
    """The sum of products that a stage of the backward pass is."""
    products = [MatVec(c.weight, c.slot, c.transposed, Value(c.operand)) for c in stage.columns]
    pairs = zip(products, stage.columns, strict=True)
    return add(*(neg(product) if column.negative else product for product, column in pairs))
