"""The figure in words: a sentence for each node, in order of evaluation."""

from __future__ import annotations

from lstmgen.drawing.graph import Graph, Kind, Node
from lstmgen.drawing.typeset import PER_UNIT, plain, symbol

__all__ = ["caption", "describe", "spoken"]


def describe(graph: Graph, *, gradients: bool = False) -> str:
    """What the drawing of a graph shows."""
    states = _listed([n.carries for n in graph.of_kind(Kind.STATE_IN)])
    inputs = _listed([n.carries for n in graph.of_kind(Kind.INPUT)])
    words = (
        "The adjoints flow from right to left, against the data: those that the next step hands "
        "back enter on the right, the loss's own at the output.  Where lines fork they are added. "
        if gradients
        else ""
    )
    words += f"States {states} enter on the left and leave on the right"
    words += f"; inputs {inputs} come from below. " if inputs else ". "
    sentences = []
    for node in graph.nodes:
        if node.kind in (Kind.LAYER, Kind.OPERATION):
            what = "layer" if node.kind is Kind.LAYER else "element-wise"
            of = _listed([port.mark + spoken(graph, port.source) for port in node.inputs])
            sentences.append(f"{spoken(graph, node.key)} is {what} {plain(node.symbol)} of {of}")
    for node in graph.of_kind(Kind.STATE_OUT, Kind.OUTPUT):
        role = "output" if node.kind is Kind.OUTPUT else "next state"
        sentences.append(f"{role} {plain(node.symbol)} is {spoken(graph, node.inputs[0].source)}")
    return words + "; ".join(sentences) + "."


def caption(graph: Graph, *, gradients: bool = False) -> str:
    """What the signs in a drawing mean: of those that are in it."""
    if gradients:
        text = "The backward flow of the same step, from right to left"
        if any(len(users) > 1 for users in graph.users.values()):
            text += ": gradients add up where lines fork in the forward drawing"
        return f"{text}."
    signs = ["States run through the cell as rails"]
    if graph.of_kind(Kind.LAYER):
        signs.append("boxes are learned layers")
    if graph.of_kind(Kind.OPERATION):
        signs.append("circles act element by element")
    if graph.of_kind(Kind.MERGE):
        signs.append("rings put vectors together")
    if any(port.mark == PER_UNIT for node in graph.nodes for port in node.inputs):
        signs.append(f"{PER_UNIT} marks what a layer multiplies unit by unit, by no matrix")
    return f"The data flow of one step. {'; '.join(signs)}."


def spoken(graph: Graph, key: str) -> str:
    """A name for a node's vector: the cell's own, or a number."""
    node = graph.by_key[key]
    if node.kind is Kind.MERGE:
        return f"[{', '.join(spoken(graph, s) for s in _joined(graph, node))}]"
    if node.names:
        return plain(symbol(node.names[0], 0))
    return plain(node.symbol) if node.carries else f"#{key[1:]}"


def _joined(graph: Graph, node: Node) -> list[str]:
    found: list[str] = []
    for port in node.inputs:
        source = graph.by_key[port.source]
        found += _joined(graph, source) if source.kind is Kind.MERGE else [port.source]
    return found


def _listed(words: list[str]) -> str:
    if not words:
        return "nothing"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
