"""The partial derivative of an element-wise expression by one vector at one time step."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
    Parameter,
    Pow,
    Value,
    add,
    div,
    masked,
    mul,
    neg,
    sub,
)
from lstmgen.algebra.functions import partials, power_partials, vanishing_factor


def derivative(
    expression: Expression,
    by: Value | Parameter,
    value: Expression | None = None,
    vanishing: Mapping[Expression, Expression] = MappingProxyType({}),
) -> Expression:
    """d expression / d by, element-wise, with factors and terms in the order of the expression.

    `value` is a name for the whole expression, if it has one: the derivative of an activation is
    then written in it, as f_t (1 - f_t).  Matrix products are constants here.

    A factor that is 0 over whole ranges, like relu or one of the `vanishing` values, masks what it
    multiplies: nothing depends on that where it is 0, even if the derivative of what stands around
    the product is infinite there, as in sqrt(k relu(a)).
    """

    def of(part: Expression) -> Expression:
        return derivative(part, by, vanishing=vanishing)

    def as_factor(part: Expression) -> Expression:
        return masked(part) if vanishing_factor(part, vanishing) is not None else part

    own = value if value is not None else expression
    match expression:
        case Add(terms):
            return _positive_first([of(term) for term in terms])
        case Neg(argument):
            return neg(of(argument))
        case Mul(factors):
            return _positive_first(
                [
                    mul(*map(as_factor, factors[:k]), slope, *map(as_factor, factors[k + 1 :]))
                    for k, factor in enumerate(factors)
                    if (slope := of(factor)) != ZERO
                ]
            )
        case Div(above, below):
            by_above, by_below = div(of(above), below), of(below)
            if by_below == ZERO:
                return by_above
            whole = masked(own) if vanishing_factor(above, vanishing) is not None else own
            return sub(by_above, div(mul(whole, by_below), below))
        case Pow(base, exponent):
            slopes = [of(part) for part in (base, exponent)]
            if slopes == [ZERO, ZERO]:
                return ZERO
            rules = power_partials(base, exponent, own)
            return add(*(mul(rule, s) for rule, s in zip(rules, slopes, strict=True)))
        case Call(_, arguments):
            slopes = [of(argument) for argument in arguments]
            if all(slope == ZERO for slope in slopes):
                return ZERO
            of_exponentials = _of_exponentials(expression, slopes[0])
            if of_exponentials is not None:
                return of_exponentials
            return add(
                *(mul(rule, s) for rule, s in zip(partials(expression, own), slopes, strict=True))
            )
    return ONE if expression == by else ZERO


def _of_exponentials(expression: Call, slope: Expression) -> Expression | None:
    """exp(u) slope where the slope has a factor exp(v), as that of exp(-exp(a)) has.

    Their product is exp(u + v): exp(v) may be infinite where exp(u) is 0.
    """
    if expression.function != "exp":
        return None
    if isinstance(slope, Neg):
        found = _of_exponentials(expression, slope.argument)
        return None if found is None else neg(found)
    factors = slope.factors if isinstance(slope, Mul) else (slope,)
    for k, factor in enumerate(factors):
        if isinstance(factor, Call) and factor.function == "exp":
            whole = Call("exp", (add(*factor.arguments, *expression.arguments),))
            return mul(*factors[:k], whole, *factors[k + 1 :])
    return None


def _positive_first(terms: list[Expression]) -> Expression:
    """Their sum; a leading minus gives way to the first positive term, as in h~ - h."""
    terms = [term for term in terms if term != ZERO]
    masks = {_mask(term) for term in terms}
    if len(terms) > 1 and len(masks) == 1 and None not in masks:
        (mask,) = masks
        assert mask is not None
        return masked(mask, _positive_first([_without_mask(term) for term in terms]))
    if terms and isinstance(terms[0], Neg):
        for k, term in enumerate(terms):
            if not isinstance(term, Neg):
                return add(term, *terms[:k], *terms[k + 1 :])
    return add(*terms)


def _mask(term: Expression) -> Expression | None:
    """What masks a term, if anything does."""
    inner = term.argument if isinstance(term, Neg) else term
    return inner.arguments[0] if isinstance(inner, Call) and inner.function == MASKED else None


def _without_mask(term: Expression) -> Expression:
    if isinstance(term, Neg):
        return neg(_without_mask(term.argument))
    assert isinstance(term, Call)
    return term.arguments[1]
