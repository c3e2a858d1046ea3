"""Products that factors share: each factor keeps its value, and costs no more than before."""

from __future__ import annotations

import pytest
import verification_cells
from hypothesis import given
from hypothesis import strategies as st

from lstmgen import load
from lstmgen.algebra.expression import (
    Add,
    Expression,
    Mul,
    Neg,
    Number,
    Pow,
    Value,
    add,
    mul,
    neg,
    number,
    power,
)
from lstmgen.library.loading import names
from lstmgen.targets.numpy.backward import Backward
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.operations import Assignment, Operation, View, lower
from lstmgen.targets.numpy.sharing import pair_of, share_products

ODD = verification_cells.cells()
NAMES = ("a", "b", "c", "d")
A, B, C, D = map(Value, NAMES)
ONE = number(1)


def complement(value: Expression) -> Expression:
    return add(ONE, neg(value))


def at_hand(expression: Expression) -> bool:
    return isinstance(expression, Value)


def evaluate(expression: Expression, where: dict[str, float]) -> float:
    """With exact fractions the two forms would be equal; floats are near."""
    match expression:
        case Number(value):
            return float(value)
        case Value(name):
            return where[name]
        case Neg(argument):
            return -evaluate(argument, where)
        case Add(terms):
            return sum(evaluate(t, where) for t in terms)
        case Mul(factors):
            product = 1.0
            for f in factors:
                product *= evaluate(f, where)
            return product
        case Pow(base, exponent):
            return evaluate(base, where) ** evaluate(exponent, where)
    raise AssertionError(expression)


def operations(factors: tuple[Expression, ...], known: dict[Expression, View] | None = None) -> int:
    slots = (*NAMES, "p", *(f"out{k}" for k in range(len(factors))))
    assignments = [
        Assignment("", f"out{k}", View("record", slots.index(f"out{k}")), factor, "H")
        for k, factor in enumerate(factors)
    ]
    return len(lower(assignments, lambda v: View("record", slots.index(v.name)), known=known or {}))


def test_a_product_in_two_factors_is_made_once() -> None:
    first = mul(A, complement(A), B)
    second = mul(A, complement(power(B, number(2))))
    shared = share_products((first, second), at_hand, {})
    assert shared == (
        Mul((Mul((A, B)), complement(A))),
        add(A, neg(Mul((B, Mul((A, B)))))),
    )
    assert (operations((first, second)), operations(shared)) == (6, 5)


def test_a_product_that_is_stored_is_used() -> None:
    factor = neg(mul(A, complement(A), B))
    known = {frozenset((A, B)): Value("p")}
    assert pair_of(Mul((B, A))) in known
    assert share_products((factor,), at_hand, known) == (Neg(Mul((Value("p"), complement(A)))),)
    assert share_products((Mul((A, B)),), at_hand, known) == (Value("p"),)


def test_what_is_alone_stays_as_it_is() -> None:
    factors = (
        mul(A, complement(power(B, number(2)))),
        complement(power(C, number(2))),
        mul(C, D),
        A,
        power(A, number(2)),
        Mul((A, A)),
    )
    assert share_products(factors, at_hand, {}) == factors
    assert pair_of(Mul((A, A))) is None


def atoms() -> st.SearchStrategy[Expression]:
    values = st.sampled_from([A, B, C, D])
    return st.one_of(
        values, values.map(complement), values.map(lambda v: complement(power(v, number(2))))
    )


def factor() -> st.SearchStrategy[Expression]:
    products = st.lists(atoms(), min_size=1, max_size=4).map(lambda found: mul(*found))
    return st.one_of(products, products.map(neg))


@given(
    st.lists(factor(), min_size=1, max_size=5).map(tuple),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.booleans(),
)
def test_factors_keep_their_values(
    factors: tuple[Expression, ...], numbers: list[float], stored: bool
) -> None:
    where = dict(zip(NAMES, numbers, strict=True))
    where["p"] = where["a"] * where["b"]
    known = {frozenset((A, B)): Value("p")} if stored else {}
    shared = share_products(factors, at_hand, known)
    assert len(shared) == len(factors)
    for before, after in zip(factors, shared, strict=True):
        assert evaluate(after, where) == pytest.approx(evaluate(before, where), abs=1e-14)
    assert share_products(factors, at_hand, known) == shared


def factors_of(name: str) -> tuple[Operation, ...]:
    schedule = (ODD[name] if name in ODD else load(name)).schedule
    return Backward(schedule, Forward(schedule)).factors


def test_the_factors_of_an_lstm_are_eight_calls() -> None:
    """h = o tanh(C) is stored, i C_tilde made once: one square less for each of the two tanh."""
    calls = sorted(operation.ufunc for operation in factors_of("lstm"))
    assert calls == ["multiply"] * 5 + ["subtract"] * 3


@pytest.mark.parametrize("name", [*names(), *ODD])
def test_no_cell_computes_more_than_without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost() -> tuple[int, int]:
        operations = factors_of(name)
        return sum(o.out.count for o in operations), len(operations)

    with_sharing = cost()
    monkeypatch.setattr(Backward, "_shared_factors", property(lambda b: tuple(b.factor_values)))
    assert with_sharing <= cost()
