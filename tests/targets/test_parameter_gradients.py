"""The gradients of parameters as targets print them: nothing lost, nothing twice, in order."""

from __future__ import annotations

import random

import pytest
import verification_cells

from lstmgen import Cell, Eq, load, scalars, symbols, t, tanh
from lstmgen.algebra.expression import Add
from lstmgen.library.loading import names
from lstmgen.targets.common.parameters import parameter_gradients

ODD = verification_cells.cells()


def terms(value: object) -> tuple[object, ...]:
    return value.terms if isinstance(value, Add) else (value,)


@pytest.mark.parametrize("name", [*names(), *ODD])
@pytest.mark.parametrize("options", [{}, {"adjacent": True}, {"by_term": True}])
def test_nothing_is_lost_and_nothing_is_twice(name: str, options: dict[str, bool]) -> None:
    schedule = (ODD[name] if name in ODD else load(name)).schedule
    order = [adjoint.name for adjoint in schedule.gradients.adjoints]
    random.Random(name).shuffle(order)
    found = parameter_gradients(schedule, order, **options)
    blocks = [(p.operand, b.outer) for p in found.products for b in p.blocks]
    wanted = [(g.operand, row) for g in schedule.weight_gradients for row in g.rows]
    assert sorted(map(str, blocks)) == sorted(map(str, wanted))
    for product in found.products:
        places = [order.index(name) for name in product.adjoints]
        assert places == sorted(places) and len(set(places)) == len(places)
        if options.get("adjacent"):
            assert places == list(range(places[0], places[0] + len(places)))
            assert len(product.blocks) == len(places)
    summed = [(s.parameter, str(v), s.size) for s in found.sums for v in terms(s.value)]
    reduced = [(r.parameter, str(v), r.size) for r in schedule.reductions for v in terms(r.value)]
    assert sorted(summed) == sorted(reduced)
    if options.get("by_term"):
        assert all(len(terms(s.value)) == 1 for s in found.sums if s.adjoint in order)
    # The first to each place, and only that, says so; what has none is zero.
    firsts = [(b.outer.weight, b.outer.slot) for p in found.products for b in p.blocks if b.first]
    firsts += [(s.parameter, None) for s in found.sums if s.first]
    firsts += [(zero.parameter, zero.slot) for zero in found.zeros]
    form = schedule.form
    places = [
        (p, slot)
        for p in form.parameters
        for slot in (range(len(form.weights[p].columns)) if p in form.weights else [None])
    ]
    assert sorted(firsts, key=str) == sorted(places, key=str)


def test_negative_and_scalar_sums_and_what_nothing_reaches() -> None:
    h, x, W, b, unread = symbols("h x W b unread")
    c, d = scalars("c d")
    cell = Cell(
        "few",
        Eq(unread[t], d * x[t]),
        Eq(h[t], tanh(W @ [h[t - 1], x[t]]) - b + c * x[t]),
    )
    order = [adjoint.name for adjoint in cell.gradients.adjoints]
    found = parameter_gradients(cell.schedule, order, by_term=True)
    by_name = {s.parameter: s for s in found.sums}
    assert (by_name["b"].adjoint, by_name["b"].negative) == ("d_h", True)
    assert by_name["c"].scalar and by_name["c"].adjoint is None and not by_name["c"].negative
    assert {s.parameter for s in found.sums} | {z.parameter for z in found.zeros} == {"b", "c", "d"}
