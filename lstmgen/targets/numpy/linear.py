"""Adjoints are linear in adjoints: what each is multiplied by is of the forward pass alone.

A step's adjoints therefore need few operations in the loop.  What they are multiplied by is
computed for all steps of a block, and an adjoint that only hands on one other, times something, is
not computed at all: its user multiplies by both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lstmgen.algebra.expression import (
    MASKED,
    ONE,
    ZERO,
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Value,
    div,
    masked,
    mul,
    values,
)
from lstmgen.form.normal_form import Definition


@dataclass(frozen=True, slots=True)
class Part:
    """± coefficient * source: one term of an adjoint."""

    source: str
    coefficient: Expression
    negative: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adjoint:
    """`name` is the sum of the parts."""

    name: str
    parts: tuple[Part, ...]
    labels: tuple[str, ...]


def parts(value: Expression, sources: Collection[str]) -> tuple[Part, ...]:
    """The terms of an adjoint; each has one of the sources as a factor."""
    terms = value.terms if isinstance(value, Add) else (value,)
    return tuple(_part(term, sources) for term in terms if term != ZERO)


def _part(term: Expression, sources: Collection[str]) -> Part:
    match term:
        case Neg(argument):
            inner = _part(argument, sources)
            return Part(inner.source, inner.coefficient, not inner.negative)
        case Value(name, 0) if name in sources:
            return Part(name, ONE, False)
        case Mul(factors):
            found = [k for k, f in enumerate(factors) if _holds(f, sources)]
            if len(found) == 1:
                inner = _part(factors[found[0]], sources)
                rest = (*factors[: found[0]], *factors[found[0] + 1 :])
                return Part(inner.source, mul(inner.coefficient, *rest), inner.negative)
        case Call(function, (mask, value)) if function == MASKED and _holds(value, sources):
            inner = _part(value, sources)
            return Part(inner.source, masked(mask, inner.coefficient), inner.negative)
        case Div(above, below) if _holds(above, sources) and not _holds(below, sources):
            inner = _part(above, sources)
            return Part(inner.source, div(inner.coefficient, below), inner.negative)
    raise AssertionError(f"not linear in the adjoints: {term}")


def _holds(expression: Expression, sources: Collection[str]) -> bool:
    return any(v.name in sources for v in values(expression))


def simplified(
    assignments: Sequence[Definition],
    sources: Collection[str],
    needed: Collection[str],
    carries: Collection[str],
    *,
    direct: bool = True,
) -> tuple[Adjoint, ...]:
    """The adjoints that are computed, in order, those that only hand one on left out.

    Args:
        assignments: of a loop, in order.
        sources: the names of all adjoints and of what they are made of.
        needed: those that must be computed, since others than these assignments read them.
        carries: what is overwritten within the step, and must be read where it stands.
        direct: False to compute those that hand one on, too.
    """
    found = [
        Adjoint(d.name, tuple(_labelled(p, d.label) for p in parts(d.value, sources)), (d.label,))
        for d in assignments
    ]
    uses: dict[str, int] = {}
    for adjoint in found:
        for part in adjoint.parts:
            uses[part.source] = uses.get(part.source, 0) + 1
    made = {adjoint.name for adjoint in found} - set(carries)
    handed: dict[str, Part] = {}
    result = []
    for adjoint in found:
        merged = tuple(
            _through(handed[p.source], p) if p.source in handed else p for p in adjoint.parts
        )
        once = uses.get(adjoint.name, 0) == 1 and adjoint.name not in needed
        if direct and once and len(merged) == 1 and merged[0].source in made:
            handed[adjoint.name] = merged[0]
            continue
        if uses.get(adjoint.name, 0) == 0 and adjoint.name not in needed:
            continue  # nobody reads it
        labels = tuple(dict.fromkeys(label for p in merged for label in p.labels))
        result.append(Adjoint(adjoint.name, merged, labels or adjoint.labels))
    return tuple(result)


def _labelled(part: Part, label: str) -> Part:
    return Part(part.source, part.coefficient, part.negative, (label,))


def _through(first: Part, then: Part) -> Part:
    """What `then` says of an adjoint that is `first`."""
    return Part(
        first.source,
        mul(first.coefficient, then.coefficient),
        first.negative != then.negative,
        (*first.labels, *then.labels),
    )
