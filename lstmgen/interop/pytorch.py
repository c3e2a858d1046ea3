"""PyTorch: the state_dict of nn.LSTM (with proj_size too), nn.GRU and nn.RNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstmgen.errors import UsageError
from lstmgen.interop.stacks import Array, Stacks, as_array, converter, without_biases
from lstmgen.stages import Stages

__all__ = ["from_torch", "to_torch"]


def from_torch(
    cell: Stages | str,
    state_dict: Mapping[str, Any],
    *,
    layer: int = 0,
    reverse: bool = False,
    prefix: str = "",
) -> dict[str, Array]:
    """The parameters of a cell from a PyTorch layer, or its state_dict.

    `lstm` and `lstm_np` are nn.LSTM, `lstm_projected` nn.LSTM with proj_size, `gru_reset_after`
    nn.GRU, `rnn` nn.RNN with tanh.  PyTorch stacks the gates as i, f, g, o and r, z, n.  Its z
    keeps the old state, and so does that of `gru_reset_after` (that of the post's `gru` takes the
    candidate); its reset gate acts after the product with h, so that `gru` and `gru_reset_before`
    cannot be had from it.  It has two biases for each gate, bias_ih and bias_hh: they are added
    into one, but for those of the candidate of nn.GRU, between which r stands (b_n and c_n).
    Without biases (bias=False) they are zero.  The state_dict of nn.LSTMCell, nn.GRUCell or
    nn.RNNCell will do as well.

    Args:
        cell: a built-in cell, or its name.
        state_dict: tensors or arrays by name, further entries are left alone; or the layer.
        layer, reverse: which layer and direction.
        prefix: before the names, "encoder.lstm." for example.

    Raises:
        UsageError: the cell is none of these, an entry is missing, or shapes do not fit.
    """
    made = converter(cell, "torch")
    entries = _entries(state_dict)
    return made.parameters(_stacks(entries, _suffix(entries, layer, reverse, prefix), prefix))


def to_torch(
    cell: Stages | str,
    params: Mapping[str, Any],
    *,
    layer: int | None = 0,
    reverse: bool = False,
    prefix: str = "",
    like: Mapping[str, Any] | None = None,
    bias: bool = True,
) -> dict[str, Array]:
    """The entries of a PyTorch layer's state_dict, as NumPy arrays; the inverse of `from_torch`.

    A bias goes to bias_ih, and bias_hh is zero.  With `like`, an earlier state_dict, each bias is
    split as there: what was not changed since comes back bit for bit, and of what was changed
    bias_hh stays and bias_ih takes the change.  For a layer without biases, `bias` is False, or
    `like` has none.

    Args:
        cell, layer, reverse, prefix: as for `from_torch`; with None for the layer, or with the
            `like` of one, the entries are those of nn.LSTMCell, nn.GRUCell or nn.RNNCell.
        params: the cell's parameters.
        like: a state_dict of the same layer, or the layer.
        bias: whether the layer has biases.

    Raises:
        UsageError: the cell is none of these, params are not its parameters, or a bias of theirs
            is not zero where the layer has none.
    """
    given = {} if like is None else _entries(like)
    suffix = "" if layer is None else _suffix(given, layer, reverse, prefix)
    earlier = None if like is None else _stacks(given, suffix, prefix)
    made = converter(cell, "torch")
    found = made.stacks(params, earlier)
    if not bias or (earlier is not None and earlier.bias is None):
        found = without_biases(found, made)
    return {f"{prefix}{name}{suffix}": array for name, array in entries(found).items()}


def entries(stacks: Stacks) -> dict[str, Array]:
    """The stacks by PyTorch's names, without layer and direction."""
    named = {
        "weight_ih": stacks.kernel,
        "weight_hh": stacks.recurrent,
        "bias_ih": stacks.bias,
        "bias_hh": stacks.recurrent_bias,
        "weight_hr": stacks.projection,
    }
    return {name: array for name, array in named.items() if array is not None}


def _entries(given: Any) -> Mapping[str, Any]:
    """The state_dict of a layer, or what is one."""
    found = given.state_dict() if hasattr(given, "state_dict") else given
    if not isinstance(found, Mapping):
        raise UsageError(f"state_dict: expected a layer's state_dict(), got {type(given).__name__}")
    return found


def _suffix(entries: Mapping[str, Any], layer: int, reverse: bool, prefix: str) -> str:
    """What follows the names of a layer; nothing for the entries of a single cell."""
    suffix = f"_l{layer}{'_reverse' * reverse}"
    of_cell = f"{prefix}weight_ih" in entries and f"{prefix}weight_ih{suffix}" not in entries
    return "" if of_cell and not layer and not reverse else suffix


def _stacks(state_dict: Mapping[str, Any], suffix: str, prefix: str) -> Stacks:
    def entry(name: str) -> Array | None:
        key = f"{prefix}{name}{suffix}"
        return as_array(key, state_dict[key]) if key in state_dict else None

    kernel, recurrent = entry("weight_ih"), entry("weight_hh")
    if kernel is None or recurrent is None:
        raise UsageError(
            f"state_dict: expected {prefix}weight_ih{suffix} and {prefix}weight_hh{suffix}, "
            f"got {', '.join(state_dict) or 'nothing'}"
        )
    first, second = entry("bias_ih"), entry("bias_hh")
    if (first is None) != (second is None):
        here, missing = ("bias_ih", "bias_hh") if second is None else ("bias_hh", "bias_ih")
        raise UsageError(
            f"state_dict: there is {prefix}{here}{suffix} but no {prefix}{missing}{suffix}; a "
            "layer has both or none"
        )
    return Stacks(
        kernel,
        recurrent,
        first,
        second,
        projection=entry("weight_hr"),
    )
