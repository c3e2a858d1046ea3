"""Inputs that are one number for each row and step: `scalars("m")`, used as `m[t]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh
from lstmgen.errors import EquationError
from lstmgen.library.loading import load
from lstmgen.show.describe import describe
from lstmgen.show.flow import Settings, measure
from lstmgen.verification import Verifier, build_runner, verify_module

h, c, x, n, W, w, b, r = symbols("h c x n W w b r")
m, gap, alpha = scalars("m gap alpha")


def masked(m: Any = m, gap: Any = gap) -> Cell:
    """Where m is 0 the state stays; it decays with the gap."""
    return Cell(
        "masked",
        Eq(n[t], tanh(W @ [h[t - 1], x[t]] + w * gap[t] + b)),
        Eq(h[t], m[t] * n[t] + (1 - m[t]) * h[t - 1] * sigma(alpha * gap[t])),
    )


def alone() -> Cell:
    """A single input, of one number."""
    return Cell("alone", Eq(h[t], tanh(w * m[t] + W @ [h[t - 1]])))


def data(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.standard_normal(shape) for shape in shapes]


def test_it_is_an_input_of_size_one() -> None:
    cell = masked()
    assert cell.inputs == ("x", "gap", "m")
    assert cell.normal_form.input_extents == {"x": "D", "gap": "1", "m": "1"}
    assert cell.parameters == {"W": ("H", "H+D"), "w": ("H",), "b": ("H",), "alpha": ()}
    assert cell.normal_form.input_sizes == ("D",)
    assert "  gap  (1)\n  m    (1)\n" in describe(cell)
    assert cell.digest != masked(*symbols("m gap")).digest


def test_its_gradient_is_the_sum_over_the_units() -> None:
    lines = str(alone().gradients).splitlines()
    assert "(δ5) d_m_t = 1^T·(d_a_h_t * w)" in lines
    assert r"\delta m_t &= \mathbf{1}^{\top}(\delta a^{h}_t \odot w)" in alone().latex()


@pytest.mark.parametrize("cell", [masked(), alone()], ids=lambda cell: cell.name)
@pytest.mark.parametrize("target", ["numpy", "cupy", "c"])
def test_modules_of_every_target_pass_the_verification(
    cell: Cell, target: str, request: pytest.FixtureRequest
) -> None:
    if target == "cupy":
        request.getfixturevalue("cuda_on_the_cpu")
    quick = target != "numpy"  # what is compiled takes its time
    report = Verifier(cell, target, quick=quick).verify(build_runner(cell, target, "cpu"))
    assert report.ok, str(report)
    assert "scalar inputs float64" in {check.check for check in report.checks}


def test_a_gradient_that_is_not_summed_fails_the_verification() -> None:
    module: Any = lstmgen.compile(alone(), "numpy")
    over_units = module._over_units

    def unsummed(dx: Any, narrow: Any) -> Any:
        return over_units(dx, narrow) * 0 + dx[..., 0].reshape(narrow.shape)

    module._over_units = unsummed
    report = verify_module(module, alone())
    assert {check.label for check in report.failures if "backward" in check.check} == {"δ5"}


def test_it_gives_what_a_vector_of_equal_units_gives() -> None:
    one: Any = lstmgen.compile(masked(), "numpy")
    wide: Any = lstmgen.compile(masked(*symbols("m gap")), "numpy")
    T, B, H, D = 6, 3, 5, 2
    params = one.init_params(D, H, seed=1, dtype="float64")
    xs, gaps, ms, dy = data((T, B, D), (T, B, 1), (T, B, 1), (T, B, H))
    repeated = {"x": xs, "gap": np.repeat(gaps, H, 2), "m": np.repeat(ms, H, 2)}
    y, _, tape = wide.forward(params, repeated)
    _, dx, _ = wide.backward(params, tape, dy)
    for take_off in (False, True):
        given = {"x": xs, "gap": gaps[..., 0] if take_off else gaps, "m": ms}
        found, state, tape = one.forward(params, given)
        assert np.array_equal(found, y)
        _, slopes, _ = one.backward(params, tape, dy)
        assert list(slopes) == ["x", "gap", "m"]
        for name in slopes:
            assert slopes[name].shape == given[name].shape
            expected = dx[name] if name == "x" else dx[name].sum(-1)
            assert np.allclose(slopes[name].ravel(), expected.ravel(), rtol=1e-13, atol=1e-15)
    last = one.init_state(B, H, dtype="float64")
    for step in range(T):
        now = {"x": xs[step], "gap": gaps[step], "m": ms[step, :, 0]}
        last = one.step(params, now, last)
    assert np.allclose(last["h"], state["h"], rtol=1e-13)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 2, 5), r"x: expected shape \('T', 'B', 1\), got \(4, 2, 5\)"),
        ((4,), r"x: expected shape \('T', 'B', 1\), got \(4,\)"),
    ],
)
def test_another_shape_is_refused(shape: tuple[int, ...], message: str) -> None:
    module: Any = lstmgen.compile(alone(), "numpy")
    params = module.init_params(1, 5, seed=0, dtype="float64")
    with pytest.raises(ValueError, match=message):
        module.forward(params, np.zeros(shape))
    with pytest.raises(TypeError, match="x: expected dtype float64"):
        module.forward(params, np.zeros((4, 2), "float32"))
    with pytest.raises(TypeError, match=r"x: expected a numpy\.ndarray, got list"):
        module.forward(params, [[0.0]])
    with pytest.raises(ValueError, match="m is one number for each row, so expected 1, got 3"):
        module.init_params(3, 5)


def test_init_params_takes_the_sizes_of_the_other_inputs() -> None:
    module: Any = lstmgen.compile(masked(), "numpy")
    for sizes in (3, {"x": 3}, {"x": 3, "m": 1, "gap": 1}):
        assert module.init_params(sizes, 4)["W"].shape == (4, 7)
    with pytest.raises(ValueError, match=r"gap is one number for each row, so expected 1, got 4"):
        module.init_params({"x": 3, "gap": 4}, 4)


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ([Eq(h[t], tanh(W @ [h[t - 1], m[t]]))], r"@ multiplies m\[t\], .* write w \* m\[t\]"),
        ([Eq(m[t], tanh(x[t])), Eq(h[t], h[t - 1] * x[t])], "m is declared as a scalar, and only"),
        (
            [Eq(n[t], x[t] * m[t - 1]), Eq(m[t], x[t]), Eq(h[t], h[t - 1] * n[t])],
            "m is declared as",
        ),
        ([Eq(h[t], h[t - 1] * m[t - 1])], r"m\[t-1\] is used, but no equation defines m\[t\]"),
        ([Eq(h[t], h[t - 1] * m[t] * symbols("m")[t])], "m is a scalar in one place but not"),
        ([Eq(h[t], h[t - 1] * m[t] * m)], "m stands without a time index but is a vector"),
    ],
)
def test_what_cannot_be_is_refused(equations: list[Any], message: str) -> None:
    with pytest.raises(EquationError, match=message):
        Cell("refused", *equations)


def test_two_sizes_and_declared_sizes_are_refused() -> None:
    with pytest.raises(EquationError, match=r"m is combined with vectors of size . and .* two inp"):
        Cell(
            "two",
            Eq(r[t], m[t] * r[t - 1]),
            Eq(h[t], m[t] * h[t - 1] + W @ [r[t]]),
            sizes={"r": "P"},
        )
    with pytest.raises(EquationError, match="m is declared as a scalar, which has no size P"):
        Cell("sized", Eq(h[t], m[t] * h[t - 1]), sizes={"m": "P"})


def test_latex_declares_it_and_reads_it_back(tmp_path: Path) -> None:
    file = tmp_path / "masked.tex"
    file.write_text(masked().latex(gradients=False))
    assert "% lstmgen: m scalar" in file.read_text()
    again = load(file)
    assert again.normal_form.scalar_inputs == masked().normal_form.scalar_inputs
    assert str(again.normal_form) == str(masked().normal_form)
    file.write_text("h_t = \\tanh(m_t \\odot (W x_t) + h_{t-1})")
    assert load(file, declarations=["m scalar"]).normal_form.scalar_inputs == ("m",)


def test_flow_measures_such_cells() -> None:
    found = measure([masked()], Settings(steps=3, seeds=1, hidden_size=4, input_size=2))
    assert np.isfinite(found.curves[0].median).all()
