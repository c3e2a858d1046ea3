"""Equations as the lines of an align environment, broken where they would run off the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.typeset.formula import Formula
from lstmgen.typeset.latex import Piece, latex, pieces, width

LINE_WIDTH = 68.0
"""What fits on a line of the standalone page, in widths of an average letter, with the tag."""


@dataclass(frozen=True, slots=True)
class Line:
    """left = right, with the label of the equation, or "" if it has none: 1, 1a, δ1."""

    left: Formula
    right: Formula
    label: str = ""


def align(lines: Sequence[Line]) -> str:
    """The lines in one align* environment."""
    room = LINE_WIDTH - max((width(line.left) for line in lines), default=0.0)
    body = " \\\\\n".join(_set(line, room) for line in lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _set(line: Line, room: float) -> str:
    # \tag sets text, in which δ stands in dollars.
    label = line.label.replace("δ", r"$\delta$")
    tag = rf" \tag{{{label}}}" if label else ""
    first, *others = (
        "".join(piece.text for piece in one).strip() for one in broken(line.right, room)
    )
    right = " \\\\\n&\\quad ".join([first, *("{} " + other for other in others)])
    return f"{latex(line.left)} &= {right}{tag}"


def broken(formula: Formula, room: float) -> list[list[Piece]]:
    """The formula in as many lines as its width needs, broken at the outermost operators."""
    found = pieces(formula)
    lines = []
    start = 0
    while start < len(found):
        fits = start + 1
        while fits < len(found) and _width(found[start : fits + 1]) <= room:
            fits += 1
        if fits < len(found):
            fits = _outermost(found, start, fits)
        lines.append(found[start:fits])
        start = fits
    return lines


def _width(found: Sequence[Piece]) -> float:
    return sum(piece.width for piece in found)


def _outermost(found: Sequence[Piece], start: int, fits: int) -> int:
    """The last break up to `fits` that lies in the fewest parentheses, of the later half."""
    total = _width(found[start:fits])
    best = fits
    for end in range(fits - 1, start, -1):
        if _width(found[start:end]) < 0.4 * total:
            break
        if _rank(found[end]) < _rank(found[best]):
            best = end
    return best


def _rank(piece: Piece) -> tuple[int, bool]:
    """How little a break before the piece is wanted: in parentheses, or at a product."""
    return piece.depth, piece.is_factor
