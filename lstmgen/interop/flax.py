"""Flax: the parameters of LSTMCell, OptimizedLSTMCell, GRUCell and SimpleCell, of linen and nnx."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.interop.stacks import Array, Converter, Stacks, as_array, converter
from lstmgen.stages import Stages

__all__ = ["from_flax", "to_flax"]

Tree = dict[str, dict[str, Array]]
_WRAPPED = ("params", "cell")  # what may stand around a cell's own entries


def from_flax(cell: Stages | str, params: Mapping[str, Any]) -> dict[str, Array]:
    """The parameters of a cell from those of a Flax cell.

    `lstm` and `lstm_np` are LSTMCell and OptimizedLSTMCell, `gru_reset_after` GRUCell, `rnn`
    SimpleCell (with tanh and without residual).  Flax has a dense layer for each gate, "ii" for the
    input and "hi" for the state, or, in some cells of nnx, "dense_i" and "dense_h" with the gates
    side by side; they multiply from the right and are transposed.  A bias that is missing is zero.

    Args:
        cell: a built-in cell, or its name.
        params: the dict of a cell's dense layers, as variables["params"] of linen or
            nnx.to_pure_dict(nnx.state(cell, nnx.Param)); "params" or "cell" may stand around it.
            Of a Bidirectional it is the entry "forward_rnn" or "backward_rnn".

    Raises:
        UsageError: the cell is none of these, an entry is missing, or shapes do not fit.
    """
    made = converter(cell, "flax")
    tree = _unwrapped(params)
    sides = [_side(made, tree, side) for side in ("i", "h")]
    (kernel, bias), (recurrent, recurrent_bias) = sides
    if (bias is None) != (recurrent_bias is None):
        rows = len(kernel)
        bias = np.zeros(rows, kernel.dtype) if bias is None else bias
        recurrent_bias = np.zeros(rows, kernel.dtype) if recurrent_bias is None else recurrent_bias
    return made.parameters(Stacks(kernel, recurrent, bias, recurrent_bias))


def to_flax(
    cell: Stages | str, params: Mapping[str, Any], *, like: Mapping[str, Any] | None = None
) -> Tree:
    """The dict of a Flax cell's dense layers, each with "kernel" and some with "bias".

    The inverse of `from_flax`.  Its entries are those of linen's cells, or those of `like`, the
    parameters of a cell as `from_flax` takes them.

    Raises:
        UsageError: the cell is none of these, params are not its parameters, or a bias of theirs
            is not zero where `like` has none.
    """
    made = converter(cell, "flax")
    found = made.stacks(params)
    assert found.bias is not None and found.recurrent_bias is not None, "stacks() makes both"
    dense = _linen(made) if like is None else _of(made, _unwrapped(like))
    placed = np.zeros(len(found.kernel), bool)
    second = np.zeros(len(found.kernel), bool)
    result: Tree = {}
    for one in sorted(dense, key=lambda one: one.side, reverse=True):  # the inputs' first
        H = len(found.kernel) // len(made.layout.order)
        at = slice(one.first * H, one.last * H)
        kernel = (found.kernel if one.side == "i" else found.recurrent)[at]
        entry = {"kernel": np.ascontiguousarray(kernel.T)}
        if one.bias and one.side == "i":
            entry["bias"], placed[at] = np.array(found.bias[at]), True
        elif one.bias:
            first = np.where(placed[at], 0, found.bias[at])
            entry["bias"] = np.asarray(first + found.recurrent_bias[at], first.dtype)
            placed[at] = second[at] = True
        result[one.name] = entry
    if np.any(found.bias[~placed]) or np.any(found.recurrent_bias[~second]):
        raise UsageError(
            f"{made.layout.operator} and the cell {made.cell.name}: a bias is not zero, and the "
            "Flax cell has no place for it"
        )
    return {one.name: result[one.name] for one in dense}


@dataclass(frozen=True, slots=True)
class _Dense:
    """A dense layer: of the input "i" or the state "h", for the gates from first to last."""

    name: str
    side: str
    first: int
    last: int
    bias: bool


def _linen(made: Converter) -> list[_Dense]:
    """As linen's cells have them: the LSTM's biases with the state, the others with the input."""
    order = made.layout.order
    names = [(side, k, gate) for side in ("i", "h") for k, gate in enumerate(order)]
    alone = len(order) == 1
    biased = "h" if "f" in order else "i"
    return [
        _Dense(
            side if alone else side + gate,
            side,
            k,
            k + 1,
            side == biased or (side, gate) == ("h", "n"),
        )
        for side, k, gate in names
    ]


def _of(made: Converter, tree: Mapping[str, Any]) -> list[_Dense]:
    """As a cell has them that is there."""
    return [dense for side in ("i", "h") for dense in _named(made, tree, side)]


def _named(made: Converter, tree: Mapping[str, Any], side: str) -> list[_Dense]:
    order = made.layout.order
    whole = f"dense_{side}"
    if whole in tree:
        return [_Dense(whole, side, 0, len(order), _get(tree[whole], "bias") is not None)]
    found = []
    for k, gate in enumerate(order):
        names = [side] if len(order) == 1 else [side + gate, f"{side}{gate}_"]
        name = next((name for name in names if name in tree), None)
        if name is None:
            raise UsageError(
                f"params: expected {names[0]} or {whole}, got {', '.join(tree) or 'nothing'}"
            )
        found.append(_Dense(name, side, k, k + 1, _get(tree[name], "bias") is not None))
    return found


def _side(made: Converter, tree: Mapping[str, Any], side: str) -> tuple[Array, Array | None]:
    """The kernels of all gates upon each other, and their biases; None if there is none."""
    kernels, biases = [], []
    dense = _named(made, tree, side)
    for one in dense:
        kernel = as_array(f"{one.name} kernel", _get(tree[one.name], "kernel"))
        if kernel.ndim != 2:
            raise UsageError(f"{one.name} kernel: expected a matrix, got shape {kernel.shape}")
        bias = np.zeros(kernel.shape[1], kernel.dtype)
        if one.bias:
            bias = as_array(f"{one.name} bias", _get(tree[one.name], "bias"))
        if bias.shape != kernel.shape[1:]:
            raise UsageError(
                f"{one.name} bias: expected shape {kernel.shape[1:]}, got {bias.shape}"
            )
        kernels.append(kernel.T)
        biases.append(bias)
    try:
        rows = np.concatenate(kernels)
    except ValueError:
        shapes = ", ".join(f"{d.name} {k.T.shape}" for d, k in zip(dense, kernels, strict=True))
        raise UsageError(f"params: the kernels do not fit together: {shapes}") from None
    return rows, np.concatenate(biases) if any(one.bias for one in dense) else None


def _unwrapped(params: Any) -> Mapping[str, Any]:
    found = params
    while isinstance(found, Mapping) and len(found) == 1 and next(iter(found)) in _WRAPPED:
        found = next(iter(found.values()))
    if not isinstance(found, Mapping):
        raise UsageError(f"params: expected a dict of dense layers, got {type(found).__name__}")
    return found


def _get(dense: Any, name: str) -> Any:
    if not isinstance(dense, Mapping):
        raise UsageError(f"params: expected a dict with a kernel, got {type(dense).__name__}")
    if name == "kernel" and "kernel" not in dense:
        raise UsageError(f"params: expected a kernel, got {', '.join(dense) or 'nothing'}")
    return dense.get(name)
