"""Products with one state in two steps: which become one, and that the modules stay right."""

from __future__ import annotations

import pytest

import lstmgen
from lstmgen import Cell, Eq, sigma, symbols, t, tanh
from lstmgen.algebra.expression import Value
from lstmgen.schedule.program import Gather
from lstmgen.targets.numpy.across import fanout_pairs, join_gathers

b, c, f, g, h, o, x, k = symbols("b c f g h o x k")
A, U, V, W = symbols("A U V W")

CELLS = {
    # c_t is multiplied in its step and in the next, and has an element-wise way back.
    "joined": Cell(
        "joined",
        Eq(f[t], sigma(W @ [c[t - 1], h[t - 1], x[t]] + b)),
        Eq(c[t], f[t] * c[t - 1] + tanh(V @ [h[t - 1], x[t]])),
        Eq(h[t], tanh(U @ [c[t], x[t]] + k)),
    ),
    # Without the element-wise way nothing would hold the gradient that the last state is given.
    "no element-wise way": Cell(
        "no_way",
        Eq(f[t], sigma(W @ [c[t - 1], x[t]] + b)),
        Eq(c[t], tanh(V @ [f[t], x[t]])),
        Eq(h[t], tanh(U @ [c[t], x[t]]) + f[t] * h[t - 1]),
    ),
    # What is not added to something that is there ahead of the loop has nothing to wait in.
    "without an input": Cell(
        "without_input",
        Eq(f[t], sigma(W @ c[t - 1])),
        Eq(c[t], f[t] * c[t - 1] + tanh(V @ [h[t - 1], x[t]])),
        Eq(h[t], tanh(U @ c[t])),
    ),
    # Both states of two, one of them of another size, and the same weight in both steps.
    "two states": Cell(
        "two_states",
        Eq(f[t], sigma(W @ [c[t - 1], x[t]] - A @ [g[t - 1]] + b)),
        Eq(c[t], f[t] * c[t - 1] + tanh(V @ [h[t - 1], x[t]])),
        Eq(g[t], g[t - 1] / 2 + tanh(U @ [c[t], x[t]] + k)),
        Eq(o[t], sigma(W @ [c[t], x[t]] - A @ [g[t]] + b)),
        Eq(h[t], o[t] * tanh(c[t])),
        sizes={"g": "P"},
    ),
}
JOINED = {
    "joined": {"c"},
    "no element-wise way": set(),
    "without an input": {"c"},
    "two states": {"c", "g"},
    "peephole": {"C"},
    "lstm": set(),
    "peephole_diagonal": set(),
}


def cell(name: str) -> Cell:
    return CELLS[name] if name in CELLS else lstmgen.load(name)


@pytest.mark.parametrize("name", JOINED)
def test_which_gathers_of_two_steps_are_joined(name: str) -> None:
    schedule = cell(name).schedule
    joined = join_gathers(schedule.backward.loop, schedule.carried)
    assert set(joined.handed) == JOINED[name]
    gathers = {s.result for s in joined.stages if isinstance(s, Gather)}
    for state, result in joined.handed.items():
        assert result in gathers
        assert joined.later[result]
        assert schedule.carried[state][1] not in gathers
        assert joined.carried[state] == (schedule.carried[state][0], None)
    for state in set(schedule.carried) - set(joined.handed):
        assert joined.carried[state] == schedule.carried[state]


def test_which_products_of_two_steps_are_paired() -> None:
    pairs = fanout_pairs(cell("peephole").schedule.forward.loop)
    assert [(now.operand, later.operand) for now, later in pairs] == [
        (Value("C"), Value("C", -1))
    ]
    assert not fanout_pairs(cell("lstm").schedule.forward.loop)


@pytest.mark.parametrize(("name", "across"), [("peephole", 1), ("joined", 1), ("lstm", 0)])
def test_a_step_has_one_product_fewer_for_each_pair(name: str, across: int) -> None:
    source = lstmgen.render(cell(name), "numpy")
    loop = source.partition("run.steps[lo:hi],")[2].partition("np.copyto(y")[0]
    back = source.partition("in reversed(")[2].partition("np.copyto(")[0]
    states = len(cell(name).normal_form.states)
    assert loop.count("_dot(") == back.count("_dot(") == (states if across else 1)
    assert source.count("_across(") == 2 * across


@pytest.mark.parametrize("name", CELLS)
def test_the_modules_are_right(name: str) -> None:
    report = lstmgen.verify(CELLS[name], "numpy")
    assert report.ok, str(report)
