"""Weights to and from PyTorch, Keras and ONNX, against their documented equations in NumPy.

The frameworks themselves are compared with in test_interop_references.py, where they are there.
"""

from __future__ import annotations

from functools import partial

import frameworks
import numpy as np
import pytest
from cell_data import H, data, drawn

import lstmgen
from lstmgen import Cell, Eq, interop, load, symbols, t, tanh
from lstmgen.errors import UsageError

PAIRS = [
    (name, framework)
    for framework in ("torch", "keras", "onnx")
    for name in interop.supported(framework)
]
TO = {"torch": interop.to_torch, "keras": interop.to_keras, "onnx": interop.to_onnx}
FROM = {"torch": interop.from_torch, "keras": interop.from_keras, "onnx": interop.from_onnx}
REFERENCES = {
    "torch.nn.LSTM": frameworks.torch_lstm,
    "torch.nn.GRU": frameworks.torch_gru,
    "torch.nn.RNN": frameworks.torch_rnn,
    "keras.layers.LSTM": frameworks.keras_lstm,
    "keras.layers.GRU": frameworks.keras_gru,
    "keras.layers.SimpleRNN": frameworks.keras_rnn,
    "LSTM": frameworks.onnx_lstm,
    "GRU": frameworks.onnx_gru,
    "RNN": frameworks.onnx_rnn,
}
SETTINGS = ("reset_after", "linear_before_reset", "input_forget")


def like_drawn(weights):
    """The same structure with other numbers, so that no bias is zero."""
    generator = np.random.default_rng(11)
    if isinstance(weights, dict):
        return {k: generator.uniform(-1, 1, a.shape).astype(a.dtype) for k, a in weights.items()}
    return [generator.uniform(-1, 1, a.shape).astype(a.dtype) for a in weights]


def reference(name: str, framework: str):
    layout = interop.supported(framework)[name]
    set_there = {k: v for k, v in layout.attributes.items() if k in SETTINGS}
    return partial(REFERENCES[layout.operator], **set_there)


def agrees(name: str, framework: str, weights, params) -> None:
    cell = load(name)
    x, state = data(cell)
    y, last, _ = lstmgen.compile(cell, "numpy").forward(params, x, state)
    # The output is the first of both, and then the cell state.
    ordered = [cell.output, *(s for s in cell.states if s != cell.output)]
    expected, ends = reference(name, framework)(weights, x, *(state[s] for s in ordered))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
    for s, end in zip(ordered, ends, strict=True):
        np.testing.assert_allclose(last[s], end, rtol=0, atol=1e-13)


def test_the_cells_that_have_a_layout() -> None:
    assert set(interop.supported("torch")) == {
        *("rnn", "lstm", "lstm_np", "lstm_projected", "gru_reset_after"),
    }
    assert set(interop.supported("keras")) == {
        *("rnn", "lstm", "lstm_np", "gru", "gru_reset_before", "gru_reset_after"),
    }
    assert set(interop.supported("onnx")) == {
        *("rnn", "lstm", "lstm_np", "peephole_diagonal", "lstm_cifg", "coupled"),
        *("gru", "gru_reset_before", "gru_reset_after"),
    }


@pytest.mark.parametrize(("name", "framework"), PAIRS)
def test_a_cells_parameters_give_the_same_in_the_framework(name: str, framework: str) -> None:
    params = drawn(name)
    agrees(name, framework, TO[framework](name, params), params)


@pytest.mark.parametrize(("name", "framework"), PAIRS)
def test_the_frameworks_weights_give_the_same_in_the_cell(name: str, framework: str) -> None:
    weights = like_drawn(TO[framework](name, drawn(name)))
    if name == "gru":  # has no biases
        (weights["B"] if framework == "onnx" else weights[2])[...] = 0
    agrees(name, framework, weights, FROM[framework](name, weights))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "framework"), PAIRS)
def test_there_and_back_is_the_same_bit_for_bit(name: str, framework: str, dtype: str) -> None:
    params = drawn(name, dtype)
    weights = TO[framework](name, params)
    back = FROM[framework](name, weights)
    assert list(back) == list(params)
    for p, array in params.items():
        assert back[p].dtype == array.dtype
        assert back[p].tobytes() == array.tobytes(), p
        assert not np.shares_memory(back[p], array)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "framework"), [p for p in PAIRS if p[0] != "gru"])
def test_two_biases_come_back_bit_for_bit_from_what_they_were(
    name: str, framework: str, dtype: str
) -> None:
    weights = like_drawn(TO[framework](name, drawn(name, dtype)))
    found = TO[framework](name, FROM[framework](name, weights), like=weights)
    if interop.supported(framework)[name].kind == "coupled":
        weights = without_forget_rows(weights)
        found = without_forget_rows(found)
    pairs = [(weights[k], found[k]) for k in weights] if isinstance(weights, dict) else None
    for was, now in pairs or zip(weights, found, strict=True):
        assert was.dtype == now.dtype
        assert was.tobytes() == now.tobytes()


