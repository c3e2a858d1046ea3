"""The drawing's arrangement: the placement whose lines, once routed, are the best."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from lstmgen.drawing.graph import Graph, Kind
from lstmgen.drawing.placement import Bands, Place, bands, first_placement
from lstmgen.drawing.routing import Routing, route
from lstmgen.drawing.search import Candidate, search

__all__ = ["arrange"]

# Some searching for everybody, more where lines still cross; less for large graphs, where each
# step takes longer.
_KICKS, _FINALISTS = 6, 3
_MORE_KICKS, _MORE_FINALISTS, _TRIALS = (10, 30), 5, (3, 12)
_WORK = 14000
_CROSSING = 80  # what avoiding a crossing is worth, besides what routing counts it for


@lru_cache(maxsize=64)  # a cell's two drawings have one arrangement
def arrange(graph: Graph) -> Routing:
    """Where everything is, on a grid of tracks: the same for the same graph."""
    rows = bands(graph)
    start = first_placement(graph, rows)
    found = search(graph, rows, start, kicks=_KICKS)
    best, places = _best(graph, found[:_FINALISTS])
    if len(best.crossings) <= _unavoidable(graph, rows):
        return best
    lines = sum(len(node.inputs) for node in graph.nodes)
    more = min(max(_WORK // lines**2, _MORE_KICKS[0]), _MORE_KICKS[1])
    again = search(graph, rows, start, kicks=more, seed=2)
    other, elsewhere = _best(graph, again[:_MORE_FINALISTS])
    if _worth(other) < _worth(best):
        best, places = other, elsewhere
    trials = min(max(_WORK // lines**2, _TRIALS[0]), _TRIALS[1])
    return _refined(graph, best, places, {n.key: rows.rows(n) for n in graph.nodes}, trials)


def _unavoidable(graph: Graph, rows: Bands) -> int:
    """The rails that the output's line crosses wherever it is, as it leaves above."""
    (output,) = graph.of_kind(Kind.OUTPUT)
    source = output.inputs[0].source
    own = rows.rails[rows.on_rail[source]] if source in rows.on_rail else rows.layer
    return sum(row < own for row in rows.rails.values())


def _best(graph: Graph, found: list[Candidate]) -> tuple[Routing, dict[str, Place]]:
    """Of some placements the one whose lines are the best, once routed."""
    return min(((route(graph, places), places) for _, places in found), key=lambda r: _worth(r[0]))


def _worth(routing: Routing) -> float:
    return routing.cost + _CROSSING * len(routing.crossings)


def _refined(
    graph: Graph,
    best: Routing,
    places: dict[str, Place],
    allowed: dict[str, tuple[int, ...]],
    trials: int,
) -> Routing:
    """The best of some trials in which a node whose lines cross stands elsewhere."""
    improved = bool(best.crossings)
    while improved:
        improved = False
        variants = (
            variant
            for key in _suspects(graph, best)
            for variant in _variants(key, places, allowed[key])
        )
        for changed in variants:
            if not trials:
                return best
            trials -= 1
            other = route(graph, changed)
            if _worth(other) < _worth(best):
                best, places, improved = other, changed, True
                break
    return best


def _suspects(graph: Graph, routing: Routing) -> list[str]:
    """The nodes at the ends of lines that cross, those of the most crossings first."""
    crossings = set(routing.crossings)
    count: dict[str, int] = {}
    for wire in routing.wires:
        hits = sum(
            min(a, c) <= x <= max(a, c) and min(b, d) <= y <= max(b, d)
            for (a, b), (c, d) in pairwise(wire.points)
            for x, y in crossings
        )
        if hits:
            for end in (wire.source, wire.sink):
                count[end] = count.get(end, 0) + hits
    fixed = (Kind.STATE_IN, Kind.STATE_OUT)
    names = [key for key in count if graph.by_key[key].kind not in fixed]
    return sorted(names, key=lambda key: -count[key])


def _variants(key: str, places: dict[str, Place], rows: tuple[int, ...]) -> list[dict[str, Place]]:
    """The placements in which one node stands a column or a row from where it was."""
    column, row = places[key]
    taken = set(places.values())
    right = max(c for c, _ in places.values())
    near = [(column + 1, row), (column - 1, row)]
    near += [(column, r) for r in (row - 1, row + 1) if r in rows and len(rows) > 1]
    found = [places | {key: place} for place in near if place not in taken and 0 < place[0] < right]
    for at in (column, column + 1):
        shifted = {k: (c + (c >= at), r) for k, (c, r) in places.items()}
        found.append(shifted | {key: (at, row)})
    return found
