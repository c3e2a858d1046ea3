"""The typed program of a C module: arrays in memory, and statements on some rows of them.

A chunk is some steps of the rows that take part in them.  What is before or after a loop runs for
all rows of a chunk at once, the loop step by step.  `lstmgen.targets.c.interpreter` runs a program
in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lstmgen.algebra.expression import Expression, Value
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Outer


class Keep(Enum):
    """How long the rows of an array live."""

    INPUT = "a chunk, packed from the caller's"
    TAPE = "from forward to backward"
    STATE = "from forward to backward, with a step more: the state before the chunk comes first"
    CHUNK = "a chunk"
    STEP = "a step"
    CARRY = "from a step to the one before it"


@dataclass(frozen=True, slots=True)
class Array:
    """Rows that hold values side by side, each of its size padded to whole vectors."""

    name: str
    members: tuple[str, ...]
    sizes: tuple[str, ...]
    keep: Keep


@dataclass(frozen=True, slots=True)
class Place:
    """A value in memory: a member of an array."""

    array: Array
    member: int

    @property
    def size(self) -> str:
        return self.array.sizes[self.member]


@dataclass(frozen=True, slots=True)
class Factor:
    """± block `slot` of a weight, or its transpose."""

    weight: str
    slot: int
    transposed: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """Blocks of weights, one below the other, packed as panels: (sum of `sizes`, `terms`)."""

    name: str
    factors: tuple[Factor, ...]
    sizes: tuple[str, ...]
    terms: str


@dataclass(frozen=True, slots=True)
class Product:
    """`count` members of `out` from `first` on become, or get added, a sum of matrix products.

    Attributes:
        ahead: terms that an earlier product, whose `early` is true, has made for all rows of the
            chunk.  Where a step has rows enough, that one is left out, these are terms here, and
            nothing is added to.
    """

    out: Array
    first: int
    count: int
    terms: tuple[tuple[Matrix, Value], ...]
    add: bool
    labels: tuple[str, ...]
    ahead: tuple[tuple[Matrix, Value], ...] = ()
    early: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """Element-wise assignments for all units of a size; `stored` are kept in memory."""

    size: str
    assignments: tuple[Definition, ...]
    stored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Total:
    """The gradient of a vector or scalar gets a value summed over rows (and units)."""

    name: str
    parameter: str
    value: Expression
    scalar: bool
    label: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of values of one size."""

    size: str
    totals: tuple[Total, ...]


@dataclass(frozen=True, slots=True)
class OuterProduct:
    """Adjoints times one vector, summed over rows, as blocks of weights' gradients.

    Attributes:
        name: of the panels that it is summed in.
        adjoints, sizes: what lies one below the other.
        operand, terms: the vector and its size.
    """

    name: str
    adjoints: tuple[str, ...]
    sizes: tuple[str, ...]
    operand: Value
    terms: str
    blocks: tuple[Outer, ...]


Statement = Product | Pass


@dataclass(frozen=True, slots=True)
class Code:
    """One pass over a chunk: all rows, step by step, all rows."""

    before: tuple[Statement, ...]
    loop: tuple[Statement, ...]
    after: tuple[Statement, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        return (*self.before, *self.loop, *self.after)


@dataclass(frozen=True)
class Program:
    """All of it.

    Attributes:
        forward, backward: what runs for a chunk.
        again: values that the backward pass evaluates again for the outer products.
        outers, totals: gradients of the parameters, after each chunk of the backward pass.
        places: where values are in memory, by name.
        forward_arrays, backward_arrays: what each pass needs besides the tape and the inputs.
        recomputed: definitions that stand for values that are not in memory.
    """

    forward: Code
    backward: Code
    again: tuple[Pass, ...]
    outers: tuple[OuterProduct, ...]
    totals: tuple[Totals, ...]
    places: dict[str, Place]
    inputs: tuple[Array, ...]
    tape: tuple[Array, ...]
    forward_arrays: tuple[Array, ...]
    backward_arrays: tuple[Array, ...]
    recomputed: dict[str, Definition]
