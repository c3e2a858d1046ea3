"""Where tanh and sigma are flat, 1 - y^2 and y (1 - y) of a rounded y have few digits.

That is so in PyTorch too, which keeps y as modules do.  A right module must not fail for it, and a
wrong one must fail all the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, sigma, symbols, t, tanh
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.cases import Case, Cases
from lstmgen.verification.points import shape_for
from lstmgen.verification.rounding import MOST

CORPUS = Path(__file__).parents[1] / "corpus"
h, x, W, U = symbols("h x W U")
FLAT = {
    "tanh": Cell("flat_everywhere", Eq(h[t], tanh(6.5 + W @ x[t] + U @ h[t - 1]))),
    "sigma": Cell("open_everywhere", Eq(h[t], sigma(9.5 + W @ x[t] + U @ h[t - 1]))),
}


def case(cell: Cell, dtype: str) -> Case:
    return Cases(cell).make(shape_for(cell.normal_form, 3, 2, 4, 2), dtype)


def test_points_are_drawn_where_a_gradient_has_its_digits() -> None:
    cell = lstmgen.load(CORPUS / "flat_tanh.py")
    shape = shape_for(cell.normal_form, 3, 1, 4, 2)  # where it once failed
    found = Cases(cell).make(shape, "float32")
    assert found.rounding.of_gradients() <= found.bound
    assert case(lstmgen.load("lstm"), "float32").rounding.of_gradients() < 0.1 * found.bound


@pytest.mark.parametrize("name", FLAT)
def test_a_right_module_passes_where_all_is_flat(name: str) -> None:
    cell = FLAT[name]
    made = case(cell, "float32")
    assert 10 * made.bound < made.moved("parameters", "W") < MOST
    runner = make_runner(lstmgen.compile(cell, "numpy"), "numpy")
    report = Verifier(cell, quick=True).check(runner)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", FLAT)
def test_pytorch_is_off_by_as_much(name: str) -> None:
    torch = pytest.importorskip("torch")
    made = case(FLAT[name], "float32")
    W, U = (torch.tensor(made.parameters[p], requires_grad=True) for p in ("W", "U"))
    state, loss = torch.tensor(made.initial["h"]), torch.zeros(())
    for at_t, seed in zip(made.inputs["x"], made.dy, strict=True):
        a = torch.tensor(at_t) @ W.T + state @ U.T
        state = torch.tanh(6.5 + a) if name == "tanh" else torch.sigmoid(9.5 + a)
        loss = loss + (state * torch.tensor(seed)).sum()
    loss.backward()
    true = made.gradients["dy"].parameters["W"]
    error = np.abs(W.grad.numpy() - true).max() / np.abs(true).max()
    assert made.bound < error < made.moved("parameters", "W") < MOST


@pytest.mark.parametrize("name", FLAT)
def test_a_wrong_module_fails_there(name: str) -> None:
    cell = FLAT[name]
    text, module = lstmgen.render(cell, "numpy"), lstmgen.compile(cell, "numpy")
    old = {"tanh": "np.subtract(1,", "sigma": "1 - h, out"}[name]
    assert old in text
    wrong = text.replace(old, old.replace("1", "1.0001"))
    exec(compile(wrong, str(module.__file__), "exec"), vars(module))
    assert not Verifier(cell, quick=True).check(make_runner(module, "numpy"), stop=True).ok
