"""A layout as SVG: shapes and text alone, no script, no font to load, the same bytes each time."""

from __future__ import annotations

import re
from html import escape

from lstmgen.drawing.geometry import INPUT_RADIUS, SYMBOL_SIZE, Box, Layout, Line, Point
from lstmgen.drawing.graph import Kind
from lstmgen.drawing.typeset import PER_UNIT, SCRIPT, Run, Text, joined, middle, upright, width

__all__ = ["svg"]

_BODY, _BODY_EDGE = "#dcefdc", "#7fae7f"
_LAYER, _OPERATION = "#ffe08a", "#f7c1d4"
_INPUT, _OUTPUT = "#bcdcf5", "#dccbf2"
_INK, _ADJOINT = "#1a1a1a", "#0060a8"
_CORNER = 9.0
_ARROW = 8.0
_SERIF = "Times New Roman, Times, STIXGeneral, Liberation Serif, DejaVu Serif, serif"


def svg(layout: Layout, title: str, description: str, *, backward: bool = False) -> str:
    """The drawing as one SVG document.

    Args:
        layout: what is drawn.
        title: a name for the drawing, read by screen readers.
        description: what it shows, in words.
        backward: lines are followed against their direction, and add up where they fork.
    """
    return _Painter(layout, backward).document(title, description)


