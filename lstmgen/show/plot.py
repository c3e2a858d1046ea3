"""A line plot as SVG: axes, ticks, bands, and labels at the ends of the lines.

Nothing but text is needed to write it.  The same data give the same bytes.  Colours are those of
M. Okabe, K. Ito, "Color Universal Design" (2008), which most colour-blind people tell apart; dashes
tell apart what shares a colour.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

__all__ = ["COLOURS", "DASHES", "Line", "line_plot"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without yellow, which is too light on white."""

DASHES = ("", "9 5", "2 4", "12 4 2 4")
"""Patterns of `stroke-dasharray`, in pixels."""

_WIDTH, _HEIGHT = 800.0, 500.0
_FONT = 18.0  # pixels: still 9 at half size
_RAISED, _WIDEST = 0.78, 0.7  # of the font: an exponent's size, and its letters in DejaVu Sans
_LETTER = 0.56 * _FONT  # the width of an average letter of a sans-serif font
_TOP, _BOTTOM, _LEFT, _GAP = 52.0, 66.0, 92.0, 34.0
_INK, _GRID = "#222222", "#dddddd"


@dataclass(frozen=True)
class Line:
    """One line; y values that cannot be drawn (not finite, or on a logarithmic axis not positive)
    leave a gap.

    Attributes:
        label: what stands at its end.
        x, y: the points, of equal number.
        low, high: the borders of a band around it, of the same number; none if empty.
        colour, dash: positions in `COLOURS` and `DASHES`, modulo their number.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    colour: int = 0
    dash: int = 0


def line_plot(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> str:
    """The plot as an SVG document.

    Args:
        lines: what is drawn, the last on top.
        title: stands above; screen readers read it with the labels.
        x_label, y_label: the quantities of the axes.
        logarithmic: whether the y axis is.
        x_range, y_range: ends of the axes; all of the data if None.

    Raises:
        ValueError: no line has a point that can be drawn, or its lists differ in length.
    """
    axes = _Axes(lines, logarithmic, x_range, y_range)
    curves = [part for line in lines for part in axes.band(line)]
    curves += [part for line in lines for part in axes.curve(line)]
    # Several plots may stand in one page, where names must differ.
    area = f"area-{zlib.crc32(chr(10).join([title, *curves]).encode()):08x}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" '
        f'width="{_WIDTH:g}" height="{_HEIGHT:g}" role="img" aria-label={quoteattr(title)} '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{_FONT:g}" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(_description(lines, x_label, y_label))}</desc>",
        f'<rect width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="#ffffff"/>',
        _text(_LEFT, 28, title, weight="bold"),
        *axes.grid(),
        f'<clipPath id="{area}"><rect x="{_LEFT:g}" y="{_TOP:g}" '
        f'width="{axes.right - _LEFT:.1f}" height="{axes.bottom - _TOP:.1f}"/></clipPath>',
        f'<g clip-path="url(#{area})">',
        *curves,
        "</g>",
        f'<rect x="{_LEFT:g}" y="{_TOP:g}" width="{axes.right - _LEFT:.1f}" '
        f'height="{axes.bottom - _TOP:.1f}" fill="none" stroke="{_INK}"/>',
        *axes.labels(lines),
        _text((_LEFT + axes.right) / 2, _HEIGHT - 14, x_label, anchor="middle"),
        f'<text transform="translate(22 {(_TOP + axes.bottom) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axes:
    """Where data lie on the page."""

    def __init__(
        self,
        lines: Sequence[Line],
        logarithmic: bool,
        x_range: tuple[float, float] | None,
        y_range: tuple[float, float] | None,
    ) -> None:
        for line in lines:
            lengths = {len(line.x), len(line.y), *(len(b) for b in (line.low, line.high) if b)}
            if len(lengths) > 1:
                raise ValueError(f"line {line.label!r}: lists of different lengths, {lengths}")
        self.logarithmic = logarithmic
        drawn = [(x, y) for line in lines for x, y in zip(line.x, line.y, strict=True)]
        drawn = [(x, y) for x, y in drawn if self._can_be_drawn(y)]
        if not drawn:
            raise ValueError("there is no point that can be drawn")
        bands = [v for line in lines for v in (*line.low, *line.high) if self._can_be_drawn(v)]
        self._x = x_range or (min(x for x, _ in drawn), max(x for x, _ in drawn))
        low, high = y_range or (
            min(bands + [y for _, y in drawn]),
            max(bands + [y for _, y in drawn]),
        )
        self._y = self._scale(low), self._scale(high)
        if self._x[0] == self._x[1]:
            self._x = self._x[0] - 1, self._x[1] + 1
        if self._y[0] == self._y[1]:
            self._y = self._y[0] - 1, self._y[1] + 1
        if y_range is None:
            room = 0.04 * (self._y[1] - self._y[0])
            self._y = self._y[0] - room, self._y[1] + room
        longest = max(len(line.label) for line in lines)
        self.right = _WIDTH - max(40.0, longest * _LETTER + _GAP + 6)
        self.bottom = _HEIGHT - _BOTTOM

    def _can_be_drawn(self, y: float) -> bool:
        return math.isfinite(y) and (y > 0 or not self.logarithmic)

    def _scale(self, y: float) -> float:
        return math.log10(y) if self.logarithmic else y

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The position of a point, in pixels."""
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (self._scale(y) - self._y[0]) / (self._y[1] - self._y[0])
        return _LEFT + across * (self.right - _LEFT), self.bottom - up * (self.bottom - _TOP)

    def grid(self) -> Iterator[str]:
        """Ticks, their numbers, and lines across."""
        for x in _ticks(*self._x, 7):
            at = self.place(x, 10.0 ** self._y[0] if self.logarithmic else self._y[0])[0]
            yield _stroke(at, self.bottom, at, self.bottom + 6, _INK)
            yield _text(at, self.bottom + 25, _number(x), anchor="middle")
        ticks = [*_ticks(*self._y, 6, whole=self.logarithmic)]
        # As wide as in the widest of usual fonts, so that nothing overlaps in any.
        raised = max((len(_number(y)) for y in ticks), default=0) * _WIDEST * _RAISED * _FONT
        for y in ticks:
            at = self.place(self._x[0], 10.0**y if self.logarithmic else y)[1]
            yield _stroke(_LEFT, at, self.right, at, _GRID)
            yield _stroke(_LEFT - 6, at, _LEFT, at, _INK)
            if self.logarithmic:
                # Two texts: not every program sets a raised tspan right.
                at_end = _LEFT - 9 - raised
                yield _text(at_end + 1, at - 1, _number(y), size=_RAISED * _FONT)
                yield _text(at_end, at + 6, "10", anchor="end")
            else:
                yield _text(_LEFT - 10, at + 6, _number(y), anchor="end")

    def band(self, line: Line) -> Iterator[str]:
        """The area between low and high."""
        if not (line.low and line.high):
            return
        for run in _runs([self._can_be_drawn(y) for y in line.high]):
            upper = [self.place(line.x[k], line.high[k]) for k in run]
            lower = [
                self.place(line.x[k], line.low[k])
                if self._can_be_drawn(line.low[k])
                else (self.place(line.x[k], line.high[k])[0], self.bottom)
                for k in reversed(run)
            ]
            colour = COLOURS[line.colour % len(COLOURS)]
            yield f'<polygon points="{_points(upper + lower)}" fill="{colour}" opacity="0.15"/>'

    def curve(self, line: Line) -> Iterator[str]:
        """The line itself."""
        for run in _runs([self._can_be_drawn(y) for y in line.y]):
            points = _points([self.place(line.x[k], line.y[k]) for k in run])
            yield f'<polyline points="{points}" fill="none" {_style(line)}/>'

    def labels(self, lines: Sequence[Line]) -> Iterator[str]:
        """The label of each line beside its end, moved apart where they would touch."""
        ends = []
        for number, line in enumerate(lines):
            runs = _runs([self._can_be_drawn(y) for y in line.y])
            if runs:
                last = runs[-1][-1]
                at = self.place(line.x[last], line.y[last])[1]
                ends.append((min(max(at, _TOP), self.bottom), number))
        ends.sort()
        places = _apart([at for at, _ in ends], _FONT * 1.25, _TOP, self.bottom)
        for place, (_, number) in zip(places, ends, strict=True):
            line, x = lines[number], self.right + 6
            yield (
                f'<line x1="{x:.1f}" y1="{place:.1f}" x2="{x + _GAP - 12:.1f}" y2="{place:.1f}" '
                f"{_style(line)}/>"
            )
            yield _text(x + _GAP - 6, place + 6, line.label)


