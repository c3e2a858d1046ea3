"""What errors are measured by: the array's largest value, and where that says too little, more."""

from __future__ import annotations

import numpy as np
import pytest

import lstmgen
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.cases import Cases
from lstmgen.verification.labels import Label
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.points import shape_for
from lstmgen.verification.session import least_scale


def passes(found: float, expected: float, floor: float) -> bool:
    ledger = Ledger(np.asarray)
    arrays = np.array([found]), np.array([expected])
    ledger.compare("check", Label("1", "text"), *arrays, "float64", 1e-12, "where", floor)
    (check,) = ledger.checks()
    return check.passed


def test_a_floor_counts_where_it_is_larger() -> None:
    assert not passes(0.0, 1e-30, 0.0)
    assert passes(0.0, 1e-30, 1.0)
    assert not passes(0.0, 1e-11, 1.0)
    assert passes(1e9 + 1e-4, 1e9, 1.0)
    assert not passes(float("nan"), 1e-30, 1.0)
    assert not passes(float("inf"), 1e-30, 1.0)


@pytest.mark.parametrize(("dtype", "expected"), [("float64", 0.0), ("float32", 0.03)])
def test_arrays_of_one_kind_share_a_least_scale_in_float32(dtype: str, expected: float) -> None:
    cell = lstmgen.load("rnn")
    case = Cases(cell).make(shape_for(cell.normal_form, 1, 1, 1, 1), dtype)
    arrays = [np.array([1e-5]), np.array([[-3.0, 2.0]]), np.zeros(0)]
    assert least_scale(case, arrays) == pytest.approx(expected)
    least = least_scale(case, [])  # beneath it numbers of the dtype lose their digits
    assert least == np.finfo(dtype).tiny / np.finfo(dtype).eps


def test_the_quick_verifier_still_finds_what_is_wrong() -> None:
    cell = lstmgen.load("mgu")
    verifier = Verifier(cell, quick=True)
    module = lstmgen.compile(cell, "numpy")
    assert verifier.check(make_runner(module)).ok
    backward = module.backward

    def wrong(params, tape, dy=None, dstate=None):
        dparams, dx, dstate0 = backward(params, tape, dy, dstate)
        dparams["b_f"] = dparams["b_f"] * dparams["b_f"].dtype.type(1.001)
        return dparams, dx, dstate0

    module.backward = wrong
    report = verifier.check(make_runner(module))
    assert not report.ok
    failed = [check for check in report.checks if not check.passed]
    assert {c.check.rpartition(" ")[2] for c in failed} == {"float64", "float32"}
    assert all("b_f" in c.what for c in failed if c.check.startswith("backward"))
