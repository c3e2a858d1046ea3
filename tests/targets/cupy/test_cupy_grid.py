"""Rows beyond the largest grid, and reads beside arrays: verification finds both.

Nobody has half a million rows here, and what is read beside an array may change no number.
"""

from __future__ import annotations

from functools import cache

import pytest
from mutation_cupy import HOST, KERNELS, Mutant

import lstmgen
from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.targets.cupy.device_check import check_device
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.report import Check
from lstmgen.verification.session import Session

CELL = "rnn"
STRIDES = ("row += blockDim.y", "row += gridDim.y", "row += 2 *", "row += rows")
LAST = 4
"""The loops: forward, backward, `gather` and `restart`; each has another wrong stride here."""


@cache
def verifier() -> Verifier:
    return Verifier(lstmgen.load(CELL), "cupy")


@cache
def source() -> str:
    return lstmgen.render(lstmgen.load(CELL), "cupy")


def failed(text: str, check: str = "grid") -> list[Check]:
    """What the checks for a device say of the grid, or of another matter."""
    cupy = cuda_on_cpu.emulated_cupy(timeout=5, multiprocessors=4)
    runner = make_runner(cuda_on_cpu.load_module(text, "grid", cupy=cupy), "cupy")
    ledger, whole = Ledger(runner.to_host), verifier()
    session = Session(whole.cell.normal_form, whole._labels, runner, ledger)
    check_device(whole._bench(session))
    found = [line for line in ledger.checks() if line.check.startswith(check)]
    assert found
    return [line for line in found if not line.passed]


def mutants(kind: str) -> list[Mutant]:
    operators = [operator for operator in (*KERNELS, *HOST) if operator.kind == kind]
    return [Mutant(kind, *made) for operator in operators for made in operator.apply(source())]


def test_a_module_is_right_beyond_the_largest_grid(cuda_on_the_cpu: None) -> None:
    assert not failed(source())


def test_every_operator_of_mutants_finds_something_in_some_module() -> None:
    texts = [lstmgen.render(lstmgen.load(name), "cupy") for name in ("peephole", "gru", "indrnn")]
    texts.append(lstmgen.render(lstmgen.load("peephole_diagonal"), "cupy"))
    for operator in (*KERNELS, *HOST):
        assert any(list(operator.apply(text)) for text in texts), operator


@pytest.mark.parametrize("place", range(LAST))
def test_a_wrong_stride_is_found(place: int, cuda_on_the_cpu: None) -> None:
    found = mutants("wrong grid stride")
    assert len(found) == LAST * len(STRIDES)
    chosen = [m for m in found if STRIDES[place] in m.change][place]
    assert failed(chosen.source), chosen.change


@pytest.mark.parametrize("place", [0, -1])
def test_a_read_beside_an_array_is_found(place: int, cuda_on_the_cpu: None) -> None:
    mutant = mutants("stray read")[place]
    assert any("illegal memory access" in c.detail for c in failed(mutant.source, "pages"))


def test_a_grid_that_knows_no_limit_is_found(cuda_on_the_cpu: None) -> None:
    for mutant in mutants("wrong grid"):
        assert failed(mutant.source), mutant.change
