"""What `lstmgen explain --target numpy` adds: the layout in memory, and the calls of each loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lstmgen.targets.common.extents import columns
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.source import numpy_module
from lstmgen.targets.numpy.storage import Slots

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["sections"]


def sections(cell: Cell) -> dict[str, list[str]]:
    """Lines by title."""
    module = numpy_module(cell)
    forward, backward = module.forward, module.backward
    arrays = (
        ("kept of each step by forward", forward.record),
        *(("multiplied at each step by forward", o.slots) for o in forward.operands),
        ("made of each step by backward", backward.adjoint),
        ("handed from step to step by backward", backward.carry),
    )
    calls = (
        ("once for a sequence: weights stacked, with the activations' factors in them",
         (*forward.packs, *forward.first, *backward.packs)),
        ("forward, ahead of the loop, for as many steps as the cache holds", forward.ahead),
        ("forward, each step", forward.loop),
        ("forward, behind the loop", forward.behind),
        ("backward, ahead of the loop, for as many steps as the cache holds",
         (*backward.early, *backward.factors)),
        ("backward, each step", backward.loop),
        ("backward, behind the loop", (*backward.late, *backward.collected)),
        ("once for a sequence: gradients of parameters and inputs",
         (*backward.outer, *backward.sums, *backward.inputs)),
    )
    return {
        "Layout of the NumPy module": [
            *(line for title, slots in arrays if slots.names for line in _layout(title, slots)),
            "built with --recompute all it keeps the states of every few steps only, and runs the",
            "forward pass twice",
        ],
        "Calls of the NumPy module": [
            line for title, lines in calls if lines for line in _calls(title, lines)
        ],
    }


def _layout(title: str, slots: Slots) -> list[str]:
    """Slots and their rows, in order: neighbours of one kind are handled by one call."""
    rows = [columns(slots.sizes, k) for k in range(len(slots.names))]
    width = max(map(len, rows))
    return [
        f"{title}: {slots.array}, {slots.rows} rows of B",
        *(f"  {row:<{width}}  {name}" for row, name in zip(rows, slots.names, strict=True)),
    ]


def _calls(title: str, lines: Iterable[Line]) -> list[str]:
    found = [f"  {line.code}  {line.comment}".rstrip() for line in lines]
    return [f"{title}: {len(found)}", *found]
