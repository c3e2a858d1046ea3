"""What the program's arrays, views and constants are called in a module."""

from __future__ import annotations

from fractions import Fraction

from lstmgen.algebra.expression import (
    Expression,
    MatVec,
    Number,
    Parameter,
    Value,
    parameters,
)
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.interface import Identifiers, Interface
from lstmgen.targets.numpy.expressions import Python
from lstmgen.targets.numpy.program import Block, Keep, Matrix, Once, Slot, Stack

_CONSTANTS = {Fraction(1): "one", Fraction(2): "two", Fraction(1, 2): "half", Fraction(0): "zero"}


class Naming:
    """One name for each thing of a module, none of them twice.

    Attributes:
        identifiers: gives the names.
        parameters: the variable of each parameter.
    """

    def __init__(self, interface: Interface, reserved: frozenset[str]) -> None:
        self._called: dict[Stack, str] = {}
        self.identifiers = Identifiers(reserved | frozenset(interface.sizes))
        self._attributes = Identifiers(frozenset({"key", "steps"}))
        self._form = interface.form
        self.parameters = {p: self.identifiers(p, "parameter") for p in self._form.parameters}

    def stack(self, stack: Stack) -> str:
        """The array of a stack, and its attribute where an object has it."""
        if stack.keep in (Keep.TAPE, Keep.STATE):
            return self._attributes(stack.name, "stack")
        return self._called.get(stack) or self.identifiers(stack.name, "stack")

    def call(self, stack: Stack, name: str) -> None:
        """Give an array a name that something else has, whose memory it is."""
        self._called[stack] = name

    def rows_within(self, slot: Slot, whole: Slot) -> str:
        """The rows of a slot within another of the same stack; "" for all."""
        if slot.count == whole.count:
            return ""
        return columns(whole.sizes, slot.first - whole.first, slot.count)

    def rows(self, slot: Slot) -> str:
        """The rows of a slot's stack that it has, as a slice; "" for all."""
        if slot.count == len(slot.stack.members):
            return ""
        return columns(slot.stack.sizes, slot.first, slot.count)

    def of_block(self, slot: Slot, owner: str) -> str:
        """A slot at all steps of a block, (steps, size, n)."""
        name = self.stack(slot.stack)
        rows = self.rows(slot)
        part = f"[:, {rows}]" if rows else ""
        if slot.stack.keep is Keep.STATE:
            # States are alone in their stacks.
            return f"{owner}.{name}[:-1]" if slot.lag else f"{owner}.{name}[1:]"
        if slot.stack.keep is Keep.TAPE:
            name = f"{owner}.{name}"
        apart = f".reshape(steps, {slot.count}, {slot.sizes[0]}, n)" if slot.apart else ""
        return f"{name}{part}{apart}"

    def step(self, slot: Slot) -> str:
        """The loop's variable for a slot that has an axis of steps."""
        name = slot.members[0] if slot.count == 1 else _joined(slot.members)
        name = slot.stack.name if 1 < slot.count == len(slot.stack.members) else name
        return self.identifiers(name + ("_prev_t" if slot.lag else "_t"), f"step {slot}")

    def whole(self, value: Value) -> str:
        """The variable of a value for all steps of a block."""
        name = value.name + ("_prev" if value.shift else "")
        return self.identifiers(name, f"whole {value.name} {value.shift}")

    def column(self, parameter: str) -> str:
        """A parameter beside vectors of (steps, size, n): a per-unit one stands as a column."""
        variable = self.parameters[parameter]
        return variable if parameter in self._form.scalars else f"{variable}[:, None]"

    def of_parameters(self, value: Expression) -> str:
        """An expression of parameters alone, with the shape of these."""
        return Python(lambda p: self.parameters[_name(p)]).text(value)

    def is_vector(self, value: Expression) -> bool:
        """Whether an expression of parameters has a number for each unit."""
        return any(p not in self._form.scalars for p in parameters(value))

    def once(self, once: Once) -> tuple[str, str]:
        """The variable of a constant of a call, and what it is."""
        if len(once.expressions) == 1:
            (value,) = once.expressions
            if isinstance(value, Number):
                name = _CONSTANTS.get(value.value, "number")
                whole = value.value.denominator == 1
                text = str(value.value) if whole else repr(float(value.value))
                return self.identifiers(name, f"once {value}"), f"np.array({text}, dtype)"
            text = Python(lambda p: self.column(_name(p))).text(value)
            wanted = f"{value.name}_column" if isinstance(value, Parameter) else "constant"
            if once.sizes == ("1",):
                text = f"np.asarray({text}, dtype)"
            return self.identifiers(wanted, f"once {value}"), text
        parts = ", ".join(map(self.of_parameters, once.expressions))
        wanted = _joined(
            [e.name if isinstance(e, Parameter) else "constant" for e in once.expressions]
        )
        return self.identifiers(wanted, f"once {once}"), f"np.concatenate(({parts}))[:, None]"

    def size(self, slot: Slot) -> str:
        """The number of rows of a slot."""
        return extent(slot.sizes)

    # Matrices

    def block(self, block: Block) -> str:
        """A block of columns of a weight."""
        weight = self._form.weights[block.weight]
        name = self.parameters[block.weight]
        if len(weight.columns) > 1:
            name += f"[:, {columns(weight.columns, block.slot)}]"
        name += ".T" if block.transposed else ""
        return f"-{name}" if block.negative else name

    def matrix_name(self, matrix: Matrix) -> str:
        """The variable of a matrix."""
        return self.identifiers(matrix.name, f"matrix {matrix}")

    def matrix(self, matrix: Matrix) -> str:
        """A matrix of blocks; one that is transposed is laid out as it is multiplied."""
        if len(matrix.rows) == 1:
            (row,) = matrix.rows
            if all(b.transposed for b in row):
                below = [Block(b.weight, b.slot, False, b.negative) for b in row]
                parts = self.block(below[0]) if len(below) == 1 else self._below(below)
                return f"{parts}.T.copy()"
            if len(row) > 1:
                return f"np.concatenate(({', '.join(map(self.block, row))}), axis=1)"
        return self._below([row[0] for row in matrix.rows])

    def _below(self, blocks: list[Block]) -> str:
        parts = [self.block(b) for b in blocks]
        if len(blocks) == 1:
            # NumPy's dot would copy a part of a matrix at each step.
            alone = len(self._form.weights[blocks[0].weight].columns) == 1
            return parts[0] if alone else f"np.ascontiguousarray({parts[0]})"
        return f"np.concatenate(({', '.join(parts)}))"


def _name(leaf: Value | Parameter | MatVec) -> str:
    assert isinstance(leaf, Parameter), leaf
    return leaf.name


def _joined(names: list[str] | tuple[str, ...]) -> str:
    return "_".join(names) if len(names) <= 4 else f"{names[0]}_to_{names[-1]}"