class _Painter:
    def __init__(self, layout: Layout, backward: bool) -> None:
        self._layout = layout
        self._backward = backward
        self._wire = _ADJOINT if backward else _INK
        self._boxes = {box.node.key: box for box in layout.boxes}
        self._out: list[str] = []

    def document(self, title: str, description: str) -> str:
        w, h = _n(self._layout.width), _n(self._layout.height)
        own = re.sub(r"[^a-z0-9]+", "-", title.lower())  # several may stand on one page
        self._out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" '
            f'viewBox="0 0 {w} {h}" role="img" aria-labelledby="{own}-title {own}-desc">',
            f'<title id="{own}-title">{escape(title)}</title>',
            f'<desc id="{own}-desc">{escape(description)}</desc>',
            f'<rect width="{w}" height="{h}" fill="#ffffff"/>',
        ]
        self._body()
        self._lines()
        for box in self._layout.boxes:
            self._box(box)
        self._out.append(f'<g font-family="{_SERIF}" fill="{_INK}">')
        for label in self._layout.labels:
            self._text(label.text, label.x, label.y, label.size)
        self._symbols()
        self._out += ["</g>", "</svg>", ""]
        return "\n".join(self._out)

    def _body(self) -> None:
        left, top, right, bottom = self._layout.body
        self._out.append(
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" '
            f'height="{_n(bottom - top)}" rx="18" fill="{_BODY}" stroke="{_BODY_EDGE}" '
            'stroke-width="2"/>'
        )

    def _lines(self) -> None:
        style = f'fill="none" stroke="{self._wire}" stroke-width="2.2" stroke-linejoin="round"'
        self._out.append(f"<g {style}>")
        for line in self._layout.lines:
            self._out.append(f'<path d="{rounded(self._drawn(line))}"/>')
        self._out.append("</g>")
        # At a crossing the upright line passes over the other one, as on a bridge.
        for x, y in self._layout.crossings:
            self._out.append(
                f'<path d="M{_n(x)} {_n(y - 7)}V{_n(y + 7)}" stroke="{_BODY}" stroke-width="8"/>'
            )
            self._out.append(
                f'<path d="M{_n(x)} {_n(y - 7)}V{_n(y + 7)}" stroke="{self._wire}" '
                'stroke-width="2.2"/>'
            )
        self._out.append(f'<g fill="{self._wire}">')
        for line in self._layout.lines:
            self._arrow(line)
        self._out.append("</g>")
        self._joints()

    def _drawn(self, line: Line) -> list[Point]:
        """The corners as drawn: from rim to rim, and short of the tip of the arrow."""
        points = list(line.points)
        first, last = self._boxes[line.source], self._boxes[line.sink]
        points[0] = rim(first, points[1])
        points[-1] = rim(last, line.points[-2])
        end, inner = (0, 1) if self._backward else (-1, -2)
        if self._has_arrow(line):
            points[end] = _towards(points[end], points[inner], _ARROW - 2)
        return points

    def _has_arrow(self, line: Line) -> bool:
        end = self._boxes[line.source if self._backward else line.sink]
        return end.node.kind is not Kind.MERGE

    def _arrow(self, line: Line) -> None:
        if not self._has_arrow(line):
            return
        if self._backward:
            box, before = self._boxes[line.source], line.points[1]
        else:
            box, before = self._boxes[line.sink], line.points[-2]
        x, y = tip = rim(box, before)
        bx, by = _towards(tip, before, _ARROW)
        dx, dy = (by - y) * 0.5, (bx - x) * 0.5
        corners = [(x, y), (bx + dx, by + dy), (bx - dx, by - dy)]
        path = "L".join(f"{_n(a)} {_n(b)}" for a, b in corners)
        self._out.append(f'<path d="M{path}Z"/>')

    def _joints(self) -> None:
        """Concatenations as rings; in the backward flow, sums where lines fork."""
        for x, y in self._layout.forks if self._backward else ():
            self._out.append(
                f'<circle cx="{_n(x)}" cy="{_n(y)}" r="5.5" fill="#ffffff" '
                f'stroke="{self._wire}" stroke-width="1.5"/>'
                f'<path d="M{_n(x - 3.5)} {_n(y)}H{_n(x + 3.5)}M{_n(x)} {_n(y - 3.5)}'
                f'V{_n(y + 3.5)}" stroke="{self._wire}" stroke-width="1.5"/>'
            )
        for box in self._layout.boxes:
            if box.node.kind is Kind.MERGE:
                self._out.append(
                    f'<circle cx="{_n(box.x)}" cy="{_n(box.y)}" r="{_n(box.width / 2)}" '
                    f'fill="#ffffff" stroke="{self._wire}" stroke-width="2.2"/>'
                )

    def _box(self, box: Box) -> None:
        x, y, w, h = box.x, box.y, box.width, box.height
        match box.node.kind:
            case Kind.LAYER:
                fill, radius = _LAYER, 3.0
            case Kind.OPERATION:
                fill, radius = _OPERATION, h / 2
            case Kind.INPUT:
                fill, radius = _INPUT, INPUT_RADIUS
            case Kind.OUTPUT:
                fill, radius = _OUTPUT, INPUT_RADIUS
            case _:
                return
        self._out.append(
            f'<rect x="{_n(x - w / 2)}" y="{_n(y - h / 2)}" width="{_n(w)}" height="{_n(h)}" '
            f'rx="{_n(radius)}" fill="{fill}" stroke="{_INK}" stroke-width="1.5"/>'
        )

    def _symbols(self) -> None:
        for box in self._layout.boxes:
            if box.node.kind not in (Kind.LAYER, Kind.OPERATION):
                continue
            text = "".join(run.text for run in box.node.symbol)
            sign = _SIGNS.get(text)
            if sign is not None:
                self._out.append(
                    f'<path transform="translate({_n(box.x)} {_n(box.y)})" d="{sign}" '
                    f'fill="none" stroke="{_INK}" stroke-width="2"/>'
                )
                continue
            self._text(
                box.node.symbol, box.x, box.y + 0.32 * SYMBOL_SIZE, SYMBOL_SIZE, centred=True
            )

    def _text(self, text: Text, x: float, y: float, size: float, *, centred: bool = False) -> None:
        """A label; its accents are drawn, because fonts place theirs differently."""
        text = joined(text)
        if text == upright(PER_UNIT):  # few fonts have it
            self._per_unit(x + 0.35 * size, y - 0.3 * size, size)
            return
        if centred and len(text) > 1:
            # Some readers centre each run by itself, so their common start is given.
            x, centred = x - middle(text, size), False
        anchor = ' text-anchor="middle"' if centred else ""
        parts: list[str] = []
        level, at = 0, x
        accents = []
        for run in text:
            shift = {-1: 0.26, 0: 0.0, 1: -0.38}[run.level] - {-1: 0.26, 0: 0.0, 1: -0.38}[level]
            # Where an accent is drawn its letter must be: the place is not left to the font.
            place = at if run.accents and parts else None
            parts.append(_span(run, shift * size, size, place))
            wide = width((run,), size)
            for number, accent in enumerate(run.accents):
                lean = 0.06 * size if run.italic else 0.0
                high = 0.78 if any(c.isupper() or c in "bdfhklt" for c in run.text) else 0.54
                accents.append(
                    _accent(accent, at + wide / 2 * 0.92 + lean, y - (high + 0.12 * number) * size,
                            size, wide)
                )  # fmt: skip
            at += 0.85 * wide  # faces are narrower than what is kept free for them
            level = run.level
        self._out.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"{anchor}>{"".join(parts)}</text>'
        )
        self._out += accents

    def _per_unit(self, x: float, y: float, size: float) -> None:
        """The mark of what is multiplied unit by unit, a circle with a dot in it."""
        self._out.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(0.3 * size)}" fill="none" '
            f'stroke="{_INK}" stroke-width="{_n(0.06 * size)}"/>'
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(0.08 * size)}"/>'
        )


