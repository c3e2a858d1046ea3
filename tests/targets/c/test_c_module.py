"""C modules: right for odd cells and sizes, and careful with the compiler and its cache."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, exp, sigma, symbols, t, tanh
from lstmgen.targets import get
from lstmgen.targets.c import compiler
from tests.random_cells.checking import check
from tests.random_cells.making import random_cell
from tests.targets.c.many import INSTRUCTIONS, LEAN, module_of, runs, way

pytestmark = pytest.mark.skipif(
    compiler.command() is None, reason="no C compiler; " + compiler.CURE
)


@pytest.mark.parametrize("k", range(20))
def test_random_cells(k: int) -> None:
    """With lengths and restart, kept and recomputed; `python -m tests.targets.c.many` runs more."""
    seed = 3_000_000 + k
    cell = random_cell(random.Random(seed)).cell()
    how = way(k)
    module = module_of(cell, *how.flags, recompute=how.recompute)
    assert check(cell, get("c").runner(module), seed, dtypes=(how.dtype,)).comparisons > 0


def test_a_module_passes_the_whole_verification() -> None:
    """That all of its statements run included."""
    report = lstmgen.verify("rnn", target="c")
    assert report.ok, str(report)
    assert "never run" in {check.check for check in report.checks}


def test_tiles_of_every_shape_chunks_and_long_sums() -> None:
    """More terms than a sum has at a time, more rows than a chunk, units that fill no vector."""
    fast, slow = module_of("lstm"), lstmgen.compile("lstm", "numpy")
    tiles = [(2, B, 9, H) for B, H in ((5, 8), (8, 16), (10, 24), (11, 32), (13, 40), (23, 56))]
    for T, B, D, H in ((9, 3, 5, 37), (3, 67, 530, 19), (40, 7, 3, 150), *tiles):
        params = fast.init_params(D, H, seed=1, dtype="float64")
        rng = np.random.default_rng(0)
        x = rng.standard_normal((T, B, D))
        dy = rng.standard_normal((T, B, H))
        for module in (fast, slow):
            y, state, tape = module.forward(params, x)
            found = [y, *state.values()]
            dparams, dx, dstate0 = module.backward(params, tape, dy)
            found += [*dparams.values(), dx, *dstate0.values()]
            if module is fast:
                first = found
        for a, b in zip(first, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * np.abs(b).max())


def test_threads_give_what_one_gives() -> None:
    module = module_of("gru", *LEAN)
    params = module.init_params(3, 5, seed=0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 7, 3)).astype("f4")
    dy = rng.standard_normal((6, 7, 5)).astype("f4")
    how = {"lengths": rng.integers(0, 7, 7), "restart": rng.random((6, 7)) < 0.3}

    def everything() -> list[Any]:
        y, state, tape = module.forward(params, x, **how)
        dparams, dx, dstate0 = module.backward(params, tape, dy, state)
        return [y, *state.values(), *dparams.values(), dx, *dstate0.values()]

    one = everything()
    module.set_threads(3)
    for a, b in zip(one, everything(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="n: expected at least 1"):
        module.set_threads(0)


def test_a_tape_is_not_copied() -> None:
    module = module_of("gru", *LEAN)
    tape = module.forward(module.init_params(3, 5), np.zeros((2, 2, 3), "f4"))[2]
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(tape)


def ulps(found: np.ndarray[Any, Any], exact: np.ndarray[Any, Any]) -> float:
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(found.dtype))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_activations_are_right_to_three_units_in_the_last_place(
    instructions: str, dtype: str
) -> None:
    """By a cell of the functions, at every width of vectors; the reference has more digits."""
    if not runs(instructions):
        pytest.skip(f"this processor has no {instructions}")
    a, b, c, x = symbols("a b c x")
    cell = Cell(
        "functions",
        Eq(a[t], sigma(x[t]) + a[t - 1]),
        Eq(b[t], tanh(x[t]) + b[t - 1]),
        Eq(c[t], exp(x[t]) + c[t - 1]),
        output="c",
    )
    module = module_of(cell, "-O1", "-DTILE_ROWS=1", INSTRUCTIONS[instructions])

    def computed(points: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
        zeros = {name: np.zeros((1, points.size), dtype) for name in "abc"}
        last = module.forward({}, points[None, None], zeros)[1]
        return tuple(last[name][0] for name in "abc")

    rng = np.random.default_rng(1)
    # exp's results are denormal from the first to the second; the last is where they overflow.
    least, denormal, largest = {
        "float32": (-103.9, -87.4, 88.7),
        "float64": (-745.1, -708.4, 709.7),
    }[dtype]
    tiny = np.log10(float(np.finfo(dtype).smallest_subnormal))
    points = np.concatenate(
        [
            rng.uniform(denormal, largest, 4000),
            rng.uniform(least, denormal, 2000),
            rng.standard_normal(4000),
            10 ** rng.uniform(-30, 0, 4000) * rng.choice((-1, 1), 4000),
            10 ** rng.uniform(tiny, -30, 1001) * rng.choice((-1, 1), 1001),
        ]
    ).astype(dtype)
    wide = points.astype(np.longdouble)
    exact = (
        np.where(wide < 0, np.exp(wide), 1) / (1 + np.exp(-np.abs(wide))),
        np.tanh(wide),
        np.exp(wide),
    )
    for name, found, true in zip(("sigma", "tanh", "exp"), computed(points), exact, strict=True):
        assert ulps(found, true) < 3, name
    small = np.finfo(dtype).smallest_normal
    assert np.count_nonzero((exact[2] > 0) & (exact[2] < small)) >= 2000
    edges = np.array([np.inf, -np.inf, 0.0, 2 * least, -2 * least, np.nan], dtype)
    limits = ((1, 0, 0.5, 0, 1), (1, -1, 0, -1, 1), (np.inf, 0, 1, 0, np.inf))
    for found, limit in zip(computed(edges), limits, strict=True):
        np.testing.assert_array_equal(found, [*limit, np.nan])


@pytest.mark.parametrize("name", ["lstm", "gru", "sru"])
def test_what_is_planned_is_explained(name: str) -> None:
    """Every equation and gradient by its label, and every number that is kept."""
    cell = lstmgen.load(name)
    sections = get("c").explain(cell)
    text = "\n".join(line for lines in sections.values() for line in lines)
    for label in [e.label for e in cell.schedule.reductions]:
        assert f"({label})" in text
    kept = text.partition("kept of each step by forward")[2].partition("for the rows")[0]
    for value in cell.schedule.kept:
        assert f"  {value} (" in kept
    assert "+=" in text and not any("<" in line for line in text.splitlines())


def test_names_that_the_text_or_c_has() -> None:
    """Macros would be replaced wherever they stand; the tape has a member `tape_h_before`."""
    W, U, b, d, r, tape_h, h, x = symbols("PACKED M_E TOGETHER INT64_MAX BACKWARD_ROWS tape_h h x")
    cell = Cell(
        "names",
        Eq(r[t], U @ (d * h[t - 1])),
        Eq(tape_h[t], tape_h[t - 1] + r[t]),
        Eq(h[t], lstmgen.tanh(W @ [tape_h[t], x[t]] + b)),
        sizes={"BACKWARD_ROWS": "MOST_SEGMENTS", "tape_h": "MOST_SEGMENTS"},
    )
    fast, slow = module_of(cell, *LEAN, "-DM_E=2.718"), lstmgen.compile(cell, "numpy")
    params = fast.init_params(3, 5, MOST_SEGMENTS=2, seed=0, dtype="float64")
    x = np.random.default_rng(0).standard_normal((4, 2, 3))
    np.testing.assert_allclose(fast.forward(params, x)[0], slow.forward(params, x)[0], rtol=1e-12)
