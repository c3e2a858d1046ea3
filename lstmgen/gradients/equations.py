"""The derived equations, one type for each kind of gradient."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.algebra.expression import Expression, Value, add, shifted
from lstmgen.algebra.text import text


@dataclass(frozen=True, slots=True)
class Adjoint:
    """(δk): `name` is dL/d`of`.

    Attributes:
        here: the terms from uses of `of` in its own step.
        later: the terms from uses at t-1, as the step that uses it writes them: in δ_t, for the
            value of step t-1.  Shifted by one they are the δ_{t+1} terms of the printed equation.
        is_output: whether dy_t is added.
    """

    label: str
    name: str
    of: str
    here: tuple[Expression, ...]
    later: tuple[Expression, ...]
    is_output: bool

    @property
    def printed(self) -> tuple[Expression, ...]:
        """The terms of the printed equation, in δ_t and δ_{t+1}."""
        return (*self.here, *(shifted(term, 1) for term in self.later))

    def __str__(self) -> str:
        seed = ["dy_t"] * self.is_output
        right = " + ".join([*seed, *map(text, self.printed)]).replace("+ -", "- ") or "0"
        return f"({self.label}) {self.name}_t = {right}"


@dataclass(frozen=True, slots=True)
class OuterProduct:
    """± left_t right_t^T, summed over t and the batch: one term of a matrix's gradient."""

    left: Value
    right: Value
    negative: bool

    def __str__(self) -> str:
        return f"{'-' if self.negative else ''}{text(self.left)} {text(self.right)}^T"


@dataclass(frozen=True, slots=True)
class MatrixGradient:
    """(δk): dL/d`parameter`, for each block of columns the outer products that make it."""

    label: str
    parameter: str
    blocks: tuple[tuple[OuterProduct, ...], ...]

    def __str__(self) -> str:
        return "\n".join(
            f"({self.label}) d_{self.parameter}[{slot}] = sum_t "
            + " + ".join(map(str, block)).replace("+ -", "- ")
            for slot, block in enumerate(self.blocks)
        )


@dataclass(frozen=True, slots=True)
class VectorGradient:
    """(δk): dL/d`parameter`, the sum over t and the batch of `terms` (a scalar's over units too).

    Each term has the size of the definition that it comes from.
    """

    label: str
    parameter: str
    terms: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"({self.label}) d_{self.parameter} = sum_t {text(add(*self.terms))}"


@dataclass(frozen=True, slots=True)
class InputGradient:
    """(δk): dL/dx_t; `name` is its name in later stages.

    Of a scalar input it is the sum of the terms over the units.
    """

    label: str
    name: str
    of: str
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class InitialGradient:
    """(δk): dL/ds_0 for a state s: the terms that reach step 0 from step 1."""

    label: str
    state: str
