"""A cell's parameters as the stacks of one framework's gates, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.errors import UsageError
from lstmgen.interop.layouts import CELLS, LAYOUTS, CellLayout, Gate, Layout
from lstmgen.stages import Stages

__all__ = ["Array", "Converter", "Stacks", "as_array", "converter", "supported", "without_biases"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stacks:
    """What a framework keeps, gate upon gate in its order; G gates, R the size of the state h.

    Attributes:
        kernel: (G·H, D).
        recurrent: (G·H, R).
        bias, recurrent_bias: (G·H,), or None for zeros.
        peepholes: (3·H,) in the layout's order, or None for zeros.
        projection: (R, H), or None.
    """

    kernel: Array
    recurrent: Array
    bias: Array | None = None
    recurrent_bias: Array | None = None
    peepholes: Array | None = None
    projection: Array | None = None


def supported(framework: str) -> dict[str, Layout]:
    """For each built-in cell that the framework has, its layout there."""
    kinds = {layout.kind: layout for layout in LAYOUTS if layout.framework == framework}
    return {name: kinds[c.kind] for name, c in CELLS.items() if c.kind in kinds}


def converter(cell: Stages | str, framework: str) -> Converter:
    """The converter of a cell for a framework.

    Raises:
        UsageError: the framework has no such cell, or the cell only has the name of one that it
            has.
    """
    from lstmgen.library.loading import load

    name = cell if isinstance(cell, str) else cell.name
    layouts = supported(framework)
    if name not in layouts:
        raise UsageError(
            f"{framework} has no layout for the cell {name}; it has {', '.join(sorted(layouts))}"
        )
    known = load(name)
    if isinstance(cell, Stages) and cell.digest != known.digest:
        raise UsageError(
            f"this cell {name} has other equations than the built-in {name}, which is what "
            f"{layouts[name].operator} computes"
        )
    return Converter(known, CELLS[name], layouts[name])


def as_array(what: str, value: Any) -> Array:
    """An array of NumPy, PyTorch or CuPy, or a list, as a NumPy array of floats.

    Raises:
        UsageError: it is none.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    elif hasattr(value, "get") and hasattr(value, "dtype"):
        value = value.get()
    dtype = str(getattr(value, "dtype", "")).rpartition(".")[2]
    if "float" in dtype and dtype not in ("float32", "float64"):
        raise UsageError(
            f"{what}: expected float32 or float64, got {dtype}; convert it first, for example "
            "with layer.float() in PyTorch or array.astype('float32')"
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        got = type(value).__name__
        raise UsageError(f"{what}: expected an array, got {got}: {error}") from None
    if array.dtype.kind != "f":
        raise UsageError(f"{what}: expected floating-point numbers, got dtype {array.dtype}")
    return array


class Converter:
    """Between the parameters of a cell and the stacks of a framework; all of it copies."""

    def __init__(self, cell: Stages, own: CellLayout, layout: Layout) -> None:
        self.cell, self.layout = cell, layout
        self._own, self._form = own, cell.normal_form

    # From the framework ---------------------------------------------------------------------

    def parameters(self, stacks: Stacks) -> dict[str, Array]:
        """The cell's parameters.

        Raises:
            UsageError: shapes do not fit together, or there are numbers for which the cell has no
                place.
        """
        count = len(self.layout.order)
        self._check("input weights", stacks.kernel, (None, None))
        rows = len(stacks.kernel)
        if rows % count or not rows:
            raise self._error(f"{rows} rows are not those of {count} gates")
        H = rows // count
        self._check("recurrent weights", stacks.recurrent, (rows, None))
        R = stacks.recurrent.shape[1]
        if (stacks.projection is None) != (self._own.projection is None):
            raise self._error(
                "there is a projection, which the cell lacks (lstm_projected has one)"
                if self._own.projection is None
                else "there is no projection; without one the cell is lstm"
            )
        if stacks.projection is not None:
            self._check("projection", stacks.projection, (R, H))
        elif R != H:
            raise self._error(f"the recurrent weights have {R} columns for {H} units")
        for what, vector, extent in (
            ("bias", stacks.bias, rows),
            ("recurrent bias", stacks.recurrent_bias, rows),
            ("peepholes", stacks.peepholes, len(self.layout.peepholes) * H),
        ):
            if vector is not None:
                self._check(what, vector, (extent,))
        found: dict[str, Array] = {}
        for k, name in enumerate(self.layout.order):
            gate = self._own.gates.get(name)
            if gate is not None:  # the framework does not read the rows of one that is missing
                at = slice(k * H, (k + 1) * H)
                self._read_gate(name, gate, stacks, at, found)
        if stacks.projection is not None and self._own.projection is not None:
            found[self._own.projection] = np.array(stacks.projection)
        return {p: np.ascontiguousarray(found[p]) for p in self._form.parameters}

    def _read_gate(
        self, name: str, gate: Gate, s: Stacks, at: slice, found: dict[str, Array]
    ) -> None:
        parts = {"input": s.kernel[at], "recurrent": s.recurrent[at]}
        for weight in dict.fromkeys((gate.input, gate.recurrent)):
            blocks = [parts[role] for role in self._roles(weight)]
            found[weight] = gate.sign * np.concatenate(blocks, axis=1)
        zero = np.zeros(len(s.kernel[at]), s.kernel.dtype)
        bias = zero if s.bias is None else s.bias[at]
        recurrent = zero if s.recurrent_bias is None else s.recurrent_bias[at]
        if gate.recurrent_bias is not None:
            found[gate.recurrent_bias] = gate.sign * recurrent
        else:
            bias = bias + recurrent
        self._place(f"bias of {name}", gate.bias, gate.sign * bias, found)
        if name in self.layout.peepholes:
            start = self.layout.peepholes.index(name) * len(zero)
            own = zero if s.peepholes is None else s.peepholes[start : start + len(zero)]
            self._place(f"peephole of {name}", gate.peephole, gate.sign * own, found)

    def _place(
        self, what: str, parameter: str | None, value: Array, found: dict[str, Array]
    ) -> None:
        if parameter is not None:
            found[parameter] = value
        elif np.any(value):
            raise self._error(f"the {what} is not zero, and the cell has none")

    # To the framework ---------------------------------------------------------------------------

    def stacks(self, parameters: Mapping[str, Any], like: Stacks | None = None) -> Stacks:
        """The framework's numbers; a gate's only bias is the first of two, and the second is zero.

        Where `like` is given, each sum of two biases is split as there: where it is the sum of the
        two in `like` these are taken bit for bit, else the second stays.

        Raises:
            UsageError: a parameter is missing, unknown or of another shape.
        """
        arrays = self._checked(parameters)
        H = self._hidden(arrays)
        dtype = next(iter(arrays.values())).dtype
        lists: dict[str, list[Array]] = {k: [] for k in ("input", "recurrent", "bias", "second")}
        for k, name in enumerate(self.layout.order):
            gate = self._own.gates.get(name)
            pieces = self._written_gate(gate, arrays, H, dtype)
            second = pieces["second"]
            if like is not None and (gate is None or gate.recurrent_bias is None):
                at = slice(k * H, (k + 1) * H)
                pieces["bias"], second = _split_like(like, at, pieces["bias"])
            pieces["second"] = second
            for part, of_gates in lists.items():
                of_gates.append(pieces[part])
        peepholes = [
            self._vector(self._own.gates.get(name), "peephole", arrays, H, dtype)
            for name in self.layout.peepholes
        ]
        any_peephole = any(gate.peephole for gate in self._own.gates.values())
        projection = self._own.projection
        return Stacks(
            np.concatenate(lists["input"]),
            np.concatenate(lists["recurrent"]),
            np.concatenate(lists["bias"]),
            np.concatenate(lists["second"]),
            np.concatenate(peepholes) if any_peephole else None,
            None if projection is None else np.array(arrays[projection]),
        )

    def _written_gate(
        self, gate: Gate | None, arrays: dict[str, Array], H: int, dtype: Any
    ) -> dict[str, Array]:
        """input, recurrent, bias and second bias of a gate; zeros for one that is missing."""
        shown = gate or next(iter(self._own.gates.values()))
        pieces: dict[str, Array] = {}
        for weight in dict.fromkeys((shown.input, shown.recurrent)):
            start = 0
            widths = self._widths(weight, arrays[weight].shape[1], H)
            for role, width in zip(self._roles(weight), widths, strict=True):
                block = arrays[weight][:, start : start + width]
                pieces[role] = shown.sign * block if gate else np.zeros_like(block)
                start += width
        pieces["bias"] = self._vector(gate, "bias", arrays, H, dtype)
        pieces["second"] = self._vector(gate, "recurrent_bias", arrays, H, dtype)
        return pieces

    def _vector(
        self, gate: Gate | None, what: str, arrays: dict[str, Array], H: int, dtype: Any
    ) -> Array:
        name = None if gate is None else getattr(gate, what)
        if gate is None or name is None:
            return np.zeros(H, dtype)
        return np.asarray(gate.sign * arrays[name])

    def _widths(self, weight: str, columns: int, H: int) -> list[int]:
        """The columns of each block of a matrix; what is not the state's is the input's."""
        roles = self._roles(weight)
        if len(roles) == 1:
            return [columns]
        return [H if role == "recurrent" else columns - H for role in roles]

    # What both need -----------------------------------------------------------------------------

    def _roles(self, weight: str) -> list[str]:
        """For each block of a matrix, whether it multiplies the input or the state."""
        return [
            "input" if operand.name in self._form.inputs else "recurrent"
            for operand in self._form.blocks[weight]
        ]

    def _hidden(self, arrays: dict[str, Array]) -> int:
        return len(arrays[next(iter(self._own.gates.values())).input])

    def _checked(self, parameters: Mapping[str, Any]) -> dict[str, Array]:
        wanted = self.cell.parameters
        if set(parameters) != set(wanted):
            raise self._error(
                f"the parameters are {', '.join(wanted)}, not {', '.join(map(str, parameters))}"
            )
        arrays = {p: as_array(f"params[{p!r}]", parameters[p]) for p in wanted}
        for p, array in arrays.items():
            if array.ndim != len(wanted[p]):
                raise self._error(f"{p} has shape {array.shape}, not ({', '.join(wanted[p])})")
        sizes = self._sizes(arrays)
        for p, array in arrays.items():
            shape = tuple(sum(sizes[s] for s in symbols.split("+")) for symbols in wanted[p])
            if array.shape != shape:
                raise self._error(
                    f"{p} has shape {array.shape}, not ({', '.join(wanted[p])}) = {shape}"
                )
        return arrays

    def _sizes(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        """Each size as most of the parameters have it, so that the odd one out is to blame."""
        sizes: dict[str, int] = {}
        axes = [
            (symbols.split("+"), extent)
            for p, shape in self.cell.parameters.items()
            for symbols, extent in zip(shape, arrays[p].shape, strict=True)
        ]
        while True:
            votes: dict[str, list[int]] = {}
            for symbols, extent in axes:
                unknown = [s for s in symbols if s not in sizes]
                if len(unknown) == 1:
                    rest = extent - sum(sizes.get(s, 0) for s in symbols)
                    votes.setdefault(unknown[0], []).append(rest)
            if not votes:
                return sizes
            # Those that stand alone before those that are what another leaves.
            alone = {s for symbols, _ in axes if len(symbols) == 1 for s in symbols} & {*votes}
            for size in sorted(alone or votes):
                sizes[size] = max(votes[size], key=votes[size].count)

    def _check(self, what: str, array: Array, shape: tuple[int | None, ...]) -> None:
        fits = len(array.shape) == len(shape) and all(
            n in (None, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = tuple("any" if n is None else n for n in shape)
            raise self._error(f"{what}: expected shape {wanted}, got {array.shape}")

    def _error(self, problem: str) -> UsageError:
        return UsageError(f"{self.layout.operator} and the cell {self.cell.name}: {problem}")


def without_biases(stacks: Stacks, converter: Converter) -> Stacks:
    """The stacks of a layer without biases.

    Raises:
        UsageError: a bias is not zero.
    """
    for array in (stacks.bias, stacks.recurrent_bias):
        if array is not None and np.any(array):
            raise UsageError(
                f"{converter.layout.operator} and the cell {converter.cell.name}: the layer is to "
                "have no bias, and those of the cell are not all zero"
            )
    return replace(stacks, bias=None, recurrent_bias=None)


def _split_like(like: Stacks, at: slice, total: Array) -> tuple[Array, Array]:
    zero = np.zeros_like(total)
    first = zero if like.bias is None else like.bias[at].astype(total.dtype)
    second = zero if like.recurrent_bias is None else like.recurrent_bias[at].astype(total.dtype)
    return np.where(first + second == total, first, total - second), second
