"""Formulas with exponentials, in a form that neither overflows nor loses digits.

Textbooks write 1 / (1 + exp(-a)), log(1 + exp(a)), exp(a) / (exp(a) + exp(b)).  Evaluated as they
stand, they become infinity over infinity for large arguments; as sigma(a), softplus(a) and
sigma(a - b) they do not, and are the same numbers.  Everything rests on one rule: a quotient over
a sum of exponentials is the exponential of a difference from the sum's logarithm, and that is
log(exp(u) + exp(v)) = u + softplus(v - u).
"""

from __future__ import annotations

from fractions import Fraction

from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Pow,
    add,
    div,
    mul,
    neg,
    number,
    sub,
    transform,
)

__all__ = ["stable"]

_MINUS_ONE = number(-1)
Exponents = tuple[Expression, ...]


def stable(expression: Expression) -> Expression:
    """The same values from a formula that stays finite where they are; equal if there is none."""
    return transform(expression, _rewritten)


def _rewritten(node: Expression) -> Expression:
    match node:
        case Div(above, below):
            return _tanh(above, below) or _of_hyperbolics(above, below) or _quotient(above, below)
        case Call("log", (inner,)):
            return _logarithm(inner) or node
        case Call("log1p", (inner,)):
            u = _exponent(inner)
            return node if u is None or u == ZERO else Call("softplus", (u,))
        case Add((first, second)):
            for term, other in ((first, second), (second, first)):
                if other == _MINUS_ONE and isinstance(term, Call) and term.function == "exp":
                    return Call("expm1", term.arguments)
            return _centred(node)
        case Add():
            return _centred(node)
    return node


def _centred(total: Add) -> Expression:
    """A sum in which c sigma(u) - c/2 is c/2 tanh(u/2), as gates from -c/2 to c/2 are written.

    Where u is small the difference has no digits left.
    """
    numbers = [(m, value) for m, term in enumerate(total.terms) if (value := _value(term))]
    for m, value in numbers:
        for k, term in enumerate(total.terms):
            found = _sigma(term)
            if found is not None and found[0] == -2 * value:
                rest = [one for n, one in enumerate(total.terms) if n not in (k, m)]
                return add(*rest, mul(number(-value), Call("tanh", (_half(found[1]),))))
    return total


def _sigma(term: Expression) -> tuple[Fraction, Expression] | None:
    """c and u where the term is c sigma(u)."""
    match term:
        case Neg(inner):
            found = _sigma(inner)
            return None if found is None else (-found[0], found[1])
        case Call("sigma", (u,)):
            return Fraction(1), u
        case Mul((Number(value), Call("sigma", (u,)))):
            return value, u
    return None


def _value(term: Expression) -> Fraction | None:
    match term:
        case Number(value):
            return value
        case Neg(Number(value)):
            return -value
    return None


def _exponent(term: Expression) -> Expression | None:
    """u where the term is exp(u): an exponential, a product or a quotient of some, or 1."""
    match term:
        case Call("exp", (inner,)):
            return inner
        case Mul(factors):
            parts = [_exponent(factor) for factor in factors]
            found = [part for part in parts if part is not None]
            return add(*found) if len(found) == len(parts) else None
        case Div(above, below):
            first, second = _exponent(above), _exponent(below)
            return None if first is None or second is None else _difference(first, second)
    return ZERO if term == ONE else None


def _exponents(expression: Expression) -> Exponents | None:
    """The u of a sum of exp(u), two or more of which at least one is no number."""
    if not isinstance(expression, Add):
        return None
    found = [_exponent(term) for term in expression.terms]
    exponents = tuple(u for u in found if u is not None)
    if len(exponents) < len(found) or all(u == ZERO for u in exponents):
        return None
    return exponents


def _difference(u: Expression, v: Expression) -> Expression:
    """u - v; a sum of nothing but subtracted terms is turned round."""
    if u != ZERO:
        return sub(u, v)
    if isinstance(v, Add) and all(isinstance(term, Neg) for term in v.terms):
        return add(*(neg(term) for term in v.terms))
    return neg(v)


def _logsum(exponents: Exponents) -> Expression:
    """log of the sum of their exponentials."""
    first, *rest = sorted(exponents, key=lambda u: u != ZERO)
    for u in rest:
        first = add(first, Call("softplus", (_difference(u, first) if first != ZERO else u,)))
    return first


