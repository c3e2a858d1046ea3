"""Weights of torch's own layers: into a layer of the same cell, into a richer one, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lstmgen.algebra.expression import Value
from lstmgen.cell import Cell
from lstmgen.errors import UsageError
from lstmgen.form.normal_form import NormalForm
from lstmgen.interop import from_torch, supported, to_torch
from lstmgen.interop.layouts import CELLS, Layout
from lstmgen.interop.stacks import Array, Converter, Stacks, as_array
from lstmgen.library.loading import load
from lstmgen.torch.sizes import Sizes

if TYPE_CHECKING:
    from lstmgen.torch.layer import Recurrent

__all__ = ["layer_from_torch", "layer_to_torch"]

Parameters = dict[str, Array]
Conversion = Callable[[Mapping[str, Any], int, bool], Parameters]
"""From a state_dict, for a layer and whether it is the reverse direction."""

_TOLERANCE = 1e-9


def layer_from_torch(make: type[Recurrent], source: nn.RNNBase, cell: Cell | None) -> Recurrent:
    """See `Recurrent.from_torch`."""
    kinds = _kinds(source)
    if cell is None:
        layer = _like(make, source, load(kinds[0]), supported("torch")[kinds[0]])
        _take(layer, source, _plain(kinds[0]))
    else:
        layer = _like(make, source, cell, supported("torch")[kinds[0]])
        for conversion in _conversions(kinds, cell, layer):
            if _agree(layer, source, conversion):
                _take(layer, source, conversion)
                break
        else:
            raise UsageError(
                f"{cell.name} does not compute what nn.{type(source).__name__} does, wherever its "
                "weights are placed: what the two have in common must have the names that "
                f"{' or '.join(kinds)} has (`lstmgen show {kinds[0]}`), and all else must have no "
                "effect where it is zero"
            )
    if not source.bias:  # what it has none of is zero, and stays so
        biases = {b for kind in kinds for b in _biases(kind)}
        for name, parameter in layer.named_parameters():
            if name.rpartition("_l")[0] in biases:
                parameter.requires_grad_(False)
    if not any(p.requires_grad for p in source.parameters()):
        layer.requires_grad_(False)
    return layer.train(source.training)


def layer_to_torch(layer: Recurrent) -> nn.RNNBase:
    """See `Recurrent.to_torch`."""
    name = layer.cell.name
    layouts = supported("torch")
    if name not in layouts or load(name).digest != layer.cell.digest:
        raise UsageError(
            f"torch has no layer for the cell {name}; it has some for {', '.join(sorted(layouts))}"
        )
    biases = [p for n, p in layer.named_parameters() if n.rpartition("_l")[0] in _biases(name)]
    weight = next(layer.parameters())
    layout = layouts[name]
    made: nn.RNNBase = getattr(nn, layout.operator.rpartition(".")[2])(
        layer.layer_sizes[0].inputs[0],
        layer.hidden_size,
        layer.num_layers,
        bias=any(p.requires_grad or bool(p.any()) for p in biases),
        batch_first=layer.batch_first,
        dropout=layer.dropout,
        bidirectional=layer.bidirectional,
        device=weight.device,
        dtype=weight.dtype,
        **{k: layer.sizes.get(str(v), v) for k, v in layout.attributes.items()},
    )
    entries: dict[str, torch.Tensor] = {}
    for k, reverse, names in layer.parameter_names():
        params = {p: getattr(layer, n) for p, n in names.items()}
        for entry, array in to_torch(name, params, layer=k, reverse=reverse).items():
            if made.bias or not entry.startswith("bias"):
                entries[entry] = torch.from_numpy(np.ascontiguousarray(array))
    made.load_state_dict(entries)
    if not any(p.requires_grad for p in layer.parameters()):
        made.requires_grad_(False)
    return made.train(layer.training)


def _kinds(source: nn.RNNBase) -> list[str]:
    """The built-in cells that compute what this layer does, the first the plainest."""
    if not isinstance(source, nn.RNNBase):
        raise TypeError(f"expected nn.LSTM, nn.GRU or nn.RNN, got {type(source).__name__}")
    if getattr(source, "nonlinearity", "tanh") != "tanh":
        raise UsageError(
            f"nn.RNN with nonlinearity={source.nonlinearity!r}: rnn has tanh; declare a cell with "
            "it, Eq(h[t], relu(W @ [h[t-1], x[t]] + b)), make a Recurrent of that, and copy the "
            "weights"
        )
    return [
        name
        for name, layout in supported("torch").items()
        if isinstance(source, getattr(nn, layout.operator.rpartition(".")[2]))
        and ("proj_size" in layout.attributes) == bool(source.proj_size)
    ]


def _like(make: type[Recurrent], source: nn.RNNBase, cell: Cell, layout: Layout) -> Recurrent:
    """A layer of a cell with the options of torch's."""
    weight = source.weight_ih_l0
    own = {layout.attributes["proj_size"]: source.proj_size} if source.proj_size else {}
    return make(
        cell,
        source.input_size,
        source.hidden_size,
        source.num_layers,
        source.batch_first,
        float(source.dropout),
        source.bidirectional,
        device=weight.device,
        dtype=weight.dtype,
        **{str(name): size for name, size in own.items()},
    )


