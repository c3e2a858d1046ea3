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

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lstmgen.algebra.expression import Expression, Value, values
from lstmgen.algebra.text import block_text, text
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
        """[W_f[0]; W_i[0]] · h_{t-1} -> W_f_h, W_i_h."""
        stack = "; ".join(block_text(row.weight, row.slot, row.transposed) for row in self.rows)
        results = ", ".join(row.result for row in self.rows)
        return f"{results} = [{stack}] · {text(self.operand)}"


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
        """back_h = W_f[0]^T·d_a_f + W_i[0]^T·d_a_i."""
        terms = [
            f"{'-' if c.negative else '+'} "
            f"{block_text(c.weight, c.slot, c.transposed)}·{c.operand}_t"
            for c in self.columns
        ]
        return f"({self.label}) {self.result} = {' '.join(terms).removeprefix('+ ')}"


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
        """d W_f[0], d W_i[0] += sum_t [d_a_f; d_a_i] h_{t-1}^T."""
        names = ", ".join(f"d {block_text(r.weight, r.slot, False)}" for r in self.rows)
        adjoints = "; ".join(
            ("-" if r.negative else "") + r.adjoint + "_t" + ("(^T)" if r.transposed else "")
            for r in self.rows
        )
        return f"{names} += sum_t [{adjoints}] {text(self.operand)}^T"


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

    @cached_property
    def sizes(self) -> dict[str, str]:
        """How many numbers each variable has for a step and a row."""
        return {name: variable.size for name, variable in self.variables.items()}

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        lines: list[str] = []
        for title, program in (("forward", self.forward), ("backward", self.backward)):
            lines += _program(title, program)
            if title == "forward":
                lines.append(f"  kept for backward: {', '.join(self.kept)}")
                again = ", ".join(d.name for d in self.recomputed)
                lines.append(f"  evaluated again:   {again or 'nothing'}")
        lines.append("parameters, all steps at once:")
        lines += [f"  product {w}" for w in self.weight_gradients]
        lines += [f"  sum     d {r.parameter} = sum_t {text(r.value)}" for r in self.reductions]
        return "\n".join(lines)


def _program(title: str, program: Program) -> Iterator[str]:
    """A stage a line, after a line for each part that has any."""
    for part, stages in (
        ("all steps at once", program.before),
        ("each step", program.loop),
        ("all steps at once", program.after),
    ):
        if stages:
            yield f"{title}, {part}:"
        for stage in stages:
            kind = "block" if isinstance(stage, Block) else "product"
            yield from (f"  {kind:8}{line}" for line in str(stage).splitlines())
