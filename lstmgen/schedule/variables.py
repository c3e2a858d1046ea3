"""What a schedule computes with: every value with its indices, where it lives, who reads it when.

A variable's indices are symbolic sizes, one for each axis that it has beside time and batch: ("H",)
for a vector of H units, () for one number a row.  A lag says of which step a value is read: 0 is
the step itself, -1 the one before.  Nothing here assumes one index, or a lag of one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a variable is."""

    INPUT = "input"
    DEFINED = "defined"  # by an equation of the normal form
    PRODUCT = "product"  # the result of a matrix product, a term of a definition or an adjoint
    SEED = "seed"  # dL/dy, which the caller gives
    ADJOINT = "adjoint"
    CARRY = "carry"  # what a backward step hands to the one before it, for a state's adjoint
    INPUT_GRADIENT = "input gradient"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value at each step and row; `label` is the equation that makes it, "" for the caller's."""

    name: str
    indices: tuple[str, ...]
    role: Role
    label: str = ""

    @property
    def size(self) -> str:
        """The numbers that it has for a step and a row, as a product of sizes; "1" for one."""
        return "*".join(self.indices) or "1"

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.indices)}] {self.role.value}"


class Part(Enum):
    """The parts of a program in the order in which they run, forward then backward.

    What is before or after a loop runs for many steps at once; a loop runs step by step.
    """

    FORWARD_BEFORE = "forward, before the loop"
    FORWARD_LOOP = "forward loop"
    FORWARD_AFTER = "forward, after the loop"
    BACKWARD_BEFORE = "backward, before the loop"
    BACKWARD_LOOP = "backward loop"
    BACKWARD_AFTER = "backward, after the loop"
    PARAMETERS = "gradients of parameters"

    @property
    def is_forward(self) -> bool:
        return self in (Part.FORWARD_BEFORE, Part.FORWARD_LOOP, Part.FORWARD_AFTER)

    @property
    def is_loop(self) -> bool:
        return self in (Part.FORWARD_LOOP, Part.BACKWARD_LOOP)


@dataclass(frozen=True, slots=True)
class Site:
    """A stage: its part of the program, and its place there."""

    part: Part
    position: int


@dataclass(frozen=True, slots=True)
class Use:
    """A read: by which stage, and of which step relative to the reader's."""

    site: Site
    lag: int


class Home(Enum):
    """How long a value has to live."""

    CALL = "the caller's"
    TAPE = "every step, from forward to backward"
    PASS = "every step, within its pass"
    STEP = "within its step"
    BLOCK = "within its block"
    CARRY = "from a step to the one before it"
    NOWHERE = "nobody reads it"


@dataclass(frozen=True, slots=True)
class Life:
    """A variable with its home, the stage that writes it and those that read it.

    Attributes:
        written: None for what the caller gives.
        read: in the order of the program.
        again: the backward pass evaluates it again, from what is kept.
    """

    variable: Variable
    home: Home
    written: Site | None
    read: tuple[Use, ...]
    again: bool = False

    def __str__(self) -> str:
        when = ", ".join(f"{u.site.part.value} {u.site.position} lag {u.lag}" for u in self.read)
        again = ", evaluated again" if self.again else ""
        return f"{self.variable}: {self.home.value}{again}; read in {when or 'nothing'}"
