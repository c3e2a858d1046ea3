r"""Equations as the lines of an align environment, broken where they would run off the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.show.printing.latex_pieces import BREAK, unbroken

LINE_WIDTH = 68.0
"""What fits on a line of the standalone page, in widths of an average letter, with the tag."""

_BRACES = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
_FRACTION = re.compile(rf"\\frac{_BRACES}{_BRACES}")
_SCRIPT = re.compile(r"[_^](?:\{((?:[^{}]|\{[^{}]*\})*)\}|(\\[A-Za-z]+|.))")
_INVISIBLE = re.compile(
    r"\\(?:Bigl|Bigr|biggl|biggr|mathrm|mathit|mathbf|mathcal|operatorname|tilde|hat|bar|overline"
    r"|dot|vec)(?![A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class Line:
    """left = right, with the tag of the equation; `right` may hold break marks."""

    left: str
    right: str
    tag: str = ""


def width(text: str) -> float:
    """An estimate of the set width, in widths of an average letter."""
    text = unbroken(text)
    while match := _FRACTION.search(text):
        wider = max(match[1], match[2], key=width)
        text = text[: match.start()] + wider + text[match.end() :]
    total = 0.0
    while match := _SCRIPT.search(text):
        total += 0.7 * width(match[1] or match[2])
        text = text[: match.start()] + " " + text[match.end() :]
    text = _INVISIBLE.sub("", text)
    text, binary = re.subn(r"\\odot|\\cdot| [-+=] ", "", text)
    text, words = re.subn(r"\\(?:tanh|sin|cos|exp|log|max|min|qquad|quad)(?![A-Za-z])", "", text)
    text, symbols = re.subn(r"\\sum|\\[A-Za-z]+", "", text)
    return total + 2.0 * binary + 3.5 * words + 1.2 * symbols + len(re.sub(r"[\s{}\\]", "", text))


def align(lines: Sequence[Line]) -> str:
    """The lines in one align* environment."""
    room = LINE_WIDTH - max((width(line.left) for line in lines), default=0.0)
    body = " \\\\\n".join(_set(line, room) for line in lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _set(line: Line, room: float) -> str:
    tag = rf" \tag{{{line.tag}}}" if line.tag else ""
    parts = broken(line.right, room)
    return f"{line.left} &= " + " \\\\\n&\\quad ".join(parts) + tag


def broken(text: str, room: float) -> list[str]:
    """The text in as many lines as its width needs, broken at the outermost operators."""
    pieces = text.split(BREAK)
    lines: list[str] = []
    start = 0
    while start < len(pieces):
        fits = start + 1
        while fits < len(pieces) and width("".join(pieces[start : fits + 1])) <= room:
            fits += 1
        if fits < len(pieces):
            fits = _outermost(pieces, start, fits)
        lines.append("".join(pieces[start:fits]).strip())
        start = fits
    return [lines[0], *("{} " + line for line in lines[1:])]


def _outermost(pieces: Sequence[str], start: int, fits: int) -> int:
    """The last break up to `fits` that lies in the fewest parentheses, of the later half."""
    depth = 0
    depths = []
    for piece in pieces[:fits]:
        depth += len(re.findall(r"[(\[]", piece)) - len(re.findall(r"[)\]]", piece))
        depths.append(depth)
    total = width("".join(pieces[start:fits]))
    best = fits
    for end in range(fits - 1, start, -1):
        if width("".join(pieces[start:end])) < 0.4 * total:
            break
        if _rank(pieces, depths, end) < _rank(pieces, depths, best):
            best = end
    return best


def _rank(pieces: Sequence[str], depths: Sequence[int], end: int) -> tuple[int, int]:
    """How little a break before piece `end` is wanted: in parentheses, or at a product."""
    return depths[end - 1], int(pieces[end].lstrip().startswith("\\odot"))
