"""What use of the conversions showed: layers without bias, single cells, both directions, Flax."""

from __future__ import annotations

from typing import Any

import frameworks
import numpy as np
import pytest
from cell_data import H, data, drawn

import lstmgen
from lstmgen import interop, load
from lstmgen.errors import UsageError


def without_bias(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {p: a if a.ndim == 2 else np.zeros_like(a) for p, a in params.items()}


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return list(found) == list(expected) and all(
        found[p].tobytes() == a.tobytes() for p, a in expected.items()
    )


# Layers without bias ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru_reset_after"])
def test_a_layer_without_bias_can_be_written_back(name: str) -> None:
    params = without_bias(drawn(name))
    torch = interop.to_torch(name, params, bias=False)
    assert set(torch) == {"weight_ih_l0", "weight_hh_l0"}
    assert same(interop.from_torch(name, torch), params)
    assert set(interop.to_torch(name, params, like=torch)) == set(torch)
    keras = interop.to_keras(name, params, use_bias=False)
    assert len(keras) == 2 and len(interop.to_keras(name, params, like=keras)) == 2
    assert same(interop.from_keras(name, keras), params)
    onnx = {k: a for k, a in interop.to_onnx(name, params).items() if k != "B"}
    assert set(interop.to_onnx(name, params, like=onnx)) == {"W", "R"}
    biased = drawn(name)
    for write in (
        lambda: interop.to_torch(name, biased, bias=False),
        lambda: interop.to_torch(name, biased, like=torch),
        lambda: interop.to_keras(name, biased, use_bias=False),
        lambda: interop.to_keras(name, biased, like=keras),
        lambda: interop.to_onnx(name, biased, like=onnx),
    ):
        with pytest.raises(UsageError, match="the layer is to have no bias, and those of the cell"):
            write()


def test_one_bias_of_two_is_not_taken_for_zero() -> None:
    weights = interop.to_torch("lstm", drawn("lstm"))
    for missing, here in (("bias_hh_l0", "bias_ih_l0"), ("bias_ih_l0", "bias_hh_l0")):
        part = {k: a for k, a in weights.items() if k != missing}
        with pytest.raises(UsageError, match=f"there is {here} but no {missing}; a layer has both"):
            interop.from_torch("lstm", part)


# What is given ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru_reset_after"])
def test_single_cells_of_torch(name: str) -> None:
    params = drawn(name)
    weights = interop.to_torch(name, params, layer=None)
    assert set(weights) == {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}
    assert same(interop.from_torch(name, weights), params)
    assert set(interop.to_torch(name, params, like=weights)) == set(weights)
    prefixed = {f"cell.{k}": a for k, a in weights.items()}
    assert same(interop.from_torch(name, prefixed, prefix="cell."), params)
    with pytest.raises(UsageError, match="expected weight_ih_l1 and weight_hh_l1"):
        interop.from_torch(name, weights, layer=1)


class Layer:
    """What a layer of torch or Keras has."""

    def __init__(self, weights: Any) -> None:
        self._weights = weights


class TorchLayer(Layer):
    def state_dict(self) -> Any:
        return self._weights


class KerasLayer(Layer):
    def get_weights(self) -> Any:
        return self._weights


def test_a_layer_will_do_for_its_weights() -> None:
    params = drawn("lstm")
    torch = TorchLayer(interop.to_torch("lstm", params))
    assert same(interop.from_torch("lstm", torch), params)  # type: ignore[arg-type]
    assert set(interop.to_torch("lstm", params, like=torch)) == set(torch.state_dict())  # type: ignore[arg-type]
    keras = KerasLayer(interop.to_keras("lstm", params))
    assert same(interop.from_keras("lstm", keras), params)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"expected a layer's state_dict\(\), got list"):
        interop.from_torch("lstm", [])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"weights: expected a layer's get_weights\(\), got dict"):
        interop.from_keras("lstm", {})  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_other_dtypes_are_refused_with_what_to_do(dtype: str) -> None:
    name = np.dtype(dtype).name
    weights = {k: a.astype(dtype) for k, a in interop.to_torch("rnn", drawn("rnn")).items()}
    with pytest.raises(UsageError, match=f"weight_ih_l0: expected float32 or float64, got {name}"):
        interop.from_torch("rnn", weights)

    class BFloat16:
        dtype = "torch.bfloat16"

    with pytest.raises(UsageError, match=r"got bfloat16; convert it first, .* layer\.float\(\)"):
        interop.from_torch("rnn", {**weights, "weight_ih_l0": BFloat16()})


@pytest.mark.parametrize("wrong", ["W_f", "W_i", "W_o", "b_C"])
def test_the_parameter_of_the_wrong_shape_is_the_one_that_is_named(wrong: str) -> None:
    params = drawn("lstm")
    params[wrong] = np.zeros(tuple(n + 1 for n in params[wrong].shape))
    shape = params[wrong].shape
    with pytest.raises(UsageError, match=rf"cell lstm: {wrong} has shape \({shape[0]},"):
        interop.to_torch("lstm", params)


