"""The plan of the forward pass as the lines that the template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmgen.expression import Value
from lstmgen.printing.python import Python
from lstmgen.targets.extents import columns as column_slice
from lstmgen.targets.extents import extent
from lstmgen.targets.interface import Identifiers, Interface
from lstmgen.targets.lines import Line
from lstmgen.targets.numpy.forward import Ahead, Constant, Dot, Forward, InputProduct, Packed
from lstmgen.targets.numpy.fusion import allocate
from lstmgen.targets.numpy.operations import Operation, View
from lstmgen.targets.numpy.storage import Slots
from lstmgen.targets.numpy.weights import SCALE, Weights
from lstmgen.targets.numpy.writing import (
    LoopNames,
    Storage,
    functions,
    operation_line,
    products_of,
)


class ForwardSource:
    """The forward pass as lines.

    Attributes:
        record: the slots of a step's record.
        packs: weights and constants, as the products want them, bound to pack_names.
        first: what the step before the first one would leave for it.
        ahead, behind: what runs for a chunk of steps at once, before and after its loop.
        steps, call_steps, once: the variables of the loop: views of the tape's memory for each
            step, views of what only the call has for each step, and what is bound once.
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
        self.functions = functions(self.loop)
        dots = [i for i in plan.loop if isinstance(i, Dot)]
        products = products_of((dot.packed.name for dot in dots), identifiers)
        self.once = (*names.constants.values(), *names.once.values(), *products)
        self._packs: list[Line] = []
        self.pack_names: list[str] = []
        for dot in dots:
            self._pack(dot.packed)
        self.first = tuple(self._first(d) for d in dots if d.later)
        before, after = allocate(plan.before()), allocate(plan.after())
        widest = max((before.sizes, after.sizes), key=len)
        self.temporaries = extent(widest) if widest else ""
        self.ahead = self._chunk(_folded(before.instructions), before.sizes)
        self.behind = self._chunk(after.instructions, after.sizes)
        self.packs = tuple(self._packs)
        self.folds = any("_beside_ones(" in line.code for line in self.ahead)
        self.activates = any("activate" in line.code for line in (*self.loop, *self.ahead))

    @property
    def scales(self) -> bool:
        """Whether `packs` need the factors that activations want."""
        return any("by_" in line.code for line in self.packs)

    @property
    def mixes(self) -> bool:
        """Whether sigma and tanh are evaluated together anywhere."""
        plan = self._plan
        operations = (*plan.loop, *plan.before(), *plan.after())
        return any(isinstance(i, Operation) and len({*i.kinds}) > 1 for i in operations)

    @property
    def uses_count(self) -> bool:
        """Whether lines need the number of steps in a chunk."""
        return any("(n," in x.code or ":n" in x.code for x in (*self.ahead, *self.behind))

    def at(self, name: str, shift: int, step: str) -> str:
        """A value's slot in the record of one step."""
        view = self._plan.view(Value(name, shift))
        rows = self.record.rows_of(view)
        return f"record[{step}]" if rows == ":" else f"record[{step}, {rows}]"

    def history(self, name: str) -> str:
        """A value at the steps of a chunk, (n, size, B)."""
        return self._storage.chunk(self._plan.view(Value(name)))

    def _instruction(self, instruction: Dot | Operation, names: LoopNames) -> Line:
        if isinstance(instruction, Operation):
            return operation_line(instruction, names, bound=True)
        operand, out = names(instruction.operand, False), names(instruction.out, False)
        packed = instruction.packed
        product = self._identifiers(f"{packed.name}_dot", "product")
        return Line(f"{product}({operand}, {out})", instruction.labels)

    def _first(self, dot: Dot) -> Line:
        """A product of the step before, as far as it is for the first step."""
        rows = dot.packed.rows
        product = Slots("", (), tuple(self._plan.schedule.sizes[row.result] for row in rows))
        chosen = product.rows_of(View("", len(rows) - dot.later, dot.later))
        state = self.at(dot.packed.operand.name, -1, "0")
        array = f"p{dot.packed.name[1:]}"
        labels = tuple(dict.fromkeys(row.label for row in rows[-dot.later :]))
        return Line(f"np.dot({dot.packed.name}[{chosen}], {state}, {array}[{chosen}])", labels)

    def _chunk(self, items: Sequence[Ahead], sizes: tuple[str, ...]) -> tuple[Line, ...]:
        scratch = Slots("temporaries", tuple(map(str, range(len(sizes)))), sizes)
        storage = Storage(self._interface.form, {"record": self.record, "scratch": scratch})
        lines: list[Line] = []
        packed: set[str] = set()
        for item in items:
            if isinstance(item, InputProduct):
                if item.packed.name not in packed:
                    packed.add(item.packed.name)
                    self._pack(item.packed, item.constant)
                lines.append(self._input_product(item, storage))
            elif isinstance(item, Constant):
                lines.append(self._constant(item, storage))
            else:
                lines.append(operation_line(item, storage.chunk_name))
        return tuple(lines)

    def _pack(self, packed: Packed, constant: Constant | None = None) -> None:
        """Stack the weights of a product; what is added to it becomes one column more."""
        sizes = [self._plan.schedule.sizes[row.result] for row in packed.rows]
        operand = self._plan.schedule.sizes[packed.operand.name]
        column = self._values(constant, scaled=False) if constant is not None else []
        self._packs += self._weights.packed(packed, sizes, operand, column)
        self.pack_names.append(packed.name)

    def _input_product(self, item: InputProduct, storage: Storage) -> Line:
        packed = item.packed
        sizes = tuple(self._plan.schedule.sizes[row.result] for row in packed.rows)
        rows = column_slice(sizes, item.first, item.last - item.first + 1)
        weight = packed.name + (f"[{rows}]" * (rows != ":"))
        operand = storage.chunk(self._plan.view(packed.operand))
        if item.constant is not None:
            operand = f"_beside_ones({operand.removesuffix('.transpose(0, 2, 1)')})"
        target = storage.chunk(item.target)
        if item.accumulate:
            code = f"{target} += np.matmul({weight}, {operand})"
        else:
            code = f"np.matmul({weight}, {operand}, out={target})"
        return Line(code, packed.labels)

    def _constant(self, item: Constant, storage: Storage) -> Line:
        column = self._column(item)
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

    def _column(self, item: Constant) -> str:
        """The values of a run of slots, one below the other."""
        parts = self._values(item, scaled=True)
        if len(parts) > 1:
            return f"np.concatenate(({', '.join(parts)}))"
        return f"({parts[0]})" if " " in parts[0] else parts[0]

    def _values(self, item: Constant, scaled: bool) -> list[str]:
        """The values for each slot of a run, if so asked with the factor of its activation."""
        python = Python(lambda leaf: f'params["{leaf.name}"]' if hasattr(leaf, "name") else "")
        parts = []
        for value, size, scale in zip(item.values, item.sizes, item.scales, strict=True):
            factor = f" * {SCALE[scale]}" if scaled and scale is not None else ""
            code = python.at(2 if factor else 1, value) + factor
            if not any(f'"{p}"' in code for p in self._interface.form.vectors):
                code = f"np.full({size}, {code}, dtype)"
            parts.append(code)
        return parts


def _folded(items: Sequence[Ahead]) -> list[Ahead]:
    """Constants added to what a product of an input stores become a column of its weights."""
    result = list(items)
    for constant in items:
        if not isinstance(constant, Constant) or not constant.accumulate:
            continue
        for k, item in enumerate(result):
            if (
                isinstance(item, InputProduct)
                and item.target == constant.target
                and item.constant is None
                and not item.accumulate
                and (item.first, item.last) == (0, len(item.packed.rows) - 1)
                and not item.packed.operand.shift
                and item.of_input
            ):
                result[k] = replace(item, constant=constant)
                result.remove(constant)
                break
    return result
