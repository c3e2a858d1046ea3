"""The partial derivative of an element-wise expression by one vector at one time step."""

from __future__ import annotations

from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Parameter,
    Pow,
    Value,
    add,
    div,
    mul,
    neg,
    sub,
)
from lstmgen.algebra.functions import partials, power_partials


def derivative(
    expression: Expression, by: Value | Parameter, value: Expression | None = None
) -> Expression:
    """d expression / d by, element-wise, with factors and terms in the order of the expression.

    `value` is a name for the whole expression, if it has one: the derivative of an activation is
    then written in it, as f_t (1 - f_t).  Matrix products are constants here.
    """
    own = value if value is not None else expression
    match expression:
        case Add(terms):
            return _positive_first([derivative(term, by) for term in terms])
        case Neg(argument):
            return neg(derivative(argument, by))
        case Mul(factors):
            return _positive_first(
                [
                    mul(*factors[:k], slope, *factors[k + 1 :])
                    for k, factor in enumerate(factors)
                    if (slope := derivative(factor, by)) != ZERO
                ]
            )
        case Div(above, below):
            by_above = div(derivative(above, by), below)
            by_below = derivative(below, by)
            return sub(by_above, ZERO if by_below == ZERO else div(mul(own, by_below), below))
        case Pow(base, exponent):
            slopes = [derivative(part, by) for part in (base, exponent)]
            if slopes == [ZERO, ZERO]:
                return ZERO
            rules = power_partials(base, exponent, own)
            return add(*(mul(rule, s) for rule, s in zip(rules, slopes, strict=True)))
        case Call(_, arguments):
            slopes = [derivative(argument, by) for argument in arguments]
            if all(slope == ZERO for slope in slopes):
                return ZERO
            return add(
                *(mul(rule, s) for rule, s in zip(partials(expression, own), slopes, strict=True))
            )
    return ONE if expression == by else ZERO


def _positive_first(terms: list[Expression]) -> Expression:
    """Their sum; a leading minus gives way to the first positive term, as in h~ - h."""
    terms = [term for term in terms if term != ZERO]
    if terms and isinstance(terms[0], Neg):
        for k, term in enumerate(terms):
            if not isinstance(term, Neg):
                return add(term, *terms[:k], *terms[k + 1 :])
    return add(*terms)
