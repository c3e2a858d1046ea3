"""What `lstmgen explain --target numpy` adds: the arrays, and the calls of each loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lstmgen.targets.common.extents import columns
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.module import NumpyModule
from lstmgen.targets.numpy.program import Keep, Stack

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["sections"]

_TITLES = {
    Keep.TAPE: "kept of each step by forward",
    Keep.STATE: "kept of each step by forward, the state before the block first",
    Keep.BLOCK: "for the steps of a block",
    Keep.CARRY: "handed from step to step by backward",
    Keep.STEP: "for one step",
}


def sections(cell: Stages) -> dict[str, list[str]]:
    """Lines by title."""
    module = NumpyModule(cell)
    forward, backward = module.forward, module.backward
    plans = module.plans
    stacks = [*plans[0].stacks, *plans[0].scratch, *plans[1].stacks, *plans[1].scratch]
    calls: tuple[tuple[str, Iterable[Line]], ...] = (
        ("once for a sequence", (*forward.constants, *backward.constants)),
        ("forward, for all steps of a block, before the loop", forward.first),
        ("forward, each step", forward.loop),
        ("forward, for all steps of a block, after the loop", forward.last),
        ("backward, for all steps of a block, before the loop", backward.first),
        ("backward, each step", backward.loop),
        ("backward, for all steps of a block, after the loop", backward.last),
        ("once for a sequence: gradients of parameters", backward.gradients.lines),
    )
    return {
        "Arrays of the NumPy module": [
            *(line for keep, title in _TITLES.items() for line in _arrays(title, stacks, keep)),
            "built with --recompute all it keeps the states before each block only, and runs the",
            "forward pass twice",
        ],
        "Calls of the NumPy module": [
            line for title, lines in calls for line in _calls(title, list(lines))
        ],
    }


def _arrays(title: str, stacks: list[Stack], keep: Keep) -> list[str]:
    """Arrays with the rows of each value in them."""
    found = [s for s in stacks if s.keep is keep]
    lines = []
    for stack in found:
        rows = [columns(stack.sizes, k) for k in range(len(stack.members))]
        parts = ", ".join(f"{m} {r}" for m, r in zip(stack.members, rows, strict=True))
        lines.append(f"  {stack.name}: {parts}")
    return [f"{title}: {len(found)}", *lines] if found else []


def _calls(title: str, lines: list[Line]) -> list[str]:
    found = [f"  {line.code}  {line.comment}".rstrip() for line in lines]
    return [f"{title}: {len(found)}", *found] if found else []
