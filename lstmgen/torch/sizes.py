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
        input_size: of its input; of several, the size of those of free size, or a dict, in which
            those may be left out whose size is known.
        hidden_size: H.
        own: the cell's own sizes, P for example.

    Raises:
        ValueError, TypeError: one is missing, unknown or no positive whole number, or an input
            cannot have its size.
    """
    form = cell.normal_form
    for name in own:
        if name not in form.extra_sizes:
            raise TypeError(
                f"{name}: {cell.name} has "
                + (f"the sizes {', '.join(form.extra_sizes)}" if form.extra_sizes else "no size")
                + f" of its own, and {name} is none of them"
            )
    known = {"1": 1, "H": _size("hidden_size", hidden_size)}
    for name in form.extra_sizes:
        if name not in own:
            raise TypeError(f"{name}: {cell.name} has a size {name} of its own; give {name}=...")
        known[name] = _size(name, own[name])
    given = dict(input_size) if isinstance(input_size, Mapping) else {}
    for name in given:
        if name not in form.inputs:
            raise ValueError(
                f"input_size: {cell.name} has the inputs {', '.join(form.inputs)}, not {name!r}"
            )
    several = len(form.inputs) > 1
    for x in form.inputs:
        label = f"input_size[{x!r}]" if several else "input_size"
        symbol = form.input_extents[x]
        value = given.get(x)
        if not isinstance(input_size, Mapping) and (not several or symbol in form.input_sizes):
            value = input_size
        if value is None and symbol not in known:
            raise ValueError(f"{label}: the size of {x} is missing")
        if value is not None and known.setdefault(symbol, _size(label, value)) != value:
            kind = "one number" if symbol == "1" else f"combined with vectors of size {symbol}"
            raise ValueError(
                f"{label}: {x} of {cell.name} is {kind}, so expected {known[symbol]}, got {value}"
            )
    return Sizes(
        known=known,
        inputs=tuple(known[form.input_extents[x]] for x in form.inputs),
        parameters={
            p: tuple(sum(known[s] for s in extent.split("+")) for extent in shape)
            for p, shape in cell.parameters.items()
        },
        widths=tuple(known[form.sizes[v]] for v in (form.output, *form.states)),
    )


def _size(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
    return value
