"""The forward pass for NumPy: one record per time step that holds all a step needs and leaves.

The record of step t is a column of slots: the pre-activations, which become the gates in place, and
beside them the previous states; the new states go to the record of step t + 1.  What does not
depend on the recurrence (the input's products, the biases) is stored into the records before the
loop, with the factors that the activations want already multiplied into the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lstmgen.expression import Add, Call, Expression, Neg, Value, add, values, walk
from lstmgen.functions import FUNCTIONS
from lstmgen.normal_form import Definition
from lstmgen.schedule import Block, Fanout, Row, Schedule, Stage
from lstmgen.targets.numpy.across import fanout_pairs
from lstmgen.targets.numpy.fusion import allocate, fuse, numbered
from lstmgen.targets.numpy.operations import Assignment, Operation, View, lower
from lstmgen.targets.numpy.storage import Slots, runs, span
from lstmgen.targets.ordering import best_order

RECORD = "record"


@dataclass(frozen=True, slots=True)
class Packed:
    """Blocks of weights stacked into one matrix, each scaled for the activation it feeds."""

    name: str
    rows: tuple[Row, ...]
    scales: tuple[str | None, ...]  # the activation whose factor the row carries
    negative: tuple[bool, ...]
    operand: Value
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputProduct:
    """A product for all steps at once, stored into (or added to) a run of the records' slots."""

    packed: Packed
    first: int  # row of the stack
    last: int
    target: View
    accumulate: bool
    of_input: bool
    constant: Constant | None = None  # added to it


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
    """A product of the loop: out = packed · operand.

    The last `later` rows of the result are for the step after.
    """

    packed: Packed
    operand: View
    out: View
    labels: tuple[str, ...]
    later: int = 0


Instruction = Dot | Operation
Ahead = InputProduct | Constant | Operation


