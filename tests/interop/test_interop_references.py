"""PyTorch, onnxruntime, Flax and Keras compute with converted weights what the modules compute.

Skipped, with a line that says so, where the packages are not installed:
pip install '.[references]'.
"""

from __future__ import annotations

import numpy as np
import pytest
from cell_data import D, H, P, data, drawn

import lstmgen
from lstmgen import interop, load

# PyTorch ------------------------------------------------------------------------------------------


def torch_layer(name: str):
    """A layer with its own random weights in float64, and the cell's module."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(7)
    made = {
        "rnn": lambda: torch.nn.RNN(D, H),
        "lstm": lambda: torch.nn.LSTM(D, H),
        "lstm_np": lambda: torch.nn.LSTM(D, H),
        "lstm_projected": lambda: torch.nn.LSTM(D, H, proj_size=P),
        "gru_reset_after": lambda: torch.nn.GRU(D, H),
    }[name]()
    return torch, made.double()


@pytest.mark.parametrize("name", list(interop.supported("torch")))
def test_pytorch_gives_the_same_forward_and_backward(name: str) -> None:
    torch, layer = torch_layer(name)
    cell = load(name)
    module = lstmgen.compile(cell, "numpy")
    weights = layer.state_dict()
    params = interop.from_torch(name, weights)
    x, state = data(cell)
    ordered = [cell.output, *(s for s in cell.states if s != cell.output)]

    y, last, tape = module.forward(params, x, state)
    given = torch.tensor(x, requires_grad=True)
    first = [torch.tensor(state[s][None], requires_grad=True) for s in ordered]
    expected, ends = layer(given, first[0] if len(first) == 1 else tuple(first))
    ends = [ends] if len(first) == 1 else list(ends)
    assert np.max(np.abs(y - expected.detach().numpy())) < 1e-14
    for s, end in zip(ordered, ends, strict=True):
        assert np.max(np.abs(last[s] - end.detach().numpy()[0])) < 1e-14

    generator = np.random.default_rng(2)
    dy = generator.standard_normal(y.shape)
    dstate = {s: generator.standard_normal(state[s].shape) for s in cell.states}
    loss = (expected * torch.tensor(dy)).sum()
    for s, end in zip(ordered, ends, strict=True):
        loss = loss + (end[0] * torch.tensor(dstate[s])).sum()
    loss.backward()
    dparams, dx, dstate0 = module.backward(params, tape, dy, dstate)
    assert np.max(np.abs(dx - given.grad.numpy())) < 1e-13
    for s, tensor in zip(ordered, first, strict=True):
        assert np.max(np.abs(dstate0[s] - tensor.grad.numpy()[0])) < 1e-13
    # Gradients have the weights' layout; that of a sum of two biases belongs to both.
    found = interop.to_torch(name, dparams)
    for key, parameter in layer.named_parameters():
        if key.startswith("bias"):
            own = found["bias_ih_l0"].copy()
            if key.startswith("bias_hh") and np.any(found["bias_hh_l0"]):
                own[2 * H :] = found["bias_hh_l0"][2 * H :]  # the candidate's own
            assert np.max(np.abs(own - parameter.grad.numpy())) < 1e-13, key
        else:
            assert np.max(np.abs(found[key] - parameter.grad.numpy())) < 1e-13, key


@pytest.mark.parametrize("name", list(interop.supported("torch")))
def test_pytorchs_weights_come_back_bit_for_bit(name: str) -> None:
    torch, layer = torch_layer(name)
    weights = layer.float().state_dict()
    back = interop.to_torch(name, interop.from_torch(name, weights), like=weights)
    assert set(back) == set(weights)
    for key, tensor in weights.items():
        assert back[key].tobytes() == tensor.numpy().tobytes(), key
    layer.load_state_dict({key: torch.from_numpy(array) for key, array in back.items()})


@pytest.mark.parametrize("name", list(interop.supported("torch")))
def test_pytorch_loads_a_cells_parameters(name: str) -> None:
    torch, layer = torch_layer(name)
    params = drawn(name)
    weights = interop.to_torch(name, params)
    layer.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
    x, _ = data(load(name))
    expected, _ = layer(torch.tensor(x))
    y, _, _ = lstmgen.compile(load(name), "numpy").forward(params, x)
    assert np.max(np.abs(y - expected.detach().numpy())) < 1e-14


def test_a_tensor_with_a_gradient_is_taken_too() -> None:
    _, layer = torch_layer("lstm")
    found = interop.from_torch("lstm", dict(layer.named_parameters()))
    expected = interop.from_torch("lstm", layer.state_dict())
    assert all(np.array_equal(found[p], expected[p]) for p in expected)


# ONNX ---------------------------------------------------------------------------------------------


def onnx_session(operator: str, attributes: dict[str, object], weights, steps: int, rows: int):
    """A model of one operator, with its weights as constants."""
    reason = "onnx and onnxruntime are not installed"
    onnx = pytest.importorskip("onnx", reason=reason)
    runtime = pytest.importorskip("onnxruntime", reason=reason)
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    states = ["h", "c"] if operator == "LSTM" else ["h"]
    inputs = ["x", "W", "R", "B", "", *states, *(["P"] if "P" in weights else [])]
    outputs = ["y", *(f"last_{s}" for s in states)]
    node = helper.make_node(operator, inputs, outputs, hidden_size=H, **attributes)
    single = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        operator,
        [
            helper.make_tensor_value_info("x", single, [steps, rows, D]),
            *(helper.make_tensor_value_info(s, single, [1, rows, H]) for s in states),
        ],
        [
            helper.make_tensor_value_info("y", single, [steps, 1, rows, H]),
            *(helper.make_tensor_value_info(o, single, [1, rows, H]) for o in outputs[1:]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", list(interop.supported("onnx")))
def test_onnxruntime_gives_the_same(name: str, seed: int) -> None:
    cell, layout = load(name), interop.supported("onnx")[name]
    params = drawn(name, "float32", seed)
    x, state = data(cell)
    x, state = x.astype("float32"), {s: a.astype("float32") for s, a in state.items()}
    weights = interop.to_onnx(name, params)
    session = onnx_session(layout.operator, dict(layout.attributes), weights, *x.shape[:2])
    ordered = [cell.output, *(s for s in cell.states if s != cell.output)]
    given = {s: state[own][None] for s, own in zip("hc", ordered, strict=False)}
    expected, *ends = session.run(None, {"x": x, **given})
    y, last, _ = lstmgen.compile(cell, "numpy").forward(params, x, state)
    np.testing.assert_allclose(y, expected[:, 0], rtol=0, atol=2e-6)
    for own, end in zip(ordered, ends, strict=True):
        np.testing.assert_allclose(last[own], end[0], rtol=0, atol=4e-6)


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "gru_reset_before", "rnn"])
def test_onnx_weights_with_two_biases_give_the_same(name: str) -> None:
    cell, layout = load(name), interop.supported("onnx")[name]
    generator = np.random.default_rng(8)
    weights = {
        k: generator.uniform(-0.7, 0.7, a.shape).astype("float32")
        for k, a in interop.to_onnx(name, drawn(name, "float32")).items()
    }
    x = data(cell)[0].astype("float32")
    session = onnx_session(layout.operator, dict(layout.attributes), weights, *x.shape[:2])
    zero = np.zeros((1, x.shape[1], H), "float32")
    expected, *_ = session.run(
        None, {"x": x, **dict.fromkeys("hc" if layout.operator == "LSTM" else "h", zero)}
    )
    params = interop.from_onnx(name, weights)
    y, _, _ = lstmgen.compile(cell, "numpy").forward(params, x)
    np.testing.assert_allclose(y, expected[:, 0], rtol=0, atol=2e-6)


# Flax and Keras ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru_reset_after"])
def test_the_cells_of_flax_compute_the_same(name: str) -> None:
    nn = pytest.importorskip("flax.linen", reason="Flax is not installed")
    nnx, jax = pytest.importorskip("flax.nnx"), pytest.importorskip("jax")
    linen = {"rnn": nn.SimpleCell, "lstm": nn.OptimizedLSTMCell, "gru_reset_after": nn.GRUCell}
    params, cell = drawn(name, "float32"), load(name)
    if name == "gru_reset_after":
        params["c_n"][...] = 0  # nnx has none
    x, state = data(cell)
    x, state = x.astype("float32"), {s: a.astype("float32") for s, a in state.items()}
    carry = tuple(state[s] for s in reversed(cell.states)) if len(state) > 1 else state["h"]
    made = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru_reset_after": nnx.GRUCell}
    stateful = made[name](D, H, rngs=nnx.Rngs(0))
    earlier = nnx.to_pure_dict(nnx.state(stateful, nnx.Param))
    tree = interop.to_flax(name, params, like=earlier)
    nnx.update(stateful, nnx.State(jax.tree_util.tree_map(jax.numpy.asarray, tree)))
    plain = {"params": interop.to_flax(name, params)}
    ours = lstmgen.compile(cell, "numpy").forward(params, x, state)[0]
    first = second = carry
    for step, x_t in enumerate(x):
        first, found = linen[name](H).apply(plain, first, x_t)
        np.testing.assert_allclose(np.asarray(found), ours[step], rtol=0, atol=2e-6)
        second, found = stateful(second, jax.numpy.asarray(x_t))
        np.testing.assert_allclose(np.asarray(found), ours[step], rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "layer", "options"),
    [
        ("lstm", "LSTM", {}),
        ("gru_reset_after", "GRU", {}),
        ("gru_reset_before", "GRU", {"reset_after": False, "use_bias": False}),
    ],
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_a_bidirectional_layer_of_keras_computes_the_same(
    name: str, layer: str, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # read when it is imported first
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    cell, module = load(name), lstmgen.compile(load(name), "numpy")
    x = data(cell)[0].astype("float32")
    both = keras.layers.Bidirectional(
        getattr(keras.layers, layer)(H, return_sequences=True, **options)
    )
    both.build((None, None, D))
    found = np.asarray(both(np.swapaxes(x, 0, 1)))
    for k, time in enumerate((slice(None), slice(None, None, -1))):
        params = interop.from_keras(name, both, reverse=bool(k))
        y = module.forward(params, np.ascontiguousarray(x[time]))[0][time]
        part = np.swapaxes(found[..., k * H : (k + 1) * H], 0, 1)
        np.testing.assert_allclose(y, part, rtol=0, atol=2e-6)
    halves = [
        interop.from_keras(name, both.get_weights(), reverse=reverse) for reverse in (False, True)
    ]
    back = [
        a
        for k, half in enumerate(halves)
        for a in interop.to_keras(name, half, like=both.get_weights(), reverse=bool(k))
    ]
    both.set_weights(back)
    assert all(np.array_equal(a, b) for a, b in zip(both.get_weights(), back, strict=True))
