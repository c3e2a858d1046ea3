"""Verification catches mistakes in generated NumPy modules: every mutant that changes a number."""

from __future__ import annotations

import collections
import os
from functools import cache
from types import ModuleType

import numpy as np
import pytest
from mutation import Mutant, mutants

import lstmgen
from lstmgen.verification import Verifier, make_runner

CELLS = ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after", "lstm all")
"""Cells, some with what backward computes again."""
PER_CELL = 46
MANY = int(os.environ.get("LSTMGEN_MUTANTS", "0"))
"""How many of each cell are verified; by default few of some cells (CONTRIBUTING.md)."""
SEED = 2024
EQUIVALENT = 0.25
"""The part of the mutants that may change no number (they lose memory or speed, say)."""

SIZES = ((3, 2, 4, 3), (1, 1, 1, 1), (6, 5, 3, 2), (9, 130, 5, 4), (3, 700, 2, 3), (4, 2, 33, 17))


@cache
def source(name: str) -> str:
    cell, _, recompute = name.partition(" ")
    return lstmgen.render(lstmgen.load(cell), "numpy", recompute=recompute or "none")


@cache
def chosen(name: str) -> list[Mutant]:
    return mutants(source(name), PER_CELL, SEED)


@cache
def verifiers(name: str) -> tuple[Verifier, ...]:
    """At few sizes, which catch nearly all, and at all."""
    cell = lstmgen.load(name.partition(" ")[0])
    return Verifier(cell, quick=True), Verifier(cell)


@pytest.mark.parametrize("name", CELLS if MANY else ("rnn", "lstm all"))
def test_every_mutant_that_changes_a_number_is_caught(name):
    true = Mutant("none", "", source(name)).module()
    assert all(verifier.check(make_runner(true)).ok for verifier in verifiers(name))
    expected = results(true)
    survivors: list[Mutant] = []
    equivalent: list[Mutant] = []
    looked_at = chosen(name)[: MANY or 7]
    for mutant in looked_at:
        if caught(name, mutant):
            continue
        (equivalent if same(mutant, expected) else survivors).append(mutant)
    assert not survivors, "\n".join(f"{m.kind}: {m.change}" for m in survivors)
    listed = "\n".join(f"{m.kind}: {m.change}" for m in equivalent)
    assert len(equivalent) <= EQUIVALENT * len(looked_at) + 2, listed


def test_there_are_at_least_200_mutants_of_many_kinds():
    kinds: collections.Counter[str] = collections.Counter()
    for name in CELLS:
        assert len({mutant.source for mutant in chosen(name)}) == PER_CELL
        kinds.update(mutant.kind for mutant in chosen(name))
    assert chosen("rnn") == mutants(source("rnn"), PER_CELL, SEED)
    assert kinds.total() * (1 - EQUIVALENT) >= 200
    assert {
        "sign flipped",
        "factor dropped",
        "index shifted",
        "names swapped",
        "stale state",
        "out redirected",
        "statement missing",
        "views swapped",
    } <= set(kinds)


def test_a_mutant_that_changes_a_number_is_not_called_equivalent():
    true = Mutant("none", "", source("rnn"))
    expected = results(true.module())
    assert same(true, expected)
    different = [m for m in mutants(source("rnn"), 20, seed=1) if not same(m, expected)]
    assert len(different) > 10


def caught(name: str, mutant: Mutant) -> bool:
    """A mutant that cannot even be imported is caught too."""
    try:
        module = mutant.module()
    except Exception:
        return True
    return not all(v.check(make_runner(module), stop=True).ok for v in verifiers(name))


def same(mutant: Mutant, expected: list[np.ndarray]) -> bool:
    """Whether all results are those of the true module, to rounding."""
    try:
        found = results(mutant.module())
    except Exception:
        return False
    return all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.allclose(
            a, b, rtol=0, atol=tolerance(b) * float(np.max(np.abs(b), initial=0.0)), equal_nan=True
        )
        for a, b in zip(found, expected, strict=True)
    )


def tolerance(array: np.ndarray) -> float:
    return 1e-12 if array.dtype == np.float64 else 1e-4


def results(module: ModuleType) -> list[np.ndarray]:
    """What a module gives for many sizes and calls; it shares nothing with the verification."""
    found: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for dtype in ("float64", "float32"):
            for T, B, H, D in SIZES:
                found += _results(module, T, B, H, D, dtype)
            found += _results(module, 0, 2, 3, 2, dtype)
            found += _results(module, 2, 0, 3, 2, dtype)
    return found


def _results(module: ModuleType, T: int, B: int, H: int, D: int, dtype: str) -> list[np.ndarray]:
    generator = np.random.default_rng(T + 10 * B + 100 * H)

    def draw(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(dtype)

    params = {k: draw(*v.shape) for k, v in module.init_params(D, H, seed=1, dtype=dtype).items()}
    params = {k: v / np.sqrt(v.shape[-1]).astype(dtype) for k, v in params.items()}
    x, dy = draw(T, B, D), draw(T, B, H)
    state = {k: draw(B, H) for k in module.STATES}
    dstate = {k: draw(B, H) for k in module.STATES}
    y, last, tape = module.forward(params, x, state)
    found = [y.copy(), *last.values()]
    for seeds in ({}, {"dstate": dstate}, {"dy": dy}, {"dy": dy, "dstate": dstate}, {"dy": dy}):
        found += _flat(module.backward(params, tape, **seeds))
    y, last, tape = module.forward(params, -x, reuse=tape)
    found += [y, *last.values(), *_flat(module.backward(params, tape, dy, dstate))]
    y, last, nothing = module.forward(params, x, state, tape=False)
    assert nothing is None
    found += [y, *last.values()]
    for k in range(min(T, 2)):
        state = module.step(params, x[k], state)
        found += list(state.values())
    return found


def _flat(result) -> list[np.ndarray]:
    dparams, dx, dstate = result
    return [a.copy() for a in (*dparams.values(), dx, *dstate.values())]
