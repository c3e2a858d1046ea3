"""The paths from a state to the states of the step before, as products of matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import ONE, ZERO, Expression
from lstmgen.algebra.text import block_text, text

PART = "|W"
"""Behind a Jacobian in text: without its first, direct term."""


@dataclass(frozen=True, slots=True)
class Diagonal:
    """diag(vector); a vector of ones is the identity."""

    vector: Expression

    def __str__(self) -> str:
        return "I" if self.vector == ONE else f"diag({text(self.vector)})"


@dataclass(frozen=True, slots=True)
class Block:
    """Block `slot` of the columns of `weight`, or its transpose."""

    weight: str
    slot: int
    transposed: bool

    def __str__(self) -> str:
        return block_text(self.weight, self.slot, self.transposed)


@dataclass(frozen=True, slots=True)
class Whole:
    """The Jacobian d`of`_t/d`by`_{t-1}, which has an entry of its own.

    With `part`, only what passes through products.
    """

    of: str
    by: str
    part: bool = False

    def __str__(self) -> str:
        return _ratio(self.of, self.by) + (PART if self.part else "")


@dataclass(frozen=True, slots=True)
class Group:
    """A sum in parentheses."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return f"({' + '.join(map(str, self.terms)).replace('+ -', '- ')})"


Factor = Diagonal | Block | Whole | Group


@dataclass(frozen=True, slots=True)
class Term:
    """A product of matrices, subtracted if `negative`; it has at least one factor."""

    factors: tuple[Factor, ...]
    negative: bool = False

    def __str__(self) -> str:
        return ("-" if self.negative else "") + " ".join(map(str, self.factors))


@dataclass(frozen=True, slots=True)
class Entry:
    """(Jk): d`of`_t/d`by`_{t-1} = diag(direct) + products.

    Attributes:
        direct: the diagonal of all paths that meet no matrix product; zero if there are none.
        products: the paths through matrix products, in the order of the equations.
        diagonal: if not None, the name that other entries have for `direct`.
    """

    label: str
    of: str
    by: str
    direct: Expression
    products: tuple[Term, ...]
    diagonal: str | None = None

    def __str__(self) -> str:
        parts = [] if self.direct == ZERO else [str(Diagonal(self.direct))]
        right = " + ".join([*parts, *map(str, self.products)]).replace("+ -", "- ") or "0"
        line = f"({self.label}) {_ratio(self.of, self.by)} = {right}"
        if self.diagonal is None:
            return line
        return f"{line}\n      {self.diagonal}_t = {text(self.direct)}"

    @property
    def factors(self) -> Iterator[Factor]:
        """Every factor of every path, those in sums too."""
        return _factors(self.products)


def _ratio(of: str, by: str) -> str:
    return f"d{of}_t/d{by}_{{t-1}}"


def _factors(terms: Sequence[Term]) -> Iterator[Factor]:
    for term in terms:
        for factor in term.factors:
            yield factor
            if isinstance(factor, Group):
                yield from _factors(factor.terms)
