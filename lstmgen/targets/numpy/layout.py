"""Which values of the loop have a slot in the record of a step, and which of them share one."""

from __future__ import annotations

from functools import cached_property

from lstmgen.algebra.expression import Call, Value, values, walk
from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Schedule, Stage
from lstmgen.targets.numpy.joining import Joining


class Layout:
    """The slots.

    Attributes:
        before, loop, after: the values that are assigned in each part of the forward program.
        owner: for each value that has a slot its name, and how many steps later it is stored.
        parts: where a transcendental part of an equation is kept.
    """

    def __init__(self, schedule: Schedule, joining: Joining) -> None:
        self.schedule = schedule
        self.form = schedule.form
        self.loop = _assigned(schedule.forward.loop)
        self.before = _assigned(schedule.forward.before)
        self.after = _assigned(schedule.forward.after)
        self._elsewhere = {*joining.begins, *joining.operands}
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
        stored = {d.name for d in form.definitions if d.products}
        stored |= {p.operand.name for d in form.definitions for p in d.products} - {*form.inputs}
        stored |= self._crossing()
        stored -= self._elsewhere
        stored |= {*self.schedule.kept, form.output}
        for names, later in (
            (self.before, {*self.loop, *self.after}),
            (self.loop, {*self.after}),
        ):
            for d in form.definitions:
                if d.name in later:
                    operands = [v.name for v in values(d.value)]
                    operands += [p.operand.name for p in d.products]
                    stored.update(name for name in operands if name in names)
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
        a = activated(d)
        if a is None or a not in self.owner or a in self.schedule.kept or a in self.form.states:
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

    @cached_property
    def activations(self) -> dict[str, str]:
        """For each pre-activation the value that applies a function to it, and to nothing else."""
        return {a: d.name for d in self.form.definitions if (a := activated(d)) is not None}

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


def activated(d: Definition) -> str | None:
    """The value of the same step that a definition is a function of, if it is no more than that."""
    match d.value:
        case Call(_, (Value(name, 0),)):
            return name
    return None


def _assigned(stages: tuple[Stage, ...]) -> tuple[str, ...]:
    return tuple(d.name for s in stages if isinstance(s, Block) for d in s.assignments)
