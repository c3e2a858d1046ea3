"""Which products of the loop take in inputs and constants, and that the modules stay right."""

from __future__ import annotations

import pytest

import lstmgen
from lstmgen import Cell, Eq, sigma, symbols, t, tanh
from lstmgen.targets.numpy.joining import Joining

b, c, f, g, h, k, p, q, u, x = symbols("b c f g h k p q u x")
A, U, V, W = symbols("A U V W")

CELLS = {
    # The rows of one vector: two take in x, one takes in a constant alone, one takes in nothing.
    "of several kinds": Cell(
        "kinds",
        Eq(f[t], sigma(W @ [h[t - 1], x[t]] + b)),
        Eq(g[t], sigma(V @ [h[t - 1], x[t]])),
        Eq(c[t], tanh(f[t] * (U @ h[t - 1] + k) + A @ x[t])),
        Eq(h[t], g[t] * c[t] + (1 - g[t]) * h[t - 1]),
    ),
    # x twice in one sum: what it is multiplied by does not lie beside h once.
    "an input twice": Cell(
        "twice",
        Eq(h[t], tanh(W @ [h[t - 1], x[t]] - V @ x[t] + b)),
    ),
    # Of two inputs the rows use other ones.
    "two inputs": Cell(
        "two",
        Eq(f[t], sigma(W @ [h[t - 1], x[t], u[t]] + b)),
        Eq(g[t], sigma(V @ [h[t - 1], u[t]])),
        Eq(c[t], tanh(U @ [h[t - 1], x[t], u[t]])),
        Eq(h[t], f[t] * c[t] + g[t] * h[t - 1] + x[t] * 0.5),
        sizes={"x": "H"},
    ),
    # A sum of products with two vectors of the loop, of which one is made in the step.
    "two vectors": Cell(
        "vectors",
        Eq(f[t], sigma(W @ [h[t - 1], x[t]] + b)),
        Eq(c[t], tanh(U @ [f[t] * h[t - 1]] - V @ h[t - 1] + k)),
        Eq(h[t], c[t] - f[t] * c[t] + A @ [f[t], x[t]]),
    ),
    # A state that is multiplied when it is new takes in no input: that of the next step is there.
    "a new state": Cell(
        "anew",
        Eq(c[t], 0.5 * c[t - 1] + tanh(V @ [h[t - 1], x[t]] + b)),
        Eq(h[t], tanh(U @ [c[t], x[t]] + k)),
    ),
    # The same vector in the same sum, by a matrix and by its transpose.
    "a transpose": Cell(
        "transpose",
        Eq(h[t], h[t - 1] + 0.1 * tanh(W @ h[t - 1] - W.T @ h[t - 1] + V @ x[t] - b)),
    ),
    # A state that is a sum of products, and a sum that an element-wise term belongs to.
    "linear": Cell(
        "linear",
        Eq(c[t], U @ [c[t - 1], x[t]] + 0.25 * c[t - 1]),
        Eq(h[t], W @ [h[t - 1], c[t - 1]] + p),
    ),
}

# Per product: what it multiplies, 1 if that is among it, and how many sums it makes.
JOINED = {
    "lstm": {("h x 1", 4)},
    "peephole": {("h x 1", 4), ("C", 3)},
    "gru": {("h x", 2), ("p x", 1)},
    "gru_reset_after": {("h x 1", 2), ("h 1", 1)},
    "rnn": {("h x 1", 1)},
    "of several kinds": {("h x 1", 2), ("h 1", 1)},
    "an input twice": {("h", 1)},
    "two inputs": {("h x u 1", 2), ("h", 1)},
    "a new state": {("h x 1", 1), ("c", 1)},
}


def cell(name: str) -> Cell:
    return CELLS[name] if name in CELLS else lstmgen.load(name)


@pytest.mark.parametrize("name", JOINED)
def test_what_products_take_in(name: str) -> None:
    joining = Joining(cell(name).schedule)
    found = set()
    for products in joining.products.values():
        for product in products:
            state = product.operand.name in cell(name).normal_form.states
            own = product.operand.name if state else "p"
            parts = (own, *product.inputs, *("1",) * product.constant)
            found.add((" ".join(parts), len(product.sums)))
    assert found == JOINED[name]


@pytest.mark.parametrize("name", CELLS)
def test_a_sum_begins_once_and_takes_in_what_no_other_does(name: str) -> None:
    joining = Joining(cell(name).schedule)
    products = [p for found in joining.products.values() for p in found]
    rows = [s.of.row.result for p in products for s in p.sums]
    assert len(rows) == len({*rows})
    beside = [block.row.result for p in products for s in p.sums for block in s.beside]
    assert sorted(beside) == sorted(joining.taken)
    assert {*joining.begins.values()} <= {*rows}


@pytest.mark.parametrize("name", CELLS)
def test_the_modules_are_right(name: str) -> None:
    report = lstmgen.verify(CELLS[name], "numpy")
    assert report.ok, str(report)


def test_the_loop_adds_nothing_to_a_product_that_took_in_all() -> None:
    source = lstmgen.render(cell("lstm"), "numpy")
    loop = source.partition("run.steps[lo:hi],")[2].partition("np.copyto(y")[0]
    assert loop.count("add(") == 1  # the sum of (4)
    assert "np.matmul(w_x" not in source
