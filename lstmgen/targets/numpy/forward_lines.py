"""The plan of the forward pass as the lines that the template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import Expression, Value
from lstmgen.targets.common.extents import columns as column_slice
from lstmgen.targets.common.extents import extent
from lstmgen.targets.common.interface import Identifiers, Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.expressions import Python
from lstmgen.targets.numpy.forward import (
    Ahead,
    Constant,
    Dot,
    Forward,
    InputProduct,
    Scaled,
    operand_array,
    product_array,
)
from lstmgen.targets.numpy.fusion import allocate
from lstmgen.targets.numpy.joining import ONE
from lstmgen.targets.numpy.operations import Operation, View
from lstmgen.targets.numpy.storage import Slots
from lstmgen.targets.numpy.weights import SCALE, Weights
from lstmgen.targets.numpy.writing import (
    LoopNames,
    Storage,
    functions,
    operation_line,
    product_of,
)


@dataclass(frozen=True, slots=True)
class OperandSource:
    """An array of what products multiply, as the template prints it.

    Attributes:
        slots: 1, the vector of the loop, and inputs, as far as there are any.
        inputs: for each input its rows, and the expression of the input.
        rows: of the vector.
        state: whether the vector is a state: then it is stored for the step after.
        kept: the rows of the record that it is copied to, or "".
    """

    slots: Slots
    inputs: tuple[tuple[str, str], ...]
    rows: str
    state: bool
    kept: str


class ForwardSource:
    """The forward pass as lines.

    Attributes:
        record: the slots of a step's record.
        operands: the arrays of what the loop multiplies, for a chunk of steps.
        packs: weights and constants, as the products want them, bound to pack_names.
        first: what the step before the first one would leave for it.
        ahead, behind: what runs for a chunk of steps at once, before and after its loop.
        steps, chunk_steps, call_steps, once: the variables of the loop: views of the tape's memory
            for each step, the same of arrays for a chunk of steps, views of what only the call has
            for each step, and what is bound once.
        loop: the lines of the loop, and `functions` of NumPy that it calls.
        products, scratch: the arrays that the loop works in.
        temporaries: rows of the scratch array of `ahead` and `behind`, or "".
    """

    def __init__(self, interface: Interface, plan: Forward, identifiers: Identifiers) -> None:
        self._interface = interface
        self._plan = plan
        self._identifiers = identifiers
        self._weights = Weights(interface)
        self.record = plan.record
        self.scratch = plan.scratch
        dots = [i for i in plan.loop if isinstance(i, Dot)]
        named = {product_array(dot.scaled.name): self._product_slots(dot.scaled) for dot in dots}
        self.products = tuple(named.values())
        operands = {
            operand_array(name): Slots(operand_array(name).replace(" ", "_"), o.names, o.sizes)
            for name, o in plan.operands.items()
        }
        self._storage = Storage(
            interface.form, {"record": self.record, "scratch": self.scratch, **named, **operands}
        )
        self.operands = tuple(
            self._operand(name, operands[operand_array(name)]) for name in plan.operands
        )
        names = LoopNames(identifiers, self._storage, named, frozenset(operands))
        outs = {
            dot.scaled.name: product_of(dot.scaled.name, names(dot.out, False), identifiers)
            for dot in dots
        }
        self.loop = tuple(
            operation_line(i, names, bound=True)
            if isinstance(i, Operation)
            else Line(outs[i.scaled.name].call(names(i.operand, False)), i.scaled.labels)
            for i in plan.loop
        )
        bound = names.steps.items()
        self.steps = tuple(b for (view, _), b in bound if view.array == "record")
        self.chunk_steps = tuple(b for (view, _), b in bound if view.array in operands)
        self.call_steps = tuple(
            b for (view, _), b in bound if view.array != "record" and view.array not in operands
        )
        self.functions = functions(self.loop)
        self.once = (
            *names.constants.values(),
            *names.once.values(),
            *(out.bound for out in outs.values()),
        )
        self._packs: list[Line] = []
        self.pack_names: list[str] = []
        for dot in dots:
            self._pack(dot.scaled)
        self.first = tuple(self._first(d) for d in dots if d.scaled.product.later)
        before, after = allocate(plan.before()), allocate(plan.after())
        widest = max((before.sizes, after.sizes), key=len)
        self.temporaries = extent(widest) if widest else ""
        self.ahead = self._chunk(before.instructions, before.sizes)
        self.behind = self._chunk(after.instructions, after.sizes)
        self.packs = tuple(self._packs)
        self.folds = any("_with_ones(" in line.code for line in self.ahead)
        self.activates = any("activate" in line.code for line in (*self.loop, *self.ahead))

    @property
    def chunk_rows(self) -> str:
        """The rows of a step in the memory of a chunk of steps."""
        sizes = (size for slots in (self.record, *(o.slots for o in self.operands))
                 for size in slots.sizes)
        return extent(tuple(sizes))

    @property
    def scales(self) -> bool:
        """Whether `packs` need the factors that activations want."""
        return any("by_" in line.code for line in self.packs)

    @property
    def mixes(self) -> bool:
        """Whether sigma and tanh are evaluated together anywhere."""
        return any(len({*kinds}) > 1 for kinds in self._kinds)

    @property
    def activations(self) -> tuple[str, ...]:
        """What pre-activations that carry a factor want: sigma, tanh, or both."""
        return tuple(sorted({kind for kinds in self._kinds for kind in kinds}))

    @property
    def _kinds(self) -> list[tuple[str, ...]]:
        plan = self._plan
        operations = (*plan.loop, *plan.before(), *plan.after())
        return [i.kinds for i in operations if isinstance(i, Operation)]

    @property
    def uses_count(self) -> bool:
        """Whether lines need the number of steps in a chunk."""
        lines = (*self.ahead, *self.behind)
        return bool(self.operands) or any("(n," in x.code or ":n" in x.code for x in lines)

    def at(self, name: str, shift: int, step: str) -> str:
        """A value's slot in the record of one step."""
        view = self._plan.view(Value(name, shift))
        rows = self.record.rows_of(view)
        return f"record[{step}]" if rows == ":" else f"record[{step}, {rows}]"

    def history(self, name: str) -> str:
        """A value at the steps of a chunk, (n, size, B)."""
        return self._storage.chunk(self._plan.view(Value(name)))

    def _product_slots(self, scaled: Scaled) -> Slots:
        results = tuple(row.result for row in scaled.rows)
        sizes = tuple(self._plan.schedule.sizes[result] for result in results)
        return Slots(f"p{scaled.name[1:]}", results, sizes)

    def _operand(self, name: str, slots: Slots) -> OperandSource:
        form = self._interface.form
        own = slots.names.index(name)
        kept = ""
        if name in self._plan.layout.owner:
            kept = self.record.rows_of(self._plan.view(Value(name)))
        return OperandSource(
            slots,
            tuple(
                (column_slice(slots.sizes, k), self._storage.input(x))
                for k, x in enumerate(slots.names)
                if k > own
            ),
            column_slice(slots.sizes, own),
            name in form.states,
            kept,
        )

    def _first(self, dot: Dot) -> Line:
        """A product of the step before, as far as it is for the first step."""
        product = dot.scaled.product
        slots = self._product_slots(dot.scaled)
        count = len(product.sums)
        chosen = slots.rows_of(View("", count - product.later, product.later))
        state = self.at(product.operand.name, -1, "0")
        labels = tuple(dict.fromkeys(row.label for row in dot.scaled.rows[-product.later :]))
        code = f"np.dot({product.name}[{chosen}], {state}, {slots.array}[{chosen}])"
        return Line(code, labels)

    def _chunk(self, items: Sequence[Ahead], sizes: tuple[str, ...]) -> tuple[Line, ...]:
        scratch = Slots("temporaries", tuple(map(str, range(len(sizes)))), sizes)
        storage = Storage(self._interface.form, {"record": self.record, "scratch": scratch})
        lines: list[Line] = []
        packed: set[str] = set()
        for item in items:
            if isinstance(item, InputProduct):
                if item.scaled.name not in packed:
                    packed.add(item.scaled.name)
                    self._pack(item.scaled)
                lines.append(self._input_product(item, storage))
            elif isinstance(item, Constant):
                lines.append(self._constant(item, storage))
            else:
                lines.append(operation_line(item, storage.chunk_name))
        return tuple(lines)

    def _pack(self, scaled: Scaled) -> None:
        """Stack the weights of a product."""
        product, sizes = scaled.product, self._plan.schedule.sizes
        constants = None
        if product.constant:
            constants = [self._column(s.constant, sizes[s.user]) for s in product.sums]
        operand = [ONE] * product.constant
        operand += (sizes[name] for name in (product.operand.name, *product.inputs))
        self._packs += self._weights.packed(
            scaled, [sizes[row.result] for row in scaled.rows], operand, constants
        )
        self.pack_names.append(product.name)

    def _input_product(self, item: InputProduct, storage: Storage) -> Line:
        scaled = item.scaled
        sizes = tuple(self._plan.schedule.sizes[row.result] for row in scaled.rows)
        rows = column_slice(sizes, item.first, item.last - item.first + 1)
        weight = scaled.name + (f"[{rows}]" * (rows != ":"))
        operand = storage.chunk(self._plan.view(scaled.product.operand))
        if scaled.product.constant:
            operand = f"_with_ones({operand})"
        elif operand.endswith(".transpose(0, 2, 1)"):
            operand = f"np.ascontiguousarray({operand})"
        target = storage.chunk(item.target)
        if item.accumulate:
            code = f"{target} += np.matmul({weight}, {operand})"
        else:
            code = f"np.matmul({weight}, {operand}, out={target})"
        return Line(code, scaled.labels)

    def _constant(self, item: Constant, storage: Storage) -> Line:
        values = [
            self._column(value, size, scale)
            for value, size, scale in zip(item.values, item.sizes, item.scales, strict=True)
        ]
        if len(values) > 1:
            column = f"np.concatenate(({', '.join(values)}))"
        else:
            column = f"({values[0]})" if " " in values[0] else values[0]
        name = self._identifiers("constant", f"constant {item.target}")
        if item.accumulate:
            # Repeated for each row of the batch: adding arrays of one shape is quicker by far.
            code = f"np.repeat({column}, B).reshape({extent(item.sizes)}, B)"
        else:
            code = f"{column}[:, None]"
        self._packs.append(Line(f"{name} = {code}", item.labels))
        self.pack_names.append(name)
        sign = "+=" if item.accumulate else "="
        return Line(f"{storage.chunk(item.target)} {sign} {name}", item.labels)

    def _column(self, value: Expression | None, size: str, scale: str | None = None) -> str:
        """A constant for each unit of a slot, if so asked with the factor of its activation."""
        if value is None:
            return f"np.zeros({size}, dtype)"
        python = Python(lambda leaf: f'params["{leaf.name}"]' if hasattr(leaf, "name") else "")
        factor = f" * {SCALE[scale]}" if scale is not None else ""
        code = python.at(2 if factor else 1, value) + factor
        if not any(f'"{p}"' in code for p in self._interface.form.vectors):
            code = f"np.full({size}, {code}, dtype)"
        return code
