"""The typed program of a NumPy module: arrays, the calls of the loops, the lines of whole blocks.

A module works through the sequence in blocks of steps.  Within a block an array holds one or more
values, one below the other, as (steps, size, rows): a `Stack`.  A `Slot` is what a loop sees of it
in one step.  Loops are `Call`s and `Dot`s on slots, which `lstmgen.targets.numpy.check` executes
symbolically; all else is a `Line`: a name and the expression that it stands for, over whole blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lstmgen.algebra.expression import Expression


class Keep(Enum):
    """How long the memory of a stack lives."""

    TAPE = "tape"  # from forward to backward, a block's own
    STATE = "state"  # the same with a step more: slot 0 is the state before the block
    BLOCK = "block"  # while its block is computed
    STEP = "step"  # while its step is computed: it has no axis of steps
    CARRY = "carry"  # from step to step, without an axis of steps


@dataclass(frozen=True, slots=True)
class Stack:
    """An array that holds values one below the other."""

    name: str
    members: tuple[str, ...]
    sizes: tuple[str, ...]
    keep: Keep

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.members)}) {self.keep.value}"


@dataclass(frozen=True, slots=True)
class Slot:
    """`count` members of a stack from `first` on, at the step itself or (lag -1) the one before.

    `apart`: beside what is of one member's size, which is then an operand for each of them.
    """

    stack: Stack
    first: int = 0
    count: int = 1
    lag: int = 0
    apart: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        return self.stack.members[self.first : self.first + self.count]

    @property
    def sizes(self) -> tuple[str, ...]:
        return self.stack.sizes[self.first : self.first + self.count]

    def __str__(self) -> str:
        lag = "" if self.lag == 0 else f" at {self.lag}"
        return f"{self.stack.name}[{', '.join(self.members)}]{lag}{' apart' if self.apart else ''}"


@dataclass(frozen=True, slots=True)
class Once:
    """Expressions of parameters and numbers alone, one below the other: evaluated once per call."""

    expressions: tuple[Expression, ...]
    sizes: tuple[str, ...]  # "1" for a scalar


Operand = Slot | Once


@dataclass(frozen=True, slots=True)
class Call:
    """`out` becomes `function` of the operands, element-wise."""

    function: str
    operands: tuple[Operand, ...]
    out: Slot
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of columns of a weight, or its transpose, or the negative of either."""

    weight: str
    slot: int
    transposed: bool
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """Blocks of weights, as rows of blocks: what a product multiplies by."""

    name: str
    rows: tuple[tuple[Block, ...], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """`out` becomes the matrix times the operand."""

    matrix: Matrix
    operand: Slot
    out: Slot
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known of the rows of a product before the loop, and is added to them in it.

    `terms` and `labels` have one for each member of the slot; with `once` all terms are of
    parameters alone.
    """

    name: str
    out: Slot
    terms: tuple[Expression, ...]
    labels: tuple[str, ...]
    once: bool


@dataclass(frozen=True, slots=True)
class AddAhead:
    """The product's rows get what was computed ahead for this step."""

    ahead: Ahead

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.ahead.labels))


Statement = Call | Dot | AddAhead


@dataclass(frozen=True, slots=True)
class Product:
    """For a whole block: each member of `out` is a block of a weight times `operand`."""

    matrix: Matrix
    operand: str  # a value's name; lagged tells of which step
    lagged: bool
    out: Stack
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """For a whole block: `name` is `value`."""

    name: str
    value: Expression
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """± a block of a weight times `operand`, in a sum."""

    block: Block
    operand: str


@dataclass(frozen=True, slots=True)
class Sum:
    """For a whole block: `name` is a sum of products."""

    name: str
    terms: tuple[Term, ...]
    labels: tuple[str, ...]


Whole = Product | Line | Sum
