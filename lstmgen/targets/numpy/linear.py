"""The backward loop as linear forms.

Every adjoint is linear in the adjoints of its step.  Written as a sum of factor * source, the
factors hold no adjoint: they are computed for many steps at once, ahead of the loop, which is left
with one multiplication or addition per term.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstmgen.algebra.expression import (
    ONE,
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Value,
    add,
    div,
    masked,
    mul,
    neg,
    values,
)


@dataclass(frozen=True, slots=True)
class Term:
    """factor * source; without a source the term is known ahead of the loop."""

    factor: Expression
    source: Value | None

    def times(self, factor: Expression) -> Term:
        return Term(mul(factor, self.factor), self.source)


Form = tuple[Term, ...]


def linear_form(
    expression: Expression, is_source: Callable[[Value], bool], known: dict[Value, Form]
) -> Form:
    """The expression as a sum of terms, one per source; `known` forms are substituted."""
    merged: dict[Value | None, Expression] = {}
    for term in _terms(expression, is_source, known):
        if term.source in merged:
            merged[term.source] = add(merged[term.source], term.factor)
        else:
            merged[term.source] = term.factor
    return tuple(Term(factor, source) for source, factor in merged.items())


def _terms(
    expression: Expression, is_source: Callable[[Value], bool], known: dict[Value, Form]
) -> Form:
    if isinstance(expression, Value):
        if expression in known:
            return known[expression]
        if is_source(expression):
            return (Term(ONE, expression),)
    if not any(is_source(value) or value in known for value in values(expression)):
        return (Term(expression, None),)
    match expression:
        case Add(terms):
            return tuple(t for term in terms for t in _terms(term, is_source, known))
        case Neg(argument):
            inner = _terms(argument, is_source, known)
            return tuple(Term(neg(t.factor), t.source) for t in inner)
        case Div(numerator, denominator):
            inner = _terms(numerator, is_source, known)
            return tuple(Term(div(t.factor, denominator), t.source) for t in inner)
        case Call("masked", (mask, value)):
            inner = _terms(value, is_source, known)
            return tuple(Term(masked(mask, t.factor), t.source) for t in inner)
        case Mul(factors):
            for k, factor in enumerate(factors):
                if any(is_source(v) or v in known for v in values(factor)):
                    rest = mul(*factors[:k], *factors[k + 1 :])
                    return tuple(t.times(rest) for t in _terms(factor, is_source, known))
    raise AssertionError(f"an adjoint that is not linear: {expression}")
