"""Products of the inputs, for a whole chunk or together with those of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmgen.form.normal_form import Names
from lstmgen.targets.c.program import Matrix, Product, Statement

__all__ = ["together"]

Statements = tuple[Statement, ...]


def together(
    before: Sequence[Statement], loop: Sequence[Statement], names: Names
) -> tuple[Statements, Statements]:
    """Let products of the loop take over those before it that they are added to.

    With few rows a step, an input is multiplied for all rows of a chunk; with many, in the same
    sum as the state, which saves a pass over the result.  A product before the loop is cut where
    those of the loop are.
    """
    early: list[Statement] = []
    made = list(loop)
    for statement in before:
        alone = not any(_overlap(statement, other) for other in before if other is not statement)
        takers = _takers(statement, made) if alone else []
        if not takers:
            early.append(statement)
            continue
        assert isinstance(statement, Product)
        ((matrix, operand),) = statement.terms
        for k in takers:
            taker = made[k]
            assert isinstance(taker, Product)
            start = taker.first - statement.first
            part = slice(start, start + taker.count)
            cut = Matrix(
                names.new("ahead", operand.name),
                matrix.factors[part],
                matrix.sizes[part],
                matrix.terms,
            )
            early.append(
                replace(
                    statement,
                    first=taker.first,
                    count=taker.count,
                    terms=((cut, operand),),
                    early=True,
                )
            )
            made[k] = replace(taker, ahead=((cut, operand),))
    return tuple(early), tuple(made)


def _overlap(one: Statement, other: Statement) -> bool:
    """Whether two products write the same members."""
    if not (isinstance(one, Product) and isinstance(other, Product) and one.out == other.out):
        return False
    return one.first < other.first + other.count and other.first < one.first + one.count


def _takers(statement: Statement, loop: Sequence[Statement]) -> list[int]:
    """The products of the loop that first add to each member of a product before it."""
    if not isinstance(statement, Product) or statement.add or len(statement.terms) != 1:
        return []
    wanted = set(range(statement.first, statement.first + statement.count))
    found = []
    for k, other in enumerate(loop):
        if not isinstance(other, Product) or other.out != statement.out:
            continue
        members = set(range(other.first, other.first + other.count))
        if not members & wanted:
            continue
        if not members <= wanted or not other.add or other.ahead:
            return []  # it adds to what is to be there, or to more
        found.append(k)
        wanted -= members
        if not wanted:
            # Nothing later may have been among them.
            return found
    return []
