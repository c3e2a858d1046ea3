"""Where values live: arrays of slots, and how their parts are written in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.targets.extents import columns, extent
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

    def title(self, view: View) -> str:
        """A variable name for a view."""
        if view.count == 1:
            return self.names[view.slot]
        if view.count == 2:
            return f"{self.names[view.slot]}_{self.names[view.end - 1]}"
        return f"{self.names[view.slot]}_to_{self.names[view.end - 1]}"


def runs(views: Sequence[View]) -> list[list[int]]:
    """Group indices of views, given in order of slots, into runs of neighbours."""
    found: list[list[int]] = []
    for k, view in enumerate(views):
        if found:
            last = views[found[-1][-1]]
            if last.array == view.array and last.shift == view.shift and last.end == view.slot:
                found[-1].append(k)
                continue
        found.append([k])
    return found


def span(first: View, last: View) -> View:
    """The run from the first to the last view."""
    return View(first.array, first.slot, last.end - first.slot, first.shift)
