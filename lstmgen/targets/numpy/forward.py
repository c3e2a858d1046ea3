"""The forward pass for NumPy: one record per time step that holds what a step leaves.

The record of step t is a column of slots, gates beside previous states; the new states go to the
record of step t + 1.  A product of the loop goes to a place of its own, from where activations
store their results into the record.  It takes in inputs and biases where it can: then what it
multiplies lies in an array for a chunk of steps, with room for the inputs beside it, and is copied
to the record afterwards.  Other products that do not depend on the recurrence are stored into the
records before the loop.  All have the factors that activations want multiplied into the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lstmgen.algebra.expression import Expression, Neg, Value, add, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Fanout, Row, Schedule, Stage
from lstmgen.targets.common.ordering import best_order
from lstmgen.targets.numpy.fusion import allocate, fuse, numbered
from lstmgen.targets.numpy.joining import Joining, Operand, Product, Signed, Sum, terms
from lstmgen.targets.numpy.layout import Layout
from lstmgen.targets.numpy.operations import Assignment, Operation, View, lower
from lstmgen.targets.numpy.storage import Slots, runs, span

RECORD = "record"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A product whose rows carry the factors of the activations that they feed."""

    product: Product
    scales: tuple[str | None, ...]

    @property
    def name(self) -> str:
        return self.product.name

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(s.of.row for s in self.product.sums)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.label for row in self.rows))


