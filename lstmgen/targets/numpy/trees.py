"""Element-wise expressions over slots: the form in which definitions are grouped and lowered.

Definitions of the same shape whose operands lie one below the other, in the same order, are one
definition over stacked operands: the gates of a cell are one call of sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lstmgen.algebra import expression as ex
from lstmgen.algebra.expression import Expression
from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.targets.numpy.program import Once, Operand, Slot


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on trees: that of a sum, product, quotient and so on, or a function."""

    function: str
    arguments: tuple[Tree, ...]


Tree = Node | Slot | Once

_NAMES: dict[type, str] = {
    ex.Add: "add",
    ex.Mul: "multiply",
    ex.Neg: "negative",
    ex.Div: "divide",
    ex.Pow: "power",
}


def tree(
    expression: Expression,
    size: str,
    slot: Callable[[ex.Value], Slot],
    scalars: Collection[str],
) -> Tree:
    """The tree of an expression; what is of parameters and numbers alone becomes one operand.

    `size` is that of per-unit parameters; `scalars` are the parameters that are none.
    """
    if not any(isinstance(node, (ex.Value, ex.MatVec)) for node in ex.walk(expression)):
        whole = "1" if set(ex.parameters(expression)) <= set(scalars) else size
        return Once((expression,), (whole,))
    if isinstance(expression, ex.Value):
        return slot(expression)
    expression = unfolded(expression)
    if isinstance(expression, ex.Div) and expression.numerator == ex.ONE:
        return Node("reciprocal", (tree(expression.denominator, size, slot, scalars),))
    name = _function(expression)
    parts = _split(expression)
    return Node(name, tuple(tree(part, size, slot, scalars) for part in parts))


def unfolded(expression: Expression) -> Expression:
    """A call as the operations that it is of, where the table says so; anything else as it is."""
    if isinstance(expression, ex.Call):
        text = FUNCTIONS[expression.function].numpy
        if text is not None and text.unfolded is not None:
            return text.unfolded(*expression.arguments)
    return expression


def _function(expression: Expression) -> str:
    if isinstance(expression, ex.Call):
        return expression.function
    return _NAMES[type(expression)]


def _split(expression: Expression) -> tuple[Expression, ...]:
    """The parts of an operation, those of a sum or product that are constant taken together."""
    parts = ex.children(expression)
    if not isinstance(expression, (ex.Add, ex.Mul)):
        return parts
    constant = [p for p in parts if not any(isinstance(n, ex.Value) for n in ex.walk(p))]
    if len(constant) < 2:
        return parts
    together = ex.rebuild(expression, tuple(constant))
    first = parts.index(constant[0])
    return tuple(
        together if k == first else part
        for k, part in enumerate(parts)
        if k == first or part not in constant
    )


def shape(expression: Expression) -> tuple[Any, ...]:
    """What two expressions have in common that differ in the names of vectors and parameters."""
    match expression:
        case ex.Value():
            return ("value",)
        case ex.Parameter():
            return ("parameter",)
        case ex.Number(value):
            return ("number", value)
        case ex.Call(function, arguments):
            return (function, *map(shape, arguments))
    return (type(expression).__name__, *map(shape, ex.children(expression)))


def stacked(trees: Sequence[Tree]) -> Tree | None:
    """Trees of one shape as one tree over stacked operands; None if these do not lie so."""
    first = trees[0]
    if len(trees) == 1:
        return first
    if isinstance(first, Node):
        arguments = []
        for k in range(len(first.arguments)):
            parts = []
            for t in trees:
                if not isinstance(t, Node) or t.function != first.function:
                    return None
                if len(t.arguments) != len(first.arguments):
                    return None
                parts.append(t.arguments[k])
            argument = stacked(parts)
            if argument is None:
                return None
            arguments.append(argument)
        return Node(first.function, tuple(arguments))
    if isinstance(first, Slot):
        return _one_slot(trees)
    found = [t for t in trees if isinstance(t, Once)]
    if len(found) < len(trees):
        return None
    if all(t == first for t in found) and first.sizes == ("1",):
        return first
    if any("1" in t.sizes for t in found):
        return None
    return Once(
        tuple(e for t in found for e in t.expressions), tuple(s for t in found for s in t.sizes)
    )


def _one_slot(trees: Sequence[Tree]) -> Slot | None:
    first = trees[0]
    assert isinstance(first, Slot)
    following = first.first
    for t in trees:
        if not isinstance(t, Slot) or (t.stack, t.lag, t.first) != (
            first.stack,
            first.lag,
            following,
        ):
            return None
        if t.stack.sizes[t.first] == "1":
            return None  # it is broadcast
        following += t.count
    return Slot(first.stack, first.first, following - first.first, first.lag)


def operands(found: Tree) -> tuple[Operand, ...]:
    """The leaves, in order."""
    if isinstance(found, Node):
        return tuple(leaf for part in found.arguments for leaf in operands(part))
    return (found,)
