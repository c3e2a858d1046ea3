"""From tracks to distances: the size of everything and the place of every label.

Tracks get their distances from what stands on them.  Horizontal room is needed between things in
the same strip (a row of tracks, or the gap between two rows); labels stand in gaps beside the
line that they name, and gaps grow until they fit, so that nothing ever overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from lstmgen.drawing.graph import Graph, Kind, Node
from lstmgen.drawing.placement import Place
from lstmgen.drawing.routing import Routing, Wire
from lstmgen.drawing.typeset import Text, middle, width

__all__ = ["Box", "Label", "Layout", "Line", "Note", "lay_out"]

Point = tuple[float, float]

TERMINAL_SIZE, LABEL_SIZE, SYMBOL_SIZE, MARK_SIZE = 19.0, 17.0, 17.0, 14.0
RADIUS = 14.0  # of an operation's circle
INPUT_RADIUS = 19.0
MERGE_RADIUS = 4.5
LAYER_WIDTH, LAYER_HEIGHT = 48.0, 34.0
EDGE = 18.0  # from a state's end to the body
_WIRE_WIRE, _WIRE_NODE, _NODE_NODE, _ROW_WIRES = 15.0, 13.0, 24.0, 16.0
_WIRE_BESIDE = 16.0  # an arrow and half of a fork's ring
_PADDING = 16.0
_LINE = 1.25  # height of a line of text against its size


@dataclass(frozen=True, slots=True)
class Note:
    """A label to be placed: beside the line that leaves a node, or the end of one that enters.

    Attributes:
        key: the node.
        text: the label.
        port: the input whose end it stands at; None for the line that leaves.
    """

    key: str
    text: Text
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A node with its centre and size."""

    node: Node
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A wire's corners, from its source to its end."""

    source: str
    sink: str
    port: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A typeset label: the left end of its baseline, its size, and the box that it needs."""

    text: Text
    x: float
    y: float
    size: float
    box: tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Layout:
    """A drawing as shapes with coordinates in pixels, the origin at the top left."""

    graph: Graph
    width: float
    height: float
    body: tuple[float, float, float, float]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    crossings: tuple[Point, ...]
    forks: tuple[Point, ...]


@dataclass(slots=True)
class _Slot:
    """Where a note stands: a gap between rows, beside a column, at a node's row or off it."""

    note: Note
    column: int
    gap: int  # below row `gap`
    left: bool  # to the left of the column
    offset: float  # from the column to the label
    by_row: int | None  # the row whose line it stands on or under; None: beside a vertical line
    above: bool  # the gap is above the node


def lay_out(graph: Graph, routing: Routing, notes: Iterable[Note]) -> Layout:
    """Give everything its place."""
    return _Geometry(graph, routing).lay_out(tuple(notes))


def size_of(node: Node) -> Point:
    """Width and height of what is drawn for a node, its lines apart."""
    inner = width(node.symbol, SYMBOL_SIZE)
    match node.kind:
        case Kind.MERGE:
            return 2 * MERGE_RADIUS, 2 * MERGE_RADIUS
        case Kind.LAYER:
            return max(LAYER_WIDTH, inner + 16), LAYER_HEIGHT
        case Kind.OPERATION:
            return max(2 * RADIUS, inner + 14), 2 * RADIUS
    across = max(2 * INPUT_RADIUS, width(node.symbol, TERMINAL_SIZE) + 12)
    return across, 2 * INPUT_RADIUS