def _quotient(above: Expression, below: Expression) -> Expression:
    """N / D, where factors of D are sums of exponentials, or whole powers of them."""
    for factor in below.factors if isinstance(below, Mul) else (below,):
        base, times = factor, 1
        if isinstance(factor, Pow) and isinstance(factor.exponent, Number):
            if factor.exponent.value.denominator != 1 or factor.exponent.value < 1:
                continue
            base, times = factor.base, int(factor.exponent.value)
        exponents = _exponents(base)
        if exponents is None:
            continue
        below = _without(below, factor)
        for _ in range(times - 1 if ZERO in exponents else 0):
            above = mul(above, _share(ZERO, exponents))
        for _ in range(1 if ZERO in exponents else times):
            above = _over(above, exponents)
    return div(above, below)


def _over(above: Expression, exponents: Exponents) -> Expression:
    """N divided by a sum of exponentials."""
    if isinstance(above, Neg):
        return neg(_over(above.argument, exponents))
    factors = above.factors if isinstance(above, Mul) else (above,)
    whole = _exponent(above)
    if whole is not None:
        return _share(whole, exponents)
    for k, factor in enumerate(factors):
        u = _exponent(factor)
        if u is not None and u != ZERO:
            return mul(*factors[:k], _share(u, exponents), *factors[k + 1 :])
    return mul(above, _share(ZERO, exponents))


def _share(u: Expression, exponents: Exponents) -> Expression:
    """exp(u) over the sum of exponentials."""
    if u not in exponents:
        return Call("exp", (_difference(u, _logsum(exponents)),))
    at = exponents.index(u)
    others = exponents[:at] + exponents[at + 1 :]
    return Call("sigma", (_difference(u, _logsum(others)),))


def _without(product: Expression, factor: Expression) -> Expression:
    if product == factor:
        return ONE
    assert isinstance(product, Mul)
    at = product.factors.index(factor)
    return mul(*product.factors[:at], *product.factors[at + 1 :])


def _tanh(above: Expression, below: Expression) -> Expression | None:
    """tanh where N / D is (exp(u) - exp(v)) / (exp(u) + exp(v))."""
    exponents = _exponents(below)
    if isinstance(above, Call) and above.function == "expm1":  # rewritten already
        above = Add((Call("exp", above.arguments), Neg(ONE)))
    if exponents is None or len(exponents) != 2 or not isinstance(above, Add):
        return None
    terms = [Neg(ONE) if term == _MINUS_ONE else term for term in above.terms]
    if len(terms) != 2 or isinstance(terms[0], Neg) is isinstance(terms[1], Neg):
        return None
    first, second = terms if isinstance(terms[1], Neg) else reversed(terms)
    assert isinstance(second, Neg)
    u, v = _exponent(first), _exponent(second.argument)
    if u is None or v is None or {u, v} != {*exponents} or u == v:
        return None
    return Call("tanh", (_half(_difference(u, v)),))


def _of_hyperbolics(above: Expression, below: Expression) -> Expression | None:
    """The quotient with tanh(u) for sinh(u) / cosh(u), which are infinite beyond 710."""
    for factor in above.factors if isinstance(above, Mul) else (above,):
        match factor:
            case Call("sinh", arguments):
                cosh = Call("cosh", arguments)
                if cosh in (below.factors if isinstance(below, Mul) else (below,)):
                    rest = div(_without(above, factor), _without(below, cosh))
                    return mul(rest, Call("tanh", arguments))
    return None


def _half(expression: Expression) -> Expression:
    match expression:
        case Neg(inner):
            return neg(_half(inner))
        case Mul((Number(value), *rest)):
            return mul(Number(value / 2), *rest)
        case Add((first, second)) if first == second:
            return first
    return div(expression, number(2))


def _logarithm(inner: Expression) -> Expression | None:
    """log of a sum of exponentials, of a sigmoid, or of 1 + a."""
    exponents = _exponents(inner)
    if exponents is not None:
        return _logsum(exponents)
    match inner:
        case Call("sigma", (argument,)):
            return neg(Call("softplus", (_difference(ZERO, argument),)))
        case Add((first, second)) if ONE in (first, second):
            return Call("log1p", (second if first == ONE else first,))
    return None
