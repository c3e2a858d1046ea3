"""Facts about a drawing's shapes, worked out from their coordinates alone."""

from __future__ import annotations

from itertools import combinations, pairwise

from lstmgen.drawing.geometry import Layout, Line
from lstmgen.drawing.graph import Kind

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom
Segment = tuple[float, float, float, float]  # its left or upper end first

_TERMINALS = (Kind.STATE_IN, Kind.STATE_OUT)


def segments(line: Line) -> list[Segment]:
    return [
        (min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b), (c, d) in pairwise(line.points)
    ]


def overlap(a: Rectangle, b: Rectangle, gap: float = 0.0) -> bool:
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def solid(layout: Layout) -> dict[str, Rectangle]:
    """The shapes of nodes; the ends of states are labels only."""
    return {
        b.node.key: (b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2)
        for b in layout.boxes
        if b.node.kind not in _TERMINALS
    }


def crossings(layout: Layout) -> set[tuple[float, float]]:
    """Where an upright and a level line of different vectors cross."""
    found = set()
    for first, second in combinations(layout.lines, 2):
        if first.source == second.source:
            continue
        for a, b, c, d in segments(first):
            for e, f, g, h in segments(second):
                if a == c and f == h and e < a < g and b < f < d:
                    found.add((a, f))
                if b == d and e == g and a < e < c and f < b < h:
                    found.add((e, b))
    return found


def faults(layout: Layout) -> list[str]:
    """All that must not be in a drawing; empty if it is sound."""
    found: list[str] = []
    shapes = solid(layout)
    for (one, a), (other, b) in combinations(shapes.items(), 2):
        if overlap(a, b, gap=6):
            found.append(f"{one} and {other} overlap or touch")
    for line in layout.lines:
        found += _faults_of_line(layout, line, shapes)
    for first, second in combinations(layout.lines, 2):
        if first.source != second.source:
            found += _faults_of_pair(first, second)
    found += _faults_of_labels(layout, shapes)
    found += _faults_of_frame(layout, shapes)
    return found


def _faults_of_line(layout: Layout, line: Line, shapes: dict[str, Rectangle]) -> list[str]:
    found = []
    name = f"line {line.source} to {line.sink}"
    boxes = {box.node.key: box for box in layout.boxes}
    for end, key in ((line.points[0], line.source), (line.points[-1], line.sink)):
        if end != (boxes[key].x, boxes[key].y):
            found.append(f"{name} does not end at {key}")
    for (a, b), (c, d) in pairwise(line.points):
        if (a == c) == (b == d):
            found.append(f"{name} is neither level nor upright, or has no length")
    parts = segments(line)
    for number, part in enumerate(parts):
        for key, shape in shapes.items():
            own = (key == line.source and number == 0) or (
                key == line.sink and number == len(parts) - 1
            )
            if not own and overlap(part, shape, gap=3):
                found.append(f"{name} runs through {key}")
    return found


def _faults_of_pair(first: Line, second: Line) -> list[str]:
    """Lines of different vectors may cross, and touch only at a node where both end."""
    found = []
    ends = {p for line in (first, second) for p in (line.points[0], line.points[-1])}
    for a, b, c, d in segments(first):
        for e, f, g, h in segments(second):
            left, top, right, bottom = max(a, e), max(b, f), min(c, g), min(d, h)
            if left > right or top > bottom:
                continue
            name = f"{first.source}-{first.sink} and {second.source}-{second.sink}"
            if (left, top) != (right, bottom):
                found.append(f"{name} run on each other")
            elif not _crosses((a, b, c, d), (e, f, g, h)) and (left, top) not in ends:
                found.append(f"{name} touch")
    return found


def _crosses(one: Segment, other: Segment) -> bool:
    a, b, c, d = one
    e, f, g, h = other
    return (a < e < c and f < b < h) or (e < a < g and b < f < d)


def _faults_of_labels(layout: Layout, shapes: dict[str, Rectangle]) -> list[str]:
    found = []
    # A terminal's own label stands inside its circle.
    circles = [shapes[b.node.key] for b in layout.boxes if b.node.kind in (Kind.INPUT, Kind.OUTPUT)]
    for one, other in combinations(layout.labels, 2):
        if overlap(one.box, other.box):
            found.append(f"labels overlap: {one.text} {other.text}")
    for label in layout.labels:
        inside = [c for c in circles if overlap(label.box, c)]
        if len(inside) > 1:
            found.append(f"label {label.text} lies on two circles")
        for key, shape in shapes.items():
            if shape not in inside and overlap(label.box, shape):
                found.append(f"label {label.text} lies on {key}")
        if inside:
            continue
        for line in layout.lines:
            if any(overlap(label.box, part) for part in segments(line)):
                found.append(f"label {label.text} lies on {line.source} to {line.sink}")
    return found


def _faults_of_frame(layout: Layout, shapes: dict[str, Rectangle]) -> list[str]:
    found = []
    page = (0.0, 0.0, layout.width, layout.height)
    left, top, right, bottom = layout.body
    for label in layout.labels:
        if not _within(label.box, page):
            found.append(f"label {label.text} leaves the page")
    for box in layout.boxes:
        if box.node.kind in _TERMINALS:
            continue
        shape = shapes[box.node.key]
        if box.node.kind in (Kind.INPUT, Kind.OUTPUT):
            if not _within(shape, page) or overlap(shape, layout.body):
                found.append(f"{box.node.key} is not beside the body")
        elif not _within(shape, (left + 4, top + 4, right - 4, bottom - 4)):
            found.append(f"{box.node.key} leaves the body")
    for line in layout.lines:
        for x, y in line.points[1:-1]:
            if not (left < x < right and top < y < bottom):
                found.append(f"line {line.source} to {line.sink} bends outside the body")
    return found


def _within(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        outer[0] <= inner[0] and outer[1] <= inner[1]
        and inner[2] <= outer[2] and inner[3] <= outer[3]
    )  # fmt: skip
