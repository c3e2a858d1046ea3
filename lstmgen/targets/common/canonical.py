"""A form in which expressions are equal that differ in order, brackets and where signs stand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from lstmgen.algebra.expression import MASKED, Add, Call, Div, Expression, Mul, Neg, Number, Pow

__all__ = ["canonical"]


@lru_cache(maxsize=1 << 14)
def canonical(expression: Expression) -> Any:
    """Equal for expressions that are one sum of products, in whatever order, brackets and signs."""
    terms = _terms(expression, False)
    if len(terms) == 1 and not terms[0][0]:
        return terms[0][1]
    return ("sum", tuple(sorted(terms, key=repr)))


def _terms(expression: Expression, negative: bool) -> list[tuple[bool, Any]]:
    """The terms of a sum: whether each is subtracted, and what it is."""
    match expression:
        case Add(terms):
            return [found for term in terms for found in _terms(term, negative)]
        case Neg(argument):
            return _terms(argument, not negative)
        case Number(value):
            return [(negative is not (value < 0), ("number", str(abs(value))))]
        case Mul(factors):
            signs, parts = zip(*map(_signed, factors), strict=True)
            odd = sum(signs) % 2 == 1
            return [(negative is not odd, ("product", tuple(sorted(parts, key=repr))))]
        case Call(function, (_, _)) if function == MASKED:
            masks = []
            while isinstance(expression, Call) and expression.function == MASKED:
                mask, expression = expression.arguments
                masks.append(canonical(mask))
            sign, inner = _signed(expression)
            return [(negative is not sign, (MASKED, tuple(sorted(masks, key=repr)), inner))]
        case Call(function, arguments):
            return [(negative, (function, *map(canonical, arguments)))]
        case Div(numerator, denominator):
            (above, a), (below, b) = _signed(numerator), _signed(denominator)
            return [(negative is not (above is not below), ("quotient", a, b))]
        case Pow(base, exponent):
            return [(negative, ("power", canonical(base), canonical(exponent)))]
    return [(negative, expression)]


def _signed(expression: Expression) -> tuple[bool, Any]:
    """A factor: whether it is negative, and what it is without the sign."""
    terms = _terms(expression, False)
    return terms[0] if len(terms) == 1 else (False, canonical(expression))
