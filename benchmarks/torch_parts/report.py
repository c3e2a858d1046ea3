"""The results as text, and as the table that the README shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["markdown", "text"]


def text(document: Mapping[str, Any]) -> str:
    """All figures: ratios with their quartiles."""
    lines = [
        f"lstmgen.torch.Recurrent, computed by {document['target']}, on one core of "
        f"{document['machine']['processor']}, {document['date']}",
        ", ".join(f"{k} {v}" for k, v in document["versions"].items()),
        "the other's time over the layer's: median of the rounds (quartiles), ms of the layer",
        "",
    ]
    for record in document["races"]:
        lines.append(
            f"{record['cell']:16} {record['against']:18} {record['mode']:9} {record['size']:22} "
            + _figures(record)
        )
    return "\n".join(lines) + "\n"


def _figures(record: Mapping[str, Any]) -> str:
    ratio = record["ratio"]
    spread = f"({ratio['quartile_1']:.2f} to {ratio['quartile_3']:.2f})"
    return f"{ratio['median']:6.2f} {spread:16} {1000 * record['seconds']:9.3f} ms"


def markdown(document: Mapping[str, Any]) -> str:
    """A row for each cell, opponent and mode, a column for each size."""
    sizes = list(document["sizes"])
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for record in document["races"]:
        if "error" in record:
            continue
        key = record["cell"], record["against"], record["mode"]
        rows.setdefault(key, {})[record["size"].split(" ")[0]] = record["ratio"]["median"]
    lines = [
        f"| cell | against | | {' | '.join(sizes)} |",
        f"|---|---|---|{'--:|' * len(sizes)}",
    ]
    for (cell, against, mode), ratios in rows.items():
        figures = [f"{ratios[size]:.2f}" if size in ratios else "" for size in sizes]
        if any(figures):
            lines.append(f"| {cell} | {against} | {mode} | {' | '.join(figures)} |")
    return "\n".join(lines)
