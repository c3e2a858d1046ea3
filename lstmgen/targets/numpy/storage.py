"""Where values live: arrays of slots, and how their parts are written in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.numpy.operations import View


@dataclass(frozen=True, slots=True)
class Slots:
    """An array whose rows are the slots `names`, one below the other, each of its size."""

    array: str
    names: tuple[str, ...]
    sizes: tuple[str, ...]

    def view(self, name: str, shift: int = 0) -> View:
        return View(self.array, self.names.index(name), 1, shift)

    @property
    def rows(self) -> str:
        """The number of rows, as an expression in the sizes."""
        return extent(self.sizes)

    def rows_of(self, view: View) -> str:
        """The rows of a view as a slice, like `H:3 * H`, or `:` for all."""
        return columns(self.sizes, view.slot, view.count)

    def goes_on(self, view: View) -> bool:
        """Whether a view goes on in the step after."""
        return view.end > len(self.names)

    def bounds(self, view: View) -> tuple[str, str]:
        """The first row of a view and the one behind its last; that may lie in the step after."""
        twice = (*self.sizes, *self.sizes)
        return extent(twice[: view.slot]), extent(twice[: view.end])

    def title(self, view: View) -> str:
        """A variable name for a view."""
        if self.goes_on(view):
            return f"{self.names[view.slot]}_to_{self.names[view.end - len(self.names) - 1]}_next"
        if view.count == 1:
            return self.names[view.slot]
        if view.count == 2:
            return f"{self.names[view.slot]}_{self.names[view.end - 1]}"
        return f"{self.names[view.slot]}_to_{self.names[view.end - 1]}"


def runs(views: Sequence[View], width: int = 0) -> list[list[int]]:
    """Group indices of views, given in order of slots, into runs of neighbours.

    With `width`, the number of slots of a step, a run may go on in the step after.
    """
    found: list[list[int]] = []
    for k, view in enumerate(views):
        if found and _follows(views[found[-1][-1]], view, width):
            found[-1].append(k)
        else:
            found.append([k])
    return found


def _follows(first: View, second: View, width: int) -> bool:
    if first.array != second.array:
        return False
    if first.shift == second.shift:
        return first.end == second.slot
    return second.shift == first.shift + 1 and first.end == width and second.slot == 0


def span(first: View, last: View, width: int = 0) -> View:
    """The run from the first to the last view; one that goes on in the step after ends there."""
    count = last.end - first.slot + (last.shift - first.shift) * width
    return View(first.array, first.slot, count, first.shift)