_SIGNS = {
    "\u00d7": "M-6 -6L6 6M-6 6L6 -6",
    "+": "M-7.5 0H7.5M0 -7.5V7.5",
    "\u2212": "M-7.5 0H7.5",
}


_DOTLESS = str.maketrans("ij", "\u0131\u0237")  # the accent takes the place of the dot


def _span(run: Run, shift: float, size: float, place: float | None) -> str:
    attributes = "" if place is None else f' x="{_n(place)}"'
    attributes += f' dy="{_n(shift)}"' if abs(shift) > 1e-9 else ""
    if run.level:
        attributes += f' font-size="{_n(size * SCRIPT)}"'
    if run.italic:
        attributes += ' font-style="italic"'
    if run.bold:
        attributes += ' font-weight="bold"'
    letters = run.text.translate(_DOTLESS) if run.accents else run.text
    return f"<tspan{attributes}>{escape(letters)}</tspan>"


def _accent(accent: str, x: float, y: float, size: float, wide: float) -> str:
    """An accent centred over a letter, drawn, because fonts place theirs differently."""
    u = size / 17
    shape = {
        "tilde": f"M{_n(-4.5 * u)} {_n(1.2 * u)}c{_n(1.8 * u)} {_n(-3.2 * u)} {_n(3.4 * u)} "
        f"{_n(-2.2 * u)} {_n(4.5 * u)} {_n(-1.2 * u)}s{_n(2.7 * u)} {_n(2 * u)} {_n(4.5 * u)} "
        f"{_n(-1.2 * u)}",
        "hat": f"M{_n(-3.6 * u)} {_n(1.4 * u)}L0 {_n(-1.8 * u)}L{_n(3.6 * u)} {_n(1.4 * u)}",
        "bar": f"M{_n(-3.8 * u)} 0H{_n(3.8 * u)}",
        "overline": f"M{_n(-wide / 2)} 0H{_n(wide / 2)}",
        "dot": f"M{_n(-0.8 * u)} 0H{_n(0.8 * u)}",
        "vec": f"M{_n(-4 * u)} 0H{_n(4 * u)}m{_n(-2.4 * u)} {_n(-2 * u)}l{_n(2.4 * u)} "
        f"{_n(2 * u)}l{_n(-2.4 * u)} {_n(2 * u)}",
    }[accent]
    thick = 1.8 if accent == "dot" else 1.2
    return (
        f'<path transform="translate({_n(x)} {_n(y)})" d="{shape}" fill="none" stroke="{_INK}" '
        f'stroke-width="{_n(thick * u)}"/>'
    )


def rim(box: Box, towards: Point) -> Point:
    """Where a line that comes straight from a point meets a node's rim."""
    x, y = towards
    if box.node.kind in (Kind.STATE_IN, Kind.STATE_OUT):
        return box.x, box.y
    if abs(x - box.x) > abs(y - box.y):
        return box.x + (box.width / 2 if x > box.x else -box.width / 2), box.y
    return box.x, box.y + (box.height / 2 if y > box.y else -box.height / 2)


def _towards(start: Point, end: Point, distance: float) -> Point:
    """The point at a distance from the start of a straight line to its end."""
    (a, b), (c, d) = start, end
    length = abs(c - a) + abs(d - b) or 1.0
    return a + (c - a) / length * distance, b + (d - b) / length * distance


def rounded(points: list[Point]) -> str:
    """A path through the points with round corners."""
    path = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        room = [abs(p[0] - here[0]) + abs(p[1] - here[1]) for p in (before, after)]
        radius = min(_CORNER, *(r / 2 for r in room))
        (a, b), (c, d) = _towards(here, before, radius), _towards(here, after, radius)
        path += f"L{_n(a)} {_n(b)}Q{_n(here[0])} {_n(here[1])} {_n(c)} {_n(d)}"
    return path + f"L{_n(points[-1][0])} {_n(points[-1][1])}"


def _n(value: float) -> str:
    """A number with two decimals at most."""
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".").replace("-0", "-0") or "0"
