"""Blocks of the parameters' matrices, stacked as the products want them, as Python."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lstmgen.schedule.program import Column
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.interface import Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.forward import Scaled
from lstmgen.targets.numpy.joining import ONE, Signed, Sum
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
        self,
        scaled: Scaled,
        sizes: Sequence[str],
        operand: Sequence[str],
        constants: Sequence[str] | None,
    ) -> list[Line]:
        """The matrix of a product, scaled for the activations that it feeds.

        Args:
            scaled: the product.
            sizes: of its blocks' rows.
            operand: the sizes of what it multiplies.
            constants: for each block what multiplies the 1, if there is one.
        """
        product = scaled.product
        parts: list[list[str]] = [] if constants is None else [list(constants)]
        if all(map(self._is_whole, product.sums)):
            parts.append([self._signed(s.of, whole=True) for s in product.sums])
            widths = [extent(operand[-1 - len(product.inputs) :])]
        else:
            columns_of = zip(*((s.of, *s.beside) for s in product.sums), strict=True)
            parts += [[self._signed(block) for block in blocks] for blocks in columns_of]
            widths = list(operand[-1 - len(product.inputs) :])
        if constants is not None:
            widths.insert(0, ONE)
        name = product.name
        if len(parts) == 1 and len(parts[0]) == 1:
            scale = scaled.scales[0]
            factor = f" * {SCALE[scale]}" if scale is not None else ""
            return [Line(f"{name} = {stack([parts[0][0] + factor])}", scaled.labels)]
        if len(parts) == 1:
            lines = [Line(f"{name} = {stack(parts[0])}", scaled.labels)]
        else:
            lines = [Line(f"{name} = np.empty(({extent(sizes)}, {extent(operand)}), dtype)")]
            for k, blocks in enumerate(parts):
                column = "0" if widths[k] == ONE else columns(tuple(widths), k)
                lines.append(Line(_stored(blocks, f"{name}[:, {column}]"), scaled.labels))
        numbered = zip(scaled.scales, scaled.rows, strict=True)
        first = 0
        for scale, group in itertools.groupby(numbered, key=lambda item: item[0]):
            labels = [row.label for _, row in group]
            rows = columns(tuple(sizes), first, len(labels))
            first += len(labels)
            if scale is not None:
                part = name + (f"[{rows}]" * (rows != ":"))
                lines.append(Line(f"{part} *= {SCALE[scale]}", tuple(dict.fromkeys(labels))))
        return lines

    def _signed(self, block: Signed, *, whole: bool = False) -> str:
        row = block.row
        code = (
            f'params["{row.weight}"]'
            if whole
            else self.block(row.weight, row.slot, row.transposed)
        )
        return f"-{code}" if block.negative else code

    def _is_whole(self, s: Sum) -> bool:
        """Whether the blocks of a sum are all of one weight, in its own order."""
        rows = [s.of.row, *(block.row for block in s.beside)]
        count = len(self._interface.form.weights[s.of.row.weight].columns)
        return (
            len({(row.weight, row.transposed) for row in rows}) == 1
            and not s.of.row.transposed
            and [row.slot for row in rows] == list(range(count))
            and len({s.of.negative, *(block.negative for block in s.beside)}) == 1
        )

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
