"""The data-flow graph of one step of a cell: what a drawing shows, before it has a place.

A node computes one vector from others; `value` says how, as an expression in which
`Value(key)` is the vector of the node `key`.  What is drawn can so be checked against the
equations that it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from lstmgen.algebra.expression import Expression
from lstmgen.drawing.typeset import Text

__all__ = ["Graph", "Kind", "Node", "Port"]


class Kind(Enum):
    """What a node is, and so how it is drawn."""

    STATE_IN = "state at t-1"
    STATE_OUT = "state at t"
    INPUT = "input"
    OUTPUT = "output"
    MERGE = "concatenation"
    LAYER = "learned layer"  # an affine map with parameters, and its activation
    OPERATION = "element-wise operation"


@dataclass(frozen=True, slots=True)
class Port:
    """One input of a node.

    Attributes:
        source: the key of the node that the line comes from.
        mark: a sign beside the line's end: a minus for what is subtracted.
    """

    source: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A vector and how it is made.

    Attributes:
        key: the node's identity, unique in the graph.
        kind: how it is drawn.
        symbol: what stands inside it: σ, tanh, 1−, or a terminal's name.
        inputs: the lines that enter it.
        value: how the vector is computed; None for what comes from outside.
        names: the cell's names of this vector, written beside the line that leaves.
        carries: for a terminal, the name of the state, input or output.
    """

    key: str
    kind: Kind
    symbol: Text
    inputs: tuple[Port, ...] = ()
    value: Expression | None = None
    names: tuple[str, ...] = ()
    carries: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in order of evaluation: a node stands after those that it takes its inputs from."""

    name: str
    nodes: tuple[Node, ...]

    @cached_property
    def by_key(self) -> dict[str, Node]:
        """Each node by its key."""
        return {node.key: node for node in self.nodes}

    @cached_property
    def users(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """For each node the ends of the lines that leave it: the node there and its port."""
        found: dict[str, list[tuple[str, int]]] = {node.key: [] for node in self.nodes}
        for node in self.nodes:
            for number, port in enumerate(node.inputs):
                found[port.source].append((node.key, number))
        return {key: tuple(ends) for key, ends in found.items()}

    def of_kind(self, *kinds: Kind) -> tuple[Node, ...]:
        """The nodes of some kinds, in order."""
        return tuple(node for node in self.nodes if node.kind in kinds)
