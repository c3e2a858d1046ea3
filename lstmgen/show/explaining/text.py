"""The text of `lstmgen explain`: the stages between a cell's equations and its module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lstmgen import targets
from lstmgen.show.costs import Cost, costs, kept_floats

if TYPE_CHECKING:
    from lstmgen.stages import Stages
    from lstmgen.targets import Target

__all__ = ["EXAMPLE", "SCHEMA", "as_json", "explain"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""

EXAMPLE: Mapping[str, int] = {"T": 100, "B": 32, "H": 128}
"""Sizes at which the costs are given as numbers; every other size is taken as 128."""

_BYTES = 4  # of a float32


def explain(cell: Stages, target: str | Target | None = None) -> str:
    """Normal form, derived gradients, schedule and its cost, each under its title.

    With a target, also what that has to say of its module.
    """
    return "\n\n".join(
        "\n".join([title, *(f"  {line}".rstrip() for line in body)])
        for title, body in _sections(cell, target).items()
    )


def as_json(cell: Stages, target: str | Target | None = None) -> dict[str, object]:
    """The same as plain data; costs by the part of the program, as formulas in the sizes."""
    kept, adjoints = kept_floats(cell.schedule)
    return {
        "schema": SCHEMA,
        "cell": cell.name,
        "target": None if target is None else targets.get(target).name,
        "sections": [
            {"title": title, "lines": lines} for title, lines in _sections(cell, target).items()
        ],
        "costs": [
            {
                "part": c.part,
                "per": "step" if c.each_step else "sequence",
                "flops_in_products": str(c.products),
                "flops_elementwise": str(c.elementwise),
                "bytes_in_float32": str(c.floats.scaled(_BYTES)),
            }
            for c in costs(cell.schedule)
        ],
        "kept_bytes_per_step": str(kept.scaled(_BYTES)),
        "kept_bytes_per_step_by_backward": str(adjoints.scaled(_BYTES)),
    }


def _sections(cell: Stages, target: str | Target | None) -> dict[str, list[str]]:
    """Lines by title."""
    sections = {
        f"Normal form of {cell.name}": str(cell.normal_form).splitlines(),
        "Derived gradients": [
            *str(cell.gradients).splitlines(),
            *(f"where {f.name}(a) is {f.summary}" for f in cell.gradients.masks),
        ],
        "Schedule": str(cell.schedule).splitlines(),
        "Cost": _costs(cell),
    }
    if target is not None:
        sections |= {name: list(body) for name, body in targets.get(target).explain(cell).items()}
    return sections


def _costs(cell: Stages) -> list[str]:
    found = costs(cell.schedule)
    head = ("part", "per", "FLOPs in products", "FLOPs element-wise", "bytes in float32")
    rows = [
        head,
        *(
            (
                c.part,
                "step" if c.each_step else "sequence",
                str(c.products),
                str(c.elementwise),
                str(c.floats.scaled(_BYTES)),
            )
            for c in found
        ),
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    kept, adjoints = kept_floats(cell.schedule)
    return [
        *(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
            for row in rows
        ),
        "",
        f"kept of each step for backward: {kept.scaled(_BYTES)} bytes in float32,",
        f"and by backward for the parameters: {adjoints.scaled(_BYTES)}",
        "",
        *_example(cell, found),
    ]


def _example(cell: Stages, found: tuple[Cost, ...]) -> list[str]:
    """The sequence's totals as numbers."""
    named = dict.fromkeys(cell.normal_form.sizes.values(), EXAMPLE["H"])
    sizes = {**EXAMPLE, **named}
    lines = [f"a sequence at {', '.join(f'{s}={n}' for s, n in sizes.items())}:"]
    for part in dict.fromkeys(c.part for c in found):
        whole = [c.of_sequence() for c in found if c.part == part]
        flops = sum(c.products.at(sizes) + c.elementwise.at(sizes) for c in whole)
        moved = sum(c.floats.at(sizes) for c in whole) * _BYTES
        lines.append(
            f"  {part:<10}  {_short(flops) + 'FLOP':>10}  {_short(moved) + 'B':>8}"
            f"  {flops / moved:5.1f} FLOP per byte"
        )
    return lines


def _short(number: int) -> str:
    """Three digits and a prefix of the SI: 1.23 G."""
    value, prefixes = float(number), iter(("", "k", "M", "G", "T", "P"))
    prefix = next(prefixes)
    while value >= 999.5:
        value, prefix = value / 1000, next(prefixes)
    return f"{value:.3g} {prefix}"
