"""What the arrays of a CuPy module hold, and the places in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Owner(Enum):
    """Whose memory an array is."""

    CALL = "call"  # an argument, or made where it is needed
    TAPE = "tape"
    WORK = "work"  # of a backward pass


class Kind(Enum):
    """What an array holds."""

    INPUT = "input"
    PARAMETER = "parameter"
    STATE = "state"
    PRODUCT = "product"  # of a vector with a stack of weights; gates come to lie in it too
    VALUE = "value"  # of a definition
    SEED = "seed"  # dy
    ADJOINT = "adjoint"  # all that are kept of each step, side by side
    CARRY = "carry"  # what reaches a state's adjoint from the step after
    COMPACT = "compact"  # some adjoints side by side, for a product
    GATHERED = "gathered"  # a product within the backward loop
    WITHIN = "within"  # an adjoint, from one kernel of a step to another
    WHOLE = "whole"  # an adjoint or a product at all steps, outside the loop
    AGAIN = "again"  # a value that the backward pass evaluates again
    SUMMAND = "summand"  # what is summed to a parameter's gradient

    @property
    def owner(self) -> Owner:
        if self in (Kind.STATE, Kind.PRODUCT, Kind.VALUE):
            return Owner.TAPE
        if self in (Kind.ADJOINT, Kind.CARRY, Kind.COMPACT, Kind.GATHERED, Kind.WITHIN):
            return Owner.WORK
        return Owner.CALL

    @property
    def is_of_call(self) -> bool:
        """Whether a call brings it anew, for each step."""
        return self.owner is Owner.CALL and self is not Kind.PARAMETER


@dataclass(frozen=True, slots=True)
class Held:
    """What an array holds: something of a kind, of the variable with that name."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}_{self.name}" if self.name else self.kind.value


class Steps(Enum):
    """For which steps an array has rows, and how many these are in the module's text."""

    ONE = "B"  # the one that is being computed
    EACH = "rows.count"
    AND_FIRST = "B + rows.count"  # each, and in front what the first one starts from


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the module, of `width` units."""

    name: str
    steps: Steps
    width: str


@dataclass(frozen=True, slots=True)
class Place:
    """Columns of an array of rows: unit j of row r is at r * stride + offset + j.

    Attributes:
        array: what the array holds.
        shift: time steps later; 0 or 1 for states, else 0.
        stride, offset: expressions in the sizes; "" as stride stands for a vector of units without
            rows, "1" as both for a scalar.
    """

    array: Held
    shift: int
    stride: str
    offset: str = "0"
