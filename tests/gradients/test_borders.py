"""Gradients at borders and kinks, where 0 meets infinity: against PyTorch's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lstmgen import Cell, Eq, Max, relu, scalars, sqrt, symbols, t
from lstmgen.errors import VerificationError
from lstmgen.gradients import derivation
from lstmgen.verification.arithmetic import Arithmetic
from lstmgen.verification.cases import Cases
from lstmgen.verification.derivation import check_derivation
from lstmgen.verification.points import shape_for

a, h, x, r, s, W, U, b = symbols("a h x r s W U b")
k, n = scalars("k n")
BEFORE = Eq(a[t], W @ x[t] + U @ h[t - 1] + b)

CELLS = {
    "root": Cell("root", BEFORE, Eq(h[t], sqrt(relu(a[t])) + 0.1 * h[t - 1])),
    "root_max": Cell("root_max", BEFORE, Eq(h[t], sqrt(Max(a[t], 0)) + 0.1 * h[t - 1])),
    "power": Cell("power", BEFORE, Eq(h[t], relu(a[t]) ** 0.5 + 0.1 * h[t - 1])),
    "varying": Cell("varying", BEFORE, Eq(h[t], k * relu(a[t]) ** n + 0.1 * h[t - 1])),
    "factor": Cell("factor", BEFORE, Eq(h[t], sqrt(k * relu(a[t])) + 0.1 * h[t - 1])),
    "by_steps": Cell(
        "by_steps",
        BEFORE,
        Eq(r[t], relu(a[t])),
        Eq(s[t], k * r[t]),
        Eq(h[t], sqrt(s[t]) + 0.1 * h[t - 1]),
    ),
    "nearly_linear": Cell(
        "nearly_linear", BEFORE, Eq(r[t], relu(a[t])), Eq(h[t], r[t] ** 0.95 + 0.1 * h[t - 1])
    ),
    "several": Cell(
        "several",
        BEFORE,
        Eq(r[t], relu(a[t])),
        Eq(s[t], sqrt(r[t] * k)),
        Eq(h[t], s[t] * h[t - 1] + 0.2 * r[t] / (1 + r[t]) - sqrt(s[t] * n * n) + r[t]),
    ),
}
FORMULAS: dict[str, Callable[..., Any]] = {
    "root": lambda a, p: a.relu().sqrt(),
    "root_max": lambda a, p: a.maximum(0 * a.detach()).sqrt(),
    "power": lambda a, p: a.relu() ** 0.5,
    "varying": lambda a, p: p["k"] * a.relu() ** p["n"],
}


@pytest.mark.parametrize("name", CELLS)
def test_derivations_hold_where_a_root_is_off(name: str) -> None:
    checks = check_derivation(CELLS[name])
    assert all(check.passed for check in checks), checks


def test_the_points_of_verification_include_the_border() -> None:
    """Units where relu is off are among those that are compared, not thrown away."""
    arithmetic = Arithmetic(50)
    cases = Cases(CELLS["root"])
    case = cases.make(shape_for(CELLS["root"].normal_form, 4, 3, 5, 3), "float64")
    pre = np.einsum("tbd,hd->tbh", case.inputs["x"], case.parameters["W"])
    assert pre.shape == case.y.shape
    assert np.isfinite(case.gradients["dy"].parameters["W"]).all()
    off = [
        (case.y[0, row, unit] - 0.1 * case.initial["h"][row, unit]) == 0
        for row in range(3)
        for unit in range(5)
    ]
    assert 0 < sum(off) < len(off)
    assert arithmetic.border is False


@pytest.mark.parametrize("name", CELLS)
def test_verification_fails_without_masks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: plain products give 0 times infinity."""
    monkeypatch.setattr(derivation, "is_singular", lambda value: False)
    broken = Cell(name, *CELLS[name].equations)
    failed = [check for check in check_derivation(broken) if not check.passed]
    assert any("0 times infinity" in check.detail for check in failed)
    with pytest.raises(VerificationError, match="0 times infinity"):
        Cases(broken).make(shape_for(broken.normal_form, 4, 3, 5, 3), "float64")


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_at_the_border_are_those_of_pytorch(name: str) -> None:
    """Units off, on, and right at the border: 0 where a mask is 0, infinite where PyTorch's are."""
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    point = {
        "W": generator.standard_normal((5, 3)),
        "U": 0.3 * generator.standard_normal((5, 5)),
        "b": np.zeros(5),
        "k": np.array(0.7),
        "n": np.array(1.3),
    }
    inputs = generator.standard_normal((4, 2, 3))
    params = {key: point[key] for key in CELLS[name].normal_form.parameters}
    tensors = {key: torch.tensor(v, requires_grad=True) for key, v in params.items()}
    x_tensor = torch.tensor(inputs, requires_grad=True)
    state, total = torch.zeros((2, 5), dtype=torch.float64), 0
    for x_t in x_tensor:
        pre = x_t @ tensors["W"].T + state @ tensors["U"].T + tensors["b"]
        state = FORMULAS[name](pre, tensors) + 0.1 * state
        total = total + (state * torch.arange(1.0, 6.0, dtype=torch.float64)).sum()
    total.backward()

    dparams, dx = _by_equations(CELLS[name], params, inputs)
    for key, found in dparams.items():
        np.testing.assert_allclose(found, tensors[key].grad.numpy(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dx, x_tensor.grad.numpy(), rtol=1e-12, atol=1e-13)


def _by_equations(cell: Cell, params: dict[str, Any], inputs: Any) -> tuple[dict[str, Any], Any]:
    """The derived equations at 50 digits, at the point and with the loss above."""
    from lstmgen.verification.adjoints import GradientEquations
    from lstmgen.verification.equations import NormalFormEvaluator
    from lstmgen.verification.points import Point

    form, arithmetic = cell.normal_form, Arithmetic(50)
    steps, rows, size = inputs.shape

    def exact(array: Any) -> Any:
        array = np.asarray(array)
        return [exact(part) for part in array] if array.ndim else arithmetic.number(float(array))

    zero = {"h": exact(np.zeros(5))}
    point = Point(
        shape_for(form, steps, rows, 5, size),
        {key: exact(value) for key, value in params.items()},
        [[{"x": exact(row)} for row in at_t] for at_t in inputs],
        [zero] * rows,
        [[exact(np.arange(1.0, 6.0))] * rows] * steps,
        [zero] * rows,
    )
    equations = GradientEquations(cell.gradients, arithmetic)
    solved = equations.solve(point, NormalFormEvaluator(form, arithmetic).run(point))
    gradients = cell.gradients

    def floats(tree: Any) -> Any:
        return [floats(part) for part in tree] if isinstance(tree, list) else float(tree)

    dparams = {
        p.parameter: np.array(floats(equations.parameter(p, solved))) for p in gradients.parameters
    }
    (of_x,) = gradients.inputs
    dx = [[floats(equations.input(of_x, t, row, solved)) for row in range(rows)]
          for t in range(1, steps + 1)]  # fmt: skip
    return dparams, np.array(dx)
