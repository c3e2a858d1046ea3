"""Keras: the weights of LSTM, GRU and SimpleRNN, as get_weights gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.interop.stacks import (
    Array,
    Converter,
    Stacks,
    as_array,
    converter,
    without_biases,
)
from lstmgen.stages import Stages

__all__ = ["from_keras", "to_keras"]


def from_keras(
    cell: Stages | str, weights: Sequence[Any], *, reverse: bool = False
) -> dict[str, Array]:
    """The parameters of a cell from a Keras layer's weights, [kernel, recurrent_kernel, bias].

    `lstm` and `lstm_np` are LSTM, `gru_reset_after` GRU (its default, reset_after=True),
    `gru_reset_before` and `gru` GRU with reset_after=False, `rnn` SimpleRNN.  Keras has the gates
    side by side, i, f, c, o and z, r, h, in matrices that multiply from the right: they are
    transposed.  Its z keeps the old state, as in `gru_reset_after` and `gru_reset_before`; the z of
    the post's `gru` is 1 minus that, and its weights change their signs.  A gate has one bias, but
    with reset_after=True two, as rows of `bias`: they are added into one, but for those of the
    candidate, between which r stands.  `gru` has no biases: they must be zero or missing
    (use_bias=False).

    A Bidirectional layer has the weights of both directions, one after the other; its
    set_weights takes `to_keras(cell, one) + to_keras(cell, other)`.

    Args:
        cell: a built-in cell, or its name.
        weights: what the layer's get_weights() returns, or the layer.
        reverse: of a Bidirectional layer, whether the direction back in time is meant.

    Raises:
        UsageError: the cell is none of these, or shapes do not fit.
    """
    made = converter(cell, "keras")
    return made.parameters(_stacks(made, _of_direction(weights, reverse)))


def to_keras(
    cell: Stages | str,
    params: Mapping[str, Any],
    *,
    like: Sequence[Any] | None = None,
    reverse: bool = False,
    use_bias: bool = True,
) -> list[Array]:
    """What a Keras layer's set_weights takes; the inverse of `from_keras`.

    Of two biases the first gets the cell's and the second is zero.  With `like`, earlier weights
    (of a Bidirectional layer those of the direction that `reverse` says), they are split as there:
    what was not changed since comes back bit for bit.  For a layer without biases, `use_bias` is
    False, or `like` has none.

    Raises:
        UsageError: the cell is none of these, params are not its parameters, or a bias of theirs
            is not zero where the layer has none.
    """
    made = converter(cell, "keras")
    earlier = None if like is None else _stacks(made, _of_direction(like, reverse))
    found = made.stacks(params, earlier)
    if not use_bias or (earlier is not None and earlier.bias is None):
        found = without_biases(found, made)
        return [np.ascontiguousarray(found.kernel.T), np.ascontiguousarray(found.recurrent.T)]
    assert found.bias is not None and found.recurrent_bias is not None, "stacks() makes both"
    bias = found.bias
    if made.layout.biases == 2:
        bias = np.stack([found.bias, found.recurrent_bias])
    return [np.ascontiguousarray(found.kernel.T), np.ascontiguousarray(found.recurrent.T), bias]


def _of_direction(weights: Any, reverse: bool) -> Sequence[Any]:
    """The two or three arrays of one direction; a layer's get_weights() where a layer is given."""
    if hasattr(weights, "get_weights"):
        weights = weights.get_weights()
    if not isinstance(weights, (list, tuple)):
        raise UsageError(f"weights: expected a layer's get_weights(), got {type(weights).__name__}")
    if len(weights) in (4, 6):
        half = len(weights) // 2
        return weights[half:] if reverse else weights[:half]
    if reverse:
        raise UsageError(
            f"weights: a Bidirectional layer has 4 or 6 arrays, and these are {len(weights)}"
        )
    return weights


def _stacks(made: Converter, weights: Sequence[Any]) -> Stacks:
    if not 2 <= len(weights) <= 3:
        raise UsageError(
            f"weights: expected [kernel, recurrent_kernel, bias], got {len(weights)} arrays"
        )
    names = ("kernel", "recurrent_kernel", "bias")
    kernel, recurrent, *rest = map(as_array, names, weights)
    for name, array in zip(names, (kernel, recurrent), strict=False):
        if array.ndim != 2:
            raise UsageError(f"{name}: expected a matrix, got shape {array.shape}")
    if not rest:
        return Stacks(kernel.T, recurrent.T)
    if rest[0].ndim != made.layout.biases or (rest[0].ndim == 2 and len(rest[0]) != 2):
        settings = ", ".join(f"{k}={v}" for k, v in made.layout.attributes.items())
        raise UsageError(
            f"bias: {made.layout.operator}({settings}) has "
            f"{'one' if made.layout.biases == 1 else 'two'} for each gate, got shape "
            f"{rest[0].shape}"
        )
    first, second = (rest[0], None) if rest[0].ndim == 1 else (rest[0][0], rest[0][1])
    return Stacks(kernel.T, recurrent.T, first, second)
