"""The backward pass for NumPy: factors for a chunk of steps at once, then a short loop.

The adjoints that other parts of the pass need have a slot in a second record, `adjoint`.  For a
chunk of steps, all factors that hold no adjoint are computed first (where an adjoint is one factor
times one source, the factor waits in the adjoint's own slot); the loop then goes from step to step
with a few multiplications and one product each.  Parameters' gradients are single products after
it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

from lstmgen.algebra.expression import (
    ZERO,
    Add,
    Expression,
    Neg,
    Number,
    Parameter,
    Value,
    add,
    mul,
    transform,
    values,
    walk,
)
from lstmgen.form.normal_form import Definition
from lstmgen.gradients.derivation import InputGradient
from lstmgen.schedule.program import (
    Block,
    Column,
    Gather,
    Reduction,
    Schedule,
    Stage,
    WeightGradient,
)
from lstmgen.targets.common.ordering import best_order
from lstmgen.targets.numpy.across import join_gathers
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.fusion import allocate, fuse, numbered
from lstmgen.targets.numpy.linear import Form, linear_form
from lstmgen.targets.numpy.operations import Assignment, Operation, View, lower
from lstmgen.targets.numpy.sharing import Pair, pair_of, share_products
from lstmgen.targets.numpy.storage import Slots, runs, span

ADJOINT = "adjoint"
FACTOR = "factor"
CARRY = "carry"
_LARGE = 100  # nodes; written out more than once, larger expressions would grow without bounds


@dataclass(frozen=True, slots=True)
class BackPacked:
    """Blocks of weights side by side: the matrix of a `Gather`."""

    name: str
    columns: tuple[Column, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackDot:
    """A product of the backward loop: out = packed · operand, for the gather `gathered`.

    The last `later` columns of `packed` multiply adjoints of the step after.
    """

    packed: BackPacked
    operand: View
    out: View
    labels: tuple[str, ...]
    gathered: str
    later: int = 0


BackInstruction = BackDot | Operation


@dataclass(frozen=True, slots=True)
class OuterRun:
    """Neighbouring adjoints whose outer products with one operand are one product."""

    gradient: WeightGradient
    first: int
    last: int
    adjoints: View


class Backward:
    """Everything that the template of the backward pass prints."""

    def __init__(self, schedule: Schedule, forward: Forward) -> None:
        self.schedule = schedule
        self.forward = forward
        self._again = {d.name: d for d in schedule.recomputed}
        self._written_out: dict[str, Expression] = {}  # what is evaluated again, in place
        self._evaluated_first: dict[str, Definition] = {}  # what is too large for that
        self._write_out()
        self._joined = join_gathers(schedule.backward.loop, schedule.carried)
        outside = (*schedule.backward.before, *schedule.backward.after)
        # Values of all steps that are arrays of their own.
        self._whole_values = {n for s in outside for n in _made_by(s)} | {schedule.seed}
        self._linearize()
        sizes = schedule.sizes
        names = schedule.kept_adjoints[::-1]

        def arrange(order: tuple[str, ...]) -> None:
            self.adjoint = Slots(ADJOINT, order, tuple(sizes[n] for n in order))

        def cost(order: tuple[str, ...]) -> int:
            arrange(order)
            outer = sum(len(self.outer_runs(w)) for w in schedule.weight_gradients)
            return 4 * len(self._loop()) + 2 * len(self._factors()) + 3 * outer

        arrange(best_order(names, cost, len(self.forms)))
        factors = allocate(self._factors())
        self.factors: tuple[Operation, ...] = tuple(
            op for op in factors.instructions if isinstance(op, Operation)
        )
        self.factor_scratch = _scratch(factors.sizes)
        loop = allocate(self._loop())
        self.loop = loop.instructions
        self.scratch = _scratch(loop.sizes)

    # Linear forms

    def _linearize(self) -> None:
        """Write every adjoint of the loop as a sum of factor * source."""
        made: list[Definition] = []
        gathered: set[str] = set()
        operands: set[str] = set()
        for stage in self._joined.stages:
            if isinstance(stage, Block):
                made += stage.assignments
            elif isinstance(stage, Gather):
                gathered.add(stage.result)
                operands |= {c.operand for c in stage.columns}
        carried = {n for pair in self.carried.values() for n in pair if n is not None}
        wanted = {*self.schedule.kept_adjoints} | operands | carried
        sources = {Value(n) for n in (*(d.name for d in made), *gathered, *carried)}
        known: dict[Value, Form] = {}
        self.forms: list[tuple[Definition, Form]] = []
        for d in made:
            form = linear_form(self._plain(d.value), lambda v: v in sources, known)
            large = any(_is_large(term.factor) for term in form)
            if d.name not in wanted and len(form) <= 1 and not large:
                known[Value(d.name)] = form
            else:
                self.forms.append((d, form))
        self.factor_values: dict[Expression, str] = {}  # factor -> its name
        self.in_place: dict[str, str] = {}  # adjoint -> the factor that waits in its slot
        self._sizes: dict[str, str] = {}
        self._name_factors()

    def _write_out(self) -> None:
        for d in self._again.values():
            value = self._plain(d.value)
            if _is_large(value):
                self._evaluated_first[d.name] = Definition(d.label, d.name, value)
            else:
                self._written_out[d.name] = value

    def _plain(self, expression: Expression) -> Expression:
        """The expression with what is evaluated again written out, as far as that is small."""

        def change(node: Expression) -> Expression:
            return self._written_out.get(node.name, node) if isinstance(node, Value) else node

        return transform(expression, change)

    def _name_factors(self) -> None:
        uses: dict[Expression, list[Definition]] = {}
        alone: dict[Expression, str] = {}
        for d, form in self.forms:
            for term in form:
                if not self._is_at_hand(term.factor):
                    uses.setdefault(term.factor, []).append(d)
                    if len(form) == 1 and term.source is not None:
                        alone[term.factor] = d.name
        # A factor that is part of another is computed first.
        for k, factor in enumerate(sorted(uses, key=lambda f: sum(1 for _ in walk(f)))):
            name = f"factor {k}"
            self.factor_values[factor] = name
            self._sizes[name] = self.schedule.sizes[uses[factor][0].name]
            if len(uses[factor]) == 1 and alone.get(factor) in self.schedule.kept_adjoints:
                self.in_place[alone[factor]] = name

    def _is_at_hand(self, factor: Expression) -> bool:
        """Whether the loop can use the factor as it is: a number, a parameter or a stored value."""
        inner = factor.argument if isinstance(factor, Neg) else factor
        if isinstance(inner, Value):
            return inner.name not in self._evaluated_first
        return isinstance(inner, (Number, Parameter))

    @cached_property
    def factor(self) -> Slots:
        """The factors that do not wait in an adjoint's slot."""
        waiting = set(self.in_place.values())
        names = [n for n in self.factor_values.values() if n not in waiting]
        return Slots(FACTOR, tuple(names), tuple(self._sizes[n] for n in names))

    @property
    def carried(self) -> dict[str, tuple[str | None, str | None]]:
        """For each state, what the step after hands over in `carry`."""
        return self._joined.carried

    def handed(self, state: str) -> list[BackDot]:
        """The products of the loop that take in what the step after hands over to a state."""
        gather = self._joined.handed.get(state)
        return [i for i in self.loop if isinstance(i, BackDot) and i.gathered == gather and i.later]

    @cached_property
    def carry(self) -> Slots:
        """What the loop hands from step to step, and adjoints that live within a step."""
        names = [n for pair in self.carried.values() for n in pair if n is not None]
        names += [d.name for d, _ in self.forms if d.name not in self.schedule.kept_adjoints]
        names += [
            s.result for s in self._joined.stages if isinstance(s, Gather)
        ]
        names = list(dict.fromkeys(names))
        return Slots(CARRY, tuple(names), tuple(self.schedule.sizes[n] for n in names))

    @property
    def variables(self) -> frozenset[str]:
        """The variables that are no views of the loop, and which none of these may hide."""
        packs = {i.packed.name for i in self.loop if isinstance(i, BackDot)}
        again = {f"{name}_again" for name in self._again}
        return frozenset(packs | again | self._whole_values)

    # Where things are

    def _where(self, value: Value) -> View:
        name = value.name
        if name.startswith("factor "):
            for adjoint, factor in self.in_place.items():
                if factor == name:
                    return self.adjoint.view(adjoint)
            return self.factor.view(name)
        if name in self.adjoint.names:
            return self.adjoint.view(name)
        if name in self.carry.names:
            return self.carry.view(name)
        if name in self._whole_values:
            return View(f"whole {name}", 0)
        return self.forward.view(value)

    def _lower(self, assignments: list[Assignment]) -> list[Operation]:
        """The operations; what they need evaluated first comes first."""
        needed: set[str] = set()
        todo = [a.value for a in assignments]
        while todo:
            for v in values(todo.pop()):
                if v.name in self._evaluated_first and v.name not in needed:
                    needed.add(v.name)
                    todo.append(self._evaluated_first[v.name].value)
        first = [
            Assignment(d.label, d.name, None, d.value, self.schedule.sizes[d.name])
            for d in self._evaluated_first.values()
            if d.name in needed
        ]
        return lower([*first, *assignments], self._where, known=self.forward.parts)

    # The two halves

    def _factors(self) -> list[Operation]:
        """All factors, for a chunk of steps."""
        label: dict[Expression, str] = {}
        for d, form in self.forms:
            for term in form:
                label.setdefault(term.factor, d.label)

        def operations(evaluated: tuple[Expression, ...]) -> list[Operation]:
            assignments = [
                Assignment(label[factor], name, self._where(Value(name)), value, self._sizes[name])
                for (factor, name), value in zip(
                    self.factor_values.items(), evaluated, strict=True
                )
            ]
            return fuse(self._lower(assignments))

        # Fewer operations may fuse less well: the fewest slots are computed, then the fewest calls.
        ways = (tuple(self.factor_values), self._shared_factors)
        return min(map(operations, ways), key=lambda o: (sum(x.out.count for x in o), len(o)))

    @cached_property
    def _shared_factors(self) -> tuple[Expression, ...]:
        """The factors with products in common."""
        factors = tuple(self.factor_values)
        return share_products(factors, self._needs_no_operation, self._stored_products)

    def _needs_no_operation(self, expression: Expression) -> bool:
        """Whether it is in the record, so that a factor can take it from there."""
        if isinstance(expression, Value):
            return expression.name not in self._evaluated_first
        return expression in self.forward.parts

    @cached_property
    def _stored_products(self) -> dict[Pair, Expression]:
        """Products that are values in the record, by what they are the product of."""
        form = self.schedule.form
        stored = {*self.schedule.kept, *form.states, form.output}
        found: dict[Pair, Expression] = {}
        for d in form.definitions:
            pair = pair_of(self._plain(d.value))
            if d.name in stored and pair is not None and all(map(self._needs_no_operation, pair)):
                found.setdefault(pair, Value(d.name))
        return found

    def _loop(self) -> list[BackInstruction]:
        result: list[list[BackInstruction]] = []
        segment: list[Assignment] = []
        forms = {d.name: form for d, form in self.forms}

        def flush() -> None:
            result.append(list(fuse(self._lower(segment))))
            segment.clear()

        for stage in self._joined.stages:
            if isinstance(stage, Gather):
                flush()
                result.append(self._dots(stage))
                continue
            assert isinstance(stage, Block)
            for d in stage.assignments:
                if d.name in forms:
                    segment.append(self._in_loop(d, forms[d.name]))
        flush()
        return numbered(result)

    def _in_loop(self, d: Definition, form: Form) -> Assignment:
        terms = []
        for term in form:
            name = self.factor_values.get(term.factor)
            factor: Expression = Value(name) if name is not None else term.factor
            terms.append(factor if term.source is None else mul(factor, term.source))
        target = self._where(Value(d.name))
        return Assignment(d.label, d.name, target, add(*terms), self.schedule.sizes[d.name])

    def _dots(self, gather: Gather) -> list[BackInstruction]:
        """A gather as one product for each run of neighbouring adjoints."""
        located = [(self.adjoint.view(c.operand), c) for c in gather.columns]
        later = self._joined.later.get(gather.result, ())
        located += [(self.adjoint.view(c.operand, 1), c) for c in later]
        located.sort(key=lambda item: (item[0].shift, item[0].slot))
        width = len(self.adjoint.names)
        found: list[BackInstruction] = []
        pieces = runs([view for view, _ in located], width)
        for n, run in enumerate(pieces):
            views = [located[k][0] for k in run]
            chosen = tuple(located[k][1] for k in run)
            name = f"w_{gather.result}" + (f"_{n + 1}" if len(pieces) > 1 else "")
            operand = span(views[0], views[-1], width)
            packed = BackPacked(name, chosen, (gather.label,))
            out = self._where(Value(gather.result))
            following = sum(view.shift for view in views)
            labels = (gather.label,)
            if n == 0:
                found.append(BackDot(packed, operand, out, labels, gather.result, following))
                continue
            # NumPy's products cannot add to their output: a second run goes by a temporary.
            more = View(f"partial {name[2:]}", 0)
            found.append(BackDot(packed, operand, more, labels, gather.result, following))
            size = self.schedule.sizes[gather.result]
            found.append(Operation("add", (out, more), out, labels, size))
        return found

    # For all steps at once

    def early(self) -> list[Gather | list[Operation]]:
        """Adjoints of what runs after the forward loop."""
        return [self._whole(s) for s in self.schedule.backward.before]

    def late(self) -> list[Gather | list[Operation]]:
        """Adjoints of what runs before the forward loop, without the inputs' own."""
        found: list[Gather | list[Operation]] = []
        for stage in self.schedule.backward.after:
            if isinstance(stage, Block):
                chosen = tuple(d for d in stage.assignments if d.name not in self._of_inputs)
                if chosen:
                    found.append(self._whole(replace(stage, assignments=chosen)))
            elif isinstance(stage, Gather) and stage.result not in self._gathers_of_inputs:
                found.append(stage)
        return found

    @cached_property
    def _of_inputs(self) -> dict[str, Definition]:
        """The assignments of the inputs' gradients."""
        names = {g.name for g in self.schedule.gradients.inputs}
        blocks = [s for s in self.schedule.backward.after if isinstance(s, Block)]
        return {d.name: d for b in blocks for d in b.assignments if d.name in names}

    @cached_property
    def _gathers_of_inputs(self) -> dict[str, Gather]:
        read = {v.name for d in self._of_inputs.values() for v in values(d.value)}
        gathers = [s for s in self.schedule.backward.after if isinstance(s, Gather)]
        return {g.result: g for g in gathers if g.result in read}

    def _whole(self, stage: Stage) -> Gather | list[Operation]:
        if isinstance(stage, Gather):
            return stage
        assert isinstance(stage, Block)
        assignments = [
            Assignment(
                d.label,
                d.name,
                self._where(Value(d.name)),
                self._plain(d.value),
                self.schedule.sizes[d.name],
            )
            for d in stage.assignments
        ]
        return fuse(self._lower(assignments))

    def input_gradient(
        self, gradient: InputGradient
    ) -> tuple[tuple[Column, ...], list[Operation]]:
        """The products of an input's gradient, by slot, and the operations for the other terms."""
        assignment = self._of_inputs[gradient.name]
        terms = assignment.value.terms if isinstance(assignment.value, Add) else (assignment.value,)
        columns: list[Column] = []
        rest = []
        for term in terms:
            if isinstance(term, Value) and term.name in self._gathers_of_inputs:
                columns += self._gathers_of_inputs[term.name].columns
            elif term != ZERO:
                rest.append(term)
        columns.sort(key=lambda c: self.adjoint.view(c.operand).slot)
        operations = []
        if rest:
            size = self.schedule.sizes[gradient.of]
            operations = self._into_summand(gradient.label, add(*rest), size)
        return tuple(columns), operations

    def _into_summand(self, label: str, value: Expression, size: str) -> list[Operation]:
        assignment = Assignment(label, "summand", View("summand", 0), self._plain(value), size)
        return fuse(self._lower([assignment]))

    def evaluate_again(self, value: Value) -> list[Operation]:
        """The operations for a value whose history is not kept; none if it is."""
        if value.name not in self._again:
            return []
        d = self._again[value.name]
        target = View(f"whole {value.name}_again", 0)
        size = self.schedule.sizes[value.name]
        assignment = Assignment(d.label, d.name, target, self._plain(d.value), size)
        return fuse(self._lower([assignment]))

    def outer_runs(self, gradient: WeightGradient) -> list[OuterRun]:
        """The outer products with one operand as products over runs of neighbouring adjoints."""
        rows = sorted(gradient.rows, key=lambda r: self.adjoint.view(r.adjoint).slot)
        ordered = replace(gradient, rows=tuple(rows))
        views = [self.adjoint.view(r.adjoint) for r in rows]
        return [
            OuterRun(ordered, run[0], run[-1], span(views[run[0]], views[run[-1]]))
            for run in runs(views)
        ]

    def reduction(self, reduction: Reduction) -> tuple[View | None, list[Operation]]:
        """The adjoint that is summed, or the operations that make the summand."""
        if isinstance(reduction.value, Value):
            return self.adjoint.view(reduction.value.name), []
        return None, self._into_summand(reduction.label, reduction.value, reduction.size)


def _made_by(stage: Stage) -> tuple[str, ...]:
    if isinstance(stage, Gather):
        return (stage.result,)
    if isinstance(stage, Block):
        return tuple(d.name for d in stage.assignments)
    return ()


def _scratch(sizes: tuple[str, ...]) -> Slots:
    return Slots("scratch", tuple(f"tmp{k}" for k in range(len(sizes))), sizes)


def _is_large(expression: Expression) -> bool:
    return sum(1 for _ in itertools.islice(walk(expression), _LARGE + 1)) > _LARGE
