"""What a cell costs, as the tables of its page: parameters, operations, bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lstmgen.show.costs import Cost, Formula, costs, kept_floats
from lstmgen.show.explaining import EXAMPLE
from lstmgen.show.report.formulas import polynomial, shape, symbol

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["Costs", "Intensity", "ParameterRow", "PartRow", "costing", "grouped"]

_BYTES = 4  # of a float32


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter, or all of them: its shape, and how many numbers it holds."""

    name: Markup
    shape: Markup
    count: Markup
    example: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of the program: its operations and the bytes it moves, as formulas."""

    part: str
    per: str
    products: Markup
    elementwise: Markup
    moved: Markup


@dataclass(frozen=True, slots=True)
class Intensity:
    """A part of the program, or all of it, at the example's sizes."""

    part: str
    flops: str
    moved: str
    intensity: str


@dataclass(frozen=True)
class Costs:
    """The tables, and the sizes of the example as symbols, formulas and numbers."""

    parameters: tuple[ParameterRow, ...]
    total: ParameterRow
    parts: tuple[PartRow, ...]
    kept: Markup
    kept_adjoints: Markup
    intensities: tuple[Intensity, ...]
    sizes: tuple[tuple[str, Markup, int], ...]


def costing(cell: Stages) -> Costs:
    """The tables for a cell."""
    form, found = cell.normal_form, costs(cell.schedule)
    sizes = {**EXAMPLE, **dict.fromkeys(form.sizes.values(), EXAMPLE["H"])}
    counts = {name: _count(shape) for name, shape in cell.parameters.items()}
    kept, adjoints = kept_floats(cell.schedule)
    return Costs(
        parameters=tuple(
            ParameterRow(
                symbol(name), shape(cell.parameters[name]), polynomial(count),
                grouped(count.at(sizes)),
            )
            for name, count in counts.items()
        ),
        total=_total(counts, sizes),
        parts=tuple(
            PartRow(
                c.part,
                "step" if c.each_step else "sequence",
                polynomial(c.products),
                polynomial(c.elementwise),
                polynomial(c.floats.scaled(_BYTES)),
            )
            for c in found
        ),
        kept=polynomial(kept.scaled(_BYTES)),
        kept_adjoints=polynomial(adjoints.scaled(_BYTES)),
        intensities=tuple(_intensities(found, sizes)),
        sizes=tuple((name, symbol(name), number) for name, number in sizes.items()),
    )  # fmt: skip


def _count(shape: Iterable[str]) -> Formula:
    """How many numbers an array of a symbolic shape holds."""
    count = Formula.of(1)
    for side in shape:
        total = Formula()
        for size in side.split("+"):
            total += count.times(size)
        count = total
    return count


def _total(counts: Mapping[str, Formula], sizes: Mapping[str, int]) -> ParameterRow:
    total = Formula()
    for count in counts.values():
        total += count
    return ParameterRow(Markup("all"), Markup(""), polynomial(total), grouped(total.at(sizes)))


def _intensities(found: tuple[Cost, ...], sizes: Mapping[str, int]) -> Iterable[Intensity]:
    """Each part for a whole sequence, then all of them."""
    parts: dict[str, tuple[int, int]] = {}
    for cost in found:
        whole = cost.of_sequence()
        flops, moved = parts.get(cost.part, (0, 0))
        parts[cost.part] = (
            flops + whole.products.at(sizes) + whole.elementwise.at(sizes),
            moved + whole.floats.at(sizes) * _BYTES,
        )
    if not parts:  # a cell that only hands on what it gets
        return
    every = {**parts, "all": tuple(sum(both) for both in zip(*parts.values(), strict=True))}
    for part, (flops, moved) in every.items():
        yield Intensity(part, _short(flops) + "FLOP", _short(moved) + "B", f"{flops / moved:.1f}")


def grouped(number: int) -> str:
    """131 584, with thin spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def _short(number: int) -> str:
    """Three digits and a prefix of the SI: 1.23 G."""
    value, prefixes = float(number), iter(("", "k", "M", "G", "T", "P"))
    prefix = next(prefixes)
    while value >= 999.5:
        value, prefix = value / 1000, next(prefixes)
    return f"{value:.3g}\u00a0{prefix}"
