"""The sizes of a layer: of its inputs, parameters, states and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lstmgen.cell import Cell

__all__ = ["Sizes", "fed", "sizes"]


@dataclass(frozen=True)
class Sizes:
    """One layer's.

    Attributes:
        known: by the symbols that shapes have.
        inputs: of each input.
        parameters: the shape of each parameter.
        widths: of the output, then of each state.
    """

    known: dict[str, int]
    inputs: tuple[int, ...]
    parameters: dict[str, tuple[int, ...]]
    widths: tuple[int, ...]


def fed(cell: Cell) -> int:
    """Which input takes the output of the layer below: the first whose size is its own.

    Where none has, the first that is a vector.
    """
    form = cell.normal_form
    extents = [form.input_extents[x] for x in form.inputs]
    free = [k for k, size in enumerate(extents) if size in form.input_sizes]
    vectors = [k for k, size in enumerate(extents) if size != "1"]
    return (*free, *vectors, 0)[0]


def sizes(
    cell: Cell,
    input_size: int | Mapping[str, int],
    hidden_size: int,
    own: Mapping[str, int],
) -> Sizes:
    """The sizes of a layer, as `init_params` of the cell's modules has them.

    Args:
        cell: the cell.
        input_size: of its input; of several, the size of those of free size (of all, if none is),
            or a dict, in which those may be left out whose size is known.
        hidden_size: the size of the hidden state, H.
        own: the cell's own sizes, P for example.

    Raises:
        ValueError, TypeError: one is missing, unknown or no positive whole number, or an input
            cannot have its size.
    """
    form = cell.normal_form
    known = {"1": 1, "H": _size("hidden_size", hidden_size)}
    for name in own:
        if name not in form.extra_sizes:
            has = f"the sizes {', '.join(form.extra_sizes)}" if form.extra_sizes else "no size"
            raise TypeError(f"{name}: {cell.name} has {has} of its own, and {name} is none of them")
        known[name] = _size(name, own[name])
    for x, value in _input_sizes(cell, input_size).items():
        label = f"input_size[{x!r}]" if len(form.inputs) > 1 else "input_size"
        symbol = form.input_extents[x]
        if known.setdefault(symbol, _size(label, value)) != value:
            kind = "one number" if symbol == "1" else f"combined with vectors of size {symbol}"
            raise ValueError(
                f"{label}: {x} of {cell.name} is {kind}, so expected {known[symbol]}, got {value}"
            )
    for x, symbol in form.input_extents.items():
        if symbol not in known and symbol in form.input_sizes:
            raise ValueError(f"input_size: the size of {x} is missing")
    for name in form.extra_sizes:
        if name not in known:
            raise TypeError(f"{name}: {cell.name} has a size {name} of its own; give {name}=...")
    return Sizes(
        known=known,
        inputs=tuple(known[form.input_extents[x]] for x in form.inputs),
        parameters={
            p: tuple(sum(known[s] for s in extent.split("+")) for extent in shape)
            for p, shape in cell.parameters.items()
        },
        widths=tuple(known[form.sizes[v]] for v in (form.output, *form.states)),
    )


def _input_sizes(cell: Cell, given: int | Mapping[str, int]) -> Mapping[str, int]:
    """The sizes of inputs that are given: a number is of those of free size, or of all if none is.

    Raises:
        ValueError: there is no such input.
    """
    form = cell.normal_form
    if isinstance(given, Mapping):
        for name in given:
            if name not in form.inputs:
                known = ", ".join(form.inputs)
                raise ValueError(f"input_size: {cell.name} has the inputs {known}, not {name!r}")
        return given
    extents = form.input_extents
    free = [x for x in form.inputs if extents[x] in form.input_sizes]
    return dict.fromkeys(
        free or [x for x in form.inputs if extents[x] != "1"] or form.inputs, given
    )


def _size(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
    return value
