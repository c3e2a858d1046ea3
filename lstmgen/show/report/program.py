"""The schedule as the page shows it: products, fused blocks, what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lstmgen.algebra.expression import Expression, MatVec, Value, add, neg, transform
from lstmgen.algebra.pieces import signed
from lstmgen.algebra.symbols import symbol as symbol_of
from lstmgen.form.typesetting import delta
from lstmgen.gradients.typesetting import SEED, transposed
from lstmgen.schedule.program import (
    Block,
    Fanout,
    Gather,
    Outer,
    Program,
    Schedule,
    Stage,
    WeightGradient,
)
from lstmgen.show.report.formulas import Group, group, summed, symbol, typeset
from lstmgen.stages import Stages
from lstmgen.typeset.formula import (
    Columns,
    Equation,
    Fence,
    Formula,
    Joint,
    Negative,
    Number,
    SumOver,
    Time,
    Transposed,
    adjacent,
)
from lstmgen.typeset.lines import Line

__all__ = ["Part", "Plan", "Step", "plan"]

_NO_MATH, _NO_GROUP = Markup(""), Group((), 0.0)


@dataclass(frozen=True, slots=True)
class Step:
    """One stage.

    Attributes:
        kind: "product" or "block".
        size: for a product the size of its matrix, for a block its number of units.
        math: of a product that has no labelled equation of its own, the formula.
        labels: the equations that a product takes part in.
        group: the equations of a block.
    """

    kind: str
    size: Markup
    math: Markup = _NO_MATH
    labels: tuple[str, ...] = ()
    group: Group = _NO_GROUP


@dataclass(frozen=True, slots=True)
class Part:
    """Stages that run equally often.

    Attributes:
        title: what they are and how often they run.
        summary: how many products and blocks.
    """

    title: str
    summary: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """All parts, and the symbols of what is kept of each step and of what is evaluated again."""

    parts: tuple[Part, ...]
    kept: tuple[Markup, ...]
    recomputed: tuple[Markup, ...]
    kept_adjoints: tuple[Markup, ...]


def plan(cell: Stages) -> Plan:
    """The schedule of a cell."""
    return _Planner(cell.schedule).plan()


class _Planner:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._form = schedule.form
        self._printer = schedule.gradients.typesetter({schedule.seed: SEED})
        # A block names the product whose result it uses.
        self._products = dict(_results(schedule))

    def plan(self) -> Plan:
        schedule = self._schedule
        parts = [
            *self._program("Forward", schedule.forward),
            *self._program("Backward", schedule.backward),
        ]
        last = [self._weights(w) for w in schedule.weight_gradients]
        if schedule.reductions:
            lines = [
                Line(
                    delta(symbol_of(r.parameter)),
                    SumOver(Time(), self._printer.piece(r.value).formula),
                    r.label,
                )
                for r in schedule.reductions
            ]
            last.append(Step("sum", Markup(""), group=group(lines)))
        parts.append(Part("Parameters, for all steps at once", _summary(last), tuple(last)))
        return Plan(
            tuple(part for part in parts if part.steps),
            tuple(symbol(name, Time()) for name in schedule.kept),
            tuple(self._value(d.name) for d in schedule.recomputed),
            tuple(self._value(name) for name in schedule.kept_adjoints),
        )

    def _value(self, name: str) -> Markup:
        return typeset(self._printer.value(name))

    def _program(self, name: str, program: Program) -> Iterable[Part]:
        for title, stages in (
            (f"{name}, first, for all steps at once", program.before),
            (f"{name}, at each step", program.loop),
            (f"{name}, last, for all steps at once", program.after),
        ):
            steps = tuple(self._stage(stage) for stage in stages)
            yield Part(title, _summary(steps), steps)

    def _stage(self, stage: Stage) -> Step:
        if isinstance(stage, Block):
            lines = [
                Line(self._typeset(Value(d.name)), self._typeset(d.value), d.label)
                for d in stage.assignments
            ]
            return Step("block", symbol(stage.size), group=group(lines))
        if isinstance(stage, Fanout):
            stack = [self._printer.block(r.weight, r.slot, r.transposed) for r in stage.rows]
            vector = self._typeset(stage.operand)
            joint = Joint.THIN if len(stack) == 1 else Joint.DOT
            math = adjacent(_stacked(stack), vector, joint=joint)
            rows = [self._form.weights[r.weight] for r in stage.rows]
            sides = [
                (w.columns[r.slot], w.rows) if r.transposed else (w.rows, w.columns[r.slot])
                for w, r in zip(rows, stage.rows, strict=True)
            ]
            size = _matrix([above for above, _ in sides], [sides[0][1]])
            labels = tuple(dict.fromkeys(r.label for r in stage.rows))
            return Step("product", size, typeset(math), labels)
        return self._gather(stage)

    def _gather(self, stage: Gather) -> Step:
        terms: list[Expression] = []
        across = []
        for c in stage.columns:
            product = MatVec(c.weight, c.slot, c.transposed, Value(c.operand))
            terms.append(neg(product) if c.negative else product)
            weight = self._form.weights[c.weight]
            across.append(weight.rows if c.transposed else weight.columns[c.slot])
        first = stage.columns[0]
        weight = self._form.weights[first.weight]
        down = weight.columns[first.slot] if first.transposed else weight.rows
        line = Line(self._typeset(Value(stage.result)), self._typeset(add(*terms)), stage.label)
        return Step("product", _matrix([down], across), group=group([line]))

    def _weights(self, product: WeightGradient) -> Step:
        blocks = [delta(self._printer.block(r.weight, r.slot)) for r in product.rows]
        values = [self._adjoint(r) for r in product.rows]
        vector = self._typeset(product.operand)
        right = transposed(vector)
        if any(r.transposed for r in product.rows):
            pairs = [
                (vector, Transposed(Fence(value))) if r.transposed else (value, right)
                for r, value in zip(product.rows, values, strict=True)
            ]
            body = _stacked([adjacent(*pair, joint=Joint.THIN) for pair in pairs])
        else:
            body = adjacent(_stacked(values), right, joint=Joint.THIN)
        math = Equation(_stacked(blocks), SumOver(Time(), body))
        rows = [self._schedule.sizes[r.adjoint] for r in product.rows]
        size = _matrix(rows, [self._schedule.sizes[product.operand.name]])
        labels = tuple(dict.fromkeys(r.label for r in product.rows))
        return Step("product", size, typeset(math), labels)

    def _adjoint(self, row: Outer) -> Formula:
        found = self._typeset(Value(row.adjoint))
        return Negative(found) if row.negative else found

    def _typeset(self, expression: Expression) -> Formula:
        def change(node: Expression) -> Expression:
            return self._products.get(node, node) if isinstance(node, Value) else node

        return signed(self._printer.piece(transform(expression, change)))


def _stacked(items: Sequence[Formula]) -> Formula:
    """Above one another; one alone stands for itself."""
    return items[0] if len(items) == 1 else Columns(tuple(items), is_stack=True)


def _results(schedule: Schedule) -> Iterable[tuple[Value, MatVec]]:
    for program in (schedule.forward, schedule.backward):
        for stage in program.stages:
            if isinstance(stage, Fanout):
                for row in stage.rows:
                    product = MatVec(row.weight, row.slot, row.transposed, stage.operand)
                    yield Value(row.result), product


def _matrix(rows: list[str], columns: list[str]) -> Markup:
    """The size of a stack of blocks: 4H × (H + D)."""
    return Markup("{}\u00a0×\u00a0{}").format(_side(rows), _side(columns))


def _side(sizes: list[str]) -> Markup:
    counts: Mapping[str, int] = {size: sizes.count(size) for size in sizes}
    terms = [
        symbol_of(size) if n == 1 else adjacent(Number(str(n)), symbol_of(size), joint=Joint.BESIDE)
        for size, n in counts.items()
    ]
    whole = summed(terms)
    return typeset(whole if len(terms) == 1 else Fence(whole))


def _summary(steps: Iterable[Step]) -> str:
    steps = tuple(steps)
    named = []
    for kind, word in (("product", "product"), ("block", "fused block")):
        count = sum(step.kind == kind for step in steps)
        if count:
            named.append(f"{count} {word}{'s' * (count > 1)}")
    return ", ".join(named)
