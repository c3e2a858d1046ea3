"""Textbook formulas with exponentials: recognised, the same numbers, and finite."""

from __future__ import annotations

from typing import Any

import pytest
import sympy

from lstmgen import Cell, Eq, cosh, exp, log, log1p, sigma, sinh, symbols, t, tanh
from lstmgen.algebra.functions import used
from lstmgen.algebra.stable import stable
from lstmgen.algebra.text import text
from lstmgen.language.reading import read
from lstmgen.verification.derivation import check_derivation

a, b, h, x, W, k = symbols("a b h x W k")
A, B, H = a[t], b[t], h[t - 1]
READ = {
    1 / (1 + exp(-A)): "sigma(a_t)",
    1 / (exp(-A) + 1): "sigma(a_t)",
    exp(A) / (1 + exp(A)): "sigma(a_t)",
    1 / (1 + exp(A)): "sigma(-a_t)",
    1 / (1 + 1 / exp(A)): "sigma(a_t)",
    (1 + exp(-A)) ** -1: "sigma(a_t)",
    1 / (1 + sympy.E ** (-A)): "sigma(a_t)",
    1 / (1 + sympy.exp(-A)): "sigma(a_t)",
    1 / (1 + exp(-A - B)): "sigma(a_t + b_t)",
    1 / (1 + exp(-k * A)): "sigma(k * a_t)",
    A / (1 + exp(-A)): "a_t * sigma(a_t)",
    2 * sigma(A) - 1: "tanh(a_t / 2)",
    4 * sigma(A) - 2: "2 * tanh(a_t / 2)",
    1 - 2 * sigma(A): "-tanh(a_t / 2)",
    B + 2 * sigma(2 * A) - 1: "b_t + tanh(a_t)",
    2 * sigma(A) - 2: "2 * sigma(a_t) + -2",
    -1 / (1 + exp(-A)): "-sigma(a_t)",
    1 - 1 / (1 + exp(-A)): "1 - sigma(a_t)",
    1 / (1 + exp(-A)) ** 2: "sigma(a_t) * sigma(a_t)",
    exp(-A) / (1 + exp(-A)) ** 2: "sigma(-a_t) * sigma(a_t)",
    H / ((1 + exp(-A)) * (1 + exp(-B))): "h_{t-1} * sigma(a_t) * sigma(b_t)",
    exp(A) / (exp(A) + exp(B)): "sigma(a_t - b_t)",
    exp(A) / (exp(A) + exp(B) + exp(H)): "sigma(a_t - (b_t + softplus(h_{t-1} - b_t)))",
    H / (exp(A) + exp(B)): "h_{t-1} * exp(-(a_t + softplus(b_t - a_t)))",
    log(1 + exp(A)): "softplus(a_t)",
    log(exp(A) + exp(B)): "a_t + softplus(b_t - a_t)",
    log(sigma(A)): "-softplus(-a_t)",
    log(1 / (1 + exp(-A))): "-softplus(-a_t)",
    (exp(A) - exp(-A)) / (exp(A) + exp(-A)): "tanh(a_t)",
    (1 - exp(-2 * A)) / (1 + exp(-2 * A)): "tanh(a_t)",
    (exp(2 * A) - 1) / (exp(2 * A) + 1): "tanh(a_t)",
    exp(A) - 1: "expm1(a_t)",
    log(1 + A): "log1p(a_t)",
    log1p(exp(A)): "softplus(a_t)",
    log1p(exp(A - B)): "softplus(a_t - b_t)",
    sinh(A) / cosh(A): "tanh(a_t)",
    B * sinh(A) / cosh(A): "b_t * tanh(a_t)",
}
LEFT = [exp(A) / (exp(A) + k), (1 + exp(A)) / B, exp(A) + exp(B), tanh(A) / (1 + B), log(2 + A)]
LEFT += [sinh(A) / cosh(B), cosh(A) / sinh(A)]


def form_of(formula: Any) -> Any:
    equations = [Eq(a[t], x[t] - 0.3 * H), Eq(b[t], x[t] * H), Eq(h[t], formula)]
    return read("formula", equations).by_name["h"].value


@pytest.mark.parametrize("formula", READ, ids=str)
def test_it_is_recognised(formula: Any) -> None:
    assert text(form_of(formula)) == READ[formula]


@pytest.mark.parametrize("formula", LEFT, ids=str)
def test_anything_else_is_left_alone(formula: Any) -> None:
    value = form_of(formula)
    assert stable(value) == value
    assert not used([value]) & {"sigma", "softplus", "expm1", "log1p"}


@pytest.mark.parametrize("formula", READ, ids=str)
def test_the_numbers_are_the_same_and_the_formula_is_shown_as_written(formula: Any) -> None:
    """At 50 digits, by the check of the normal form against the equations as written."""
    cell = Cell("same", Eq(a[t], x[t] - 0.3 * H), Eq(b[t], x[t] * H), Eq(h[t], formula))
    checks = check_derivation(cell)
    assert all(check.passed for check in checks), checks
    assert str(cell.equations[2].rhs) == str(formula)


def test_a_pre_activation_is_found_in_the_exponent() -> None:
    cell = Cell("gate", Eq(h[t], x[t] * H / (1 + exp(-(W @ [H, x[t]] + k)))))
    assert str(cell.normal_form).splitlines() == [
        "(1a) a_h_t = W[0]·h_{t-1} + W[1]·x_t + k",
        "(1) h_t = x_t * h_{t-1} * sigma(a_h_t)",
    ]
