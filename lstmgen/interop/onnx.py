"""ONNX: the inputs W, R, B and P of the operators LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.interop.stacks import Array, Stacks, as_array, converter, without_biases
from lstmgen.stages import Stages

__all__ = ["from_onnx", "to_onnx"]


def from_onnx(
    cell: Stages | str, weights: Mapping[str, Any], *, direction: int = 0
) -> dict[str, Array]:
    """The parameters of a cell from the inputs W, R, B and P of an ONNX operator.

    `lstm`, `lstm_np` and `peephole_diagonal` are LSTM, `lstm_cifg` and `coupled` LSTM with
    input_forget=1, `gru_reset_after` GRU with linear_before_reset=1, `gru_reset_before` and `gru`
    GRU with linear_before_reset=0, `rnn` RNN with Tanh.  ONNX stacks the gates as i, o, f, c and
    z, r, h, and the peepholes P as i, o, f.  Its z keeps the old state, as in `gru_reset_after` and
    `gru_reset_before`; the z of the post's `gru` is 1 minus that, and its weights change their
    signs.  With input_forget=1, f is 1 - i: the rows of f are not read.  `lstm_cifg` has i;
    `coupled` has f instead, and its weights change their signs.  B holds two biases for each gate:
    they are added into one, but for those of the candidate with linear_before_reset=1, between
    which r stands.  Without B or P these are zero; where the cell has none, they must be.

    Args:
        cell: a built-in cell, or its name.
        weights: "W" (directions, G·H, D), "R" (directions, G·H, H), "B" (directions, 2·G·H), "P"
            (directions, 3·H).
        direction: which of the directions, 0 or 1.

    Raises:
        UsageError: the cell is none of these, an input is missing, or shapes do not fit.
    """
    return converter(cell, "onnx").parameters(_stacks(weights, direction))


def to_onnx(
    cell: Stages | str,
    params: Mapping[str, Any],
    *,
    like: Mapping[str, Any] | None = None,
    direction: int = 0,
) -> dict[str, Array]:
    """The inputs "W", "R", "B", and "P" if the cell has peepholes, of one direction.

    The inverse of `from_onnx`; `supported("onnx")` has the attributes that the operator needs.  The
    second of two biases is zero, and so is what the operator does not read.  With `like`, earlier
    weights, biases are split as there: what was not changed since comes back bit for bit; without
    B there, there is none.

    Args:
        cell: as for `from_onnx`.
        params: the cell's parameters.
        like: earlier weights.
        direction: which direction of `like`.

    Raises:
        UsageError: the cell is none of these, or params are not its parameters.
    """
    earlier = None if like is None else _stacks(like, direction)
    made = converter(cell, "onnx")
    found = made.stacks(params, earlier)
    if earlier is not None and earlier.bias is None:
        found = without_biases(found, made)
    arrays = {"W": found.kernel, "R": found.recurrent}
    if found.bias is not None and found.recurrent_bias is not None:
        arrays["B"] = np.concatenate([found.bias, found.recurrent_bias])
    if found.peepholes is not None:
        arrays["P"] = found.peepholes
    return {name: np.ascontiguousarray(array[None]) for name, array in arrays.items()}


def _stacks(weights: Mapping[str, Any], direction: int) -> Stacks:
    unknown = [name for name in weights if name not in ("W", "R", "B", "P")]
    if unknown or not {"W", "R"} <= set(weights):
        raise UsageError(f"weights: expected W, R and perhaps B and P, got {', '.join(weights)}")

    def of(name: str, dimensions: int) -> Array | None:
        if weights.get(name) is None:
            return None
        array = as_array(name, weights[name])
        if array.ndim != dimensions or not 0 <= direction < len(array):
            raise UsageError(
                f"{name}: expected {dimensions} axes, the first of the directions, with a "
                f"direction {direction}, got shape {array.shape}"
            )
        return np.asarray(array[direction])

    kernel, recurrent, both = of("W", 3), of("R", 3), of("B", 2)
    if kernel is None or recurrent is None:
        raise UsageError("weights: W and R must be arrays")
    first = second = None
    if both is not None:
        if len(both) != 2 * len(kernel):
            raise UsageError(
                f"B: expected {2 * len(kernel)} numbers for each direction, got {len(both)}"
            )
        first, second = both[: len(kernel)], both[len(kernel) :]
    return Stacks(kernel, recurrent, first, second, of("P", 2))
