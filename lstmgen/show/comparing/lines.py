"""The lines of one cell that a comparison looks at, with forms in names that two cells share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lstmgen.algebra.expression import Expression, shifted
from lstmgen.algebra.text import text
from lstmgen.gradients.equations import MatrixGradient, OuterProduct
from lstmgen.schedule.program import Block, Column, Fanout, Program, Row, Stage
from lstmgen.show.comparing.correspondence import (
    Key,
    Name,
    block,
    common_size,
    inner_definitions,
    key,
    own_definitions,
    parameter_blocks,
    sizes,
)
from lstmgen.show.costs import costs
from lstmgen.stages import Stages

__all__ = ["Item", "Lines"]


@dataclass(frozen=True, slots=True)
class Item:
    """A line: what it is about, its form and its text; equal forms mean the same."""

    name: str
    key: Key
    line: str


class Lines:
    """The lines of a cell.

    Args:
        cell: the cell.
        value, parameter: the shared name of each of its vectors, and of its parameters and blocks.
    """

    def __init__(self, cell: Stages, value: Name, parameter: Name) -> None:
        self._cell, self._form = cell, cell.normal_form
        self._parameter = parameter
        gradients = cell.gradients
        derived = {a.name: a.of for a in gradients.adjoints}
        derived |= {x.name: x.of for x in gradients.inputs}
        self._derived = {name: f"d_{value(of)}" for name, of in derived.items()}
        for state, (elementwise, _) in cell.schedule.carried.items():
            if elementwise is not None:
                self._derived[elementwise] = f"carry_{value(state)}"
        self._value: Name = lambda name: self._derived.get(name) or value(name)

    def _key(self, e: Expression, inner: bool = False) -> Key:
        written_out = inner_definitions(self._form) if inner else {}
        return key(e, self._value, self._parameter, written_out)

    def vectors(self) -> Iterator[Item]:
        """States, inputs and output with their sizes."""
        form = self._form
        for what, names in (
            ("states", form.states),
            ("inputs", form.inputs),
            ("output", (form.output,)),
        ):
            extents = {n: form.input_extents.get(n, form.sizes[n]) for n in names}
            keys = [f"{self._value(n)} {common_size(form, extents[n])}" for n in names]
            line = ", ".join(f"{n} ({extents[n]})" for n in names)
            yield Item(what, " ".join(sorted(keys)), f"{what}: {line}")

    def equations(self) -> Iterator[Item]:
        """As declared."""
        definitions = own_definitions(self._form)
        for d, equation in zip(definitions, self._cell.equations, strict=True):
            size = common_size(self._form, self._form.sizes[d.name])
            line = f"({d.label}) {equation.lhs} = {equation.rhs}"
            yield Item(self._value(d.name), f"{size}: {self._key(d.value, inner=True)}", line)

    def parameters(self) -> Iterator[Item]:
        """With their shapes; a matrix is about the one that has its first block."""
        for p, shape in self._cell.parameters.items():
            blocks = parameter_blocks(self._form, p)
            shared = [self._parameter(b) for b in blocks]
            form = [f"{n}: {sizes(self._form, b)}" for n, b in zip(shared, blocks, strict=True)]
            line = f"{p} ({', '.join(shape)})"
            yield Item(shared[0].partition("[")[0], " ".join(form), line)

    def gradients(self) -> Iterator[Item]:
        """The derived equations."""
        found = self._cell.gradients
        lines = iter(str(found).splitlines())
        for a in found.adjoints:
            terms = [*a.here, *(shifted(term, 1) for term in a.later)]
            form = self._sum(terms) + " dy" * a.is_output
            yield Item(self._value(a.name), form, next(lines))
        for p in found.parameters:
            if not isinstance(p, MatrixGradient):
                name = self._parameter(p.parameter)
                yield Item(f"d_{name}", self._sum(list(p.terms)), next(lines))
                continue
            for slot, outer in enumerate(p.blocks):
                name = self._parameter(block(p.parameter, slot))
                form = " + ".join(sorted(map(self._outer, outer)))
                yield Item(f"d_{name}", form, next(lines))
        for x in found.inputs:
            yield Item(self._value(x.name), self._sum(list(x.terms)), next(lines))
        for initial in found.initial:
            later = found.adjoint(initial.state).later
            name = f"d_{self._value(initial.state)}_0"
            yield Item(name, self._sum(list(later)), next(lines))

    def _sum(self, terms: list[Expression]) -> Key:
        return " + ".join(sorted(map(self._key, terms)))

    def _outer(self, p: OuterProduct) -> Key:
        return f"{'minus ' * p.negative}{self._key(p.left)} {self._key(p.right)}^T"

    def schedule(self) -> Iterator[Item]:
        """Products, which equations run together, what is kept, and the cost of a step."""
        s = self._cell.schedule
        for name, program in (("forward", s.forward), ("backward", s.backward)):
            yield from self._program(name, program)
        for gradient in s.weight_gradients:
            rows = [
                f"{self._parameter(block(r.weight, r.slot))} {self._value(r.adjoint)} {r.negative}"
                for r in gradient.rows
            ]
            form = f"{self._key(gradient.operand)}: {sorted(rows)}"
            yield Item("parameters", form, f"parameters: {gradient}")
        for what, names in (
            ("kept for backward", s.kept),
            ("evaluated again", tuple(d.name for d in s.recomputed)),
        ):
            form = f"{what} {sorted(map(self._value, names))}"
            yield Item("kept", form, f"{what}: {', '.join(names) or 'nothing'}")
        for cost in costs(s):
            when = "each step" if cost.each_step else "once"
            line = (
                f"{cost.part}, {when}: {cost.products} FLOPs in products, "
                f"{cost.elementwise} element-wise"
            )
            yield Item(f"cost of {cost.part}, {when}", line, line)

    def _program(self, name: str, program: Program) -> Iterator[Item]:
        all_at_once = "all steps at once"
        for part, stages in (
            (f"{all_at_once}, before", program.before),
            ("each step", program.loop),
            (f"{all_at_once}, after", program.after),
        ):
            for stage in stages:
                form, line = self._stage(stage)
                yield Item(f"{name}, {part}", form, f"{name}, {part.partition(',')[0]}: {line}")

    def _stage(self, stage: Stage) -> tuple[Key, str]:
        if isinstance(stage, Block):
            names = [self._value(d.name) for d in stage.assignments]
            return (
                f"block {sorted(names)}",
                f"one block for {', '.join(d.name for d in stage.assignments)}",
            )
        if isinstance(stage, Fanout):
            rows = [
                f"{self._parameter(block(r.weight, r.slot))} {r.transposed}" for r in stage.rows
            ]
            what = ", ".join(map(_stacked, stage.rows))
            form = f"product {self._key(stage.operand)} {sorted(rows)}"
            return form, f"one product, {what} with {text(stage.operand)}"
        columns = [
            f"{self._parameter(block(c.weight, c.slot))} {c.transposed} {self._value(c.operand)} "
            f"{c.negative}"
            for c in stage.columns
        ]
        terms = [f"{_stacked(c)} with {c.operand}" for c in stage.columns]
        return f"sum of products {sorted(columns)}", f"one product, the sum of {', '.join(terms)}"


def _stacked(part: Row | Column) -> str:
    return f"{block(part.weight, part.slot)}{'^T' * part.transposed}"
