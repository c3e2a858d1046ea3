"""The ratios of a run as a plot: a panel for each cell, a line for each contender."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .svg import COLOURS, GREY, INK, document, line, marker, path, text

__all__ = ["draw"]

_WIDTH = 960
_PANEL = (380, 240)
_LEFT, _TOP, _GAP_X, _GAP_Y = 60, 84, 80, 64
Record = Mapping[str, Any]


def draw(document_of_run: Mapping[str, Any]) -> str:
    """SVG of the training times' ratios over the sizes, with the quartiles and the targets.

    Each panel has its own scale, in powers of two; the line at 1 is the dark one.
    """
    records = [r for r in document_of_run["training"] if r["ratio"] is not None]
    sizes = list(document_of_run["sizes"])
    cells = list(dict.fromkeys(r["cell"] for r in records))
    series = list(dict.fromkeys((r["contender"], r["dtype"]) for r in records))
    style = {key: (k, COLOURS[k % len(COLOURS)]) for k, key in enumerate(series)}
    rows = max(1, math.ceil(len(cells) / 2))
    bottom = _TOP + rows * (_PANEL[1] + _GAP_Y)
    title = "Time of others over ours: forward and backward, one core"
    shapes = [
        text(_LEFT, 26, title, size=17, bold=True),
        text(_LEFT, 46, _subtitle(document_of_run), colour=GREY),
    ]
    for k, cell in enumerate(cells):
        x = _LEFT + (k % 2) * (_PANEL[0] + _GAP_X)
        y = _TOP + (k // 2) * (_PANEL[1] + _GAP_Y)
        own = [r for r in records if r["cell"] == cell]
        shapes += _panel(x, y, cell, own, sizes, style)
    if not cells:
        shapes.append(text(_LEFT, _TOP + 40, "No other contender was measured."))
    legend = _legend(document_of_run, style, bottom - 14)
    height = bottom - 14 + 22 * math.ceil((len(series) + 1) / 3) + 34
    sizes_text = ", ".join(
        f"{n} ({','.join(str(v) for v in s.values())})" for n, s in document_of_run["sizes"].items()
    )
    shapes += [*legend, text(_LEFT, height - 14, f"(T,B,D,H): {sizes_text}", size=11, colour=GREY)]
    return document(_WIDTH, height, title, shapes)


def _subtitle(run: Mapping[str, Any]) -> str:
    machine = run["machine"]
    short = f"{machine['processor']}, {machine['vectors']}, {run['date']}"
    return f"{short}; above 1 the generated C module is faster; bars: quartiles of the rounds"


def _range(records: Sequence[Record]) -> tuple[int, int]:
    """Exponents of two that hold all ratios and targets, and 1/2 to 2."""
    values = [0.54, 1.86]  # 1/2 and 2, with the margin below
    for r in records:
        values += [r["ratio"]["quartile_1"], r["ratio"]["quartile_3"], r["ratio"]["median"]]
        values += [r["target"]] if "target" in r else []
    low, high = math.log2(min(values)), math.log2(max(values))
    return math.floor(low - 0.1), math.ceil(high + 0.1)


def _panel(
    left: float,
    top: float,
    cell: str,
    records: Sequence[Record],
    sizes: Sequence[str],
    style: Mapping[tuple[str, str], tuple[int, str]],
) -> list[str]:
    width, height = _PANEL
    low, high = _range(records)
    shapes = [text(left, top - 10, cell, size=14, bold=True)]

    def y_of(value: float) -> float:
        return top + height * (high - math.log2(value)) / (high - low)

    for power in range(low, high + 1):
        y = y_of(2.0**power)
        is_one = power == 0
        shapes.append(line(left, y, left + width, y, *((INK, 1.4) if is_one else ())))
        label = str(2**power) if power >= 0 else f"1/{2**-power}"
        shapes.append(text(left - 8, y + 4, label, anchor="end", colour=INK if is_one else GREY))
    place = {name: left + width * (k + 0.5) / len(sizes) for k, name in enumerate(sizes)}
    for name, x in place.items():
        shapes.append(text(x, top + height + 18, name, anchor="middle"))
    present = [key for key in style if any((r["contender"], r["dtype"]) == key for r in records)]
    for k, key in enumerate(present):
        shape, colour = style[key]
        own = [r for r in records if (r["contender"], r["dtype"]) == key]
        # Side by side, so that the bars do not cover one another.
        shift = 9 * (k - (len(present) - 1) / 2)
        points = [(place[r["size"]] + shift, y_of(r["ratio"]["median"])) for r in own]
        for r, (x, _) in zip(own, points, strict=True):
            bar = (y_of(r["ratio"]["quartile_1"]), y_of(r["ratio"]["quartile_3"]))
            shapes.append(line(x, bar[0], x, bar[1], colour, 2.5))
            if "target" in r:
                y = y_of(r["target"])
                shapes.append(line(x - 8, y, x + 8, y, colour, 2, "3 2"))
        shapes.append(path(points, colour))
        shapes += [marker(shape, x, y, colour) for x, y in points]
    return shapes


def _legend(
    run: Mapping[str, Any], style: Mapping[tuple[str, str], tuple[int, str]], top: float
) -> list[str]:
    shapes = []
    entries = list(style.items())
    for k, ((contender, dtype), (shape, colour)) in enumerate(entries):
        x, y = _LEFT + 290 * (k % 3), top + 22 * (k // 3)
        label = run["contenders"][contender] + ("" if dtype == "float32" else f", {dtype}")
        shapes += [
            line(x, y, x + 28, y, colour, 1.8),
            marker(shape, x + 14, y, colour),
            text(x + 36, y + 4, label),
        ]
    k = len(entries)
    x, y = _LEFT + 290 * (k % 3), top + 22 * (k // 3)
    shapes += [line(x + 6, y, x + 22, y, GREY, 2, "3 2"), text(x + 36, y + 4, "target")]
    return shapes
