"""The schedule as the page shows it: products, fused blocks, what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lstmgen.algebra.expression import Expression, MatVec, Value, add, neg, transform
from lstmgen.language.names import latex_name
from lstmgen.schedule.program import Block, Fanout, Gather, Program, Schedule, Stage, WeightGradient
from lstmgen.show.printing.latex_derived import DerivedPrinter
from lstmgen.show.printing.latex_lines import Line
from lstmgen.show.printing.latex_pieces import signed, transposed
from lstmgen.show.report.formulas import Group, group, symbol
from lstmgen.show.report.mathml import mathml

if TYPE_CHECKING:
    from lstmgen.cell import Cell

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


def plan(cell: Cell) -> Plan:
    """The schedule of a cell."""
    return _Planner(cell.schedule).plan()


class _Planner:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._form = schedule.form
        self._printer = DerivedPrinter(schedule.form, schedule.gradients)
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
                    rf"\delta {latex_name(r.parameter)}",
                    rf"\sum_t {self._printer.piece(r.value).text}",
                    r.label,
                )
                for r in schedule.reductions
            ]
            last.append(Step("sum", Markup(""), group=group(lines)))
        parts.append(Part("Parameters, for all steps at once", _summary(last), tuple(last)))
        return Plan(
            tuple(part for part in parts if part.steps),
            tuple(symbol(name, "t") for name in schedule.kept),
            tuple(self._value(d.name) for d in schedule.recomputed),
            tuple(self._value(name) for name in schedule.kept_adjoints),
        )

    def _value(self, name: str) -> Markup:
        return Markup(mathml(self._printer.value(name)))

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
            stack = [self._block(r.weight, r.slot, r.transposed) for r in stage.rows]
            vector = self._typeset(stage.operand)
            left = stack[0] if len(stack) == 1 else f"[{'; '.join(stack)}]"
            rows = [self._form.weights[r.weight] for r in stage.rows]
            sides = [
                (w.columns[r.slot], w.rows) if r.transposed else (w.rows, w.columns[r.slot])
                for w, r in zip(rows, stage.rows, strict=True)
            ]
            size = _matrix([above for above, _ in sides], [sides[0][1]])
            labels = tuple(dict.fromkeys(r.label for r in stage.rows))
            math = rf"{left} \, {vector}" if len(stack) == 1 else rf"{left} \cdot {vector}"
            return Step("product", size, Markup(mathml(math)), labels)
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
        blocks = [rf"\delta {self._block(r.weight, r.slot, False)}" for r in product.rows]
        values = [
            ("-" if r.negative else "") + self._typeset(Value(r.adjoint)) for r in product.rows
        ]
        vector = self._typeset(product.operand)
        right = rf"({vector})^{{\top}}" if vector.startswith("\\delta") else rf"{vector}^{{\top}}"
        stack = [
            rf"{vector}\, ({value})^{{\top}}" if r.transposed else value
            for r, value in zip(product.rows, values, strict=True)
        ]
        if any(r.transposed for r in product.rows):
            body = "; ".join(
                one if r.transposed else rf"{one}\, {right}"
                for r, one in zip(product.rows, stack, strict=True)
            )
            math = rf"[{'; '.join(blocks)}] = \sum_t [{body}]"
        elif len(stack) == 1:
            math = rf"{blocks[0]} = \sum_t {stack[0]}\, {right}"
        else:
            math = rf"[{'; '.join(blocks)}] = \sum_t [{'; '.join(stack)}]\, {right}"
        rows = [self._schedule.sizes[r.adjoint] for r in product.rows]
        size = _matrix(rows, [self._schedule.sizes[product.operand.name]])
        labels = tuple(dict.fromkeys(r.label for r in product.rows))
        return Step("product", size, Markup(mathml(math)), labels)

    def _block(self, weight: str, slot: int, is_transposed: bool) -> str:
        name = self._printer.blocks[weight][slot]
        return transposed(name) if is_transposed else name

    def _typeset(self, expression: Expression) -> str:
        def change(node: Expression) -> Expression:
            return self._products.get(node, node) if isinstance(node, Value) else node

        written = signed(self._printer.piece(transform(expression, change)))
        # What comes from outside has the name that it has in the derived equations.
        return written.replace(self._printer.value(self._schedule.seed), r"\mathrm{d}y_t")


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
    terms = [("" if n == 1 else f"{n} ") + latex_name(size) for size, n in counts.items()]
    return Markup(mathml(" + ".join(terms) if len(terms) == 1 else f"({' + '.join(terms)})"))


def _summary(steps: Iterable[Step]) -> str:
    steps = tuple(steps)
    named = []
    for kind, word in (("product", "product"), ("block", "fused block")):
        count = sum(step.kind == kind for step in steps)
        if count:
            named.append(f"{count} {word}{'s' * (count > 1)}")
    return ", ".join(named)
