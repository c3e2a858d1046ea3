"""What a schedule costs: floating-point operations and memory traffic, as formulas in the sizes.

A matrix product of an m x n block counts 2mn for each row of the batch; an element-wise operation
and a call of a function count one for each unit.  Traffic is the least that the stages can do when
each reads what it needs and writes what others need once: a weight once for each product, a value
once for each stage that reads it.  What stays in a cache or in registers between stages makes it
less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from lstmgen.algebra.expression import Expression, Neg, Parameter, Value, children, walk
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.schedule.program import Block, Fanout, Gather, Program, Schedule, Stage

__all__ = ["Cost", "Formula", "costs", "kept_floats"]


@dataclass(frozen=True)
class Formula:
    """A polynomial in sizes, with whole coefficients: 8·B·H² + 8·B·D·H."""

    terms: tuple[tuple[tuple[str, ...], int], ...] = ()

    @classmethod
    def of(cls, coefficient: int, *sizes: str) -> Formula:
        """One term."""
        return cls((((tuple(sorted(sizes))), coefficient),) if coefficient else ())

    def __add__(self, other: Formula) -> Formula:
        found = dict(self.terms)
        for sizes, coefficient in other.terms:
            found[sizes] = found.get(sizes, 0) + coefficient
        return Formula(tuple(found.items()))

    def times(self, *sizes: str) -> Formula:
        """Multiplied by sizes."""
        return Formula(tuple((tuple(sorted((*own, *sizes))), c) for own, c in self.terms))

    def scaled(self, by: int) -> Formula:
        """Multiplied by a number."""
        return Formula(tuple((own, c * by) for own, c in self.terms))

    def at(self, sizes: Mapping[str, int]) -> int:
        """The number for given sizes."""
        return sum(c * prod(sizes[s] for s in own) for own, c in self.terms)

    @property
    def ordered(self) -> list[tuple[dict[str, int], int]]:
        """The power of each size, and the coefficient: the highest powers first, then by name."""
        ordered = sorted(self.terms, key=lambda term: (-len(term[0]), term[0]))
        return [({s: own.count(s) for s in own}, coefficient) for own, coefficient in ordered]

    def __str__(self) -> str:
        return " + ".join("·".join(_term(powers, c)) for powers, c in self.ordered) or "0"


def _term(powers: Mapping[str, int], coefficient: int) -> list[str]:
    factors = [s if n == 1 else f"{s}^{n}" for s, n in powers.items()]
    return factors if coefficient == 1 and factors else [str(coefficient), *factors]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one part of the program costs.

    Attributes:
        part: "forward", "backward" or "parameters".
        each_step: whether the part runs once for each step, or once for the sequence.
        products: operations of the matrix products.
        elementwise: operations of the blocks and sums.
        floats: numbers read and written.
    """

    part: str
    each_step: bool
    products: Formula
    elementwise: Formula
    floats: Formula

    def of_sequence(self) -> Cost:
        """The same for T steps."""
        if not self.each_step:
            return self
        found = (f.times("T") for f in (self.products, self.elementwise, self.floats))
        return Cost(self.part, False, *found)


def costs(schedule: Schedule) -> tuple[Cost, ...]:
    """Each part of the program that does anything, in its order."""
    counter = _Counter(schedule)
    found = [
        *counter.program("forward", schedule.forward),
        *counter.program("backward", schedule.backward, schedule.recomputed),
        counter.parameters(),
    ]
    return tuple(c for c in found if c.floats.terms)


def kept_floats(schedule: Schedule) -> tuple[Formula, Formula]:
    """Numbers that each step keeps for the backward pass, and keeps of it for the parameters."""
    return (
        _sum(Formula.of(1, "B", schedule.sizes[name]) for name in schedule.kept),
        _sum(Formula.of(1, "B", schedule.sizes[name]) for name in schedule.kept_adjoints),
    )


