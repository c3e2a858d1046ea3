"""Blocks of the parameters' matrices, stacked as the products want them, as Python."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lstmgen.schedule import Column
from lstmgen.targets.extents import columns, extent
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

    def packed(
        self, packed: Packed, sizes: Sequence[str], operand: str, column: Sequence[str] = ()
    ) -> list[Line]:
        """The stack of a `Fanout`, scaled for the activations that it feeds.

        Args:
            packed: the stack.
            sizes: of its blocks' rows.
            operand: the size of what it multiplies.
            column: for each block what is added to its product, if that is to be a column more.
        """
        blocks = []
        for row, negative in zip(packed.rows, packed.negative, strict=True):
            block = self.block(row.weight, row.slot, row.transposed)
            blocks.append(f"-{block}" if negative else block)
        name = packed.name
        if column:
            lines = [
                Line(f"{name} = np.empty(({extent(sizes)}, {operand} + 1), dtype)"),
                Line(_stored(blocks, f"{name}[:, :{operand}]"), packed.labels),
                Line(_stored(column, f"{name}[:, {operand}]"), packed.labels),
            ]
        elif len(blocks) == 1:
            scale = packed.scales[0]
            scaled = blocks[0] + (f" * {SCALE[scale]}" if scale is not None else "")
            return [Line(f"{name} = {stack([scaled])}", packed.labels)]
        else:
            lines = [Line(f"{name} = {stack(blocks)}", packed.labels)]
        numbered = zip(packed.scales, packed.rows, strict=True)
        first = 0
        for scale, group in itertools.groupby(numbered, key=lambda item: item[0]):
            labels = [row.label for _, row in group]
            rows = columns(tuple(sizes), first, len(labels))
            first += len(labels)
            if scale is not None:
                part = name + (f"[{rows}]" * (rows != ":"))
                lines.append(Line(f"{part} *= {SCALE[scale]}", tuple(dict.fromkeys(labels))))
        return lines

    def gathered(
        self, name: str, terms: Sequence[Column], size: str, sizes: Sequence[str]
    ) -> list[str]:
        """Binds the matrix of a `Gather` to a name: its blocks side by side, in C order.

        Args:
            name: the variable.
            terms: the columns.
            size: of the result.
            sizes: of the columns' operands.
        """
        blocks = self._blocks(terms, transposed=False)
        if len(blocks) == 1:
            return [f"{name} = np.ascontiguousarray({blocks[0]})"]
        # Without `out` the result would have the transposed blocks' order in memory.
        return [
            f"{name} = np.empty(({size}, {extent(sizes)}), dtype)",
            f"np.concatenate(({', '.join(blocks)}), axis=1, out={name})",
        ]

    def gathered_transpose(self, terms: Sequence[Column]) -> str:
        """The transpose of the matrix of a `Gather`: its blocks one below the other."""
        return stack(self._blocks(terms, transposed=True))

    def _blocks(self, terms: Sequence[Column], transposed: bool) -> list[str]:
        blocks = []
        for c in terms:
            block = self.block(c.weight, c.slot, c.transposed != transposed)
            blocks.append(f"-{block}" if c.negative else block)
        return blocks


def _stored(blocks: Sequence[str], target: str) -> str:
    """Blocks one below the other, stored into a part of an array."""
    if len(blocks) == 1:
        return f"{target} = {blocks[0]}"
    return f"np.concatenate(({', '.join(blocks)}), out={target})"
