"""The target `numpy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lstmgen.targets.requirement import Requirement, package
from lstmgen.targets.target import Option, Sizes, Target

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["NumpyTarget"]


class NumpyTarget(Target):
    """Modules in NumPy alone, for the CPU."""

    name = "numpy"
    title = "NumPy"
    summary = "NumPy, on the CPU."
    options = (
        Option(
            "recompute",
            ("none", "all"),
            "none",
            "all: keep the states of a few steps only, and run the forward pass again in backward.",
        ),
    )
    # Rows of the batch for tanh or exp; then matrices for products by few rows at a time, and for
    # sums over time in tiles.
    sizes = Sizes(batches=(40, 150), enlarged=((40, 16),))
    tensors = "cpu"

    def render(self, cell: Stages, options: Mapping[str, str]) -> str:
        """The text of a cell's module."""
        from lstmgen.targets.common.templates import set_into

        return set_into("numpy.py.j2", self.plan(cell, options))

    def plan(self, cell: Stages, options: Mapping[str, str]) -> Any:
        """What the template prints."""
        from lstmgen.targets.numpy.module import NumpyModule

        return NumpyModule(cell, options["recompute"])

    @property
    def reserved(self) -> frozenset[str]:
        """The names that the module uses itself."""
        from lstmgen.targets.numpy.reserved import RESERVED

        return RESERVED

    def explain(self, cell: Stages) -> Mapping[str, Sequence[str]]:
        """The layout in memory, and the calls of each loop."""
        from lstmgen.targets.numpy.explaining import sections

        return sections(cell)

    def requirements(self) -> tuple[Requirement, ...]:
        """NumPy itself."""
        return (package("numpy", "running and verifying NumPy modules"),)
