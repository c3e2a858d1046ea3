"""The text of `lstmgen show`: a cell as its author would introduce it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["SCHEMA", "as_json", "describe"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""


def describe(cell: Stages) -> str:
    """Equations with labels, states, inputs, output, parameters with shapes, sizes and source."""
    sizes, extents = cell.normal_form.sizes, cell.normal_form.input_extents
    parts = [
        cell.name,
        _section(
            "Equations",
            [f"({k}) {eq.lhs} = {eq.rhs}" for k, eq in enumerate(cell.equations, start=1)],
        ),
        _section("States", _table([(s, _shape((sizes[s],))) for s in cell.states])),
        _section("Inputs", _table([(x, f"({n})") for x, n in extents.items()])),
        _section("Output", _table([(cell.output, _shape((sizes[cell.output],)))])),
        _section("Parameters", _table([(p, _shape(s)) for p, s in cell.parameters.items()])),
        _section("Sizes", _table(_sizes(cell))),
        # A cell that was read from a text tells how; others have been declared symbol by symbol.
        _section("Read as", _read_as(cell)),
        _section("Written out", _written_out(cell).splitlines()),
        _section("Source", cell.source.splitlines()),
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(cell: Stages) -> dict[str, object]:
    """The same as plain data; a shape is a list of sizes, and empty for a scalar."""
    sizes = cell.normal_form.sizes
    return {
        "schema": SCHEMA,
        "name": cell.name,
        "hash": cell.digest,
        "equations": [
            {"label": str(k), "equation": f"{eq.lhs} = {eq.rhs}"}
            for k, eq in enumerate(cell.equations, start=1)
        ],
        "states": {s: [sizes[s]] for s in cell.states},
        "inputs": {x: [n] for x, n in cell.normal_form.input_extents.items()},
        "output": cell.output,
        "parameters": {p: list(shape) for p, shape in cell.parameters.items()},
        "sizes": dict(_sizes(cell)),
        "read_as": _read_as(cell),
        "written_out": _written_out(cell),
        "source": cell.source,
    }


def _read_as(cell: Stages) -> list[str]:
    """Of a cell that was read from a text: each symbol, and what else was concluded, and why."""
    if cell.reading is None:
        return []
    return [*map(str, cell.reading.symbols), *cell.reading.inferences]


def _written_out(cell: Stages) -> str:
    return "" if cell.reading is None else cell.reading.written_out


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)]) if lines else ""


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def _shape(shape: tuple[str, ...]) -> str:
    return f"({', '.join(shape)})" if shape else "() a scalar"


def _sizes(cell: Stages) -> list[tuple[str, str]]:
    """Every size symbol, with what it measures and the vectors that have it."""
    form = cell.normal_form
    # A label without a letter is an equation of the cell's, not one added by the normal form.
    inputs = [x for x in form.inputs if x not in form.scalar_inputs]
    vectors = [*inputs, *(d.name for d in form.definitions if d.label == d.equation)]
    having: dict[str, list[str]] = {}
    for vector in vectors:
        having.setdefault(form.sizes[vector], []).append(vector)
    return [(size, f"{_meaning(cell, size)}: {', '.join(who)}") for size, who in having.items()]


def _meaning(cell: Stages, size: str) -> str:
    if size == "H":
        return "hidden size"
    return "input size" if size in cell.normal_form.input_sizes else "declared size"
