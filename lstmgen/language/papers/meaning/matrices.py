"""Expressions of matrices: sums, multiples, transposes, products, the identity and diagonals.

A matrix here is a sum of terms, each a coefficient and a chain of links: (U - a V^T W) is U, and -a
with the links V^T and W.  It exists only until it multiplies a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lstmgen.language import notation

MAX_TERMS = 60


@dataclass(frozen=True, slots=True)
class Weight:
    """A matrix of the cell, or its transpose."""

    name: str
    transposed: bool
    position: int


@dataclass(frozen=True, slots=True)
class Diagonal:
    """A diagonal matrix by its diagonal: multiplying by it is element-wise."""

    expression: Any
    position: int


Link = Weight | Diagonal


@dataclass(frozen=True, slots=True)
class MatrixTerm:
    """coefficient times the links, from left to right; no links are the identity."""

    coefficient: Any  # an expression, or None for one
    negative: bool
    links: tuple[Link, ...]


Matrix = tuple[MatrixTerm, ...]


def single(link: Link) -> Matrix:
    """The matrix of one link."""
    return (MatrixTerm(None, False, (link,)),)


IDENTITY: Matrix = (MatrixTerm(None, False, ()),)


def negated(matrix: Matrix) -> Matrix:
    """-M."""
    return tuple(replace(term, negative=not term.negative) for term in matrix)


def scaled(matrix: Matrix, factor: Any) -> Matrix:
    """A number times M."""
    return tuple(
        replace(
            term,
            coefficient=factor
            if term.coefficient is None
            else notation.OrderedMul(factor, term.coefficient),
        )
        for term in matrix
    )


def multiplied(left: Matrix, right: Matrix) -> Matrix:
    """L M, term by term."""
    return tuple(
        MatrixTerm(_times(a.coefficient, b.coefficient), a.negative ^ b.negative, a.links + b.links)
        for a in left
        for b in right
    )


def transposed(matrix: Matrix) -> Matrix:
    """M^T: the links in the other order, each transposed."""
    return tuple(
        replace(term, links=tuple(_flipped(link) for link in reversed(term.links)))
        for term in matrix
    )


def applied(matrix: Matrix, step: Callable[[Link, Any, bool], Any], vector: Any) -> Any:
    """M v: `step(link, vector, is_last)` multiplies by one link, the rightmost first."""
    terms = []
    for term in matrix:
        value = vector
        for k, link in enumerate(reversed(term.links)):
            value = step(link, value, k == len(term.links) - 1)
        if term.coefficient is not None:
            value = notation.OrderedMul(term.coefficient, value)
        terms.append(notation.OrderedMul(-1, value) if term.negative else value)
    return terms[0] if len(terms) == 1 else notation.OrderedAdd(*terms)


def _flipped(link: Link) -> Link:
    return replace(link, transposed=not link.transposed) if isinstance(link, Weight) else link


def _times(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return notation.OrderedMul(a, b)
