"""The ratios of a run as the Markdown table that the README shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["markdown"]


def markdown(document: Mapping[str, Any]) -> str:
    """A row for each cell and contender, a column for each size: its time over ours.

    Args:
        document: what a run wrote as JSON.
    """
    names = document["contenders"]
    sizes = list(document["sizes"])
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for record in document["training"]:
        if record["ratio"] is not None and not record["contender"].startswith("ours"):
            key = record["cell"], record["contender"], record["dtype"]
            rows.setdefault(key, {})[record["size"]] = record["ratio"]["median"]
    lines = [
        f"| cell | against | {' | '.join(sizes)} |",
        f"|---|---|{'--:|' * len(sizes)}",
    ]
    for (cell, contender, dtype), ratios in rows.items():
        against = names[contender] + ("" if dtype == "float32" else f", {dtype}")
        figures = [f"{ratios[size]:.2f}" if size in ratios else "" for size in sizes]
        lines.append(f"| {cell} | {against} | {' | '.join(figures)} |")
    return "\n".join(lines)
