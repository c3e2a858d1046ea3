"""The plan of a NumPy module's backward pass, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstmgen.schedule.program import Schedule
from lstmgen.targets.common.parameters import ParameterGradients
from lstmgen.targets.numpy.program import Line, Matrix, Slot, Stack, Statement, Whole


@dataclass(frozen=True, slots=True)
class InputProduct:
    """A term of an input's gradient: adjacent members of the columns times a matrix."""

    name: str
    first: int
    matrix: Matrix


@dataclass
class Backward:
    """The plan.

    Attributes:
        again: forward values that are evaluated again for a block.
        before, after: lines for a whole block, before and after the loop.
        common: calls that several factors have in common.
        factors: what the loop multiplies adjoints by.
        loop: its statements.
        places: of adjoints, factors and what is handed on.
        stacks: arrays of a block or a step; `carry` what is handed from step to step.
        columns: the adjoints that are collected.
        gradients: of the parameters.
        inputs: the products in their gradients; other terms are lines of `after`.
        sizes: of the factors and what they have in common.
        in_loop: what the loop computes.
        handed: for each state the members of `carry` whose sum reaches the step before.
    """

    schedule: Schedule
    again: tuple[Line, ...] = ()
    before: tuple[Whole, ...] = ()
    common: tuple[Line, ...] = ()
    factors: tuple[Line, ...] = ()
    loop: tuple[Statement, ...] = ()
    after: tuple[Whole, ...] = ()
    places: dict[str, Slot] = field(default_factory=dict)
    stacks: tuple[Stack, ...] = ()
    scratch: tuple[Stack, ...] = ()
    carry: Stack | None = None
    columns: Stack | None = None
    gradients: ParameterGradients = field(default_factory=lambda: ParameterGradients((), (), ()))
    inputs: tuple[InputProduct, ...] = ()
    handed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    in_loop: tuple[str, ...] = ()
