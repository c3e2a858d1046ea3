"""The times of a build's stages as a table and as a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .chains import STAGES, growth
from .report import columns
from .svg import COLOURS, GREY, document, line, marker, path
from .svg import text as svg_text

__all__ = ["draw", "exponents", "text"]

_LARGE = 50
"""Growth is fitted from so many equations on; below, what a build costs in any case counts."""
Seconds = Mapping[str, Mapping[int, float]]


def exponents(seconds: Seconds) -> dict[str, float | None]:
    """Each stage's growth over the larger counts, None with fewer than two of them."""
    found: dict[str, float | None] = {}
    for stage, of_count in seconds.items():
        counts = [n for n in of_count if n >= _LARGE]
        several = len(counts) > 1
        found[stage] = growth(counts, [of_count[n] for n in counts]) if several else None
    return found


def text(run: Mapping[str, Any]) -> str:
    """Seconds of each stage by the number of equations, and their growth."""
    seconds, machine = run["seconds"], run["machine"]
    counts = sorted({n for of_count in seconds.values() for n in of_count})
    rows = [("stage", *(str(n) for n in counts), "growth", "what it makes")]
    for stage, exponent in exponents(seconds).items():
        times = [f"{seconds[stage][n]:.4f}" if n in seconds[stage] else "" for n in counts]
        grows = "" if exponent is None else f"{exponent:.2f}"
        rows.append((stage, *times, grows, STAGES[stage]))
    lines = [
        f"{machine['processor']}, Python {run['versions']['python']}, {run['date']}",
        "Seconds by the number of equations; growth: p in seconds ~ equations^p "
        f"from {_LARGE} equations on",
        columns(rows),
        *run["failures"],
    ]
    if (found := run["derivation"]) is not None:
        verdict = "reached" if found["reached"] else "missed"
        lines.append(
            f"read and derive {found['equations']} equations: {found['seconds']:.3f} s, "
            f"wanted less than {found['target']:g} s: {verdict}"
        )
    return "\n".join(lines) + "\n"


def draw(run: Mapping[str, Any]) -> str:
    """SVG: seconds over equations, both logarithmic, a line for each stage."""
    left, top, width, height = 80, 70, 560, 300
    points = [(n, s) for of_count in run["seconds"].values() for n, s in of_count.items()]
    counts = sorted({n for n, _ in points}) or [1]
    powers = [math.log10(max(s, 1e-6)) for _, s in points] or [0.0]
    low, high = math.floor(min(powers)), math.ceil(max(powers))
    high += high == low
    span = math.log(counts[-1] / counts[0]) or 1.0

    def at(count: int, seconds: float) -> tuple[float, float]:
        x = left + 20 + (width - 40) * math.log(count / counts[0]) / span
        y = top + height * (high - math.log10(max(seconds, 1e-6))) / (high - low)
        return x, y

    machine = run["machine"]
    title = "Seconds of a build's stages over the number of equations"
    subtitle = f"{machine['processor']}, one core, {run['date']}; dashed: linear growth"
    shapes = [
        svg_text(left, 26, title, size=17, bold=True),
        svg_text(left, 46, subtitle, colour=GREY),
    ]
    for power in range(low, high + 1):
        y = top + height * (high - power) / (high - low)
        label = f"{10.0**power:g} s"
        shapes += [line(left, y, left + width, y), svg_text(left - 8, y + 4, label, anchor="end")]
    for count in counts:
        x, _ = at(count, 1.0)
        shapes.append(svg_text(x, top + height + 20, str(count), anchor="middle"))
    for k, (stage, of_count) in enumerate(run["seconds"].items()):
        colour = COLOURS[k % len(COLOURS)]
        places = [at(n, of_count[n]) for n in sorted(of_count)]
        if places:
            last = max(of_count)
            first = max(min(of_count), 10 ** (low + 0.0) * last / of_count[last])
            shapes.append(
                line(*at(first, of_count[last] * first / last), *places[-1], colour, 1, "4 3")
            )
        shapes += [path(places, colour)] + [marker(k, x, y, colour) for x, y in places]
        y = top + 10 + 24 * k
        shapes += [marker(k, left + width + 30, y, colour)]
        shapes += [svg_text(left + width + 44, y + 4, stage)]
    return document(left + width + 160, top + height + 50, "Seconds of a build's stages", shapes)