@dataclass(frozen=True, slots=True)
class InputProduct:
    """A product for all steps at once, stored into (or added to) a run of the records' slots."""

    scaled: Scaled
    first: int  # row of the stack
    last: int
    target: View
    accumulate: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """Time-independent terms of neighbouring slots; added to what is there, or stored."""

    target: View
    values: tuple[Expression, ...]
    sizes: tuple[str, ...]
    scales: tuple[str | None, ...]
    accumulate: bool
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A product of the loop, of the vectors in `operand`, into memory of its own."""

    scaled: Scaled
    operand: View

    @property
    def out(self) -> View:
        return View(product_array(self.scaled.name), 0, len(self.scaled.rows))


Instruction = Dot | Operation
Ahead = InputProduct | Constant | Operation


def product_array(name: str) -> str:
    """The array that the product of a matrix goes to."""
    return f"product {name}"


def operand_array(name: str) -> str:
    """The array of a vector and what is multiplied beside it."""
    return f"operand {name}"


class Forward:
    """Everything that the template of the forward pass prints."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._joining = Joining(schedule)
        self.operands: dict[str, Operand] = self._joining.operands
        self.layout = Layout(schedule, self._joining)
        self._producer = {
            row.result: (stage, part)
            for part in ("before", "loop", "after")
            for stage in getattr(schedule.forward, part)
            if isinstance(stage, Fanout)
            for row in stage.rows
        }
        self._user = {
            value.name: d.name
            for s in schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
            for value in values(d.value)
            if value.name in self._producer
        }
        self._ahead_names = self._name_ahead()
        sizes = self.layout.slot_sizes
        self._scaled: dict[Product | Fanout, Scaled] = {}

        def arrange(order: tuple[str, ...]) -> None:
            self.record = Slots(RECORD, order, tuple(sizes[n] for n in order))
            self._scaled.clear()
            self._at: dict[str, View] | None = None

        def cost(order: tuple[str, ...]) -> int:
            arrange(order)
            return 4 * len(self._loop()) + len(self.before()) + len(self.after())

        arrange(best_order(self.layout.slots, cost))
        scratch = allocate(self._loop())
        self.loop = scratch.instructions
        self.scratch = Slots("scratch", tuple(f"tmp{k}" for k in range(len(scratch.sizes))),
                             scratch.sizes)

    def _name_ahead(self) -> dict[Fanout, str]:
        """The names of the products before and after the loop."""
        named: dict[Fanout, str] = {}
        taken = {product.name for product in self.products}
        for stage in (*self.schedule.forward.before, *self.schedule.forward.after):
            if isinstance(stage, Fanout):
                name = f"w_{stage.operand.name}"
                while name in taken:
                    name += "_"
                taken.add(name)
                named[stage] = name
        return named

    @property
    def products(self) -> tuple[Product, ...]:
        """The products of the loop, as they were joined."""
        return tuple(p for found in self._joining.products.values() for p in found)

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the stacks, which no variable of the loop may hide."""
        return frozenset({*self._ahead_names.values(), *(p.name for p in self.products)})

    # Where things are

    def view(self, value: Value) -> View:
        """The slot of a value: its own, or that of the state of the step before."""
        if value.name in self.schedule.form.inputs:
            return View(f"input {value.name}", 0)
        name, shift = self.layout.owner[value.name]
        return self.record.view(name, shift + value.shift)

    def _where(self, value: Value) -> View:
        """Where a value is for what runs before and after the loop."""
        if value.name.startswith("ready "):
            return self._begin(value.name.removeprefix("ready "))
        return self.view(value)

    def _where_in_loop(self, value: Value) -> View:
        if value.name in self._producer:
            return self._result(value.name)
        if value.name.startswith("ready "):
            return self._begin(value.name.removeprefix("ready "))
        return self._in_operands(value) or self.view(value)

    def _in_operands(self, value: Value) -> View | None:
        """The slot of a value in an array of what is multiplied, if it has one there."""
        form = self.schedule.form
        if value.name in self.operands:
            names = self.operands[value.name].names
            shift = value.shift + (value.name in form.states)
            return View(operand_array(value.name), names.index(value.name), 1, shift)
        if value.name in form.inputs:
            for name, operand in self.operands.items():
                if value.name in operand.names:
                    return View(operand_array(name), operand.names.index(value.name))
        return None

    def _begin(self, name: str) -> View:
        """Where a pre-activation is that something is added to, or that is complete."""
        if name in self._joining.begins:
            return self._result(self._joining.begins[name])
        return self.view(Value(name))

    def _result(self, result: str) -> View:
        """Where a product of the loop leaves a result."""
        if self._at is None:
            self._at = {
                row.result: View(product_array(product.name), k)
                for product in self.products
                for k, row in enumerate(self.scaled(product).rows)
            }
        return self._at[result]

    def target(self, d: Definition) -> View | None:
        """Where the loop stores a value."""
        if d.name in self.operands:
            return self._in_operands(Value(d.name))
        return self.view(Value(d.name)) if d.name in self.layout.owner else None

    # Products

    def scaled(self, product: Product) -> Scaled:
        """A product, its rows in the order of the slots that they feed."""
        if product not in self._scaled:
            later = len(product.sums) - product.later
            sums = tuple(
                s
                for part in (product.sums[:later], product.sums[later:])
                for s in sorted(part, key=lambda s: self._position(s.user))
            )
            self._scaled[product] = self._with_scales(replace(product, sums=sums))
        return self._scaled[product]

    def _ahead(self, stage: Fanout) -> Scaled:
        """A product before or after the loop, as far as none of the loop takes it in."""
        if stage not in self._scaled:
            rows = (row for row in stage.rows if row.result not in self._joining.taken)
            sums = []
            for row in sorted(rows, key=lambda row: self._position(self._user[row.result])):
                user = self._user[row.result]
                negative = Neg(Value(row.result)) in terms(self._assignments[user].value)
                sums.append(Sum(Signed(row, negative), (), None, user))
            product = Product(self._ahead_names[stage], stage.operand, (), False, tuple(sums))
            self._scaled[stage] = self._with_scales(product)
        return self._scaled[stage]

    def _with_scales(self, product: Product) -> Scaled:
        return Scaled(product, tuple(self.layout.scale(s.user) for s in product.sums))

    def _position(self, user: str) -> tuple[int, int]:
        """The slot that a pre-activation feeds: its own, or that of its activation."""
        for name in (user, self.layout.activations.get(user)):
            if name in self.layout.owner:
                view = self.view(Value(name))
                return (view.slot, view.shift)
        return (1 << 20, 0)

    @cached_property
    def _assignments(self) -> dict[str, Definition]:
        return {
            d.name: d
            for s in self.schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
        }

    # What is ready before a block

    def _ready(self, name: str) -> tuple[Expression, ...]:
        """Terms of a pre-activation that are where it begins ahead of its block."""
        if not self.schedule.form.by_name[name].products:
            return ()
        if name not in self.layout.owner and name not in self._joining.begins:
            return ()
        found = terms(self._assignments[name].value)
        return tuple(term for term in found if self._is_ready(term, name))

    def _is_ready(self, term: Expression, name: str) -> bool:
        inner = term.argument if isinstance(term, Neg) else term
        if not isinstance(inner, Value):
            return not values(inner)
        if inner.name not in self._producer:
            return False
        return name in self.layout.loop or self._known_ahead(term, name)

    def _known_ahead(self, term: Expression, name: str) -> bool:
        """Whether a term of a pre-activation needs nothing of the loop."""
        inner = term.argument if isinstance(term, Neg) else term
        if isinstance(inner, Value) and inner.name in self._producer:
            part = self._producer[inner.name][1]
            return part == "before" or (part == "after" and name in self.layout.after)
        return not values(inner)

    def _remaining(self, d: Definition) -> Expression:
        """The value of a definition, its ready terms replaced by what is where it begins."""
        ready = self._ready(d.name)
        if not ready:
            return d.value
        rest = [term for term in terms(d.value) if term not in ready]
        return add(Value(f"ready {d.name}"), *rest)

    def _input_products(self, stage: Fanout, stored: set[str]) -> list[InputProduct]:
        """A product for all steps at once, straight into the slots; the users get `stored`."""
        scaled = self._ahead(stage)
        users = [s.user for s in scaled.product.sums]
        targets = [self.view(Value(user)) for user in users]
        pieces: dict[bool, list[int]] = {False: [], True: []}
        for k, user in enumerate(users):
            pieces[user in stored].append(k)
            stored.add(user)
        found = []
        for accumulate, rows in pieces.items():
            for run in runs([targets[k] for k in rows]):
                a, b = rows[run[0]], rows[run[-1]]
                found.append(InputProduct(scaled, a, b, span(targets[a], targets[b]), accumulate))
        return found

    def _constants(self, names: tuple[str, ...], stored: set[str]) -> list[Constant]:
        """Biases and the like, for runs of slots; the users get `stored`."""
        found: list[tuple[View, Expression, str]] = []
        for name in names:
            if name in self._joining.begins:
                continue
            constants = [term for term in self._ready(name) if not values(term)]
            if constants:
                found.append((self.view(Value(name)), add(*constants), name))
        found.sort(key=lambda item: (item[2] in stored, item[0].shift, item[0].slot))
        result = []
        for accumulate in (False, True):
            part = [item for item in found if (item[2] in stored) is accumulate]
            for run in runs([item[0] for item in part]):
                chosen = [part[k] for k in run]
                users = [item[2] for item in chosen]
                result.append(
                    Constant(
                        span(chosen[0][0], chosen[-1][0]),
                        tuple(item[1] for item in chosen),
                        tuple(self.schedule.sizes[user] for user in users),
                        tuple(self.layout.scale(user) for user in users),
                        accumulate,
                        tuple(self._assignments[user].label for user in users),
                    )
                )
        stored.update(item[2] for item in found)
        return result

    def before(self) -> list[Ahead]:
        """What runs for all steps ahead of the loop."""
        stored: set[str] = set()
        result = self._all_steps(self.schedule.forward.before, stored)
        result += self._constants((*self.layout.loop, *self.layout.after), stored)
        return self._folded(result)

    def after(self) -> list[Ahead]:
        """What runs for all steps after the loop."""
        stored = {name for name in self.layout.after if self._stored_before(name)}
        return self._all_steps(self.schedule.forward.after, stored)

    def _stored_before(self, name: str) -> bool:
        return any(
            not values(term) or self._producer[values(term)[0].name][1] == "before"
            for term in self._ready(name)
        )

    def _all_steps(self, stages: tuple[Stage, ...], stored: set[str]) -> list[Ahead]:
        result: list[list[Ahead]] = []
        for stage in stages:
            if isinstance(stage, Fanout):
                result.append(list(self._input_products(stage, stored)))
            elif isinstance(stage, Block):
                names = tuple(d.name for d in stage.assignments if d.name in self.layout.before)
                result.append(list(self._constants(names, stored)))
                assignments = [
                    self._assignment(
                        d, self.view(Value(d.name)) if d.name in self.layout.owner else None
                    )
                    for d in stage.assignments
                ]
                result.append(list(fuse(lower(assignments, self._where, self._with_factor,
                                              stored=self.parts))))
        return numbered(result)

    def _folded(self, items: Sequence[Ahead]) -> list[Ahead]:
        """Constants added to what a product of an input stores become a column of its weights."""
        result = list(items)
        for constant in items:
            if not isinstance(constant, Constant) or not constant.accumulate:
                continue
            for k, item in enumerate(result):
                if (
                    isinstance(item, InputProduct)
                    and item.target == constant.target
                    and not item.scaled.product.constant
                    and not item.accumulate
                    and (item.first, item.last) == (0, len(item.scaled.rows) - 1)
                    and item.scaled.product.operand.name in self.schedule.form.inputs
                ):
                    product = item.scaled.product
                    sums = tuple(
                        replace(s, constant=value)
                        for s, value in zip(product.sums, constant.values, strict=True)
                    )
                    widened = replace(product, constant=True, sums=sums)
                    result[k] = replace(item, scaled=replace(item.scaled, product=widened))
                    result.remove(constant)
                    break
        return result

    # The loop

    def _loop(self) -> list[Instruction]:
        result: list[list[Instruction]] = []
        segment: list[Assignment] = []
        pending: list[str] = []  # results to be added to where their users begin
        made: set[str] = set()  # products that this step has made

        def flush() -> None:
            operations = lower(segment, self._where_in_loop, self._with_factor, stored=self.parts)
            result.append(list(fuse(operations)))
            segment.clear()

        for stage in self.schedule.forward.loop:
            if isinstance(stage, Fanout):
                flush()
                products = self._joining.products[stage]
                made.update(product.name for product in products)
                result.append([self._dot(product) for product in products])
                pending += (row.result for row in stage.rows if self._adds_up(row.result))
                at_hand = [r for r in pending if self._is_made(self._user[r], made)]
                result.append(list(fuse(list(map(self._accumulation, at_hand)))))
                pending = [r for r in pending if r not in at_hand]
            elif isinstance(stage, Block):
                segment.extend(self._assignment(d, self.target(d)) for d in stage.assignments)
        flush()
        return numbered(result)

    def _dot(self, product: Product) -> Dot:
        """The product, and the view of all that it multiplies."""
        value = product.operand
        if value.name not in self.operands:
            return Dot(self.scaled(product), self.view(value))
        names = self.operands[value.name].names
        own = self._where_in_loop(value)
        first = own.slot - product.constant
        count = names.index(product.inputs[-1]) + 1 - first if product.inputs else own.end - first
        return Dot(self.scaled(product), View(own.array, first, count, own.shift))

    def _adds_up(self, result: str) -> bool:
        """Whether a product is added to where its user begins, which is elsewhere."""
        return self._joining.begins.get(self._user[result]) != result

    def _is_made(self, user: str, made: set[str]) -> bool:
        """Whether there is where a pre-activation begins."""
        begins = self._begin(user).array
        return not begins.startswith("product ") or begins.removeprefix("product ") in made

    def _accumulation(self, result: str) -> Operation:
        user = self._user[result]
        target = self._begin(user)
        label = self._assignments[user].label
        return Operation(
            "add", (target, self._result(result)), target, (label,), self.schedule.sizes[user]
        )

    def _assignment(self, d: Definition, target: View | None) -> Assignment:
        return Assignment(d.label, d.name, target, self._remaining(d), self.schedule.sizes[d.name])

    @property
    def parts(self) -> dict[Expression, View]:
        """Where parts of equations are kept."""
        return {call: self.record.view(slot) for call, slot in self.layout.parts.items()}

    @cached_property
    def _with_factor(self) -> frozenset[str]:
        """The pre-activations whose weights carry a factor."""
        return frozenset(
            d.name for d in self.schedule.form.definitions if self.layout.scale(d.name)
        )


__all__ = [
    "RECORD",
    "Ahead",
    "Constant",
    "Dot",
    "Forward",
    "InputProduct",
    "Instruction",
    "Scaled",
    "operand_array",
    "product_array",
]