class _Counter:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._form: NormalForm = schedule.form
        self._sizes = schedule.sizes
        self._read_by = _readers(schedule)

    def program(
        self, name: str, program: Program, evaluated_again: Iterable[Definition] = ()
    ) -> Iterable[Cost]:
        yield Cost(name, False, *self._cost((*program.before, *program.after), "T"))
        products, elementwise, floats = self._cost(program.loop)
        for d in evaluated_again:
            elementwise += Formula.of(_operations(d.value), "B", self._sizes[d.name])
        yield Cost(name, True, products, elementwise, floats)

    def parameters(self) -> Cost:
        products = elementwise = floats = Formula()
        for gradient in self._schedule.weight_gradients:
            floats += Formula.of(1, "T", "B", self._sizes[gradient.operand.name])
            for row in gradient.rows:
                block = self._block(row.weight, row.slot)
                products += Formula.of(2, "T", "B", *block)
                floats += Formula.of(1, *block)
                floats += Formula.of(1, "T", "B", self._sizes[row.adjoint])
        for sums in self._schedule.reductions:
            each = _operations(sums.value) + 1
            elementwise += Formula.of(each, "T", "B", sums.size)
            floats += self._read([sums.value], frozenset(), "T")
            floats += Formula.of(1, *self._form.shape(sums.parameter))
        return Cost("parameters", False, products, elementwise, floats)

    def _cost(self, stages: Iterable[Stage], *steps: str) -> tuple[Formula, Formula, Formula]:
        products = elementwise = floats = Formula()
        for stage in stages:
            if isinstance(stage, Block):
                for d in stage.assignments:
                    elementwise += Formula.of(_operations(d.value), *steps, "B", stage.size)
                floats += self._block_floats(stage, *steps)
                continue
            operands = (
                [stage.operand.name]
                if isinstance(stage, Fanout)
                else [column.operand for column in stage.columns]
            )
            results = (
                [row.result for row in stage.rows] if isinstance(stage, Fanout) else [stage.result]
            )
            for factor in stage.rows if isinstance(stage, Fanout) else stage.columns:
                block = self._block(factor.weight, factor.slot)
                products += Formula.of(2, *steps, "B", *block)
                floats += Formula.of(1, *block)
            for value in (*operands, *results):
                floats += Formula.of(1, *steps, "B", self._sizes[value])
        return products, elementwise, floats

    def _block(self, weight: str, slot: int) -> tuple[str, str]:
        form = self._form.weights[weight]
        return form.rows, form.columns[slot]

    def _block_floats(self, block: Block, *steps: str) -> Formula:
        # A plain `d_x = back_x` is another name, not a copy.
        computed = [d for d in block.assignments if not isinstance(d.value, Value)]
        written = _sum(
            Formula.of(1, *steps, "B", block.size)
            for d in computed
            if self._read_by.get(d.name, set()) - {id(block)}
        )
        made = frozenset(d.name for d in block.assignments)
        return written + self._read([d.value for d in computed], made, *steps)

    def _read(
        self, expressions: Iterable[Expression], made: frozenset[str], *steps: str
    ) -> Formula:
        """Values from elsewhere, each once; a parameter once for all rows of the batch."""
        found: dict[Value | Parameter, None] = {}
        for expression in expressions:
            for node in walk(expression):
                if isinstance(node, Parameter) or (
                    isinstance(node, Value) and (node.shift or node.name not in made)
                ):
                    found[node] = None
        return _sum(
            Formula.of(1, *self._form.shape(node.name))
            if isinstance(node, Parameter)
            else Formula.of(1, *steps, "B", self._sizes[node.name])
            for node in found
        )


def _readers(schedule: Schedule) -> dict[str, set[int]]:
    """For each value the stages, by identity, that read it; 0 stands for what outlasts the step."""
    readers: dict[str, set[int]] = {}
    for stage in (*schedule.forward.stages, *schedule.backward.stages):
        for name in _reads(stage):
            readers.setdefault(name, set()).add(id(stage))
    lasting = [*schedule.kept, *schedule.kept_adjoints, schedule.form.output]
    lasting += [g.name for g in schedule.gradients.inputs]
    lasting += [name for pair in schedule.carried.values() for name in pair if name is not None]
    for name in lasting:
        readers.setdefault(name, set()).add(0)
    return readers


def _reads(stage: Stage) -> list[str]:
    if isinstance(stage, Fanout):
        return [stage.operand.name]
    if isinstance(stage, Gather):
        return [column.operand for column in stage.columns]
    nodes = (node for d in stage.assignments for node in walk(d.value))
    return [node.name for node in nodes if isinstance(node, Value)]


def _operations(expression: Expression) -> int:
    """An n-fold sum or product counts n - 1, a sign nothing, every other operation one."""
    parts = children(expression)
    own = 0 if not parts or isinstance(expression, Neg) else max(1, len(parts) - 1)
    return own + sum(map(_operations, parts))


def _sum(formulas: Iterable[Formula]) -> Formula:
    total = Formula()
    for formula in formulas:
        total += formula
    return total
