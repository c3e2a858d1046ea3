"""Sums of symbolic sizes, written as Python."""

from __future__ import annotations

from collections.abc import Sequence


def extent(sizes: Sequence[str]) -> str:
    """The sum of sizes: `3 * H`, `2 * H + P`; `0` if there are none."""
    counts: dict[str, int] = {}
    for size in sizes:
        counts[size] = counts.get(size, 0) + 1
    terms = [size if n == 1 else f"{n} * {size}" for size, n in counts.items()]
    return " + ".join(terms) or "0"


def columns(sizes: Sequence[str], slot: int, count: int = 1) -> str:
    """The slice that `count` of the sizes from `slot` on take: `H:2 * H`; `:` for all."""
    start = extent(sizes[:slot]) if slot else ""
    end = extent(sizes[: slot + count]) if slot + count < len(sizes) else ""
    return f"{start}:{end}"
