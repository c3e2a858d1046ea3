"""The forward pass of a NumPy module: where values live, and what computes them.

One product a step for each vector; what the inputs contribute to it is computed before the loop,
for all steps of a block, and added to it at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lstmgen.algebra.expression import Add, Expression, Value, add, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.lives import lives
from lstmgen.schedule.program import Block as ElementWise
from lstmgen.schedule.program import Fanout, Schedule
from lstmgen.schedule.variables import Home, Role
from lstmgen.targets.numpy.in_place import in_place
from lstmgen.targets.numpy.lowering import Lowering, Scratch
from lstmgen.targets.numpy.passes import ALL, Passes
from lstmgen.targets.numpy.program import (
    AddAhead,
    Ahead,
    Block,
    Dot,
    Keep,
    Line,
    Matrix,
    Product,
    Slot,
    Stack,
    Statement,
    Whole,
)
from lstmgen.targets.numpy.trees import Tree, shape, stacked, tree


@dataclass
class Forward:
    """The plan.

    Attributes:
        before, after: for the whole block.
        aheads: what is added to the products of the loop; `loop` its statements.
        within: where each of these is computed, if in place of products that only it reads.
        places: of each value of the forward pass that has one.
        stacks: the arrays of the loop, in order.
        scratch: those that last less than a step.
    """

    schedule: Schedule
    before: tuple[Whole, ...] = ()
    aheads: tuple[Ahead, ...] = ()
    within: dict[str, Slot] = field(default_factory=dict)
    loop: tuple[Statement, ...] = ()
    after: tuple[Whole, ...] = ()
    places: dict[str, Slot] = field(default_factory=dict)
    stacks: tuple[Stack, ...] = ()
    scratch: tuple[Stack, ...] = ()

    def slot(self, value: Value) -> Slot:
        """Where a value is, of the step itself or of the one before."""
        place = self.places[value.name]
        return Slot(place.stack, place.first, place.count, value.shift)


def forward(schedule: Schedule, passes: Passes = ALL) -> Forward:
    """Plan the forward pass of a schedule."""
    return _Planner(schedule, passes).plan()


class _Planner:
    def __init__(self, schedule: Schedule, passes: Passes) -> None:
        self._schedule, self._passes = schedule, passes
        self._form = schedule.form
        self._lives = lives(schedule)
        self._plan = Forward(schedule)
        self._places = self._plan.places
        self._scratch = Scratch()
        self._stacks: list[Stack] = []
        self._loop_values = {
            d.name
            for s in schedule.forward.loop
            if isinstance(s, ElementWise)
            for d in s.assignments
        }
        self._values: dict[str, Expression] = {}  # what is left of a definition in the loop
        self._added: dict[str, Expression] = {}  # product of the loop -> what is added to it

    def plan(self) -> Forward:
        plan, schedule = self._plan, self._schedule
        for name in self._form.inputs:
            self._new(name, (name,), Keep.BLOCK)
        for name in self._form.states:
            self._new(name, (name,), Keep.STATE)
        plan.before = tuple(self._whole(schedule.forward.before))
        self._split_sums()
        order = self._order()
        body: list[Statement] = []
        lowering = Lowering(self._scratch, body)
        aheads: list[Ahead] = []
        fans = [s for s in schedule.forward.loop if isinstance(s, Fanout)]
        for k, stage in enumerate(schedule.forward.loop):
            if isinstance(stage, Fanout):
                self._fanout(stage, order, len(fans) == 1, body, aheads)
            elif isinstance(stage, ElementWise):
                self._block(stage, lowering)
            else:
                raise AssertionError(f"stage {k} of a forward loop: {stage}")
        plan.loop, plan.aheads = tuple(body), tuple(aheads)
        plan.after = tuple(self._whole(schedule.forward.after))
        plan.stacks, plan.scratch = tuple(self._stacks), tuple(self._scratch.stacks)
        plan.within = in_place((*plan.before, *plan.after), plan.loop, plan.aheads)
        return plan

    # Arrays

    def _new(self, name: str, members: Sequence[str], keep: Keep) -> Stack:
        sizes = tuple(self._schedule.sizes[m] for m in members)
        stack = Stack(name, tuple(members), sizes, keep)
        self._stacks.append(stack)
        for k, member in enumerate(members):
            self._places[member] = Slot(stack, k)
        return stack

    # Before and after the loop

    def _whole(self, stages: Iterable[object]) -> Iterable[Whole]:
        for stage in stages:
            if isinstance(stage, Fanout):
                results = [row.result for row in stage.rows]
                order = {row.result: row for row in stage.rows}
                results.sort(key=self._rank_of_whole)
                rows = [order[r] for r in results]
                name = _with_lag("p", stage.operand)
                stack = self._new(self._unused(name), results, Keep.BLOCK)
                matrix = Matrix(
                    _with_lag("w", stage.operand),
                    tuple((Block(r.weight, r.slot, r.transposed),) for r in rows),
                    _labels(r.label for r in rows),
                )
                lagged = stage.operand.shift < 0
                yield Product(matrix, stage.operand.name, lagged, stack, matrix.labels)
            elif isinstance(stage, ElementWise):
                for d in stage.assignments:
                    kept = self._lives[d.name].home is Home.TAPE
                    self._new(d.name, (d.name,), Keep.TAPE if kept else Keep.BLOCK)
                    yield Line(d.name, d.value, (d.label,))

    def _rank_of_whole(self, result: str) -> int:
        """Rows that a product of the loop is added to lie in the order of its rows."""
        return self._ranks.get(result, 0)

    @property
    def _ranks(self) -> dict[str, int]:
        if not hasattr(self, "_cached_ranks"):
            self._split_sums()
            order = self._order()
            self._cached_ranks = {
                v.name: order[product]
                for product, value in self._added.items()
                for v in values(value)
                if self._schedule.variables[v.name].role is Role.PRODUCT
            }
        return self._cached_ranks

    def _unused(self, name: str) -> str:
        taken = {s.name for s in self._stacks}
        while name in taken:
            name += "_"
        return name

    # In the loop

    def _loop_definitions(self) -> Iterable[Definition]:
        for stage in self._schedule.forward.loop:
            if isinstance(stage, ElementWise):
                yield from stage.assignments

    def _split_sums(self) -> None:
        """In sums with a product of the loop, what is known before the loop belongs to that."""
        if self._values:
            return
        products = {
            row.result: k
            for k, s in enumerate(self._schedule.forward.loop)
            if isinstance(s, Fanout)
            for row in s.rows
        }
        split: list[tuple[Definition, list[str], list[Expression], list[Expression]]] = []
        for d in self._loop_definitions():
            terms = d.value.terms if isinstance(d.value, Add) else (d.value,)
            found = [t.name for t in terms if isinstance(t, Value) and t.name in products]
            known = [t for t in terms if self._is_known(t, products)]
            self._values[d.name] = d.value
            if found and known and self._passes.ahead:
                split.append((d, found, known, [t for t in terms if t not in known]))
        # To few of the stages, so that the loop adds seldom.
        uses = Counter(k for _, found, _, _ in split for k in {products[p] for p in found})
        for d, found, known, rest in split:
            to = min(found, key=lambda p: (-uses[products[p]], products[p]))
            self._added[to] = add(*known)
            self._values[d.name] = add(*rest)

    def _is_known(self, term: Expression, products: dict[str, int]) -> bool:
        """Whether a term is known before the loop."""
        return all(
            v.shift == 0 and v.name not in self._loop_values and v.name not in products
            for v in values(term)
        )

    def _order(self) -> dict[str, int]:
        """The place of each product and definition of the loop, those used alike together."""
        definitions = list(self._loop_definitions())
        users: dict[str, Definition] = {}
        for d in definitions:
            for v in values(d.value):
                if v.shift == 0:
                    users.setdefault(v.name, d)
        shapes: dict[tuple[object, ...], int] = {}
        for d in definitions:
            shapes.setdefault(shape(self._values[d.name]), len(shapes))

        def rank(d: Definition) -> int:
            return shapes[shape(self._values[d.name])]

        keys: dict[str, tuple[int, int, int, int]] = {}
        for k, d in enumerate(definitions):
            used = users.get(d.name)
            keys[d.name] = (rank(used) if used else -1, rank(d), k, 0)
            for j, v in enumerate(values(d.value)):
                if self._schedule.variables[v.name].role is Role.PRODUCT:
                    known = v.name in self._added
                    keys[v.name] = (0 if known else 1, *keys[d.name][:2], k * 1000 + j)
        ordered = sorted(keys, key=lambda name: (len(keys[name]), keys[name]))
        return {name: k for k, name in enumerate(ordered)}

    def _fanout(
        self,
        stage: Fanout,
        order: dict[str, int],
        alone: bool,
        body: list[Statement],
        aheads: list[Ahead],
    ) -> None:
        rows = sorted(stage.rows, key=lambda row: order[row.result])
        name = "a" if alone else _with_lag("a", stage.operand)
        stack = self._new(self._unused(name), [r.result for r in rows], Keep.STEP)
        matrix = Matrix(
            _with_lag("w", stage.operand),
            tuple((Block(r.weight, r.slot, r.transposed),) for r in rows),
            _labels(r.label for r in rows),
        )
        whole = Slot(stack, 0, len(rows))
        operand = self._plan.slot(stage.operand)
        body.append(Dot(matrix, operand, whole, matrix.labels))
        known = [r for r in rows if r.result in self._added]
        if known:
            out = Slot(stack, 0, len(known))
            terms = tuple(self._added[r.result] for r in known)
            aheads.append(
                Ahead(
                    "ahead" if alone else _with_lag("ahead", stage.operand),
                    out,
                    terms,
                    tuple(r.label for r in known),
                    all(not values(t) for t in terms),
                )
            )
            body.append(AddAhead(aheads[-1]))

    def _block(self, stage: ElementWise, lowering: Lowering) -> None:
        for group in self._groups(stage.assignments):
            self._group(group, lowering)

    def _groups(self, assignments: Sequence[Definition]) -> Iterable[list[Definition]]:
        """Assignments of one shape that do not depend on each other, in an order that works."""
        level: dict[str, int] = {}
        for d in assignments:
            used = [level[v.name] for v in values(d.value) if v.shift == 0 and v.name in level]
            level[d.name] = max(used, default=-1) + 1
        groups: dict[tuple[object, ...], list[Definition]] = {}
        for d in sorted(assignments, key=lambda d: level[d.name]):
            groups.setdefault((level[d.name], shape(self._values[d.name])), []).append(d)
        yield from groups.values()

    def _group(self, group: list[Definition], lowering: Lowering) -> None:
        """One definition over stacked operands where they lie so, else one after the other."""
        group = [d for d in group if self._lives[d.name].home is not Home.NOWHERE]
        states = [d for d in group if d.name in self._form.states]
        alike = [d for d in group if d.name not in self._form.states]
        alike.sort(key=self._position)
        for run in [*self._runs(alike), *([d] for d in states)]:
            labels = _labels(d.label for d in run)
            slot = self._place(run)
            trees = [self._tree(d) for d in run]
            together = stacked(trees)
            assert together is not None
            lowering.store(together, slot, labels)

    def _tree(self, d: Definition) -> Tree:
        size = self._schedule.sizes[d.name]
        return tree(self._values[d.name], size, self._plan.slot, self._form.scalars)

    def _position(self, d: Definition) -> tuple[int, str, int]:
        """By where the first operand lies."""
        for value in values(self._values[d.name]):
            place = self._places[value.name]
            return (self._stacks.index(place.stack), place.stack.name, place.first)
        return (-1, "", 0)

    def _runs(self, group: list[Definition]) -> Iterable[list[Definition]]:
        """The longest runs whose operands lie one below the other, and which live equally long."""
        run: list[Definition] = []
        for d in group:
            if run and (
                not self._passes.stacked
                or self._keep(d) is not self._keep(run[-1])
                or stacked([self._tree(e) for e in (run[-1], d)]) is None
                or self._accumulates(d) is not self._accumulates(run[-1])
            ):
                yield run
                run = []
            run.append(d)
        if run:
            yield run

    def _keep(self, d: Definition) -> Keep:
        home = self._lives[d.name].home
        if d.name in self._form.states:
            return Keep.STATE
        if home is Home.TAPE:
            return Keep.TAPE
        return Keep.BLOCK if home is Home.PASS else Keep.STEP

    def _accumulates(self, d: Definition) -> bool:
        """Whether a definition of this step can be computed where a product of it lies."""
        return self._keep(d) is Keep.STEP and self._product_in(d) is not None

    def _product_in(self, d: Definition) -> Slot | None:
        value = self._values[d.name]
        terms = value.terms if isinstance(value, Add) else (value,)
        for term in terms:
            if isinstance(term, Value) and term.shift == 0:
                place = self._places[term.name]
                role = self._schedule.variables[term.name].role
                if role is Role.PRODUCT and place.stack.keep is Keep.STEP:
                    return place
        return None

    def _place(self, run: list[Definition]) -> Slot:
        names = [d.name for d in run]
        if names[0] in self._form.states:
            return self._places[names[0]]
        if self._accumulates(run[0]):
            places = [self._product_in(d) for d in run]
            slot = stacked([p for p in places if p is not None])
            if isinstance(slot, Slot):
                for d, place in zip(run, places, strict=True):
                    assert place is not None
                    self._places[d.name] = place
                return slot
        keep = self._keep(run[0])
        if keep is Keep.STEP and len(run) == 1 and isinstance(self._values[names[0]], Value):
            alias = self._values[names[0]]
            assert isinstance(alias, Value)
            if alias.shift == 0:
                self._places[names[0]] = self._places[alias.name]
                return self._places[alias.name]
        stack = self._new(self._unused(joined(names)), names, keep)
        return Slot(stack, 0, len(names))


def joined(names: Sequence[str]) -> str:
    """A name for values that lie one below the other."""
    return "_".join(names) if len(names) <= 4 else f"{names[0]}_to_{names[-1]}"


def _with_lag(prefix: str, operand: Value) -> str:
    return f"{prefix}_{operand.name}" + ("_prev" if operand.shift else "")


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))
