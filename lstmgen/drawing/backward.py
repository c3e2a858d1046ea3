"""The backward flow: the same drawing read from right to left.

Each line carries the adjoint of its vector against its arrow.  A node hands the adjoint that it
gets on to each of its inputs, times the partial derivative by that input; where a line forks the
adjoints add up, and where lines join the adjoint is cut into its parts.
"""

from __future__ import annotations

from dataclasses import replace

from lstmgen.algebra.derivative import derivative
from lstmgen.algebra.expression import (
    ONE,
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Parameter,
    Value,
    neg,
    transform,
    walk,
    without_masks,
)
from lstmgen.drawing.geometry import Note
from lstmgen.drawing.graph import Graph, Kind, Node
from lstmgen.drawing.typeset import MINUS, TIMES, Run, Text, formula, symbol, upright

__all__ = ["adjoint", "backward_graph", "backward_notes", "slope"]

_LONGEST = 12  # letters of a factor beside a line
_LEFT_OUT = Parameter("\u2026")  # stands for an argument that is not written


def adjoint(name: str, time: int) -> Text:
    """δC_t for the vector C at time 0."""
    return (Run("δ", italic=True), *symbol(name, time))


def slope(node: Node, source: str) -> Expression:
    """The partial derivative of a node's value by one of its inputs, element by element.

    A layer's matrices are not part of it.
    """
    assert node.value is not None
    return without_masks(derivative(node.value, Value(source)))


def backward_graph(graph: Graph) -> Graph:
    """The same nodes and lines, each node with the symbol of what it does to adjoints."""
    return Graph(graph.name, tuple(replace(n, symbol=_symbol(n)) for n in graph.nodes))


def _symbol(node: Node) -> Text:
    match node.kind:
        case Kind.STATE_IN:
            return adjoint(node.carries, -1)
        case Kind.STATE_OUT | Kind.INPUT:
            return adjoint(node.carries, 0)
        case Kind.OUTPUT:
            return (Run("d", italic=False), *symbol("y", 0))  # dy, as in equations and modules
        case Kind.LAYER:
            if isinstance(node.value, Call):
                return (*node.symbol, Run("\u2032"))
            raised = upright("T", 1)
            plain = node.symbol[-1:] == raised
            return node.symbol[:-1] if plain else (*node.symbol, *raised)
        case Kind.OPERATION if len(node.inputs) == 1:
            return _unary(node)
    return node.symbol


def _unary(node: Node) -> Text:
    found = slope(node, node.inputs[0].source)
    if any(isinstance(part, Value) for part in walk(found)):
        return (*node.symbol, Run("\u2032"))
    if found == neg(ONE):
        return upright(MINUS)
    text = formula(found)
    compound = isinstance(found, Add | Neg | Div | Mul)
    return (*upright(TIMES), *(upright("(") if compound else ()), *text,
            *(upright(")") if compound else ()))  # fmt: skip


def backward_notes(graph: Graph) -> tuple[Note, ...]:
    """The adjoints beside their lines, and the factors where a line leaves a product."""
    notes = []
    for node in graph.nodes:
        shown = {graph.by_key[k].carries for k, _ in graph.users[node.key]}
        named = [name for name in node.names if name not in shown]
        if named:
            notes.append(Note(node.key, _listed([adjoint(name, 0) for name in named])))
        if node.kind is Kind.LAYER:
            marks = [(number, port.mark) for number, port in enumerate(node.inputs) if port.mark]
            notes += [Note(node.key, upright(mark), number) for number, mark in marks]
        if node.kind is not Kind.OPERATION or len(node.inputs) < 2:
            continue
        for number, port in enumerate(node.inputs):
            factor = slope(node, port.source)
            if factor == ONE:
                continue
            notes.append(Note(node.key, _factor(graph, factor), number))
    return tuple(notes)


def _listed(texts: list[Text]) -> Text:
    runs = texts[0]
    for text in texts[1:]:
        runs = (*runs, *upright(", "), *text)
    return runs


def _factor(graph: Graph, factor: Expression) -> Text:
    """The factor in the cell's own names; a long one is only hinted at."""
    if factor == neg(ONE):
        return upright(MINUS)
    written = transform(factor, lambda node: _named(graph, node))
    text = formula(written)
    if sum(len(run.text) for run in text) > _LONGEST:
        return (*upright(TIMES), *upright("\u2202"))
    if isinstance(written, Add | Neg):
        return (*upright(TIMES), *upright("("), *text, *upright(")"))
    return (*upright(TIMES), *text)


def _named(graph: Graph, node: Expression) -> Expression:
    """A node's vector by the name that the cell gives it, or by how it is computed."""
    if not isinstance(node, Value) or node.name not in graph.by_key:
        return node
    found = graph.by_key[node.name]
    if found.carries:
        return Value(found.carries, -1 if found.kind is Kind.STATE_IN else 0)
    if found.names:
        return Value(found.names[0])
    assert found.value is not None
    if found.kind is Kind.LAYER:
        matrices = [part.weight for part in walk(found.value) if isinstance(part, MatVec)]
        if isinstance(found.value, Call):
            return Call(found.value.function, (_LEFT_OUT,))
        if len(matrices) == 1:
            return Mul((Parameter(matrices[0]), _LEFT_OUT))
        return Call("lin", (_LEFT_OUT,))
    return transform(found.value, lambda part: _named(graph, part))
