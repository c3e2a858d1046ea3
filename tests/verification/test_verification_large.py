"""Inputs so large that exp overflows: textbook formulas pass, others are refused with the cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, exp, symbols, t
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.labels import Labels
from lstmgen.verification.large import LargeCheck
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.session import Session

h, x, W, b, k = symbols("h x W b k")
BEFORE = W @ [h[t - 1], x[t]] + b


def test_a_sigmoid_as_textbooks_write_it_is_verified() -> None:
    report = lstmgen.verify(Cell("textbook", Eq(h[t], h[t - 1] / (1 + exp(-BEFORE)))))
    assert report.ok, report


def test_an_exponential_that_overflows_is_refused_with_the_equation_and_the_cure() -> None:
    report = lstmgen.verify(Cell("weighted", Eq(h[t], exp(BEFORE) / (exp(BEFORE) + k))))
    details = [check.detail for check in report.failures if "large inputs" in check.check]
    assert any(
        "exp in equation (1) is infinite beyond 709" in detail and "write it with sigma" in detail
        for detail in details
    ), details


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("added", [0.0, 1e-3])
def test_gradients_of_inputs_that_shut_gates_are_what_rounding_leaves(
    dtype: str, added: float
) -> None:
    """Those of lstm's forget gate are 1e-20 and less there; any number is as finite."""
    cell = lstmgen.load("lstm")
    module, case = lstmgen.compile(cell, "numpy"), Verifier(cell)._large[dtype]
    backward = module.backward

    def moved(*arguments: Any) -> Any:
        dparams, dx, dstate0 = backward(*arguments)
        return dparams | {"W_f": dparams["W_f"] + np.asarray(added, dtype)}, dx, dstate0

    module.backward = moved
    ledger, labels = Ledger(np.asarray), Labels(cell, cell.gradients)
    LargeCheck(Session(cell.normal_form, labels, make_runner(module), ledger), dtype, case).run()
    failed = [check for check in ledger.checks() if not check.passed]
    assert [check.detail.partition(" where")[0] for check in failed] == (
        ["T=2 B=2 H=3 D=4: off by 1.0e-03,"] if added else []
    )
