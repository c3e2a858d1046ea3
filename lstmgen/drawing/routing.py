"""Draw the lines of a placement on a fine grid: shortest ways with few bends and crossings.

Every line runs along the grid.  Two lines of different vectors never share an edge or a bend;
they may cross at right angles, which costs much.  No line passes over a node, and none bends
where it would hide the end of another's.  The lines of one vector form a tree, so that what they
have in common is drawn once and forks.  Each tree is drawn anew while that makes the whole
cheaper, in the manner of rip-up and reroute.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

from lstmgen.drawing.graph import Graph, Kind
from lstmgen.drawing.placement import Place

__all__ = ["Routing", "Wire", "route"]

_BEND, _CROSSING, _LEFTWARD, _FORK = 6, 60, 8, 2
_RIGHT, _LEFT, _DOWN, _UP = range(4)
_FORBIDDEN, _ENDLESS = 10_000, 1 << 30
_NOBODY, _NO_EDGE = -1, -2
_BITS = 30  # costs and states are smaller than 2**30
_MASK = (1 << _BITS) - 1
# The cost of leaving a node to the right, left, below, above.
_LEAVE = {
    Kind.LAYER: (2, 30, 40, 0),
    Kind.OPERATION: (0, 30, 2, 1),
    Kind.MERGE: (0, 30, 6, 1),
    Kind.STATE_IN: (0, _FORBIDDEN, _FORBIDDEN, _FORBIDDEN),
    Kind.INPUT: (_FORBIDDEN, _FORBIDDEN, _FORBIDDEN, 0),
}
# The cost of arriving while moving right, left, down, up.
_ARRIVE = {
    Kind.LAYER: (4, 60, 30, 0),
    Kind.OPERATION: (0, 14, 0, 0),
    Kind.MERGE: (0, 40, 0, 0),
    Kind.STATE_OUT: (0, _FORBIDDEN, _FORBIDDEN, _FORBIDDEN),
    Kind.OUTPUT: (_FORBIDDEN, _FORBIDDEN, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Wire:
    """One line: from a node to one input of another, as the corners of its way."""

    source: str
    sink: str
    port: int
    points: tuple[Place, ...]


@dataclass(frozen=True)
class Routing:
    """All lines of a drawing on a grid of tracks.

    Attributes:
        positions: the track of each node, as column and row.
        wires: the lines; those from one node share what they have in common.
        crossings: the places where lines of different vectors cross.
        forks: the places where the lines of one vector part.
        cost: what `route` minimises.
    """

    positions: dict[str, Place]
    wires: tuple[Wire, ...]
    crossings: tuple[Place, ...]
    forks: tuple[Place, ...]
    cost: float


def route(graph: Graph, places: dict[str, Place]) -> Routing:
    """The lines for a placement; more tracks are tried until all of them find a way."""
    for tracks in (4, 6, 10, 16):
        found = _Router(graph, places, tracks).run()
        if found is not None:
            return found
    raise AssertionError("with this many tracks between nodes there is always a way")


class _Router:
    def __init__(self, graph: Graph, places: dict[str, Place], tracks: int) -> None:
        self._graph = graph
        self._kind = {n.key: n.kind for n in graph.nodes}
        right = max(c for c, _ in places.values())
        bottom = max(r for _, r in places.values())
        self._width, self._height = right * tracks + 1, bottom * tracks + 1
        self._at = {k: r * tracks * self._width + c * tracks for k, (c, r) in places.items()}
        self._step = (1, -1, self._width, -self._width)
        cells = self._width * self._height
        # For each direction the net on the edge that leaves each vertex that way.
        self._edge = [self._free_edges(d, cells) for d in range(4)]
        self._nets = [n.key for n in graph.nodes if graph.users[n.key]]
        self._sinks = {key: self._nearest_first(key, graph.users[key]) for key in self._nets}
        self._node_at = {v: k for k, v in self._at.items()}
        self._near: dict[int, list[str]] = {}  # vertices beside a node, where others may not bend
        for key, v in self._at.items():
            for step in self._step:
                self._near.setdefault(v + step, []).append(key)
        self._least: dict[int, list[int]] = {}  # by target, see `_ahead`
        self._trees: dict[int, dict[int, int]] = {}  # net -> vertex -> its parent
        self._ends: dict[int, list[tuple[str, int, int]]] = {}  # net -> sink, port, vertex before

    def _nearest_first(
        self, source: str, sinks: tuple[tuple[str, int], ...]
    ) -> list[tuple[str, int]]:
        return sorted(sinks, key=lambda end: self._nearness(source, end[0]))

    def _nearness(self, source: str, sink: str) -> tuple[bool, int]:
        (y1, x1), (y2, x2) = (divmod(self._at[k], self._width) for k in (source, sink))
        return (x1 != x2 and y1 != y2, abs(x1 - x2) + abs(y1 - y2))

    def run(self) -> Routing | None:
        """All lines, or None if there are too few tracks."""
        order = sorted(range(len(self._nets)), key=self._urgency)
        failed = [net for net in order if not self._connect(net)]
        for _ in range(3):
            before = self._total() + 10_000 * len(failed)
            for net in order:
                if failed and net not in failed:
                    # Make room: what is in the way is drawn again after what failed.
                    saved = self._take_up(net)
                    still = [f for f in failed if not self._connect(f)]
                    if not self._connect(net):
                        for f in failed:
                            if f not in still:
                                self._take_up(f)
                        self._put_down(net, saved)
                    else:
                        failed = still
                    continue
                if net in failed:
                    continue
                cost = self._cost(net)
                saved = self._take_up(net)
                if not self._connect(net) or self._cost(net) > cost:
                    self._take_up(net)
                    self._put_down(net, saved)
            if not failed and self._total() >= before:
                break
        return None if failed else self._result()

    def _urgency(self, net: int) -> tuple[int, int, int]:
        key = self._nets[net]
        spans = [self._nearness(key, sink) for sink, _ in self._sinks[key]]
        rail = self._kind[key] in (Kind.STATE_IN,) or any(
            self._kind[sink] is Kind.STATE_OUT for sink, _ in self._sinks[key]
        )
        return (not rail, max(s for _, s in spans), net)

    # One net.

    def _connect(self, net: int) -> bool:
        """Draw a net; if that fails nothing of it is left."""
        key = self._nets[net]
        self._trees[net], self._ends[net] = {self._at[key]: -1}, []
        for sink, port in self._sinks[key]:
            path = self._search(net, key, sink)
            if path is None:
                self._take_up(net)
                return False
            self._lay(net, path)
            self._ends[net].append((sink, port, path[-2]))
        return True

    def _lay(self, net: int, path: list[int]) -> None:
        tree = self._trees[net]
        for a, b in pairwise(path):
            self._occupy(a, b, net)
            if self._node_at.get(b) is None:
                tree[b] = a

    def _occupy(self, a: int, b: int, net: int) -> None:
        direction = self._step.index(b - a)
        self._edge[direction][a] = self._edge[direction ^ 1][b] = net

    def _edges(self, net: int) -> list[tuple[int, int]]:
        tree = [(b, a) for a, b in self._trees[net].items() if b >= 0]
        return tree + [(v, self._at[sink]) for sink, _, v in self._ends[net]]

    def _take_up(self, net: int) -> tuple[dict[int, int], list[tuple[str, int, int]]]:
        for a, b in self._edges(net):
            self._occupy(a, b, _NOBODY)
        saved = (self._trees[net], self._ends[net])
        self._trees[net], self._ends[net] = {}, []
        return saved

    def _put_down(self, net: int, saved: tuple[dict[int, int], list[tuple[str, int, int]]]) -> None:
        self._trees[net], self._ends[net] = saved
        for a, b in self._edges(net):
            self._occupy(a, b, net)

    def _free_edges(self, direction: int, cells: int) -> list[int]:
        """No net on any edge; beyond the body, where only terminals' lines run, no edge at all."""
        width, height = self._width, self._height
        edges = []
        for v in range(cells):
            y, x = divmod(v, width)
            if direction in (_RIGHT, _LEFT):
                to = x + (1 if direction == _RIGHT else -1)
                inside = 2 <= y <= height - 3 and 0 <= to < width
            else:
                to = y + (1 if direction == _DOWN else -1)
                inside = 2 <= x <= width - 3 and 0 <= to < height
            edges.append(_NOBODY if inside else _NO_EDGE)
        return edges

    def _search(self, net: int, source: str, sink: str) -> list[int] | None:
        """The cheapest way from the net's tree to a node, by A*."""
        target, start = self._at[sink], self._at[source]
        arrive, leave = _ARRIVE[self._kind[sink]], _LEAVE[self._kind[source]]
        tree, edge, step, near = self._trees[net], self._edge, self._step, self._near
        own, node_at, ahead = {source, sink}, self._node_at, self._ahead(target)
        # Of numbers for estimate, cost and state (vertex * 4 + direction), the estimate foremost:
        # they are compared more quickly than tuples.
        heap: list[int] = []
        best = [_ENDLESS] * (4 * len(ahead))
        parent: dict[int, int] = {}
        # From a vertex in a direction, what has been paid and the state that it comes from.
        ways: list[tuple[int, int, int, int]] = []
        if len(tree) == 1:
            for direction in range(4):
                if leave[direction] < _FORBIDDEN:
                    ways.append((start, direction, leave[direction], -1 - start))
        else:
            for v, before in tree.items():
                if v == start or self._crossed(v, net) or set(near.get(v, ())) - {source}:
                    continue
                straight = step.index(v - before)
                for direction in range(4):
                    if direction != straight ^ 1:
                        bend = 0 if direction == straight else _BEND // 2
                        ways.append((v, direction, _FORK + bend, -1 - v))
        while True:
            for v, direction, cost, origin in ways:
                if edge[direction][v] != _NOBODY:
                    continue
                w = v + step[direction]
                cost += 1 + _LEFTWARD if direction == _LEFT else 1
                if w == target:
                    cost += arrive[direction]
                    if cost >= _FORBIDDEN:
                        continue
                elif w in node_at or w in tree:
                    continue
                else:
                    turn = direction ^ 2
                    if edge[turn][w] >= 0 or edge[turn ^ 1][w] >= 0:
                        cost += _CROSSING
                state = w * 4 + direction
                if cost < best[state]:
                    best[state] = cost
                    parent[state] = origin
                    heappush(heap, ((cost + ahead[w] << _BITS) + cost << _BITS) + state)
            while heap:
                key = heappop(heap)
                state, cost = key & _MASK, key >> _BITS & _MASK
                if cost <= best[state]:
                    break
            else:
                return None
            v, direction = state >> 2, state & 3
            if v == target:
                return self._way(parent, state)
            ways = [(v, direction, cost, state)]
            turn = direction ^ 2
            if edge[turn][v] < 0 and edge[turn ^ 1][v] < 0:
                beside = near.get(v)
                if beside is None or own.issuperset(beside):
                    ways.append((v, turn, cost + _BEND, state))
                    ways.append((v, turn ^ 1, cost + _BEND, state))

    def _ahead(self, target: int) -> list[int]:
        """By vertex the least that the way to another may cost."""
        if (known := self._least.get(target)) is None:
            ty, tx = divmod(target, self._width)
            level = [tx - x if x <= tx else (1 + _LEFTWARD) * (x - tx) for x in range(self._width)]
            known = self._least[target] = [
                left + abs(y - ty) + (_BEND if left and y != ty else 0)
                for y in range(self._height)
                for left in level
            ]
        return known

    def _crossed(self, v: int, net: int) -> bool:
        """Whether another net runs through a vertex."""
        return any(edges[v] >= 0 and edges[v] != net for edges in self._edge)

    @staticmethod
    def _way(parent: dict[int, int], state: int) -> list[int]:
        path = [state // 4]
        while (state := parent[state]) >= 0:
            path.append(state // 4)
        path.append(-1 - state)
        return path[::-1]

    # The whole.

    def _cost(self, net: int) -> int:
        tree, cost = self._trees[net], 0
        key = self._nets[net]
        edges = self._edges(net)
        into: dict[int, int] = {}
        for a, b in edges:
            direction = self._step.index(b - a)
            into[b] = direction
            cost += 1 + (_LEFTWARD if direction == _LEFT else 0)
        for a, b in edges:
            direction = self._step.index(b - a)
            if a == self._at[key]:
                cost += _LEAVE[self._kind[key]][direction]
            elif into[a] != direction:
                cost += _BEND
            if b in self._node_at:
                cost += _ARRIVE[self._kind[self._node_at[b]]][direction]
            elif self._crossed(b, net):
                cost += _CROSSING
        return cost + _FORK * (len(self._ends[net]) - 1) if tree else cost

    def _total(self) -> int:
        return sum(self._cost(net) for net in range(len(self._nets)))

    def _place(self, v: int) -> Place:
        y, x = divmod(v, self._width)
        return x, y

    def _result(self) -> Routing:
        wires, crossings, forks = [], set(), set()
        for net, key in enumerate(self._nets):
            tree = self._trees[net]
            onward: dict[int, int] = {}
            for a, _ in self._edges(net):
                onward[a] = onward.get(a, 0) + 1
            forks |= {v for v, count in onward.items() if count > 1}
            for v in tree:
                if v != self._at[key] and self._crossed(v, net):
                    crossings.add(v)
            for sink, port, last in self._ends[net]:
                path = [self._at[sink], last]
                while (v := tree[path[-1]]) >= 0:
                    path.append(v)
                wires.append(Wire(key, sink, port, self._corners(path[::-1])))
        cost = self._total() - _CROSSING * len(crossings)  # each is counted by both its nets
        return Routing(
            {k: self._place(v) for k, v in self._at.items()},
            tuple(wires),
            tuple(sorted(map(self._place, crossings))),
            tuple(sorted(map(self._place, forks))),
            cost,
        )

    def _corners(self, path: list[int]) -> tuple[Place, ...]:
        kept = [path[0]]
        for before, v, after in zip(path, path[1:], path[2:], strict=False):
            if v - before != after - v:
                kept.append(v)
        return tuple(map(self._place, [*kept, path[-1]]))
