"""Where nodes may stand: rows for rails, operations, layers and concatenations.

Rows count from the top, columns from the left, and lines run to the right.  A state that reaches
its next value through element-wise operations alone has a rail along the top, which these
operations stand on: the conveyor belt.  Any other state has one along the bottom, which feeds the
layers; inputs come from below it.  The output leaves above.
"""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.drawing.graph import Graph, Kind, Node

__all__ = ["Bands", "Place", "bands", "first_placement"]

Place = tuple[int, int]  # column, row

_OPERATION_ROWS = 3


@dataclass(frozen=True, slots=True)
class Bands:
    """The rows of a drawing.

    Attributes:
        rails: for each state its row.
        on_rail: for each operation that stands on a rail, the state.
        operations: the rows of other operations: between the upper rails, and above the layers.
        layer: the row of the layers.
        merges: rows below the layers, those of the lower rails included.
        bottom: the row below the body, of the inputs; 0 is the one above it, of the output.
    """

    rails: dict[str, int]
    on_rail: dict[str, str]
    operations: tuple[int, ...]
    layer: int
    merges: tuple[int, ...]
    bottom: int

    def rows(self, node: Node) -> tuple[int, ...]:
        """The rows that the node may stand in."""
        if node.key in self.on_rail:
            return (self.rails[self.on_rail[node.key]],)
        match node.kind:
            case Kind.STATE_IN | Kind.STATE_OUT:
                return (self.rails[node.carries],)
            case Kind.INPUT:
                return (self.bottom,)
            case Kind.OUTPUT:
                return (0,)
            case Kind.LAYER:
                return (self.layer,)
            case Kind.MERGE:
                return self.merges
        return (*self.operations, self.layer, *self.merges)


def bands(graph: Graph) -> Bands:
    """The rows that a graph needs."""
    on_rail: dict[str, str] = {}
    upper: list[str] = []
    lower: list[str] = []
    for terminal in graph.of_kind(Kind.STATE_OUT):
        path = _element_wise_path(graph, terminal, on_rail)
        (lower if path is None else upper).append(terminal.carries)
        on_rail.update(dict.fromkeys(path or (), terminal.carries))
    rails = {state: 1 + 2 * k for k, state in enumerate(upper)}
    between = tuple(range(2, 2 * len(upper) - 1, 2))
    first = max(2 * len(upper), 1)
    layer = first + _OPERATION_ROWS
    merges = len(graph.of_kind(Kind.MERGE)) or 1
    start = layer + 1 + max(0, min(merges, 3) - len(lower))
    rails |= {state: start + k for k, state in enumerate(lower)}
    bottom = start + len(lower)
    return Bands(
        rails,
        on_rail,
        (*between, *range(first, layer)),
        layer,
        tuple(range(layer + 1, bottom)),
        bottom,
    )


def _element_wise_path(
    graph: Graph, terminal: Node, taken: dict[str, str]
) -> tuple[str, ...] | None:
    """The shortest way from a state's last value to its next one that avoids every layer."""
    start = f"previous:{terminal.carries}"
    found: dict[str, tuple[str, ...]] = {start: ()}
    for node in graph.nodes:
        if node.kind is not Kind.OPERATION or node.key in taken:
            continue
        ways = [found[p.source] for p in node.inputs if p.source in found]
        if ways:
            found[node.key] = (*min(ways, key=len), node.key)
    return found.get(terminal.inputs[0].source)


def first_placement(graph: Graph, bands: Bands) -> dict[str, Place]:
    """Every node in a column of its own or above one that it follows, in order of evaluation."""
    places: dict[str, Place] = {}
    taken: set[Place] = set()
    right = 0

    def put(node: Node, column: int, row: int) -> None:
        while (column, row) in taken:
            column += 1
        places[node.key] = (column, row)
        taken.add((column, row))

    for node in graph.nodes:
        rows = bands.rows(node)
        before = [places[p.source] for p in node.inputs if p.source in places]
        column = max((c for c, _ in before), default=0)
        match node.kind:
            case Kind.STATE_IN:
                put(node, 0, rows[0])
                continue
            case Kind.STATE_OUT | Kind.OUTPUT:
                continue
            case Kind.INPUT:
                put(node, 1, rows[0])
            case Kind.LAYER:
                right += 1
                put(node, max(right, column, 2), rows[0])
            case Kind.MERGE:
                put(node, max(column, 1), rows[-1])
            case Kind.OPERATION if len(rows) == 1:
                put(node, max(column, 1), rows[0])
            case Kind.OPERATION:
                high = min((r for _, r in before), default=bands.layer)
                row = min(max(high, bands.layer - _OPERATION_ROWS + 1), bands.layer) - 1
                put(node, max(column, 1), row)
        right = max(right, places[node.key][0])
    for node in graph.of_kind(Kind.STATE_OUT):
        places[node.key] = (right + 1, bands.rows(node)[0])
    for node in graph.of_kind(Kind.OUTPUT):
        source = places[node.inputs[0].source]
        put(node, source[0] + 1, 0)
    return places