class Layout:
    """Which values have a slot of the record, and which slots they share."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.form = schedule.form
        self.loop = _assigned(schedule.forward.loop)
        self.before = _assigned(schedule.forward.before)
        self.after = _assigned(schedule.forward.after)
        self.owner: dict[str, tuple[str, int]] = {}  # value -> (slot, shift)
        self._assign_slots()
        # A transcendental part of an equation that gradients need is kept beside the values: to
        # read it costs a fraction of what it costs to compute.
        self.parts = {
            Call(function, (Value(name),)): f"{function}_{name}"
            for function, name in self._inner_calls()
        }

    def _inner_calls(self) -> list[tuple[str, str]]:
        """Functions of states or kept values in the loop that the gradients contain too."""
        wanted = {
            node
            for adjoint in self.schedule.gradients.adjoints
            for term in (*adjoint.here, *adjoint.later)
            for node in walk(term)
            if isinstance(node, Call)
        }
        found = []
        for d in self.form.definitions:
            for node in walk(d.value):
                match node:
                    case Call(function, (Value(name, 0),)) if (
                        node in wanted
                        and node != d.value
                        and d.name in self.loop
                        and FUNCTIONS[function].operations > 1
                        and (function, name) not in found
                        and f"{function}_{name}" not in self.owner
                        and self.form.sizes[name] == self.form.sizes[d.name]
                    ):
                        found.append((function, name))
        return found

    def _assign_slots(self) -> None:
        form = self.form
        stored = {*self.schedule.kept}
        stored |= {d.name for d in form.definitions if d.products}
        for names, later in (
            (self.before, {*self.loop, *self.after}),
            (self.loop, {*self.after}),
        ):
            for d in form.definitions:
                if d.name in later:
                    operands = [v.name for v in values(d.value)]
                    operands += [p.operand.name for p in d.products]
                    stored.update(name for name in operands if name in names)
        stored |= {p.operand.name for d in form.definitions for p in d.products} - {*form.inputs}
        stored |= self._crossing()
        stored.add(form.output)
        for d in form.definitions:
            if d.name in form.states:
                self.owner[d.name] = (d.name, 1)
            elif d.name in stored:
                self.owner[d.name] = (d.name, 0)
        for d in form.definitions:
            self._take_over(d)

    def _crossing(self) -> set[str]:
        """Values that a later block of the loop reads: temporaries live in one block only."""
        found: set[str] = set()
        for stage in self.schedule.forward.loop:
            if isinstance(stage, Block):
                made = {d.name for d in stage.assignments}
                read = {v.name for d in stage.assignments for v in values(d.value) if not v.shift}
                found |= (read - made) & {*self.form.by_name}
        return found

    def _take_over(self, d: Definition) -> None:
        """An activation goes where its pre-activation is, if nothing else reads that."""
        if not isinstance(d.value, Call) or len(d.value.arguments) != 1:
            return
        argument = d.value.arguments[0]
        if not isinstance(argument, Value) or argument.shift != 0:
            return
        a = argument.name
        if a not in self.owner or a in self.schedule.kept or a in self.form.states:
            return
        if self.uses[a] != 1 or a == self.form.output:
            return
        self.owner[a] = self.owner.setdefault(d.name, (d.name, 0))

    @cached_property
    def uses(self) -> dict[str, int]:
        """How many definitions read each value."""
        count = dict.fromkeys(self.form.sizes, 0)
        for d in self.form.definitions:
            for name in {v.name for v in values(d.value)} | {p.operand.name for p in d.products}:
                count[name] += 1
        return count

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """The slots, in order of definition."""
        owners = [name for name, _ in self.owner.values()]
        return tuple(dict.fromkeys([*owners, *self.parts.values()]))

    @property
    def slot_sizes(self) -> dict[str, str]:
        """The size of each slot."""
        of_parts = {
            slot: self.form.sizes[v.name] for call, slot in self.parts.items() for v in values(call)
        }
        return {s: of_parts.get(s) or self.schedule.sizes[s] for s in self.slots}

    def scale(self, name: str) -> str | None:
        """The activation whose factor the weights of a pre-activation carry, if any."""
        return self._scales[name]

    @cached_property
    def _scales(self) -> dict[str, str | None]:
        return {d.name: self._scale(d.name) for d in self.form.definitions}

    def _scale(self, name: str) -> str | None:
        d = self.form.by_name[name]
        if self.uses[name] != 1 or name in self.schedule.kept or name in self.form.states:
            return None
        if name == self.form.output or not d.products:
            return None
        if values(d.value):
            return None  # an element-wise term cannot be scaled ahead
        for user in self.form.definitions:
            if user.value == Call("sigma", (Value(name),)):
                return "sigma"
            if user.value == Call("tanh", (Value(name),)):
                return "tanh"
        return None


def _assigned(stages: tuple[Stage, ...]) -> tuple[str, ...]:
    return tuple(d.name for s in stages if isinstance(s, Block) for d in s.assignments)


class Forward:
    """Everything that the template of the forward pass prints."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.layout = Layout(schedule)
        self._producer = {
            row.result: (stage, part)
            for part in ("before", "loop", "after")
            for stage in getattr(schedule.forward, part)
            if isinstance(stage, Fanout)
            for row in stage.rows
        }
        self._user = {
            value.name: d.name
            for stages in (schedule.forward.stages,)
            for s in stages
            if isinstance(s, Block)
            for d in s.assignments
            for value in values(d.value)
            if value.name in self._producer
        }
        # A product with a state takes in that of the step after with the same state.
        self._later = {
            now: later
            for now, later in fanout_pairs(schedule.forward.loop)
            if all(self._adds_up(row.result) for row in (*now.rows, *later.rows))
        }
        self._pack_names = self._name_packs()
        sizes = self.layout.slot_sizes
        self._packs: dict[Fanout, Packed] = {}

        def arrange(order: tuple[str, ...]) -> None:
            self.record = Slots(RECORD, order, tuple(sizes[n] for n in order))
            self._packs.clear()

        def cost(order: tuple[str, ...]) -> int:
            arrange(order)
            return 4 * len(self._loop()) + len(self.before()) + len(self.after())

        arrange(best_order(self.layout.slots, cost))
        scratch = allocate(self._loop())
        self.loop = scratch.instructions
        self.scratch = Slots("scratch", tuple(f"tmp{k}" for k in range(len(scratch.sizes))),
                             scratch.sizes)

    def _name_packs(self) -> dict[Fanout, str]:
        named: dict[Fanout, str] = {}
        taken: set[str] = set()
        for stage in self.schedule.forward.stages:
            if isinstance(stage, Fanout) and stage not in self._later.values():
                name = f"w_{stage.operand.name}"
                while name in taken:
                    name += "_"
                taken.add(name)
                named[stage] = name
        return named

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the stacks, which no variable of the loop may hide."""
        return frozenset(self._pack_names.values())

    # Where things are

    def view(self, value: Value) -> View:
        """The slot of a value: its own, or that of the state of the step before."""
        if value.name in self.schedule.form.inputs:
            return View(f"input {value.name}", 0)
        name, shift = self.layout.owner[value.name]
        return self.record.view(name, shift + value.shift)

    def _where(self, value: Value) -> View:
        if value.name in self._producer:
            stage, _ = self._producer[value.name]
            if self.direct(stage):
                return self.view(Value(self._user[value.name]))
            packed = self.packed(stage)
            index = [row.result for row in packed.rows].index(value.name)
            return View(f"product {packed.name}", index)
        if value.name.startswith("ready "):
            return self.view(Value(value.name.removeprefix("ready ")))
        return self.view(value)

    # Products

    def packed(self, stage: Fanout) -> Packed:
        """The stack of a product, its rows in the order of the slots that they go to."""
        if stage not in self._packs:
            self._packs[stage] = self._pack(stage)
        return self._packs[stage]

    def _pack(self, stage: Fanout) -> Packed:
        for now, later in self._later.items():
            if stage == later:
                return self.packed(now)
        rows = sorted(stage.rows, key=self._position)
        if stage in self._later:
            rows += sorted(self._later[stage].rows, key=self._position)
        users = [self._user[row.result] for row in rows]
        return Packed(
            self._pack_names[stage],
            tuple(rows),
            tuple(self.layout.scale(user) for user in users),
            tuple(
                self._is_negative(user, row.result)
                and self._known_ahead(Value(row.result), user)
                for user, row in zip(users, rows, strict=True)
            ),
            stage.operand,
            tuple(dict.fromkeys(row.label for row in rows)),
        )

    def _position(self, row: Row) -> tuple[int, int]:
        user = self._user[row.result]
        if user not in self.layout.owner:
            return (1 << 20, 0)
        view = self.view(Value(user))
        return (view.slot, view.shift)

    def direct(self, stage: Fanout) -> bool:
        """Whether the loop's product can be stored right into the slots: nothing is there yet."""
        if self._producer[stage.rows[0].result][1] != "loop":
            return False
        targets = []
        for row in self.packed(stage).rows:
            user = self._user[row.result]
            if user not in self.layout.owner or self._ready(user):
                return False
            first = next(v for v in values(self._assignments[user].value))
            if first != Value(row.result) or self._is_negative(user, row.result):
                return False
            targets.append(self.view(Value(user)))
        return len(runs(targets)) == 1

    def _is_negative(self, user: str, result: str) -> bool:
        value = self._assignments[user].value
        terms = value.terms if isinstance(value, Add) else (value,)
        return Neg(Value(result)) in terms

    @cached_property
    def _assignments(self) -> dict[str, Definition]:
        return {
            d.name: d
            for s in self.schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
        }

    # What is ready before the loop

    def _ready(self, name: str) -> tuple[Expression, ...]:
        """Terms of a pre-activation that are stored into its slot ahead of its block."""
        d = self._assignments[name]
        if name not in self.layout.owner or not self.schedule.form.by_name[name].products:
            return ()
        return tuple(term for term in _terms(d.value) if self._stored_ahead(term, name))

    def _stored_ahead(self, term: Expression, name: str) -> bool:
        inner = term.argument if isinstance(term, Neg) else term
        if isinstance(inner, Value) and inner.name in self._producer and self._adds_up(inner.name):
            return True
        return self._known_ahead(term, name)

    def _known_ahead(self, term: Expression, name: str) -> bool:
        """Whether a term of a pre-activation needs nothing of the loop."""
        inner = term.argument if isinstance(term, Neg) else term
        if isinstance(inner, Value) and inner.name in self._producer:
            part = self._producer[inner.name][1]
            return part == "before" or (part == "after" and name in self.layout.after)
        return not values(inner)

    def _remaining(self, d: Definition) -> Expression:
        """The value of a definition, its ready terms replaced by what its slot holds."""
        ready = self._ready(d.name)
        if not ready:
            return d.value
        rest = [term for term in _terms(d.value) if term not in ready]
        return add(Value(f"ready {d.name}"), *rest)

    def _input_products(self, stage: Fanout, stored: set[str]) -> list[InputProduct]:
        """A product for all steps at once, straight into the slots; the users get `stored`."""
        packed = self.packed(stage)
        users = [self._user[row.result] for row in packed.rows]
        targets = [self.view(Value(user)) for user in users]
        pieces: dict[bool, list[int]] = {False: [], True: []}
        for k, user in enumerate(users):
            pieces[user in stored].append(k)
            stored.add(user)
        found = []
        of_input = packed.operand.name in self.schedule.form.inputs
        for accumulate, rows in pieces.items():
            for run in runs([targets[k] for k in rows]):
                a, b = rows[run[0]], rows[run[-1]]
                target = span(targets[a], targets[b])
                found.append(InputProduct(packed, a, b, target, accumulate, of_input))
        return found

    def _constants(self, names: tuple[str, ...], stored: set[str]) -> list[Constant]:
        """Biases and the like, for runs of slots; the users get `stored`."""
        found: list[tuple[View, Expression, str]] = []
        for name in names:
            terms = [term for term in self._ready(name) if not values(term)]
            if terms:
                found.append((self.view(Value(name)), add(*terms), name))
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
        return result

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
                assignments = [self._target(d) for d in stage.assignments]
                result.append(list(fuse(self._lowered(assignments))))
        return numbered(result)

    # The loop, and what is computed for all steps at once

    def _loop(self) -> list[Instruction]:
        result: list[list[Instruction]] = []
        segment: list[Assignment] = []

        def flush() -> None:
            result.append(list(fuse(self._lowered(segment))))
            segment.clear()

        for stage in self.schedule.forward.loop:
            if isinstance(stage, Fanout):
                flush()
                ready = stage in self._later.values()
                product: list[Instruction] = [] if ready else [self._dot(stage)]
                result.append([*product, *self._accumulated(stage)])
            elif isinstance(stage, Block):
                segment.extend(map(self._target, stage.assignments))
        flush()
        return numbered(result)

    def _dot(self, stage: Fanout) -> Dot:
        packed = self.packed(stage)
        later = len(self._later[stage].rows) if stage in self._later else 0
        if self.direct(stage):
            views = [self.view(Value(self._user[row.result])) for row in packed.rows]
            out = span(views[0], views[-1])
        else:
            out = View(f"product {packed.name}", 0, len(packed.rows))
        return Dot(packed, self.view(stage.operand), out, packed.labels, later)

    def _accumulated(self, stage: Fanout) -> list[Operation]:
        """Add a product to what is in its users' slots already."""
        packed = self.packed(stage)
        found = []
        for k, row in enumerate(packed.rows):
            user = self._user[row.result]
            if row in stage.rows and self._adds_up(row.result):
                target = self.view(Value(user))
                ufunc = "subtract" if self._is_negative(user, row.result) else "add"
                inputs = (target, View(f"product {packed.name}", k))
                found.append(
                    Operation(ufunc, inputs, target, (row.label,), self.schedule.sizes[user])
                )
        return fuse(found)

    def _adds_up(self, result: str) -> bool:
        """Whether a product of the loop is added to a slot that has content ahead of the loop."""
        user = self._user[result]
        if self._producer[result][1] != "loop" or user not in self.layout.owner:
            return False
        return any(self._known_ahead(term, user) for term in _terms(self._assignments[user].value))

    def _target(self, d: Definition) -> Assignment:
        target = self.view(Value(d.name)) if d.name in self.layout.owner else None
        return Assignment(d.label, d.name, target, self._remaining(d), self.schedule.sizes[d.name])

    def _lowered(self, assignments: list[Assignment]) -> list[Operation]:
        return lower(assignments, self._where, self.scaled, stored=self.parts)

    @property
    def parts(self) -> dict[Expression, View]:
        """Where parts of equations are kept."""
        return {call: self.record.view(slot) for call, slot in self.layout.parts.items()}

    @cached_property
    def scaled(self) -> frozenset[str]:
        """The pre-activations whose weights carry a factor."""
        return frozenset(
            d.name for d in self.schedule.form.definitions if self.layout.scale(d.name)
        )


def _terms(expression: Expression) -> tuple[Expression, ...]:
    return expression.terms if isinstance(expression, Add) else (expression,)


__all__ = ["RECORD", "Constant", "Dot", "Forward", "InputProduct", "Instruction", "Packed"]
