"""The lines of one function over whole blocks: what a value is called there, bound when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lstmgen.algebra.expression import (
    ONE,
    Add,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Parameter,
    Pow,
    Value,
    add,
    mul,
    number,
    values,
)
from lstmgen.algebra.expression import Call as Function
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.numpy.expressions import Python
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.program import Keep, Line, Once, Slot, Stack
from lstmgen.targets.numpy.trees import Node, Tree

_CLASSES: dict[str, Callable[[tuple[Expression, ...]], Expression]] = {
    "add": Add,
    "multiply": Mul,
    "negative": lambda a: Neg(a[0]),
    "divide": lambda a: Div(*a),
    "reciprocal": lambda a: Div(ONE, a[0]),
    "power": lambda a: Pow(*a),
}


class Scope:
    """A function that works on blocks.

    Args:
        naming: the names.
        slot: where a value lives.
        sizes: the size of each value.
        inputs: the inputs' rows by name: arrays of (steps * n, size).

    Attributes:
        lines: the lines so far.
        once: values that are read once, and need no variable.
        bound: the variables that are bound.
        parameters: those that the lines read.
        onces: constants of a call that the lines read, and what they are.
    """

    def __init__(
        self,
        naming: Naming,
        slot: Callable[[Value], Slot],
        sizes: dict[str, str],
        inputs: dict[str, str],
    ) -> None:
        self._naming = naming
        self._slot = slot
        self._sizes = sizes
        self._inputs = inputs
        self._texts: dict[str, str] = {}  # of operands that stand for several values
        self.lines: list[Text] = []
        self.once: set[Value] = set()
        self.bound: dict[Value, str] = {}
        self.parameters: dict[str, None] = {}
        self.onces: dict[str, str] = {}

    def emit(self, code: str, labels: Sequence[str] = ()) -> None:
        """One more line."""
        self.lines.append(Text(code, tuple(labels)))

    def text(self, expression: Expression) -> str:
        """An expression over whole blocks; what it reads is bound before."""
        return Python(self._leaf).text(expression)

    def _leaf(self, node: Value | Parameter | MatVec) -> str:
        if isinstance(node, Value):
            return self.value(node)
        assert isinstance(node, Parameter), node
        self.parameters[node.name] = None
        return self._naming.column(node.name)

    def value(self, value: Value) -> str:
        """The variable of a value, (steps, size, n)."""
        if value.name in self._texts:
            return self._texts[value.name]
        if value not in self.bound:
            if value.name in self._inputs:
                rows, size = self._inputs[value.name], self._sizes[value.name]
                text = f"{rows}.reshape(steps, n, {size}).transpose(0, 2, 1)"
                if value in self.once:
                    return text
                name = self._naming.whole(value)
                self.emit(f"{name} = {text}")
            else:
                slot = self._slot(value)
                text = self._naming.of_block(slot, "block")
                if slot.stack.keep is Keep.BLOCK or value in self.once:
                    return text
                name = self._naming.whole(value)
                self.emit(f"{name} = {text}")
            self.bound[value] = name
        return self.bound[value]

    def split(self, stack: Stack) -> None:
        """Bind all members of an array of a block, which are of one size."""
        names = [self._naming.whole(Value(member)) for member in stack.members]
        text = self._naming.of_block(Slot(stack, 0, len(names), apart=True), "block")
        self.emit(f"{', '.join(names)} = {text}.swapaxes(0, 1)")
        self.bound |= {Value(m): name for m, name in zip(stack.members, names, strict=True)}

    def inline(self, value: Value) -> str:
        """The same where it is read once: no variable for what a block has."""
        if value in self.bound or value.name in self._texts or value.name in self._inputs:
            return self.value(value)
        return self._naming.of_block(self._slot(value), "block")

    def define(self, line: Line, *, on_block: bool = False) -> None:
        """A line of the program; `on_block` if the block keeps the value."""
        value = Value(line.name)
        text = self.text(self._full(line))
        name = self._naming.whole(value)
        owner = f"block.{self._naming.stack(self._slot(value).stack)} = " if on_block else ""
        self.bound[value] = name
        self.emit(f"{owner}{name} = {text}", line.labels)

    def _full(self, line: Line) -> Expression:
        """What the line computes, as large as its value: alone, what is broadcast stays small."""
        size = self._sizes[line.name]
        if any(self._sizes[v.name] == size for v in values(line.value)):
            return line.value
        return self.operand(f"np.full((steps, {size}, n), {self.text(line.value)}, dtype)")

    def operand(self, text: str) -> Value:
        """A text as a leaf of expressions."""
        name = f"#{len(self._texts)}"
        self._texts[name] = text
        return Value(name)

    def into(self, value: Expression, out: str, labels: Sequence[str]) -> None:
        """Compute an expression into memory that is there."""
        self.emit(self._into(value, out), labels)

    def _into(self, value: Expression, out: str) -> str:
        text = self.text
        match value:
            case Neg(argument):
                return f"np.negative({text(argument)}, out={out})"
            case Add((first, *rest)) if rest:
                terms, last = (first, *rest[:-1]), rest[-1]
                if isinstance(last, Neg):
                    return f"np.subtract({text(add(*terms))}, {text(last.argument)}, out={out})"
                return f"np.add({text(add(*terms))}, {text(last)}, out={out})"
            case Mul((first, *rest)) if rest:
                factors = (first, *rest[:-1])
                return f"np.multiply({text(mul(*factors))}, {text(rest[-1])}, out={out})"
            case Div(above, below):
                return f"np.divide({text(above)}, {text(below)}, out={out})"
            case Pow(base, exponent) if exponent == number(2):
                return f"np.square({text(base)}, out={out})"
        return f"{out}[...] = {text(value)}"

    def tree(self, tree: Tree) -> Expression:
        """A tree over stacked operands as an expression of this function."""
        if isinstance(tree, Node):
            parts = tuple(map(self.tree, tree.arguments))
            if tree.function in _CLASSES:
                return _CLASSES[tree.function](parts)
            return Function(tree.function, parts)
        if isinstance(tree, Once):
            name, text = self._naming.once(tree)
            self.onces[name] = text
            return self.operand(name)
        if tree.count == 1:
            return Value(tree.members[0], tree.lag)
        return self.operand(self._naming.of_block(tree, "block"))