def _take(layer: Recurrent, source: nn.RNNBase, conversion: Conversion) -> None:
    """Copy the weights."""
    entries = source.state_dict()
    with torch.no_grad():
        for k, reverse, names in layer.parameter_names():
            for parameter, value in conversion(entries, k, reverse).items():
                getattr(layer, names[parameter]).copy_(torch.from_numpy(np.asarray(value)))


def _agree(layer: Recurrent, source: nn.RNNBase, conversion: Conversion) -> bool:
    """Whether the two give the same output after the conversion, of any weights."""
    random = torch.Generator().manual_seed(0)
    ours = copy.deepcopy(layer).to("cpu", torch.float64).eval()
    theirs = copy.deepcopy(source).to("cpu", torch.float64).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, source.hidden_size**-0.5, generator=random)
        try:
            _take(ours, theirs, conversion)
        except UsageError:
            return False
        x = torch.randn((5, 3, source.input_size), generator=random, dtype=torch.float64)
        y, wanted = ours(x)[0], theirs(x)[0]
    return bool((y - wanted).abs().max() <= _TOLERANCE * wanted.abs().max())


# Into another cell -------------------------------------------------------------------------------


def _plain(kind: str) -> Conversion:
    """Into the built-in cell itself."""
    return lambda entries, k, reverse: from_torch(kind, entries, layer=k, reverse=reverse)


def _conversions(kinds: list[str], cell: Cell, layer: Recurrent) -> Iterator[Conversion]:
    """Ways in which the weights may be placed in a cell, to be tried."""
    layout, own = supported("torch")[kinds[0]], CELLS.get(cell.name)
    if own and set(own.gates) == set(layout.order) and load(cell.name).digest == cell.digest:
        # The gates of torch, and peepholes that are zero.
        layout = replace(layout, kind=own.kind, peepholes=("i", "o", "f"))
        converter = Converter(cell, own, layout)
        yield lambda entries, k, reverse: converter.parameters(_stacks(entries, k, reverse))
    for kind in kinds:
        yield _by_name(kind, cell, layer)


def _by_name(kind: str, cell: Cell, layer: Recurrent) -> Conversion:
    """What has the name that a built-in cell has is the same; all else is zero."""
    known, form = load(kind).normal_form, cell.normal_form

    def conversion(entries: Mapping[str, Any], k: int, reverse: bool) -> Parameters:
        given = from_torch(kind, entries, layer=k, reverse=reverse)
        sizes = layer.layer_sizes[min(k, 1)]
        found = {}
        for p, shape in sizes.parameters.items():
            found[p] = np.zeros(shape, next(iter(given.values())).dtype)
            if p in given and p in form.blocks and p in known.blocks:
                theirs = _columns(known, p, sizes)
                for operand, at in _columns(form, p, sizes).items():
                    if operand in theirs:
                        found[p][:, at] = given[p][:, theirs[operand]]
            elif p in given and given[p].shape == shape:
                found[p] = given[p]
        return found

    return conversion


def _columns(form: NormalForm, weight: str, sizes: Sizes) -> dict[Value, slice]:
    """The columns of a matrix that multiply each vector."""
    found, end = {}, 0
    for operand, size in zip(form.blocks[weight], form.weights[weight].columns, strict=True):
        start, end = end, end + sizes.known[size]
        found[operand] = slice(start, end)
    return found


def _stacks(entries: Mapping[str, Any], k: int, reverse: bool) -> Stacks:
    """What torch keeps for one layer and direction."""
    suffix = f"_l{k}{'_reverse' * reverse}"
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    kernel, recurrent, bias, second, projection = (
        as_array(name + suffix, entries[name + suffix]) if name + suffix in entries else None
        for name in names
    )
    assert kernel is not None and recurrent is not None, "every layer of torch's has them"
    return Stacks(kernel, recurrent, bias, second, projection=projection)


def _biases(kind: str) -> set[str]:
    """The parameters of a built-in cell that are biases."""
    gates = CELLS[kind].gates.values()
    return {b for gate in gates for b in (gate.bias, gate.recurrent_bias) if b is not None}
