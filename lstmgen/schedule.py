"""Schedule: the target-independent program of a cell, forward and backward.

A `Program` has three parts.  `before` and `after` hold what does not take part in the recurrence:
it is computed for all time steps at once.  `loop` holds the rest, a cyclic list of rounds: products
of exchanged vectors with stacks of matrices, then a fused element-wise block.  Three kinds of
matrix product are kept apart because each fuses along another side:

* `Fanout`: one vector times a stack of matrices, as all gates multiply h_{t-1};
* `Gather`: the sum of several transposed products, as all gates' adjoints make δh_{t-1};
* `WeightGradient`: outer products summed over time and batch, after the loop.

The backward program mirrors the forward one: adjoints of `after` come first, those of `before` last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lstmgen.expression import (
    Expression,
    MatVec,
    Neg,
    Value,
    add,
    matvecs,
    transform,
    values,
)
from lstmgen.gradients import Gradients, MatrixGradient, VectorGradient
from lstmgen.normal_form import Definition, Names, NormalForm, uses_product


@dataclass(frozen=True, slots=True)
class Row:
    """One block of a weight in a stack: `result` is block `slot` of `weight` times the operand."""

    weight: str
    slot: int
    transposed: bool
    result: str
    label: str


@dataclass(frozen=True, slots=True)
class Fanout:
    """A stack of matrices times one vector, in one product."""

    operand: Value
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        from lstmgen.printing.text import fanout_text

        return fanout_text(self)


@dataclass(frozen=True, slots=True)
class Column:
    """One term of a `Gather`: ± block `slot` of `weight`, transposed if so said, times `operand`."""

    weight: str
    slot: int
    transposed: bool
    operand: str
    negative: bool


@dataclass(frozen=True, slots=True)
class Gather:
    """`result` is a sum of matrix products with several vectors, in one product."""

    result: str
    columns: tuple[Column, ...]
    label: str

    def __str__(self) -> str:
        from lstmgen.printing.text import gather_text

        return gather_text(self)


@dataclass(frozen=True, slots=True)
class Block:
    """Element-wise assignments that one pass over the units computes."""

    size: str
    assignments: tuple[Definition, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.assignments))


Stage = Fanout | Gather | Block


@dataclass(frozen=True, slots=True)
class Program:
    """What runs for all steps at once before the loop, at each step, and after the loop."""

    before: tuple[Stage, ...]
    loop: tuple[Stage, ...]
    after: tuple[Stage, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (*self.before, *self.loop, *self.after)


@dataclass(frozen=True, slots=True)
class Outer:
    """dL/d(block `slot` of `weight`) gets ± adjoint operand^T; transposed, operand adjoint^T."""

    weight: str
    slot: int
    transposed: bool
    adjoint: str
    negative: bool
    label: str


@dataclass(frozen=True, slots=True)
class WeightGradient:
    """All outer products with one operand, summed over time and batch in one product."""

    operand: Value
    rows: tuple[Outer, ...]

    def __str__(self) -> str:
        from lstmgen.printing.text import weight_gradient_text

        return weight_gradient_text(self)


@dataclass(frozen=True, slots=True)
class Reduction:
    """dL/d`parameter` of a vector or scalar: `value`, of size `size`, summed over time and batch."""

    label: str
    parameter: str
    value: Expression
    size: str


@dataclass(frozen=True)
class Schedule:
    """The whole program of a cell.

    Attributes:
        forward, backward: the two programs; the backward loop runs from the last step to the first.
        kept: values whose history the forward pass keeps for the backward pass (states included).
        recomputed: element-wise definitions that the backward pass evaluates again from `kept`.
        carried: for each state, the names of what reaches δs_{t-1} from step t: the element-wise
            part and the `Gather` part, either of which may be missing.
        kept_adjoints: adjoints whose history the backward pass keeps, in order of evaluation.
        weight_gradients, reductions: the parameters' gradients, after the backward loop.
        sizes: the size of every value, adjoint and product.
    """

    form: NormalForm
    gradients: Gradients
    forward: Program
    backward: Program
    kept: tuple[str, ...]
    recomputed: tuple[Definition, ...]
    carried: dict[str, tuple[str | None, str | None]] = field(hash=False)
    kept_adjoints: tuple[str, ...]
    weight_gradients: tuple[WeightGradient, ...]
    reductions: tuple[Reduction, ...]
    sizes: dict[str, str] = field(hash=False)
    seed: str

    def __str__(self) -> str:
        from lstmgen.printing.text import schedule_text

        return schedule_text(self)


def schedule(form: NormalForm, gradients: Gradients) -> Schedule:
    """The program of a cell from its normal form and its gradients."""
    regions = _regions(form)
    names = Names({*form.sizes, *form.parameters, *(a.name for a in gradients.adjoints)})
    sizes = dict(form.sizes)
    forward = _forward(form, regions, names, sizes)
    kept, recomputed = _kept(form, gradients, regions)
    for adjoint in gradients.adjoints:
        sizes[adjoint.name] = form.sizes[adjoint.of]
    for gradient in gradients.inputs:
        sizes[gradient.name] = form.sizes[gradient.of]
    seed = names.new("d", "y")
    sizes[seed] = form.sizes[form.output]
    backward, carried = _Backward(form, gradients, regions, names, sizes, seed).program()
    weight_gradients = _weight_gradients(form, gradients)
    reductions = _reductions(form, gradients)
    return Schedule(
        form=form,
        gradients=gradients,
        forward=forward,
        backward=backward,
        kept=kept,
        recomputed=recomputed,
        carried=carried,
        kept_adjoints=_kept_adjoints(gradients, regions, backward, weight_gradients, reductions),
        weight_gradients=weight_gradients,
        reductions=reductions,
        sizes=sizes,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Regions:
    """Which definitions take part in the recurrence."""

    before: frozenset[str]
    loop: frozenset[str]
    after: frozenset[str]

    def of(self, name: str) -> str:
        """The part of the forward program that defines `name`; an input counts as before."""
        return "loop" if name in self.loop else "after" if name in self.after else "before"


def _operands(definition: Definition) -> tuple[Value, ...]:
    """All vectors that a definition uses, element-wise or in a product."""
    inside = (product.operand for product in definition.products)
    return tuple(dict.fromkeys((*values(definition.value), *inside)))


def _regions(form: NormalForm) -> _Regions:
    depends: set[str] = set()  # on a previous step
    for d in form.definitions:
        if any(v.shift < 0 or v.name in depends for v in _operands(d)):
            depends.add(d.name)
    feeds: set[str] = set(form.states)
    for d in reversed(form.definitions):
        if d.name in feeds:
            feeds.update(v.name for v in _operands(d) if v.shift == 0)
    states = set(form.states)
    loop = {d.name for d in form.definitions if d.name in feeds and d.name in depends | states}
    after = {d.name for d in form.definitions if d.name in depends} - loop
    before = {d.name for d in form.definitions} - loop - after
    return _Regions(frozenset(before), frozenset(loop), frozenset(after))


def _forward(
    form: NormalForm, regions: _Regions, names: Names, sizes: dict[str, str]
) -> Program:
    parts = {}
    ready: dict[MatVec, str] = {}  # product -> the name of its result
    hoisted: dict[Value, list[Row]] = {}
    for d in form.definitions:
        for product in d.products:
            name = names.new(product.weight, product.operand.name)
            ready[product] = name
            sizes[name] = sizes[d.name]
            # A product moves before the loop if its vector is known there.
            if regions.of(product.operand.name) == "before" and regions.of(d.name) != "before":
                hoisted.setdefault(product.operand, []).append(_row(product, name, d.label))
    for part in ("before", "loop", "after"):
        chosen = [d for d in form.definitions if regions.of(d.name) == part]
        parts[part] = _rounds(chosen, ready, hoisted, part, sizes)
    before = list(parts["before"])
    for operand, rows in hoisted.items():
        before = _add_rows(before, operand, rows)
    return Program(tuple(before), tuple(parts["loop"]), tuple(parts["after"]))


def _row(product: MatVec, name: str, label: str) -> Row:
    return Row(product.weight, product.slot, product.transposed, name, label)


def _add_rows(stages: list[Stage], operand: Value, rows: list[Row]) -> list[Stage]:
    """Widen the product with `operand`, or add one where its vector is ready."""
    for k, stage in enumerate(stages):
        if isinstance(stage, Fanout) and stage.operand == operand:
            return [*stages[:k], Fanout(operand, (*stage.rows, *rows)), *stages[k + 1 :]]
    defining = [
        k
        for k, stage in enumerate(stages)
        if isinstance(stage, Block) and any(d.name == operand.name for d in stage.assignments)
    ]
    at = defining[0] + 1 if defining else 0
    return [*stages[:at], Fanout(operand, tuple(rows)), *stages[at:]]


def _rounds(
    chosen: list[Definition],
    ready: dict[MatVec, str],
    hoisted: dict[Value, list[Row]],
    part: str,
    sizes: dict[str, str],
) -> list[Stage]:
    """Products and blocks in turns: a block holds all that needs no further product."""
    here = {d.name for d in chosen}
    moved = {row.result for rows in hoisted.values() for row in rows}
    round_of: dict[str, int] = {}
    for d in chosen:
        after_blocks = [round_of[v.name] for v in values(d.value) if _now(v, here)]
        after_products = [round_of[p.operand.name] + 1 for p in d.products if _now(p.operand, here)]
        round_of[d.name] = max([0, *after_blocks, *after_products])
    stages: list[Stage] = []
    for k in range(max(round_of.values(), default=-1) + 1):
        fans: dict[Value, list[Row]] = {}
        for d in chosen:
            for product in d.products:
                known = round_of[product.operand.name] + 1 if _now(product.operand, here) else 0
                if known == k and ready[product] not in moved:
                    row = _row(product, ready[product], d.label)
                    fans.setdefault(product.operand, []).append(row)
        stages += [Fanout(operand, tuple(rows)) for operand, rows in fans.items()]
        stages += _blocks([d for d in chosen if round_of[d.name] == k], ready, sizes)
    return stages


def _now(value: Value, here: set[str]) -> bool:
    return value.shift == 0 and value.name in here


def _blocks(
    chosen: list[Definition], ready: dict[MatVec, str], sizes: dict[str, str]
) -> list[Stage]:
    """One block for each size of vectors."""

    def named(node: Expression) -> Expression:
        return Value(ready[node]) if isinstance(node, MatVec) else node

    by_size: dict[str, list[Definition]] = {}
    for d in chosen:
        assignment = Definition(d.label, d.name, transform(d.value, named))
        by_size.setdefault(sizes[d.name], []).append(assignment)
    return [Block(size, tuple(assignments)) for size, assignments in by_size.items()]


def _kept(
    form: NormalForm, gradients: Gradients, regions: _Regions
) -> tuple[tuple[str, ...], tuple[Definition, ...]]:
    """The least set of histories from which all that the gradients read is cheap to evaluate.

    A value is evaluated again if only element-wise operations lead to it from what is kept anyway;
    a matrix product is never repeated.
    """
    adjoints = {a.name for a in gradients.adjoints}
    needed: set[str] = set()
    for expression in _gradient_terms(gradients):
        needed.update(v.name for v in values(expression) if v.name not in adjoints)
    for gradient in gradients.parameters:
        if isinstance(gradient, MatrixGradient):
            for block in gradient.blocks:
                for outer in block:
                    needed.update({outer.left.name, outer.right.name} - adjoints)
    kept = set(form.states)
    again: set[str] = set()
    available = set(form.inputs) | kept

    def reachable(d: Definition) -> bool:
        """Whether element-wise operations lead from what is kept to the definition."""
        return not uses_product(d.value) and all(
            v.name in available or (v.name in form.by_name and reachable(form.by_name[v.name]))
            for v in values(d.value)
        )

    def evaluate_again(d: Definition) -> None:
        for v in values(d.value):
            if v.name not in available:
                evaluate_again(form.by_name[v.name])
        available.add(d.name)
        again.add(d.name)

    for d in form.definitions:
        if d.name not in needed or d.name in available:
            continue
        if reachable(d):
            evaluate_again(d)
        else:
            kept.add(d.name)
            available.add(d.name)
    order = [d.name for d in form.definitions]
    return (
        tuple(sorted(kept, key=order.index)),
        tuple(d for d in form.definitions if d.name in again),
    )


def _gradient_terms(gradients: Gradients) -> Iterable[Expression]:
    for adjoint in gradients.adjoints:
        yield from (*adjoint.here, *adjoint.later)
    for parameter in gradients.parameters:
        if isinstance(parameter, VectorGradient):
            yield from parameter.terms
    for inputs in gradients.inputs:
        yield from inputs.terms


class _Backward:
    """Builds the backward program from the derived equations."""

    def __init__(
        self,
        form: NormalForm,
        gradients: Gradients,
        regions: _Regions,
        names: Names,
        sizes: dict[str, str],
        seed: str,
    ) -> None:
        self._form = form
        self._gradients = gradients
        self._regions = regions
        self._names = names
        self._sizes = sizes
        self._seed = Value(seed)
        self._value_of = {a.name: a.of for a in gradients.adjoints}
        self._hoistable: set[str] = set()  # gathers of the loop that can run before it
        self._round: dict[str, int] = {}  # adjoint or assignment -> round within its part

    def program(self) -> tuple[Program, dict[str, tuple[str | None, str | None]]]:
        carried = {s: self._carry_names(s) for s in self._form.states}
        # Adjoints of what runs after the forward loop come first, and so on.
        first = self._part("after", carried)
        loop = self._part("loop", carried)
        last = self._part("before", carried)
        first += [g for g in loop if isinstance(g, Gather) and self._from_after(g)]
        loop = [s for s in loop if not (isinstance(s, Gather) and self._from_after(s))]
        return Program(tuple(first), tuple(loop), tuple(last)), carried

    def _from_after(self, gather: Gather) -> bool:
        """Whether a gather in the loop reads only adjoints known before it, at the same step."""
        return gather.result in self._hoistable

    def _carry_names(self, state: str) -> tuple[str | None, str | None]:
        later = self._gradients.adjoint(state).later
        products = any(uses_product(term) for term in later)
        elementwise = any(not uses_product(term) for term in later)
        made = []
        for wanted, prefix in ((elementwise, "carry"), (products, "back")):
            name = self._names.new(prefix, state) if wanted else None
            if name is not None:
                self._sizes[name] = self._sizes[state]
            made.append(name)
        return made[0], made[1]

    def _part(
        self, part: str, carried: dict[str, tuple[str | None, str | None]]
    ) -> list[Stage]:
        pending: list[tuple[int, Definition]] = []  # round, assignment
        gathers: list[tuple[int, Gather]] = []  # runs before the blocks of this round
        for adjoint in self._gradients.adjoints:
            if self._regions.of(adjoint.of) != part:
                continue
            terms: list[Expression] = [self._seed] if adjoint.is_output else []
            if part == "loop" and adjoint.of in carried:
                terms += [Value(name) for name in carried[adjoint.of] if name is not None]
            terms += [term for term in adjoint.here if not uses_product(term)]
            for sources in self._split(adjoint.here):
                gather = self._gather(adjoint.of, sources, adjoint.label)
                ready = self._after(gather, part)
                if ready is None:
                    self._hoistable.add(gather.result)
                gathers.append((ready or 0, gather))
                self._round[gather.result] = ready or 0
                terms.append(Value(gather.result))
            assignment = Definition(adjoint.label, adjoint.name, add(*terms))
            self._place(assignment, pending)
        if part == "loop":
            for state in self._form.states:
                self._carry(state, carried[state], pending, gathers)
        if part == "before":
            for gradient in self._gradients.inputs:
                terms = [term for term in gradient.terms if not uses_product(term)]
                products = [term for term in gradient.terms if uses_product(term)]
                if products:
                    gather = self._gather(gradient.of, products, gradient.label)
                    ready = self._after(gather, part) or 0
                    gathers.append((ready, gather))
                    self._round[gather.result] = ready
                    terms.append(Value(gather.result))
                self._place(Definition(gradient.label, gradient.name, add(*terms)), pending)
        return self._in_rounds(pending, gathers)

    def _place(self, assignment: Definition, pending: list[tuple[int, Definition]]) -> None:
        rounds = [self._round.get(v.name, 0) for v in values(assignment.value)]
        self._round[assignment.name] = max([0, *rounds])
        pending.append((self._round[assignment.name], assignment))

    def _split(self, terms: tuple[Expression, ...]) -> list[list[Expression]]:
        """The products among the terms, those with adjoints of `after` apart."""
        products = [term for term in terms if uses_product(term)]
        early = [t for t in products if self._region_of(_product(t).operand.name) == "after"]
        rest = [t for t in products if t not in early]
        return [group for group in (early, rest) if group]

    def _region_of(self, adjoint: str) -> str:
        return self._regions.of(self._value_of[adjoint])

    def _gather(self, target: str, terms: list[Expression], label: str) -> Gather:
        result = self._names.new("back", target)
        self._sizes[result] = self._sizes[target]
        return self._gather_into(result, terms, label)

    def _gather_into(self, result: str, terms: list[Expression], label: str) -> Gather:
        columns = []
        for term in terms:
            p = _product(term)
            columns.append(
                Column(p.weight, p.slot, p.transposed, p.operand.name, isinstance(term, Neg))
            )
        return Gather(result, tuple(columns), label)

    def _after(self, gather: Gather, part: str) -> int | None:
        """The round before whose blocks the gather runs; None if it can run before the loop."""
        inside = [c.operand for c in gather.columns if self._region_of(c.operand) == part]
        if not inside:
            return None if part == "loop" else 0
        return max(self._round[name] for name in inside) + 1

    def _carry(
        self,
        state: str,
        names: tuple[str | None, str | None],
        pending: list[tuple[int, Definition]],
        gathers: list[tuple[int, Gather]],
    ) -> None:
        """What the step hands to δs of the step before."""
        elementwise, products = names
        adjoint = self._gradients.adjoint(state)
        # Not before δs has read what the step after it handed over.
        mine = self._round[adjoint.name]
        if elementwise is not None:
            terms = [term for term in adjoint.later if not uses_product(term)]
            value = add(*terms)
            mine = max([mine, *(self._round.get(v.name, 0) for v in values(value))])
            pending.append((mine, Definition(adjoint.label, elementwise, value)))
        if products is not None:
            # After the element-wise part, so that a target may add the product to it.
            gather = self._gather_into(
                products, [term for term in adjoint.later if uses_product(term)], adjoint.label
            )
            inside = [c.operand for c in gather.columns if self._region_of(c.operand) == "loop"]
            gathers.append((max([mine, *(self._round[n] for n in inside)]) + 1, gather))

    def _in_rounds(
        self, pending: list[tuple[int, Definition]], gathers: list[tuple[int, Gather]]
    ) -> list[Stage]:
        last = max([*(k for k, _ in pending), *(k for k, _ in gathers)], default=-1)
        stages: list[Stage] = []
        for k in range(last + 1):
            stages += [gather for at, gather in gathers if at == k]
            stages += _blocks([d for at, d in pending if at == k], {}, self._sizes)
        for _, d in pending:
            # The next part starts counting its rounds anew.
            self._round[d.name] = 0
        for _, gather in gathers:
            self._round[gather.result] = 0
        return stages


def _product(term: Expression) -> MatVec:
    """The product in a term that is a product or its negative."""
    return matvecs(term)[0]


def _weight_gradients(form: NormalForm, gradients: Gradients) -> tuple[WeightGradient, ...]:
    adjoints = {a.name for a in gradients.adjoints}
    by_operand: dict[Value, list[Outer]] = {}
    for gradient in gradients.parameters:
        if not isinstance(gradient, MatrixGradient):
            continue
        for slot, block in enumerate(gradient.blocks):
            for outer in block:
                transposed = outer.left.name not in adjoints
                delta, operand = (
                    (outer.right, outer.left) if transposed else (outer.left, outer.right)
                )
                by_operand.setdefault(operand, []).append(
                    Outer(
                        gradient.parameter,
                        slot,
                        transposed,
                        delta.name,
                        outer.negative,
                        gradient.label,
                    )
                )
    return tuple(WeightGradient(o, tuple(rows)) for o, rows in by_operand.items())


def _reductions(form: NormalForm, gradients: Gradients) -> tuple[Reduction, ...]:
    of = {a.name: a.of for a in gradients.adjoints}
    found = []
    for gradient in gradients.parameters:
        if isinstance(gradient, VectorGradient):
            by_size: dict[str, list[Expression]] = {}
            for term in gradient.terms:
                delta = next(v for v in values(term) if v.name in of)
                by_size.setdefault(form.sizes[of[delta.name]], []).append(term)
            for size, terms in by_size.items():
                found.append(Reduction(gradient.label, gradient.parameter, add(*terms), size))
    return tuple(found)


def _kept_adjoints(
    gradients: Gradients,
    regions: _Regions,
    backward: Program,
    weight_gradients: tuple[WeightGradient, ...],
    reductions: tuple[Reduction, ...],
) -> tuple[str, ...]:
    """Adjoints that something outside their own part of the program reads."""
    read: set[str] = {row.adjoint for w in weight_gradients for row in w.rows}
    for reduction in reductions:
        read.update(v.name for v in values(reduction.value))
    for stages in (backward.before, backward.loop, backward.after):
        made = {d.name for s in stages if isinstance(s, Block) for d in s.assignments}
        for stage in stages:
            if isinstance(stage, Block):
                used = {v.name for d in stage.assignments for v in values(d.value)}
            elif isinstance(stage, Gather):
                used = {column.operand for column in stage.columns}
            else:
                continue
            read |= used - made
    return tuple(a.name for a in gradients.adjoints if a.name in read)


__all__ = [
    "Block",
    "Column",
    "Fanout",
    "Gather",
    "Outer",
    "Program",
    "Reduction",
    "Row",
    "Schedule",
    "Stage",
    "WeightGradient",
    "schedule",
]
