"""Schedule: the target-independent program of a cell, forward and backward.

A `Program` has three parts.  `before` and `after` hold what does not take part in the recurrence:
it is computed for all time steps at once.  `loop` holds the rest, a cyclic list of rounds: products
of exchanged vectors with stacks of matrices, then a fused element-wise block.  Three kinds of
matrix product are kept apart because each fuses along another side:

* `Fanout`: one vector times a stack of matrices, as all gates multiply h_{t-1};
* `Gather`: the sum of several transposed products, as all gates' adjoints make δh_{t-1};
* `WeightGradient`: outer products summed over time and batch, after the loop.

The backward program mirrors the forward one: adjoints of `after` come first, those of `before`
last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lstmgen.algebra.expression import Expression, Value, values
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.gradients.derivation import Gradients
from lstmgen.notebook import plain_text
from lstmgen.schedule.variables import Variable


@dataclass(frozen=True, slots=True)
class Row:
    """One block of a weight in a stack: `result` is block `slot` of `weight` times the operand."""

    weight: str
    slot: int
    transposed: bool
    result: str
    label: str


@dataclass(frozen=True, slots=True)
class Fanout:
    """A stack of matrices times one vector, in one product."""

    operand: Value
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        from lstmgen.show.printing.text import fanout_text

        return fanout_text(self)


@dataclass(frozen=True, slots=True)
class Column:
    """One term of a `Gather`: ± block `slot` of `weight`, or its transpose, times `operand`."""

    weight: str
    slot: int
    transposed: bool
    operand: str
    negative: bool


@dataclass(frozen=True, slots=True)
class Gather:
    """`result` is a sum of matrix products with several vectors, in one product."""

    result: str
    columns: tuple[Column, ...]
    label: str

    def __str__(self) -> str:
        from lstmgen.show.printing.text import gather_text

        return gather_text(self)


@dataclass(frozen=True, slots=True)
class Block:
    """Element-wise assignments that one pass over the units computes."""

    size: str
    assignments: tuple[Definition, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.assignments))


Stage = Fanout | Gather | Block


@dataclass(frozen=True, slots=True)
class Program:
    """What runs for all steps at once before the loop, at each step, and after the loop."""

    before: tuple[Stage, ...]
    loop: tuple[Stage, ...]
    after: tuple[Stage, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (*self.before, *self.loop, *self.after)


@dataclass(frozen=True, slots=True)
class Outer:
    """dL/d(block `slot` of `weight`) gets ± adjoint operand^T; transposed, operand adjoint^T."""

    weight: str
    slot: int
    transposed: bool
    adjoint: str
    negative: bool
    label: str


@dataclass(frozen=True, slots=True)
class WeightGradient:
    """All outer products with one operand, summed over time and batch in one product."""

    operand: Value
    rows: tuple[Outer, ...]

    @property
    def reads(self) -> tuple[Value, ...]:
        """What it is made of."""
        return (self.operand, *dict.fromkeys(Value(row.adjoint) for row in self.rows))

    def __str__(self) -> str:
        from lstmgen.show.printing.text import weight_gradient_text

        return weight_gradient_text(self)


@dataclass(frozen=True, slots=True)
class Reduction:
    """dL/d`parameter` of a vector or scalar: `value`, of `size` units, summed over all rows."""

    label: str
    parameter: str
    value: Expression
    size: str

    @property
    def reads(self) -> tuple[Value, ...]:
        """What it is made of."""
        return values(self.value)


@dataclass(frozen=True)
class Schedule:
    """The whole program of a cell.

    Attributes:
        forward, backward: the two programs; the backward loop runs from the last step to the first.
        kept: values whose history the forward pass keeps for the backward pass (states included).
        recomputed: element-wise definitions that the backward pass evaluates again from `kept`.
        carried: for each state, the names of what reaches δs_{t-1} from step t: the element-wise
            part and the `Gather` part, either of which may be missing.
        kept_adjoints: adjoints whose history the backward pass keeps, in order of evaluation.
        weight_gradients, reductions: the parameters' gradients, after the backward loop.
        variables: every value, adjoint and product with its indices, by name.
        seed: the name of dL/dy.
    """

    form: NormalForm
    gradients: Gradients
    forward: Program
    backward: Program
    kept: tuple[str, ...]
    recomputed: tuple[Definition, ...]
    carried: dict[str, tuple[str | None, str | None]] = field(hash=False)
    kept_adjoints: tuple[str, ...]
    weight_gradients: tuple[WeightGradient, ...]
    reductions: tuple[Reduction, ...]
    variables: dict[str, Variable] = field(hash=False)
    seed: str

    @property
    def sizes(self) -> dict[str, str]:
        """How many numbers each variable has for a step and a row."""
        return {name: variable.size for name, variable in self.variables.items()}

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        from lstmgen.show.printing.text import schedule_text

        return schedule_text(self)
