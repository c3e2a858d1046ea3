"""Built-in cells with inputs from tiny to huge, from a state of zeros, against 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

import lstmgen
from lstmgen.library.loading import load
from lstmgen.verification import arithmetic as arithmetic_module
from lstmgen.verification.adjoints import GradientEquations
from lstmgen.verification.arithmetic import Arithmetic
from lstmgen.verification.equations import NormalFormEvaluator
from lstmgen.verification.points import Point, shape_for

SCALES = (1e-8, 1e-4, 1.0, 1e2, 1e4)
BOUNDS = {"float64": 1e-11, "float32": 2e-3}
SATURATED = 1e-20
"""Gradients of a loss of size 1 below this are lost in 1 - f of a gate that is open or closed."""
T, B, D, H = 6, 2, 3, 4
Array = npt.NDArray[Any]


class Layer:
    """A cell's module with random parameters and inputs of a standard deviation."""

    def __init__(self, name: str, scale: float, dtype: str) -> None:
        self.cell = load(name)
        self.module = lstmgen.compile(self.cell, "numpy")
        generator = np.random.default_rng(5)
        params = self.module.init_params(D, H, seed=0, dtype=dtype)
        self.params = {
            key: np.asarray(generator.normal(size=np.shape(value)), dtype)
            for key, value in params.items()
        }
        self.x = np.asarray(scale * generator.normal(size=(T, B, D)), dtype)
        self.dy = np.asarray(generator.normal(size=(T, B, H)), dtype)

    def exactly(self) -> tuple[Array, dict[str, Array], Array]:
        """y, the parameters' gradients and dx by the cell's equations at 50 digits."""
        form, arithmetic = self.cell.normal_form, Arithmetic(50)
        gradients = self.cell.gradients

        def exact(array: Any) -> Any:
            array = np.asarray(array)
            if not array.ndim:
                return arithmetic.number(float(array))
            return [exact(part) for part in array]

        def floats(tree: Any) -> Any:
            return [floats(part) for part in tree] if isinstance(tree, list) else float(tree)

        zero = {state: exact(np.zeros(H)) for state in form.states}
        point = Point(
            shape_for(form, T, B, H, D),
            {key: exact(value) for key, value in self.params.items()},
            [[{"x": exact(row)} for row in at_t] for at_t in self.x],
            [zero] * B,
            [[exact(row) for row in at_t] for at_t in self.dy],
            [zero] * B,
        )
        equations = GradientEquations(gradients, arithmetic)
        trajectory = NormalFormEvaluator(form, arithmetic).run(point)
        solved = equations.solve(point, trajectory)
        y = [[floats(at_t[row][form.output]) for row in range(B)] for at_t in trajectory[1:]]
        dparams = {
            p.parameter: np.array(floats(equations.parameter(p, solved)))
            for p in gradients.parameters
        }
        (of_x,) = gradients.inputs
        dx = [[floats(equations.input(of_x, t, row, solved)) for row in range(B)]
              for t in range(1, T + 1)]  # fmt: skip
        return np.array(y), dparams, np.array(dx)


def error(found: Array, true: Array, largest: float = 0.0) -> float:
    """The largest difference over the largest value, or a hundredth of that of other arrays."""
    size = max(float(np.max(np.abs(true))), largest / 100, SATURATED)
    return float(np.max(np.abs(found - true))) / size


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["slstm", "min_lstm"])
def test_cells_that_divide_or_exponentiate_are_right_at_every_scale(
    name: str, scale: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic_module, "LARGEST", 1e300)
    layer = Layer(name, scale, dtype)
    y, dparams, dx = layer.exactly()
    found, _, tape = layer.module.forward(layer.params, layer.x)
    gradients, found_dx, dstate0 = layer.module.backward(layer.params, tape, layer.dy)
    assert error(found, y) < BOUNDS[dtype]
    assert all(np.isfinite(array).all() for array in dstate0.values())
    largest = max(float(np.max(np.abs(true))) for true in dparams.values())
    for key, true in dparams.items():
        assert error(gradients[key], true, largest) < BOUNDS[dtype], key
    assert error(found_dx, dx) < BOUNDS[dtype]


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0])
def test_a_centred_gate_has_its_digits(scale: float) -> None:
    """lstm_1997 has 4 sigma(a) - 2 and 2 sigma(c) - 1; without biases a is as small as x."""
    layer = Layer("lstm_1997", scale, "float32")
    for name in layer.params:
        if name.startswith("b_"):
            layer.params[name][...] = 0
    y, _, dx = layer.exactly()
    found, _, tape = layer.module.forward(layer.params, layer.x)
    _, found_dx, _ = layer.module.backward(layer.params, tape, layer.dy)
    assert error(found, y) < 1e-5
    assert error(found_dx, dx) < 1e-5


@pytest.mark.parametrize("scale", SCALES)
def test_slstm_is_the_cell_of_the_paper_without_a_stabiliser(scale: float) -> None:
    """h = o c / n with c and n as sums of exponentials, at digits enough for exp(1e5)."""
    layer = Layer("slstm", scale, "float64")
    y, _, _ = layer.module.forward(layer.params, layer.x)
    m = mpmath.MPContext()
    m.dps = 60

    def net(gate: str, x: Any, h: Any) -> list[Any]:
        W, R, b = (layer.params[f"{letter}_{gate}"] for letter in "WRb")
        return [
            m.fdot([*map(m.mpf, W[j].tolist())], x) + m.fdot([*map(m.mpf, R[j].tolist())], h)
            + m.mpf(float(b[j]))
            for j in range(H)
        ]  # fmt: skip

    for row in range(B):
        h = c = n = [m.zero] * H
        for step in range(T):
            x = [m.mpf(float(value)) for value in layer.x[step, row]]
            i, f, z, o = (net(gate, x, h) for gate in "ifzo")
            f = [1 / (1 + m.exp(-a)) for a in f]
            c = [p * q + m.exp(a) * m.tanh(v) for p, q, a, v in zip(f, c, i, z, strict=True)]
            n = [p * q + m.exp(a) for p, q, a in zip(f, n, i, strict=True)]
            h = [p / q / (1 + m.exp(-a)) for p, q, a in zip(c, n, o, strict=True)]
            np.testing.assert_allclose(y[step, row], [float(v) for v in h], rtol=0, atol=1e-11)
