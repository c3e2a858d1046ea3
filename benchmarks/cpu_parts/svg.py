"""A few shapes as SVG text: enough for the plots of the benchmarks.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; every series
has a shape of its own too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["COLOURS", "GREY", "INK", "document", "line", "marker", "path", "text"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
INK, GREY, PALE = "#222222", "#767676", "#DDDDDD"
FONT = "font-family='Helvetica, Arial, sans-serif'"


def document(width: float, height: float, title: str, shapes: Iterable[str]) -> str:
    """A drawing on white, with a title for those who hear it."""
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' "
            f"width='{width:g}' height='{height:g}' role='img' {FONT}>",
            f"<title>{escape(title)}</title>",
            f"<rect width='{width:g}' height='{height:g}' fill='white'/>",
            *shapes,
            "</svg>\n",
        ]
    )


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str = PALE, width: float = 1, dash: str = ""
) -> str:
    """A straight line."""
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
        f"stroke='{colour}' stroke-width='{width:g}'{dashed}/>"
    )


def path(points: Sequence[tuple[float, float]], colour: str) -> str:
    """Straight pieces through points."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f"<polyline points='{joined}' fill='none' stroke='{colour}' stroke-width='1.8' "
        "stroke-linejoin='round'/>"
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 12,
    anchor: str = "start",
    colour: str = INK,
    bold: bool = False,
) -> str:
    """A line of text; `anchor` is start, middle or end."""
    weight = " font-weight='bold'" if bold else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' text-anchor='{anchor}' "
        f"fill='{colour}'{weight}>{escape(content)}</text>"
    )


_OUTLINES = (
    ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    ((0, -5.5), (5, 4), (-5, 4)),
    ((0, -5.8), (5.8, 0), (0, 5.8), (-5.8, 0)),
    ((0, 5.5), (5, -4), (-5, -4)),
    ((-5, -2), (-2, -2), (-2, -5), (2, -5), (2, -2), (5, -2), (5, 2), (2, 2), (2, 5), (-2, 5),
     (-2, 2), (-5, 2)),
    ((0, -2.5), (3, -5.5), (5.5, -3), (2.5, 0), (5.5, 3), (3, 5.5), (0, 2.5), (-3, 5.5), (-5.5, 3),
     (-2.5, 0), (-5.5, -3), (-3, -5.5)),
    ((-5, -5), (5, -5), (-5, 5), (5, 5)),
)  # fmt: skip


def marker(shape: int, x: float, y: float, colour: str) -> str:
    """A circle, square, triangle, diamond, ... by number."""
    kind = shape % (len(_OUTLINES) + 1)
    style = f"fill='{colour}' stroke='white' stroke-width='1'"
    if kind == 0:
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' {style}/>"
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in _OUTLINES[kind - 1])
    return f"<polygon points='{points}' {style}/>"
