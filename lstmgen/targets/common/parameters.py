"""The gradients of parameters as what a target prints: products, sums, and what nothing reaches.

A schedule says which outer products and sums make them.  Here these are put into the order of the
target's adjoints in memory, and each knows whether it is the first that goes to its place, so that
a target may store the first and add the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import Add, Expression, Neg, Value, add
from lstmgen.gradients.equations import MatrixGradient
from lstmgen.schedule.program import Outer, Schedule

__all__ = ["Block", "OuterProduct", "ParameterGradients", "Summed", "Zero", "parameter_gradients"]


@dataclass(frozen=True, slots=True)
class Block:
    """What of a product goes to a block of columns of a weight's gradient.

    Attributes:
        outer: the weight and its block, and the adjoint whose rows of the product these are.
        first: whether nothing went to that block before.
    """

    outer: Outer
    first: bool


@dataclass(frozen=True, slots=True)
class OuterProduct:
    """Adjoints, transposed, times one vector, summed over time and batch in one product.

    Attributes:
        operand: the vector.
        adjoints: once each, in the order in which they lie.
        blocks: what becomes of the product's rows, in the order of the adjoints.
    """

    operand: Value
    adjoints: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The equations that it computes, once each."""
        return tuple(dict.fromkeys(block.outer.label for block in self.blocks))


@dataclass(frozen=True, slots=True)
class Summed:
    """What is summed over time and batch, and for a scalar over the units too.

    Attributes:
        value: of `size` units; where it is an adjoint as it is, or its negative, `adjoint` is that.
        first: whether nothing went to the parameter before.
    """

    parameter: str
    value: Expression
    size: str
    scalar: bool
    first: bool
    label: str

    @property
    def adjoint(self) -> str | None:
        """The name of the value, if it is a value as it is."""
        inner = self.value.argument if isinstance(self.value, Neg) else self.value
        return inner.name if isinstance(inner, Value) else None

    @property
    def negative(self) -> bool:
        """Whether it is subtracted; of an expression the sign is within."""
        return self.adjoint is not None and isinstance(self.value, Neg)


@dataclass(frozen=True, slots=True)
class Zero:
    """A parameter, or a block of a weight, that the loss does not depend on."""

    parameter: str
    slot: int | None
    label: str


@dataclass(frozen=True, slots=True)
class ParameterGradients:
    """All of them."""

    products: tuple[OuterProduct, ...]
    sums: tuple[Summed, ...]
    zeros: tuple[Zero, ...]


def parameter_gradients(
    schedule: Schedule, order: Sequence[str], *, adjacent: bool = False, by_term: bool = False
) -> ParameterGradients:
    """The gradients of a cell's parameters.

    Args:
        schedule: the cell's.
        order: the adjoints in the order in which they lie in memory.
        adjacent: whether the adjoints of a product must be neighbours; it is then cut where they
            are not.
        by_term: whether adjoints are summed one by one, and not within an expression.
    """
    started: set[tuple[str, int | None]] = set()

    def first(parameter: str, slot: int | None = None) -> bool:
        key = (parameter, slot)
        new = key not in started
        started.add(key)
        return new

    products = []
    for gradient in schedule.weight_gradients:
        rows = sorted(gradient.rows, key=lambda row: order.index(row.adjoint))
        for run in _runs(rows, order) if adjacent else [rows]:
            adjoints = tuple(dict.fromkeys(row.adjoint for row in run))
            blocks = tuple(Block(row, first(row.weight, row.slot)) for row in run)
            products.append(OuterProduct(gradient.operand, adjoints, blocks))
    sums = []
    for r in schedule.reductions:
        scalar = r.parameter in schedule.form.scalars
        for value in _terms(r.value, order) if by_term else [r.value]:
            new = first(r.parameter)
            sums.append(Summed(r.parameter, value, r.size, scalar, new, r.label))
    zeros = []
    for derived in schedule.gradients.parameters:
        matrix = isinstance(derived, MatrixGradient)
        for slot in range(len(derived.blocks)) if matrix else (None,):  # type: ignore[union-attr]
            if first(derived.parameter, slot):
                zeros.append(Zero(derived.parameter, slot, derived.label))
    return ParameterGradients(tuple(products), tuple(sums), tuple(zeros))


def _runs(rows: Sequence[Outer], order: Sequence[str]) -> Iterable[list[Outer]]:
    """Rows in pieces of which the adjoints are neighbours, none of them twice."""
    run: list[Outer] = []
    for row in rows:
        if run and order.index(row.adjoint) != order.index(run[-1].adjoint) + 1:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _terms(value: Expression, order: Sequence[str]) -> Iterable[Expression]:
    """The adjoints of a sum one by one, then the rest together."""
    rest = []
    for term in value.terms if isinstance(value, Add) else (value,):
        inner = term.argument if isinstance(term, Neg) else term
        if isinstance(inner, Value) and inner.name in order:
            yield term
        else:
            rest.append(term)
    if rest:
        yield add(*rest)