# Both directions --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "gru_reset_before"])
def test_a_bidirectional_layer_of_keras(name: str) -> None:
    one, other = drawn(name), drawn(name, seed=4)
    weights = interop.to_keras(name, one) + interop.to_keras(name, other)
    assert same(interop.from_keras(name, weights), one)
    assert same(interop.from_keras(name, weights, reverse=True), other)
    again = interop.to_keras(name, other, like=weights, reverse=True)
    assert all(np.array_equal(a, b) for a, b in zip(again, weights[3:], strict=True))
    four = [a for k, a in enumerate(weights) if k not in (2, 5)]
    assert same(interop.from_keras(name, four, reverse=True), without_bias(other))
    with pytest.raises(UsageError, match="has 4 or 6 arrays, and these are 3"):
        interop.from_keras(name, weights[:3], reverse=True)


# Flax -------------------------------------------------------------------------------------------

FLAX = {"rnn": frameworks.flax_simple, "lstm": frameworks.flax_lstm}
FLAX |= {"gru_reset_after": frameworks.flax_gru}


def stacked(tree: dict[str, dict[str, np.ndarray]], order: str) -> dict[str, Any]:
    """As nnx's cells with dense_i and dense_h have it."""
    result = {}
    for side in "ih":
        parts = [tree[side if len(order) == 1 else side + gate] for gate in order]
        whole = {"kernel": np.concatenate([p["kernel"] for p in parts], axis=1)}
        if any("bias" in p for p in parts):
            whole["bias"] = np.concatenate([p.get("bias", np.zeros(H)) for p in parts])
        result[f"dense_{side}"] = whole
    return result


def test_the_cells_that_flax_has() -> None:
    assert set(interop.supported("flax")) == {"rnn", "lstm", "lstm_np", "gru_reset_after"}


@pytest.mark.parametrize("name", FLAX)
def test_flax_computes_the_same(name: str) -> None:
    params = drawn(name)
    tree = interop.to_flax(name, params)
    assert same(interop.from_flax(name, {"params": {"cell": tree}}), params)
    cell = load(name)
    x, state = data(cell)
    y, last, _ = lstmgen.compile(cell, "numpy").forward(params, x, state)
    expected, ends = FLAX[name](tree, x, *(state[s] for s in cell.states))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
    for s, end in zip(cell.states, ends, strict=True):
        np.testing.assert_allclose(last[s], end, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", FLAX)
def test_the_layouts_of_nnx(name: str) -> None:
    order = {"rnn": "h", "lstm": "ifgo", "gru_reset_after": "rzn"}[name]
    params = drawn(name)
    tree = interop.to_flax(name, params)
    side_by_side = stacked(tree, order)
    assert same(interop.from_flax(name, side_by_side), params)
    again = interop.to_flax(name, params, like=side_by_side)
    assert list(again) == ["dense_i", "dense_h"]
    for key, dense in again.items():
        assert set(dense) == set(side_by_side[key])
        assert all(np.array_equal(dense[k], side_by_side[key][k]) for k in dense)


def test_the_name_if_of_nnx_and_what_does_not_fit() -> None:
    tree = interop.to_flax("lstm", drawn("lstm"))
    renamed = {"if_" if k == "if" else k: v for k, v in tree.items()}
    assert same(interop.from_flax("lstm", renamed), drawn("lstm"))
    assert set(interop.to_flax("lstm", drawn("lstm"), like=renamed)) == set(renamed)
    gru = stacked(interop.to_flax("gru_reset_after", drawn("gru_reset_after")), "rzn")
    del gru["dense_h"]["bias"]  # as nnx.GRUCell has it: no place for c_n
    with pytest.raises(UsageError, match="a bias is not zero, and the Flax cell has no place"):
        interop.to_flax("gru_reset_after", drawn("gru_reset_after"), like=gru)
    for broken, message in (
        ({k: v for k, v in tree.items() if k != "hg"}, "expected hg or dense_h, got ii, if, ig"),
        ({**tree, "ig": {"bias": np.zeros(H)}}, "expected a kernel, got bias"),
        ({**tree, "ig": {"kernel": np.zeros(3)}}, "ig kernel: expected a matrix"),
        ({**tree, "ig": {"kernel": np.zeros((2, H))}}, r"do not fit together: .*ig \(2, 5\)"),
        ({**tree, "hg": {"kernel": np.zeros((H, H)), "bias": np.zeros(2)}}, "hg bias: expected"),
        ({**tree, "ig": np.zeros(3)}, "expected a dict with a kernel, got ndarray"),
        ([], "expected a dict of dense layers, got list"),
    ):
        with pytest.raises(UsageError, match=message):
            interop.from_flax("lstm", broken)  # type: ignore[arg-type]
