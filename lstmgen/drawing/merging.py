"""Concatenations: layers that take the same vectors share one line that has them all.

A line with a mark goes to its layer alone.
"""

from __future__ import annotations

from dataclasses import replace

from lstmgen.drawing.graph import Kind, Node, Port

__all__ = ["merged"]


def merged(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Insert a concatenation wherever a layer takes several vectors, as few as will do.

    The sets of vectors that most layers have in common come first, so that a layer which takes
    one more than its neighbours takes their concatenation and that one.
    """
    wanted: dict[str, tuple[str, ...]] = {
        node.key: tuple(port.source for port in node.inputs if not port.mark)
        for node in nodes
        if node.kind is Kind.LAYER
    }
    made: dict[str, tuple[str, ...]] = {}
    while best := _most_common(list(wanted.values())):
        key = f"m{len(made) + 1}"
        made[key] = best
        for layer, sources in wanted.items():
            if set(best) <= set(sources):
                rest = [s for s in sources if s not in best]
                wanted[layer] = (key, *rest)
    return _in_order(nodes, wanted, made)


def _most_common(wanted: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The set that most layers have in common, the largest of these, the first of those."""
    candidates: dict[frozenset[str], tuple[str, ...]] = {}
    for first in wanted:
        for second in wanted:
            common = tuple(s for s in first if s in second)
            if len(common) > 1:
                candidates.setdefault(frozenset(common), common)
    best: tuple[str, ...] = ()
    score = (0, 0)
    for found, ordered in candidates.items():
        uses = sum(found <= set(sources) for sources in wanted)
        if (uses, len(found)) > score:
            best, score = ordered, (uses, len(found))
    return best


def _in_order(
    nodes: tuple[Node, ...],
    wanted: dict[str, tuple[str, ...]],
    made: dict[str, tuple[str, ...]],
) -> tuple[Node, ...]:
    """The nodes with their concatenations, each just before its first use."""
    result: list[Node] = []
    placed: set[str] = set()

    def place(key: str) -> None:
        if key in made and key not in placed:
            placed.add(key)
            for source in made[key]:
                place(source)
            for part in _chunks(made[key], key):
                result.append(part)

    for node in nodes:
        if node.kind is Kind.LAYER:
            for source in wanted[node.key]:
                place(source)
            marked = [port for port in node.inputs if port.mark]
            node = replace(node, inputs=(*map(Port, wanted[node.key]), *marked))
        result.append(node)
    return tuple(result)


def _chunks(sources: tuple[str, ...], key: str) -> list[Node]:
    """A concatenation of more than three vectors, as lines that join one after the other."""
    if len(sources) <= 3:
        return [Node(key, Kind.MERGE, (), tuple(map(Port, sources)))]
    first = Node(f"{key}.{len(sources)}", Kind.MERGE, (), tuple(map(Port, sources[:2])))
    return [first, *_chunks((first.key, *sources[2:]), key)]
