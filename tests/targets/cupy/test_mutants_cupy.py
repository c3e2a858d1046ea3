"""Verification catches mistakes in generated CuPy modules: in their kernels and around them.

The modules run through the stand-in; what changes no number there, such as a double literal in a
float kernel, the CUDA compiler's check catches.
"""

from __future__ import annotations

import collections
import os
from functools import cache

import pytest
from mutation_cupy import Mutant, mutants

import lstmgen
from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.targets.cupy.resources import compile_kernels
from lstmgen.verification import Verifier, make_runner

CELLS = ("rnn", "lstm", "peephole", "gru_reset_after", "peephole_diagonal")
"""The last has kernels for the gradients of parameters alone."""
PER_CELL = 36
MANY = int(os.environ.get("LSTMGEN_MUTANTS", "0"))
"""How many of each cell are verified; by default few of one (CONTRIBUTING.md)."""
SEED = 2026


@cache
def source(name: str) -> str:
    return lstmgen.render(lstmgen.load(name), "cupy")


@cache
def chosen(name: str) -> list[Mutant]:
    return mutants(source(name), PER_CELL, SEED)


@pytest.mark.parametrize("name", CELLS if MANY else ("peephole_diagonal",))
def test_every_mutant_is_caught(name: str, cuda_on_the_cpu: None, nvrtc_here: None) -> None:
    """At few sizes, or at all; only a verification that passes the true module can tell."""
    survivors = chosen(name)[: MANY or 8]
    for quick in (True, False):
        verifier = Verifier(lstmgen.load(name), "cupy", quick=quick)
        if survivors:
            assert verifier.check(runner(source(name))).ok
        survivors = [m for m in survivors if not caught(verifier, m)]
    assert not survivors, "\n".join(f"{m.kind}: {m.change}" for m in survivors)


def test_there_are_at_least_100_mutants_of_many_kinds() -> None:
    kinds: collections.Counter[str] = collections.Counter()
    for name in CELLS:
        assert len({mutant.source for mutant in chosen(name)} - {source(name)}) == PER_CELL
        kinds.update(mutant.kind for mutant in chosen(name))
    assert chosen("rnn") == mutants(source("rnn"), PER_CELL, SEED)
    assert kinds.total() >= 100
    assert {
        "index off by one",
        "missing bound check",
        "swapped operand",
        "float for double",
        "double literal",
        "wrong argument type",
        "wrong argument order",
        "missing accumulation",
        "dropped product",
        "dropped store",
        "wrong transposition",
        "stale state",
        "wrong row count",
    } <= set(kinds)


def runner(text: str):
    module = cuda_on_cpu.load_module(
        text, "mutant", cupy=cuda_on_cpu.emulated_cupy(timeout=5, multiprocessors=4)
    )
    return make_runner(module, "cupy")


def caught(verifier: Verifier, mutant: Mutant) -> bool:
    """By a run, else by the compiler; a mutant that cannot even be loaded is caught too."""
    try:
        loaded = runner(mutant.source)
    except Exception:
        return True
    if not verifier.check(loaded, stop=True).ok:
        return True
    builds = compile_kernels(loaded.module._KERNELS, ("sm_90",), ("float32",))
    return any(build.problems for build in builds)
