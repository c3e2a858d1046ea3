"""Blocks of the parameters' matrices, stacked as the products want them, as Python."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.schedule import Column
from lstmgen.targets.interface import Interface
from lstmgen.targets.lines import Line
from lstmgen.targets.numpy.forward import Packed
from lstmgen.targets.numpy.writing import stack

SCALE = {"sigma": "by_sigma", "tanh": "by_tanh"}
"""The variables that hold the factors which activations want of their pre-activations."""


class Weights:
    """Blocks of weights as Python."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    def block(self, weight: str, slot: int, transposed: bool) -> str:
        columns = self._interface.columns(weight, slot)
        block = f'params["{weight}"]' + (f"[:, {columns}]" * (columns != ":"))
        return block + (".T" if transposed else "")

    def packed(self, packed: Packed) -> Line:
        """The stack of a `Fanout`, scaled for the activations that it feeds."""
        blocks = []
        for row, scale, negative in zip(packed.rows, packed.scales, packed.negative, strict=True):
            block = self.block(row.weight, row.slot, row.transposed)
            block += f" * {SCALE[scale]}" if scale is not None else ""
            blocks.append(f"-{block}" if negative else block)
        return Line(f"{packed.name} = {stack(blocks)}", packed.labels)

    def gathered(self, columns: Sequence[Column]) -> str:
        """The transpose of the matrix of a `Gather`: its blocks one below the other."""
        blocks = []
        for c in columns:
            block = self.block(c.weight, c.slot, not c.transposed)
            blocks.append(f"-{block}" if c.negative else block)
        return stack(blocks)