def _apart(places: Sequence[float], distance: float, top: float, bottom: float) -> list[float]:
    """Sorted places moved as little as needed to be `distance` apart, from `top` to `bottom`.

    Neighbours that would touch form a group, which is centred on the mean of its places.
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _end(groups[-2], distance) + distance > _begin(
            groups[-1], distance
        ):
            last = groups.pop()
            groups[-1] += last
    placed = [_begin(g, distance) + k * distance for g in groups for k in range(len(g))]
    for k in range(len(placed)):
        placed[k] = max(placed[k], top + k * distance)
    for k in range(len(placed)):
        placed[-1 - k] = min(placed[-1 - k], bottom - k * distance)
    return placed


def _begin(group: Sequence[float], distance: float) -> float:
    return sum(group) / len(group) - (len(group) - 1) * distance / 2


def _end(group: Sequence[float], distance: float) -> float:
    return _begin(group, distance) + (len(group) - 1) * distance


def _runs(drawn: Sequence[bool]) -> list[list[int]]:
    """The positions of neighbours that can be drawn."""
    runs: list[list[int]] = []
    for k, good in enumerate(drawn):
        if good and k and drawn[k - 1]:
            runs[-1].append(k)
        elif good:
            runs.append([k])
    return runs


def _ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Round numbers between low and high, at most about `most`; all `whole` if so wanted."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s for s in (step, 2 * step, 5 * step, 10 * step) if (high - low) / s <= most)
    if whole:
        step = max(1.0, step)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{round(value, 12) + 0.0:g}".replace("-", "−")


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _style(line: Line) -> str:
    dash = DASHES[line.dash % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{COLOURS[line.colour % len(COLOURS)]}" stroke-width="2.5"{dashed}'


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "",
    size: float = 0.0,
) -> str:
    style = f' font-weight="{weight}"' if weight else ""
    style += f' font-size="{size:g}"' if size else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _description(lines: Sequence[Line], x_label: str, y_label: str) -> str:
    return f"{y_label} against {x_label}: {'; '.join(line.label for line in lines)}"
