"""The results as text, and as the tables of README.md and docs/torch.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cpu_parts.summary import wrapped

__all__ = ["markdown", "page", "short", "text"]


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


def short(document: Mapping[str, Any]) -> str:
    """What the README says of a run: training, a row for each cell."""
    said = (
        "The layer `lstmgen.torch.Recurrent` against torch's own, and for peephole an eager loop: "
        "the other's time over the layer's for a training step, at the sizes of the table above "
        "(a to g), "
        f"{document['date']}; packed: T=1000, B=32, H=D=64, lengths drawn from 1 to T."
    )
    return "\n\n".join(("\n".join(wrapped(said)), markdown(document, modes=("training",))))


def page(document: Mapping[str, Any]) -> str:
    """What docs/torch.md says: all ratios, and how they were measured."""
    sizes = "; ".join(
        f"{name} {size['T']}, {size['B']}, {size['D']}, {size['H']}"
        for name, size in document["sizes"].items()
    )
    said = (
        f"The other's time over the layer's, computed by {document['target']}, above 1 the layer "
        "is faster: medians of one run, in float32, one thread pinned to one core of "
        f"{document['machine']['processor']}, {document['date']}. Training is forward and backward "
        "with the gradients of everything, inference forward in inference_mode; a bare Function is "
        "an autograd.Function of a few lines around the same module. In the last column sequences "
        "differ in length, drawn from 1 to T = 1000 with B = 32 and D = H = 64: torch's layer "
        "takes them packed, ours packed, with `lengths`, or padded, every step computed. By T, B, "
        f"D, H: {sizes}."
    )
    return "\n\n".join(("\n".join(wrapped(said)), markdown(document)))


def markdown(document: Mapping[str, Any], modes: Sequence[str] = ()) -> str:
    """A row for each cell, opponent and mode (all if none is given), a column for each size."""
    sizes = [*document["sizes"], "packed"]
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for record in document["races"]:
        if "error" in record:
            continue
        against, mode, size = record["against"], record["mode"], record["size"].split(" ")[0]
        if against.startswith("packed, by "):
            way = against.removeprefix("packed, by ")
            against = document["opponents"][record["cell"]]
            mode, size = mode if way == "packed" else f"{mode}, {way}", "packed"
        row = rows.setdefault((record["cell"], against, mode), {})
        row[size] = record["ratio"]["median"]
    lines = [
        f"| cell | against | | {' | '.join(sizes)} |",
        f"|---|---|---|{'--:|' * len(sizes)}",
    ]
    for (cell, against, mode), ratios in rows.items():
        if modes and (mode not in modes or against == "bare Function"):
            continue
        figures = [f"{ratios[size]:.2f}" if size in ratios else "" for size in sizes]
        lines.append(f"| {cell} | {against} | {mode} | {' | '.join(figures)} |")
    return "\n".join(lines)
