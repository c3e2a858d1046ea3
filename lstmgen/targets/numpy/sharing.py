"""Factors of the backward pass, written with products that are at hand.

o_t * (1 - o_t) * tanh(C_t) holds o_t * tanh(C_t), which is h_t and stored, and i_t * C_tilde_t is a
part of two factors: i_t * (1 - i_t) * C_tilde_t, and i_t * (1 - C_tilde_t^2), which is
i_t - C_tilde_t * (i_t * C_tilde_t).  Here factors are rewritten such that these products stand in
them as expressions of their own: who evaluates equal expressions once needs fewer operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from lstmgen.algebra.expression import ONE, Add, Expression, Mul, Neg, Pow, number

Pair = frozenset[Expression]
"""The two sides of a product, in either order."""


def pair_of(expression: Expression) -> Pair | None:
    """The two different sides that an expression is the product of, if it is one."""
    match expression:
        case Mul((left, right)) if left != right:
            return frozenset((left, right))
    return None


def share_products(
    factors: Sequence[Expression],
    at_hand: Callable[[Expression], bool],
    known: Mapping[Pair, Expression],
) -> tuple[Expression, ...]:
    """The factors, each in a form that has a product in common with others, or with what is known.

    Args:
        factors: what is to be evaluated.
        at_hand: whether an expression needs no operation.
        known: products that are at hand, too, and what they are called.
    """
    choices = [_pairs(factor, at_hand) for factor in factors]
    uses = Counter(pair for pairs in choices for pair in pairs)
    names: dict[Pair, Expression] = dict(known)
    found = []
    for factor, pairs in zip(factors, choices, strict=True):
        # The first of the best, since `max` keeps the order of equals.
        best = max(pairs, key=lambda p: (p in known, uses[p]), default=None)
        if best is not None and best not in known and uses[best] < 2:
            best = None
        if best is not None:
            names.setdefault(best, Mul(pairs[best]))
        found.append(_with_product(factor, best, names, at_hand))
    return tuple(found)


def _pairs(
    factor: Expression, at_hand: Callable[[Expression], bool]
) -> dict[Pair, tuple[Expression, Expression]]:
    """The products that could stand in a factor."""
    if isinstance(factor, Neg):
        return _pairs(factor.argument, at_hand)
    if (parts := _of_complement(factor, at_hand)) is not None:
        return {frozenset(parts): parts}
    if not isinstance(factor, Mul):
        return {}
    sides = dict.fromkeys(f for f in factor.factors if at_hand(f))
    return {frozenset(pair): pair for pair in combinations(sides, 2)}


def _of_complement(
    factor: Expression, at_hand: Callable[[Expression], bool]
) -> tuple[Expression, Expression] | None:
    """a and b of a * (1 - b^2)."""
    match factor:
        case Mul((a, Add((one, Neg(Pow(b, two)))))) | Mul((Add((one, Neg(Pow(b, two)))), a)):
            if one == ONE and two == number(2) and at_hand(a) and at_hand(b) and a != b:
                return a, b
    return None


def _with_product(
    factor: Expression,
    pair: Pair | None,
    names: Mapping[Pair, Expression],
    at_hand: Callable[[Expression], bool],
) -> Expression:
    """The factor with the product of the pair in it, as one expression."""
    if isinstance(factor, Neg):
        return Neg(_with_product(factor.argument, pair, names, at_hand))
    if pair is not None and (parts := _of_complement(factor, at_hand)) is not None:
        a, b = parts
        return Add((a, Neg(Mul((b, names[pair])))))
    if not isinstance(factor, Mul):
        return factor
    rest = list(factor.factors)
    first: list[Expression] = []
    if pair is not None:
        for side in [f for f in dict.fromkeys(rest) if f in pair]:
            rest.remove(side)
        first = [names[pair]]
    # What is at hand first, in all factors alike: then more of their operations can be one.
    rest.sort(key=lambda f: not at_hand(f))
    return Mul((*first, *rest)) if len(first) + len(rest) > 1 else first[0]
