"""A recurrent layer of PyTorch for any cell."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lstmgen.cell import Cell
from lstmgen.torch import arguments, convert
from lstmgen.torch.engines import Engine, Prepared, prepare
from lstmgen.torch.operators import recurrence
from lstmgen.torch.sequences import Reversal, unpack
from lstmgen.torch.sizes import Sizes, fed, sizes

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """Layers of one cell over sequences, as nn.LSTM, nn.GRU and nn.RNN are of theirs::

        layer = lstmgen.torch.Recurrent("peephole", 64, 128, num_layers=2)
        output, (h, C) = layer(x)

    Parameters are those of the cell with the layer and the direction: `W_f_l0`, `W_f_l1_reverse`.
    They start uniform in ±1/sqrt(hidden_size), as torch's layers do, and scalars at 1.

    What computes it is chosen where the layer is made or moved to another device, the best that is
    here for it, and `print(layer)` says which.  It computes in float32 or float64, under autocast
    too.  Gradients are of first order.

    Args:
        cell: a built-in cell's name, a file that declares one, or a `lstmgen.Cell`.
        input_size: the size of x; for a cell of several inputs that of those of free size, or a
            dict with the size of each.
        hidden_size: the size of the hidden state, H.
        num_layers: how many layers.  Of several inputs the first of free size takes the output of
            the layer below, and all layers take the others as they are.
        batch_first: x and output are (B, T, size), and restart (B, T).
        dropout: the share of the outputs of every layer but the last that training drops.
        bidirectional: a second direction with time reversed; its outputs come after the first's.
        device, dtype: of the parameters; dtype is float32 or float64.
        sizes: the cell's own sizes by their names, as P=32 for `lstm_projected`.

    Raises:
        LstmgenError: there is no such cell, or nothing here can compute it.
        ValueError, TypeError: an argument does not fit; the message names it.
    """

    def __init__(
        self,
        cell: Cell | str | os.PathLike[str],
        input_size: int | Mapping[str, int],
        hidden_size: int,
        num_layers: int = 1,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **sizes: int,
    ) -> None:
        super().__init__()
        cell = _cell(cell)
        if not cell.parameters:
            raise ValueError(
                f"cell: {cell.name} has no parameters, so that there is nothing to train; "
                "lstmgen.compile gives a module that computes it"
            )
        dtype = dtype or torch.get_default_dtype()
        if dtype not in arguments.DTYPES:
            raise TypeError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        if isinstance(num_layers, bool) or not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"num_layers: expected a whole number from 1, got {num_layers!r}")
        number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
        if not number or not 0 <= dropout <= 1:
            raise ValueError(f"dropout: expected a share from 0 to 1, got {dropout!r}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout: it comes between layers, so that dropout={dropout} with num_layers=1 "
                "does nothing",
                stacklevel=2,
            )
        self.cell = cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout = batch_first, float(dropout)
        self.bidirectional = bidirectional
        self.sizes = sizes
        self._directions = 2 if bidirectional else 1
        self._fed = fed(cell)
        self.layer_sizes = self._sizes()
        self._widths = self.layer_sizes[0].widths
        self._states = dict(zip(cell.states, self._widths[1:], strict=True))
        self._input_sizes = dict(zip(cell.inputs, self.layer_sizes[0].inputs, strict=True))
        self._names: list[list[str]] = []
        for layer, _, names in self.parameter_names():
            shapes = self.layer_sizes[layer].parameters
            for name, full in names.items():
                empty = torch.empty(shapes[name], device=device, dtype=dtype)
                self.register_parameter(full, nn.Parameter(empty))
            self._names.append(list(names.values()))
        self._engines: dict[str, Engine] = {}
        self._choose()
        self.reset_parameters()

    def _sizes(self) -> list[Sizes]:
        """The sizes of each layer."""
        found = [sizes(self.cell, self.input_size, self.hidden_size, self.sizes)]
        # Those above take outputs, and the other inputs as they are.
        given = dict(zip(self.cell.inputs, found[0].inputs, strict=True))
        given[self.cell.inputs[self._fed]] = found[0].widths[0] * self._directions
        while len(found) < self.num_layers:
            found.append(sizes(self.cell, given, self.hidden_size, self.sizes))
        return found

    def parameter_names(self) -> Iterator[tuple[int, bool, dict[str, str]]]:
        """Of each layer and direction: its number, whether time is reversed, and the names.

        The names are the cell's with the layer's own: {"W_f": "W_f_l1_reverse", ...}.
        """
        for layer in range(self.num_layers):
            for direction in range(self._directions):
                suffix = f"_l{layer}{'_reverse' * direction}"
                yield layer, bool(direction), {p: p + suffix for p in self.cell.parameters}

    def reset_parameters(self) -> None:
        """Give the parameters the values that training starts from."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            if parameter.dim():
                nn.init.uniform_(parameter, -bound, bound)
            else:
                nn.init.ones_(parameter)

    def flatten_parameters(self) -> None:
        """Nothing: it is there for programs that call it on torch's layers."""

    # torch's own layers -------------------------------------------------------------------------

    @classmethod
    def from_torch(
        cls, layer: nn.RNNBase, cell: Cell | str | os.PathLike[str] | None = None
    ) -> Recurrent:
        """A layer that starts with the weights of nn.LSTM, nn.GRU or nn.RNN (with tanh).

        Two biases of torch's that are added become one, their sum; a gradient step then moves it
        half as far as it moves the two together.  Without biases (bias=False) they are zero and not
        trained.

        Args:
            layer: torch's layer.
            cell: None for the cell that the layer has; else one that has more, as the peephole LSTM
                for nn.LSTM.  What torch's lacks starts at zero, so that the output is the same at
                first, which is checked.  What they have in common must have the names of `lstm`,
                `gru_reset_after` or `rnn`.

        Raises:
            UsageError: nn.RNN with relu, or the cell's output is not that of the layer.
            TypeError: it is no such layer, or not in float32 or float64.
        """
        return convert.layer_from_torch(cls, layer, None if cell is None else _cell(cell))

    def to_torch(self) -> nn.RNNBase:
        """nn.LSTM, nn.GRU or nn.RNN with these weights, for the cells that torch has.

        A bias goes to bias_ih, and bias_hh is zero; where all biases are zero and not trained, the
        layer has none.

        Raises:
            UsageError: torch has no such layer.
        """
        return convert.layer_to_torch(self)

    # Computing ----------------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor | PackedSequence | Mapping[str, Tensor],
        state: Tensor | Sequence[Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        restart: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor | tuple[Tensor, ...]]:
        """The output at every step and the last state.

        Args:
            x: (T, B, input_size), (B, T, input_size) with batch_first, (T, input_size) without a
                batch, or a PackedSequence; a dict of such tensors for a cell of several inputs, in
                which one that is a number for each row and step may lack the last axis.
            state: for each state in the order of `cell.states` a tensor (num_layers * directions,
                B, size), without B where x has no batch; for one state just the tensor.  Zeros if
                None.
            lengths: whole numbers (B,): how many steps of each row count.  After them its output is
                0 and its state stays; what x holds there does not matter.
            restart: booleans, as x without its last axis: where True, the state before this step is
                zero for this row, and no gradient passes.

        Returns:
            (output, state): output as x, of the size of the cell's output times directions; the
            state after the last step, as the argument.

        Raises:
            ValueError, TypeError: an argument does not fit; the message names it.
        """
        packing = None
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths: a PackedSequence has its own, so expected None")
            x, packing = unpack(x)
        by_batch = self.batch_first and packing is None
        params = self._weights(0)
        weight = params[0]
        inputs, batched = arguments.inputs(x, self._input_sizes, weight, by_batch)
        counts, initial = None, []
        if packing is not None:
            lengths = packing.lengths
        if not (lengths is restart is state is None):
            T, B = inputs[0].shape[:2]
            if lengths is not None:
                counts = arguments.lengths(lengths, B, batched)
            if restart is not None:
                shape = (B, T) if self.batch_first else (T, B)
                by = self.batch_first
                restart = arguments.restart(restart, shape, batched, by, weight.device)
            initial = arguments.state(state, self._states, len(self._names), B, batched, weight)
        if packing is not None:
            restart = packing.sort(restart)
            initial = [packing.sort(s) for s in initial]

        device = weight.device
        engine = self._at.get(device) or self._engine(device)
        if len(self._names) == 1:
            widths, prepared = self._widths, self._prepared[0]
            output, last = recurrence(
                engine, inputs, initial, params, counts, restart, widths, prepared
            )
        else:
            output, last = self._stack(engine, inputs, initial, counts, restart)

        if packing is not None:
            output, last = packing.pack(output), [packing.unsort(s) for s in last]
        elif not batched:
            output, last = output.squeeze(1), [s.squeeze(1) for s in last]
        elif by_batch:
            output = output.transpose(0, 1)
        return output, last[0] if len(last) == 1 else tuple(last)

    def _stack(
        self,
        engine: Engine,
        inputs: list[Tensor],
        initial: list[Tensor],
        lengths: Tensor | None,
        restart: Tensor | None,
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """All layers, with time first."""
        ways = [(inputs, restart)]
        if self.bidirectional:
            reverse = Reversal(inputs[0].shape[0], lengths, inputs[0].device)
            ways.append(([reverse(x) for x in inputs], reverse.restart(restart)))
        states = [s.split(1) for s in initial]
        lasts = []
        output = inputs[self._fed]
        for layer in range(self.num_layers):
            outputs = []
            for direction, (given, borders) in enumerate(ways):
                k = layer * self._directions + direction
                if layer:
                    below = reverse(output) if direction else output
                    given = [below if n == self._fed else x for n, x in enumerate(given)]
                y, last = recurrence(
                    engine,
                    given,
                    [s[k] for s in states],
                    self._weights(k),
                    lengths,
                    borders,
                    self._widths,
                    self._prepared[k],
                )
                outputs.append(reverse(y) if direction else y)
                lasts.append(last)
            output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
            if self.dropout and layer < self.num_layers - 1:
                output = nn.functional.dropout(output, self.dropout, self.training)
        return output, [torch.cat(some) for some in zip(*lasts, strict=True)]

    # What computes it ---------------------------------------------------------------------------

    def _weights(self, k: int) -> list[Tensor]:
        """The parameters of the k-th layer and direction, those that are parametrized as well."""
        try:
            return [*map(self._parameters.__getitem__, self._names[k])]
        except KeyError:
            return [getattr(self, name) for name in self._names[k]]

    def _weight(self) -> Tensor:
        """The first parameter: its dtype and device are the layer's."""
        weight: Tensor = getattr(self, self._names[0][0])
        return weight

    def _choose(self) -> None:
        """Prepare what computes on the parameters' device."""
        device = self._weight().device
        if device.type != "meta" and device.type not in self._engines:
            self._engines[device.type] = prepare(self.cell, device.type)
        self._at = {device: self._engines[device.type]} if device.type in self._engines else {}
        self._prepared = [Prepared(self._widths[0]) for _ in self._names]

    def _engine(self, device: torch.device) -> Engine:
        """What computes on a device.

        Raises:
            ValueError: there is none, as the layer was never moved there.
        """
        found = self._engines.get(device.type)
        if found is None:
            raise ValueError(
                f"the parameters are on {device}, where nothing computes this layer; move the "
                "layer itself, by to() or to_empty()"
            )
        return found

    def _apply(self, *given: Any, **options: Any) -> Recurrent:
        super()._apply(*given, **options)
        self._choose()
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": {}, "_at": {}, "_prepared": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._choose()

    def extra_repr(self) -> str:
        """The arguments that are not the defaults, and what computes the layer."""
        device = self._weight().device.type
        shown = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        for name, default in (
            ("num_layers", 1),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        shown += [f"{name}={size}" for name, size in self.sizes.items()]
        if device in self._engines:
            shown.append(f"computed by {self._engines[device].target}")
        return ", ".join(shown)


def _cell(given: Cell | str | os.PathLike[str]) -> Cell:
    if isinstance(given, Cell):
        return given
    if not isinstance(given, (str, os.PathLike)):
        got = given.__name__ if isinstance(given, type) else type(given).__name__
        raise TypeError(f"cell: expected a built-in cell's name, a file or a Cell, got {got}")
    from lstmgen.library.loading import load

    return load(given)