class _Geometry:
    def __init__(self, graph: Graph, routing: Routing) -> None:
        self._graph = graph
        points = [*routing.positions.values(), *(p for w in routing.wires for p in w.points)]
        columns = {x: k for k, x in enumerate(sorted({x for x, _ in points}))}
        # An empty row above and one below, so that there is a gap for labels on either side.
        rows = {y: k + 1 for k, y in enumerate(sorted({y for _, y in points}))}
        self._columns, self._rows = len(columns), len(rows) + 2

        def tracks(place: Place) -> Place:
            return columns[place[0]], rows[place[1]]

        self._at = {k: tracks(p) for k, p in routing.positions.items()}
        self._wires = [
            Wire(w.source, w.sink, w.port, tuple(map(tracks, w.points))) for w in routing.wires
        ]
        self._crossings = [tracks(p) for p in routing.crossings]
        self._forks = sorted({tracks(p) for p in routing.forks})
        self._taken: set[tuple[int, int, bool, bool]] = set()

    def lay_out(self, notes: tuple[Note, ...]) -> Layout:
        slots = [self._slot(note) for note in notes]
        ys = self._ordinates(slots)
        xs = self._abscissas(slots)
        boxes = tuple(
            Box(node, xs[c], ys[r], *size_of(node))
            for node in self._graph.nodes
            for c, r in [self._at[node.key]]
        )
        labels = tuple(self._label(slot, xs, ys) for slot in slots)
        interior = [b for b in boxes if b.node.kind in (Kind.LAYER, Kind.OPERATION, Kind.MERGE)]
        left = min(b.x for b in boxes if b.node.kind is Kind.STATE_IN) + EDGE
        right = max(b.x for b in boxes if b.node.kind is Kind.STATE_OUT) - EDGE
        inner_rows = [
            r for w in self._wires for (_, r), (_, q) in pairwise(w.points)
            if r == q
        ]  # fmt: skip
        top = min(
            [ys[r] for r in inner_rows] + [b.y - b.height / 2 for b in interior]
            + [label.box[1] for label in labels]
        ) - _PADDING  # fmt: skip
        bottom = max(
            [ys[r] for r in inner_rows] + [b.y + b.height / 2 for b in interior]
            + [label.box[3] for label in labels]
        ) + _PADDING  # fmt: skip
        names = tuple(self._terminal_label(box) for box in boxes if box.node.carries)
        ends = [(*_corner(b, -1), *_corner(b, 1)) for b in boxes if _is_round(b.node)]
        all_boxes = [(left, top, right, bottom), *(n.box for n in names), *ends]
        dx = 10 - min(b[0] for b in all_boxes)
        dy = 10 - min(b[1] for b in all_boxes)
        wide = max(b[2] for b in all_boxes) + dx + 10
        high = max(b[3] for b in all_boxes) + dy + 10

        def moved(p: Point) -> Point:
            return round(p[0] + dx, 2), round(p[1] + dy, 2)

        def moved_label(m: Label) -> Label:
            low, high = moved((m.box[0], m.box[1])), moved((m.box[2], m.box[3]))
            return Label(m.text, *moved((m.x, m.y)), m.size, (*low, *high))

        return Layout(
            graph=self._graph,
            width=round(wide, 2),
            height=round(high, 2),
            body=(*moved((left, top)), *moved((right, bottom))),
            boxes=tuple(Box(b.node, *moved((b.x, b.y)), b.width, b.height) for b in boxes),
            lines=tuple(
                Line(w.source, w.sink, w.port, tuple(moved((xs[c], ys[r])) for c, r in w.points))
                for w in self._wires
            ),
            labels=tuple(map(moved_label, [*labels, *names])),
            crossings=tuple(moved((xs[c], ys[r])) for c, r in self._crossings),
            forks=tuple(moved((xs[c], ys[r])) for c, r in self._forks),
        )

    # Places for labels.

    def _slot(self, note: Note) -> _Slot:
        """The first free place for a note; names prefer the right of the line, above the node."""
        column, row = self._at[note.key]
        half = size_of(self._graph.by_key[note.key])[0] / 2
        if note.port is None:
            leaving = [w.points[1] for w in self._wires if w.source == note.key]
            c, r = leaving[0] if leaving else (column + 1, row)  # a value that nothing uses
        else:
            wire = next(w for w in self._wires if (w.sink, w.port) == (note.key, note.port))
            c, r = wire.points[-2]
        # Each candidate: gap, left, offset, the row it lies along.
        choices: list[tuple[int, bool, float, int | None, bool]] = []
        if r < row:
            choices = [(row - 1, False, 6, None, True), (row - 1, True, 6, None, True)]
        elif r > row:
            choices = [(row, False, 6, None, False), (row, True, 6, None, False)]
        else:
            left = c < column
            choices = [
                (row - 1, left, half + 3, row, True),
                (row, left, half + 3, row, False),
            ]
        choices += [(row - 1, s, half + 3, row, True) for s in (False, True)]
        choices += [(row, s, half + 3, row, False) for s in (False, True)]
        for gap, left, offset, by_row, above in choices:
            if (column, gap, left, above) not in self._taken:
                self._taken.add((column, gap, left, above))
                return _Slot(note, column, gap, left, offset, by_row, above)
        raise AssertionError("a node has four corners and at most three notes and a name")

    def _label(self, slot: _Slot, xs: list[float], ys: list[float]) -> Label:
        size = _size(slot.note)
        wide = width(slot.note.text, size)
        x = xs[slot.column] + (-slot.offset - wide if slot.left else slot.offset)
        row = slot.gap + 1 if slot.above else slot.gap
        away = 3.0 if slot.by_row is not None else self._half(row) + 4
        if slot.above:
            bottom = ys[row] - away
            top = bottom - _LINE * size
        else:
            top = ys[row] + away
            bottom = top + _LINE * size
        return Label(slot.note.text, x, bottom - 0.30 * size, size, (x, top, x + wide, bottom))

    def _terminal_label(self, box: Box) -> Label:
        text, size = box.node.symbol, TERMINAL_SIZE
        wide = width(text, size)
        x = {
            Kind.STATE_IN: box.x - wide - 7,
            Kind.STATE_OUT: box.x + 7,
        }.get(box.node.kind, box.x - middle(text, size))
        top = box.y - 0.72 * size
        return Label(text, x, box.y + 0.30 * size, size, (x, top, x + wide, top + _LINE * size))

    # Distances.

    def _half(self, row: int) -> float:
        """Half the height of the highest thing that stands on a row."""
        return max(
            (
                size_of(node)[1] / 2
                for node in self._graph.nodes
                if self._at[node.key][1] == row and node.kind not in (Kind.STATE_IN, Kind.STATE_OUT)
            ),
            default=0.0,
        )

    def _ordinates(self, slots: list[_Slot]) -> list[float]:
        ys = [0.0]
        outer = {
            self._at[n.key][1]: n.kind
            for n in self._graph.nodes
            if n.kind in (Kind.INPUT, Kind.OUTPUT)
        }
        ends = {self._at[n.key][1] for n in self._graph.of_kind(Kind.STATE_IN, Kind.STATE_OUT)}
        for gap in range(self._rows - 1):
            above, below = self._half(gap), self._half(gap + 1)
            room = _ROW_WIRES
            if above and below:
                room = _NODE_NODE
            elif above or below:
                room = _WIRE_NODE
            for slot in slots:
                if slot.gap == gap:
                    high = _LINE * _size(slot.note) + 8
                    room = max(room, high)
            both = [s for s in slots if s.gap == gap]
            if any(s.above for s in both) and any(not s.above for s in both):
                room = max(room, sum(
                    max(_LINE * _size(s.note) for s in both if s.above is side)
                    for side in (True, False)
                ) + 12)  # fmt: skip
            if gap in ends and gap + 1 in ends:  # terminals one above the other
                room = max(room, _LINE * TERMINAL_SIZE + 3)
            if gap in outer or gap + 1 in outer:
                room += _PADDING + 12
            ys.append(ys[-1] + above + below + room)
        return ys

    def _abscissas(self, slots: list[_Slot]) -> list[float]:
        """From left to right, each column as near to the ones before as its strips allow."""
        # strip -> column -> room needed to the left and to the right, and whether it is a node
        strips: list[dict[int, tuple[float, float, bool]]] = [{} for _ in range(2 * self._rows - 1)]

        def need(strip: int, column: int, left: float, right: float, node: bool) -> None:
            had = strips[strip].get(column, (0.0, 0.0, False))
            strips[strip][column] = (max(left, had[0]), max(right, had[1]), node or had[2])

        for node in self._graph.nodes:
            column, row = self._at[node.key]
            half = size_of(node)[0] / 2
            left = right = half
            if node.kind is Kind.STATE_IN:
                left, right = half, EDGE + 4
            elif node.kind is Kind.STATE_OUT:
                left, right = EDGE + 4, half
            need(2 * row, column, left, right, True)
        for wire in self._wires:
            for (c1, r1), (c2, r2) in pairwise(wire.points):
                if c1 == c2:
                    for strip in range(2 * min(r1, r2), 2 * max(r1, r2) + 1):
                        need(strip, c1, 0.0, 0.0, False)
        for slot in slots:
            room = slot.offset + width(slot.note.text, _size(slot.note))
            around = (room, 0.0) if slot.left else (0.0, room)
            need(2 * slot.gap + 1, slot.column, *around, False)
            if slot.by_row is not None:
                need(2 * slot.by_row, slot.column, *around, False)
        xs: list[float] = []
        starts = {self._at[n.key][0] for n in self._graph.of_kind(Kind.STATE_IN)}
        for column in range(self._columns):
            x = xs[-1] + 8 if xs else 0.0
            if column not in starts:  # inside the body
                outward = max(s[column][0] for s in strips if column in s)
                x = max(x, EDGE + _PADDING + outward)
            for things in strips:
                if column not in things:
                    continue
                left, _, solid = things[column]
                before = [c for c in things if c < column]
                if before:
                    last = max(before)
                    _, right, other = things[last]
                    both = _NODE_NODE if solid and other else _WIRE_BESIDE
                    x = max(x, xs[last] + right + left + (both if solid or other else _WIRE_WIRE))
            xs.append(x)
        ends = [self._at[n.key][0] for n in self._graph.of_kind(Kind.STATE_OUT)]
        inner = max(
            (xs[c] + r for things in strips for c, (_, r, _) in things.items() if c not in ends),
            default=0.0,
        )
        for end in ends:
            xs[end] = max(xs[end], inner + EDGE + _PADDING)
        return xs


def _size(note: Note) -> float:
    return LABEL_SIZE if note.port is None else MARK_SIZE


def _is_round(node: Node) -> bool:
    return node.kind in (Kind.INPUT, Kind.OUTPUT)


def _corner(box: Box, sign: int) -> Point:
    return box.x + sign * box.width / 2, box.y + sign * box.height / 2
