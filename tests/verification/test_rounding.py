"""Right modules pass where little is left of the numbers, and wrong ones do not."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, cos, erfc, exp, sigma, sqrt, symbols, t, tanh
from lstmgen.gradients.equations import VectorGradient
from lstmgen.verification import Report, Verifier, make_runner
from lstmgen.verification.cases import Cases
from lstmgen.verification.derivation import check_derivation
from lstmgen.verification.labels import Label
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.points import Range, shape_for
from lstmgen.verification.wide import enlarged

h, x, W, b = symbols("h x W b")
a = W @ [h[t - 1], x[t]]
RIGHT = {
    "float32 has few digits of cos(1000 a)": cos(1000 * a) * 0.01,
    "and of the tail of erfc": erfc(8 * a) * sigma(x[t]),
    "beneath float32's smallest number": sigma(a - 120 + b),
    "far from zero": 1e7 + tanh(a),
    "a pole where a state is zero": tanh(a) / sqrt(h[t - 1] ** 2 + 1e-16) * 0.1,
    "exp of exp": exp(-exp(a + b)),
}


def checked(right: Any, change: tuple[str, str] | None = None) -> Report:
    cell = Cell("cell", Eq(h[t], right))
    module = lstmgen.compile(cell, "numpy")
    if change:
        text = lstmgen.render(cell, "numpy")
        assert change[0] in text
        exec(compile(text.replace(*change), str(module.__file__), "exec"), vars(module))
    return Verifier(cell, quick=True).check(make_runner(module))


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_module_passes(what: str) -> None:
    report = checked(RIGHT[what])
    assert report.ok, str(report)


def test_a_wrong_module_fails_where_rounding_counts() -> None:
    right = cos(1000 * a) * 0.01
    report = checked(right, ("1000", "1000.5"))
    assert not report.ok
    assert any("rounding alone" in text for text in checked(right).left_out)


def test_what_is_compared_nowhere_fails() -> None:
    """In one dtype it may be left out, if it is compared in the other."""
    one = np.ones(3, "float32")

    def ledger(check: str, error: float, moved: float) -> Ledger:
        made = Ledger(np.asarray)
        given = (one * np.float32(1 + error), one.astype("float64"), "float32", 1e-4, "T=9")
        made.compare(check, Label("1", "h"), *given, moved=lambda: moved)
        return made

    assert [c.passed for c in ledger("forward float32", 1e-3, 1e-5).checks()] == [False]
    (check,) = ledger("forward float32", 1e-3, 1e-2).checks()
    assert check.passed and check.bound == 1e-2
    for moved in (0.2, inf):
        found = ledger("forward float32", 1e-3, moved)
        (check,) = found.checks()
        assert not check.passed and "nothing was compared" in check.detail
        assert "forward float32: (1) at T=9" in next(found.left_out())
        found.compare("forward float64", Label("1", "h"), one, one, "float32", 1e-4, "T=1")
        assert [c.passed for c in found.checks()] == [True]
    # What is not finite is wrong, whatever rounding does; what is near enough is never asked.
    (check,) = ledger("forward float32", inf, inf).checks()
    assert not check.passed and check.error == inf
    assert next(ledger("forward float32", 1e-6, inf).checks()).passed


def test_a_cell_that_nothing_can_be_known_of_fails() -> None:
    report = checked(cos(1e5 * a))
    assert not report.ok
    assert "rounding alone" in report.verdict()


y = symbols("y")


def near_one() -> Cell:
    """1 - y^2 has few digits, and in some rows less than in others."""
    slow = 1e6 * (1 - y[t] ** 2) + h[t - 1] * 0.01
    return Cell("near_one", Eq(y[t], tanh(7 * (W @ [x[t]]) + 7 * b)), Eq(h[t], slow))


def test_some_rows_are_compared_as_well_as_they_can_be_known() -> None:
    module = lstmgen.compile(near_one(), "numpy")
    report = Verifier(near_one(), quick=True).check(make_runner(module))
    assert report.ok, report.verdict()
    true = module.step

    def step(params: Any, x: Any, state: Any) -> Any:  # half a percent off, where rows are few
        few = len(state["h"]) == 1
        return {n: a * (1.005 if few else 1) for n, a in true(params, x, state).items()}

    vars(module)["step"] = step
    report = Verifier(near_one(), quick=True).check(make_runner(module))
    assert "step again float64" in {check.check for check in report.failures}


def test_copies_of_units_may_differ_by_what_rounding_makes_of_them() -> None:
    """What copies have in common is forgotten here, where their difference is not."""
    forgetful = Cell("forgetful", Eq(h[t], 0.9 * h[t - 1] - 0.85 * (W @ [h[t - 1]]) + 0.1 * x[t]))
    shape = shape_for(forgetful.normal_form, 60, 1, 1, 1)
    case = Cases(forgetful).make(shape, "float64", (Range("positive", "both"),))
    copied = replace(case, rounding=case.rounding.of_copies)
    alone, copies = (
        kind.moved("initial", "h", kind.gradients["dstate"]) for kind in (case, copied)
    )
    assert copies > 1e3 * alone
    wide = enlarged(case, forgetful.normal_form, 4)
    W_, dh = wide.parameters["W"], wide.dstate["h"]
    # A right backward, one of whose copies is rounded otherwise in the first step.
    dh = dh.copy()
    for step in range(60):
        dh = 0.9 * dh - 0.85 * dh @ W_
        if not step:
            dh[:, 0] *= 1 + 2.0**-52
    expected = wide.gradients["dstate"].initial["h"]
    error = np.max(np.abs(dh - expected)) / np.max(np.abs(expected))
    assert 1e-12 < error < wide.moved("initial", "h", wide.gradients["dstate"])


TINY = {
    "1e-30": 1e-30 * b,
    "1e-60": 1e-60 * b,
    "1e-217": sigma(b - 500),
    "1e-434": sigma(b - 1000),
}


@pytest.mark.parametrize("size", TINY)
def test_tiny_gradients_are_derived_right(size: str) -> None:
    cell = Cell("tiny", Eq(h[t], tanh(a) + TINY[size]))
    assert [str(check) for check in check_derivation(cell) if not check.passed] == []


@pytest.mark.parametrize("size", TINY)
@pytest.mark.parametrize("terms", ["none", "twice"])
def test_wrong_tiny_gradients_are_noticed(size: str, terms: str) -> None:
    cell = Cell("tiny", Eq(h[t], tanh(a) + TINY[size]))
    gradients = cell.gradients
    changed = [
        replace(p, terms=() if terms == "none" else p.terms * 2)
        if isinstance(p, VectorGradient)
        else p
        for p in gradients.parameters
    ]
    checks = check_derivation(cell, replace(gradients, parameters=tuple(changed)))
    failed = [check.what for check in checks if not check.passed]
    assert any("d_b" in what for what in failed), checks


def test_what_is_not_finite_for_large_inputs_is_said_why() -> None:
    report = checked(sqrt(1 - tanh(a) ** 2))
    assert "sqrt in equation (1) has an infinite slope at 0" in report.verdict()


def test_a_state_of_zeros_without_a_value_is_one_line() -> None:
    report = checked(RIGHT["a pole where a state is zero"])
    lines = [check for check in report.checks if "no restart" in check.check]
    assert [check.check for check in lines] == ["no restart float64", "no restart float32"]
    assert any(check.check == "lengths, restart float64" for check in report.checks)


def test_long_sequences_that_nothing_is_known_of_are_said() -> None:
    report = lstmgen.verify(Cell("chaotic", Eq(h[t], cos(1000 * (a + b)))), "numpy")
    assert report.ok, report.verdict()
    assert sum(text.startswith("100 steps in float") for text in report.left_out) == 2
