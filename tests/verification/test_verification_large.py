"""Inputs so large that exp overflows: textbook formulas pass, others are refused with the cure."""

from __future__ import annotations

import lstmgen
from lstmgen import Cell, Eq, exp, symbols, t

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
