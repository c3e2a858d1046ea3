"""What the contract says of tapes and scalars, of CuPy modules on the CPU."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from lstmgen import Cell, Eq, scalars, symbols, t, tanh
from lstmgen.verification.runners import build_runner

pytestmark = pytest.mark.usefixtures("cuda_on_the_cpu")

h, x, W = symbols("h x W")
c, e = scalars("c e")
LEAK = Cell("leak", Eq(h[t], c * h[t - 1] + tanh(W @ [x[t]]) * e))


@pytest.fixture(scope="module")
def module() -> Any:
    return build_runner(LEAK, "cupy", "cpu").module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scalars_are_arrays_or_numbers(module: Any, dtype: str) -> None:
    """Gradients can be subtracted from them, and the result handed in again."""
    array = module.cupy.array
    weight = array(np.full((3, 2), 0.5, dtype))
    inputs = array(np.full((4, 2, 2), 0.25, dtype))
    results = []
    for number in (
        lambda v: array(np.asarray(v, dtype)),
        lambda v: np.dtype(dtype).type(v),
        float,
    ):
        params = {"c": number(0.5), "W": weight, "e": number(2)}
        y, _, tape = module.forward(params, inputs)
        dparams, _, _ = module.backward(params, tape, dy=y)
        params = {name: value - 0.1 * dparams[name] for name, value in params.items()}
        y, state, _ = module.forward(params, inputs)
        assert y.dtype == dparams["c"].dtype == dtype
        assert dparams["c"].shape == ()
        module.step(params, inputs[0], state)
        results.append(module.cupy.asnumpy(y).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_all_parameters_are_numbers_the_dtype_is_the_input_s(dtype: str) -> None:
    cell = Cell("decay", Eq(h[t], c * h[t - 1] + x[t]))
    decay = build_runner(cell, "cupy", "cpu").module
    inputs = decay.cupy.array(np.ones((3, 2, 2), dtype))
    y, state, tape = decay.forward({"c": 0.5}, inputs, decay.init_state(2, 2, dtype=dtype))
    dparams, dx, _ = decay.backward({"c": 0.5}, tape, dy=y)
    assert y.dtype == dx.dtype == dparams["c"].dtype == state["h"].dtype == dtype
    assert float(decay.cupy.asnumpy(y)[2, 0, 0]) == 1.75


@pytest.mark.parametrize("value", [True, "0.5", None, np.float16(1)])
def test_what_is_no_scalar_is_refused(module: Any, value: Any) -> None:
    params = {**module.init_params(2, 3, seed=0), "c": value}
    with pytest.raises(TypeError, match=r"params\['c'\]|dtype"):
        module.forward(params, module.cupy.array(np.zeros((1, 1, 2), "float32")))


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda tape: pickle.loads(pickle.dumps(tape))]
)
def test_a_tape_is_not_copied(module: Any, again: Any) -> None:
    params = module.init_params(2, 3, seed=0)
    _, _, tape = module.forward(params, module.cupy.array(np.zeros((2, 1, 2), "float32")))
    with pytest.raises(TypeError, match="a tape cannot be copied or pickled; run forward again"):
        again(tape)


def test_small_values_keep_their_digits(module: Any) -> None:
    """Relative to their own size, not to the largest."""
    weight = module.cupy.array(np.array([[1.0]], "float32"))
    small = np.array([1e-6, 1e-12, 1e-30, 3e-4, 0.7], "float32")
    params = {"c": 0.0, "W": weight, "e": 1.0}
    y, _, _ = module.forward(params, module.cupy.array(small.reshape(1, 5, 1)))
    true = np.tanh(small.astype("float64"))
    np.testing.assert_allclose(module.cupy.asnumpy(y)[0, :, 0], true, rtol=3e-7)