def without_forget_rows(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX reads with input_forget=1; i, o, f, c and i, o, f."""
    cut = {k: np.delete(weights[k], slice(2 * H, 3 * H), axis=1) for k in ("W", "R")}
    both = np.split(weights["B"], 2, axis=1)
    cut["B"] = np.concatenate([np.delete(b, slice(2 * H, 3 * H), axis=1) for b in both], axis=1)
    if "P" in weights:
        cut["P"] = weights["P"][:, : 2 * H]
    return cut


def test_of_changed_biases_the_second_stays() -> None:
    weights = like_drawn(interop.to_torch("lstm", drawn("lstm")))
    params = interop.from_torch("lstm", weights)
    params["b_f"] = params["b_f"] + 0.5
    found = interop.to_torch("lstm", params, like=weights)
    assert found["bias_hh_l0"].tobytes() == weights["bias_hh_l0"].tobytes()
    change = found["bias_ih_l0"] - weights["bias_ih_l0"]
    forget = slice(H, 2 * H)
    np.testing.assert_allclose(change[forget], 0.5, atol=1e-15)
    assert not np.any(np.delete(change, forget))


def test_z_of_the_post_is_one_minus_that_of_the_frameworks() -> None:
    params = drawn("gru")
    kernel, recurrent, bias = interop.to_keras("gru", params)
    assert np.array_equal(kernel[:, :H].T, -params["W_z"][:, H:])
    assert np.array_equal(recurrent[:, :H].T, -params["W_z"][:, :H])
    assert np.array_equal(kernel[:, H : 2 * H].T, params["W_r"][:, H:])
    assert not np.any(bias)


def test_other_layers_directions_and_prefixes() -> None:
    params = drawn("gru_reset_after")
    weights = interop.to_torch("gru_reset_after", params, layer=2, reverse=True, prefix="a.b.")
    assert set(weights) == {
        f"a.b.{k}_l2_reverse" for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    back = interop.from_torch(
        "gru_reset_after", {**weights, "c": 0}, layer=2, reverse=True, prefix="a.b."
    )
    assert all(np.array_equal(back[p], params[p]) for p in params)
    one = interop.to_onnx("lstm", drawn("lstm"))
    other = interop.to_onnx("lstm", drawn("lstm", seed=4))
    both = {k: np.concatenate([one[k], other[k]]) for k in one}
    found = interop.from_onnx("lstm", both, direction=1)
    assert all(np.array_equal(found[p], a) for p, a in drawn("lstm", seed=4).items())


def test_missing_biases_and_peepholes_are_zero() -> None:
    weights = interop.to_torch("lstm", drawn("lstm"))
    params = interop.from_torch("lstm", {k: v for k, v in weights.items() if "bias" not in k})
    assert not any(np.any(params[p]) for p in params if p.startswith("b_"))
    onnx = interop.to_onnx("peephole_diagonal", drawn("peephole_diagonal"))
    params = interop.from_onnx("peephole_diagonal", {k: onnx[k] for k in "WR"})
    assert not any(np.any(params[p]) for p in params if p[:2] in ("b_", "p_"))
    keras = interop.to_keras("lstm", drawn("lstm"))
    assert not np.any(interop.from_keras("lstm", keras[:2])["b_C"])


h, x, W = symbols("h x W")


def wrong(framework: str, name: str, **changed):
    weights = TO[framework](name, drawn(name))
    return {**weights, **changed}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interop.from_torch("mgu", {}), "torch has no layout for the cell mgu; it has gru"),
        (lambda: interop.to_keras("peephole", {}), "keras has no layout for the cell peephole"),
        (lambda: interop.from_torch("lstm", {"a": 1.0}), "expected weight_ih_l0 and .*, got a"),
        (
            lambda: interop.from_torch(Cell("rnn", Eq(h[t], tanh(W @ x[t] + h[t - 1]))), {}),
            "this cell rnn has other equations than the built-in rnn",
        ),
        (
            lambda: interop.from_torch("lstm", wrong("torch", "lstm_projected")),
            r"there is a projection, which the cell lacks \(lstm_projected has one\)",
        ),
        (
            lambda: interop.from_torch("lstm_projected", wrong("torch", "lstm")),
            "there is no projection; without one the cell is lstm",
        ),
        (
            lambda: interop.from_torch("rnn", wrong("torch", "rnn", weight_ih_l0=np.zeros((0, 3)))),
            "0 rows are not those of 1 gates",
        ),
        (
            lambda: interop.from_torch("lstm", wrong("torch", "lstm", weight_ih_l0=np.zeros(8))),
            r"input weights: expected shape \('any', 'any'\), got \(8,\)",
        ),
        (
            lambda: interop.from_torch("lstm", wrong("torch", "lstm", bias_hh_l0=np.zeros(3))),
            r"recurrent bias: expected shape \(20,\), got \(3,\)",
        ),
        (
            lambda: interop.from_torch("lstm", wrong("torch", "lstm", bias_hh_l0=["a"])),
            "bias_hh_l0: expected floating-point numbers",
        ),
        (
            lambda: interop.from_onnx("lstm", wrong("onnx", "lstm", P=np.ones((1, 3 * H)))),
            "the peephole of i is not zero, and the cell has none",
        ),
        (
            lambda: interop.from_onnx("gru", wrong("onnx", "gru", B=np.ones((1, 6 * H)))),
            "the bias of z is not zero, and the cell has none",
        ),
        (
            lambda: interop.from_onnx("rnn", wrong("onnx", "rnn", B=np.ones((1, 3)))),
            "B: expected 10 numbers for each direction, got 3",
        ),
        (
            lambda: interop.from_onnx("rnn", wrong("onnx", "rnn"), direction=1),
            "W: expected 3 axes, the first of the directions, with a direction 1",
        ),
        (lambda: interop.from_onnx("rnn", {"W": 0.0}), "expected W, R and perhaps B and P, got W"),
        (
            lambda: interop.from_keras(
                "gru_reset_after", interop.to_keras("gru_reset_before", drawn("gru_reset_before"))
            ),
            r"GRU\(reset_after=True\) has two for each gate, got shape \(15,\)",
        ),
        (lambda: interop.from_keras("rnn", [np.zeros((2, 2))]), "got 1 arrays"),
        (lambda: interop.to_torch("rnn", {"W": np.zeros((5, 8))}), "parameters are W, b, not W"),
        (
            lambda: interop.to_torch("rnn", {"W": np.zeros((5, 8)), "b": np.zeros(4)}),
            r"has shape .*, not \(H",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
