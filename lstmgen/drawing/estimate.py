"""What a placement would cost: length, bends and crossings of lines, estimated without routing.

Each line gets the simplest way that its ends allow: straight, with one bend, or around a layer
whose side it must come to.  `routing` draws them better; for comparing placements this will do,
and it can be brought up to date node by node.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import inf

from lstmgen.drawing.graph import Graph, Kind
from lstmgen.drawing.placement import Bands, Place

__all__ = ["Estimate"]

_Segment = tuple[float, float, float, float]  # its left or upper end first

_BEND, _CROSSING, _OVERLAP, _HIT, _BACK = 1.5, 15.0, 4.0, 8.0, 25.0
_ORDER, _COLUMN, _BELOW, _ABOVE_SOURCE = 0.25, 0.6, 1.0, 8.0
_TERMINALS = (Kind.STATE_IN, Kind.STATE_OUT)


class _Way:
    """One line between two places, with what of its cost depends on nothing else.

    Attributes:
        bound: the rectangle that it is in.
        lengths: for each segment what its length costs, and the places on its inside.
        met: what it and other lines cost each other.
    """

    __slots__ = ("bound", "lengths", "met", "segments")

    def __init__(self, segments: tuple[_Segment, ...]) -> None:
        self.segments = segments
        self.bound = _bound(segments)
        self.lengths = [((c - a) + 0.8 * (d - b), _inside(a, b, c, d)) for a, b, c, d in segments]
        self.met: dict[_Way, float] = {}


class Estimate:
    """The cost of a placement, which it holds and changes.

    Attributes:
        places: the column and row of each node.
        at: the node at each place.
    """

    def __init__(self, graph: Graph, bands: Bands, places: dict[str, Place]) -> None:
        self._bands = bands
        self._kind = {n.key: n.kind for n in graph.nodes}
        self._wires = [(p.source, n.key) for n in graph.nodes for p in n.inputs]
        self._of: dict[str, list[int]] = {n.key: [] for n in graph.nodes}
        for k, ends in enumerate(self._wires):
            for end in dict.fromkeys(ends):
                self._of[end].append(k)
        self._layers = [n.key for n in graph.of_kind(Kind.LAYER)]
        number = {n.key: k for k, n in enumerate(graph.nodes)}
        self._offset = {key: 0.25 + 0.5 * (k % 7) / 7 for key, k in number.items()}
        self._forks = {key: len(graph.users[key]) > 1 for key in number}
        self.places: dict[str, Place] = {}
        self.at: dict[Place, str] = {}
        self._ways: list[_Way] = []
        self._known: dict[tuple[int, Place, Place], _Way] = {}  # most are met many times
        self.restore(places)

    def restore(self, places: dict[str, Place]) -> None:
        """Take over a placement, without its empty columns."""
        inner = {c for key, (c, _) in places.items() if self._kind[key] not in _TERMINALS}
        number = {c: k + 1 for k, c in enumerate(sorted(inner - {0}))}
        right = len(number) + 1
        self.places = {
            key: ({Kind.STATE_IN: 0, Kind.STATE_OUT: right}.get(self._kind[key], number.get(c, 1)),
                  row)
            for key, (c, row) in places.items()
        }  # fmt: skip
        self.at = {place: key for key, place in self.places.items()}
        self._ways = [self._way(k) for k in range(len(self._wires))]

    @property
    def right(self) -> int:
        """The column of the states at t."""
        return max(self.places.values())[0]

    def window(self, key: str) -> tuple[Place, Place]:
        """The corners of the region in which a node is near those that it is joined to."""
        ends = [(end, self.places[end]) for k in self._of[key] for end in self._wires[k]]
        rows = [row for end, (_, row) in ends if end != key] or [self.places[key][1]]
        wires = [self._wires[k] for k in self._of[key]]
        before = [self.places[source][0] for source, sink in wires if sink == key]
        after = [self.places[sink][0] for source, sink in wires if source == key]
        left, right = max(before, default=0), min(after, default=self.right)
        return (min(left, right), min(rows)), (max(left, right), max(rows))

    def move(self, changes: dict[str, Place]) -> None:
        """Put nodes elsewhere."""
        for key in changes:
            self.at.pop(self.places[key], None)
        self.places.update(changes)
        for key, place in changes.items():
            self.at[place] = key
        for k in dict.fromkeys(k for key in changes for k in self._of[key]):
            self._ways[k] = self._way(k)

    def cost(self, limit: float = inf) -> float:
        """The whole cost, or inf as soon as it is known to be above a limit."""
        count = range(len(self._wires))
        total = sum(self._own(k) for k in count)
        for k in count:
            if total > limit:
                return inf
            total += sum(self._between(k, other) for other in range(k))
        return total + self._general()

    def around(self, keys: Iterable[str], limit: float = inf) -> float:
        """The part of the cost that depends on where some nodes are; for the limit see `cost`."""
        wires = dict.fromkeys(k for key in keys for k in self._of[key])
        cost = self._general()
        for k in wires:
            if cost > limit:
                return inf
            cost += self._own(k)
            a, b, c, d = self._ways[k].bound
            for other, way in enumerate(self._ways):
                e, f, g, h = way.bound
                if a > g or e > c or b > h or f > d:
                    continue
                if other not in wires or other < k:
                    cost += self._between(k, other)
        for key in keys:
            cost += self._run_over(key, wires)
        return cost

    def _general(self) -> float:
        order = [self.places[key][0] for key in self._layers]
        inversions = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
        return _ORDER * inversions + _COLUMN * self.right

    def _run_over(self, key: str, wires: Iterable[int]) -> float:
        """Lines of other nodes that run over one."""
        column, row = self.places[key]
        cost = 0.0
        for other, way in enumerate(self._ways):
            a, b, c, d = way.bound
            if a <= column <= c and b <= row <= d and other not in wires:
                for e, f, g, h in way.segments:
                    cost += _HIT * ((e < column < g and f == row) or (f < row < h and e == column))
        return cost

    # Lines.

    def _way(self, k: int) -> _Way:
        source, sink = self._wires[k]
        ends = k, self.places[source], self.places[sink]
        if (known := self._known.get(ends)) is None:
            known = self._known[ends] = _Way(_segments(self._corners(source, sink)))
        return known

    def _corners(self, source: str, sink: str) -> list[tuple[float, float]]:
        (c1, r1), (c2, r2) = self.places[source], self.places[sink]
        start, end = (float(c1), float(r1)), (float(c2), float(r2))
        layer, kind, to = self._bands.layer, self._kind[source], self._kind[sink]
        aside, bus = c1 + self._offset[source], layer + self._offset[source]
        if to is Kind.LAYER and r1 <= layer:
            if r1 == r2 and c2 == c1 + 1:
                return [start, end]
            return [start, (aside, r1), (aside, bus), (c2, bus), end]
        if kind is Kind.LAYER and r2 > layer and to is not Kind.OUTPUT:
            return [start, (aside, r1), (aside, r2), end]
        if c1 == c2 or r1 == r2:
            if to is Kind.OUTPUT and self._forks[source]:
                return [start, (aside, r1), (aside, (r1 + r2) / 2), (c2, (r1 + r2) / 2), end]
            return [start, end]
        if kind in (Kind.LAYER, Kind.INPUT) or to is Kind.STATE_OUT:
            return [start, (c1, r2), end]
        return [start, (c2, r1), end]

    def _own(self, k: int) -> float:
        source, sink = self._wires[k]
        (c1, _), (c2, r2) = self.places[source], self.places[sink]
        way, at = self._ways[k], self.at
        cost = _BEND * (len(way.segments) - 1)
        for length, inside in way.lengths:
            cost += length + _HIT * sum(place in at for place in inside)
        if c2 < c1:
            cost += _BACK + 2 * (c1 - c2)
        if c1 == c2 and self._kind[source] is Kind.STATE_IN:
            cost += _BACK
        if self._kind[sink] is Kind.OUTPUT:
            cost += _BELOW * (r2 > 0)
        return cost

    def _between(self, k: int, other: int) -> float:
        """What two lines cost each other."""
        one, two = self._ways[k], self._ways[other]
        if (known := one.met.get(two)) is None:
            known = one.met[two] = self._meeting(k, other)
        return known

    def _meeting(self, k: int, other: int) -> float:
        first, second = self._wires[k], self._wires[other]
        if first[0] == second[0]:
            return 0.0
        apart = first[1] != second[1] and first[0] != second[1] and first[1] != second[0]
        cost = 0.0
        for a, b, c, d in self._ways[k].segments:
            for e, f, g, h in self._ways[other].segments:
                if a > g or e > c or b > h or f > d:
                    continue
                if b == d and f == h:
                    cost += _OVERLAP * (max(a, e) < min(c, g))
                elif a == c and e == g:
                    cost += _OVERLAP * (max(b, f) < min(d, h))
                elif (a < e < c and f < b < h) or (e < a < g and b < f < d):
                    cost += _CROSSING
                elif apart:
                    cost += _OVERLAP
        return cost


def _segments(corners: list[tuple[float, float]]) -> tuple[_Segment, ...]:
    return tuple(
        (min(a, c), min(b, d), max(a, c), max(b, d))
        for (a, b), (c, d) in pairwise(corners)
        if (a, b) != (c, d)
    )


def _bound(path: tuple[_Segment, ...]) -> _Segment:
    left, top, right, bottom = path[0]
    for a, b, c, d in path[1:]:
        left, top = min(left, a), min(top, b)
        right, bottom = max(right, c), max(bottom, d)
    return left, top, right, bottom


def _inside(a: float, b: float, c: float, d: float) -> tuple[Place, ...]:
    """The places on the inside of a segment; it has some only where it runs through them."""
    if b == d:
        return tuple((x, int(b)) for x in range(int(a) + 1, _below(c) + 1) if b == int(b))
    return tuple((int(a), y) for y in range(int(b) + 1, _below(d) + 1) if a == int(a))


def _below(x: float) -> int:
    """The largest whole number below x."""
    return int(x) - (x == int(x))
