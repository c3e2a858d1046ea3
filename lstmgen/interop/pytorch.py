"""PyTorch: the state_dict of nn.LSTM (with proj_size too), nn.GRU and nn.RNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstmgen.cell import Cell
from lstmgen.errors import UsageError
from lstmgen.interop.stacks import Array, Stacks, as_array, converter

__all__ = ["from_torch", "to_torch"]


def from_torch(
    cell: Cell | str,
    state_dict: Mapping[str, Any],
    *,
    layer: int = 0,
    reverse: bool = False,
    prefix: str = "",
) -> dict[str, Array]:
    """The parameters of a cell from a PyTorch layer's state_dict.

    `lstm` and `lstm_np` are nn.LSTM, `lstm_projected` nn.LSTM with proj_size, `gru_reset_after`
    nn.GRU, `rnn` nn.RNN with tanh.  PyTorch stacks the gates as i, f, g, o and r, z, n.  Its z
    keeps the old state, and so does that of `gru_reset_after` (that of the post's `gru` takes the
    candidate); its reset gate acts after the product with h, so that `gru` and `gru_reset_before`
    cannot be had from it.  It has two biases for each gate, bias_ih and bias_hh: they are added
    into one, but for those of the candidate of nn.GRU, between which r stands (b_n and c_n).
    Without biases (bias=False) they are zero.

    Args:
        cell: a built-in cell, or its name.
        state_dict: tensors or arrays by name; further entries are left alone.
        layer, reverse: which layer and direction.
        prefix: before the names, "encoder.lstm." for example.

    Raises:
        UsageError: the cell is none of these, an entry is missing, or shapes do not fit.
    """
    made = converter(cell, "torch")
    return made.parameters(_stacks(state_dict, _suffix(layer, reverse), prefix))


def to_torch(
    cell: Cell | str,
    params: Mapping[str, Any],
    *,
    layer: int = 0,
    reverse: bool = False,
    prefix: str = "",
    like: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """The entries of a PyTorch layer's state_dict, as NumPy arrays; the inverse of `from_torch`.

    A bias goes to bias_ih, and bias_hh is zero.  With `like`, an earlier state_dict, each bias is
    split as there: what was not changed since comes back bit for bit, and of what was changed
    bias_hh stays and bias_ih takes the change.

    Args:
        cell, layer, reverse, prefix: as for `from_torch`.
        params: the cell's parameters.
        like: a state_dict of the same layer.

    Raises:
        UsageError: the cell is none of these, or params are not its parameters.
    """
    suffix = _suffix(layer, reverse)
    earlier = None if like is None else _stacks(like, suffix, prefix)
    found = converter(cell, "torch").stacks(params, earlier)
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


def _suffix(layer: int, reverse: bool) -> str:
    return f"_l{layer}{'_reverse' * reverse}"


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
    return Stacks(
        kernel,
        recurrent,
        entry("bias_ih"),
        entry("bias_hh"),
        projection=entry("weight_hr"),
    )
