"""What a contender is: an implementation of one cell at one size, ready to be called."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .problem import Problem, Results

__all__ = ["Contender", "Kind", "Stepper"]

Stepper = Callable[[], object]
"""One time step, for streaming."""


class Contender:
    """An implementation that holds one problem in its own layout.

    All that a program does once before its training loop belongs into the constructor.
    """

    can_keep: ClassVar[bool] = True
    """Whether forward and backward are separate calls."""
    can_infer: ClassVar[bool] = True
    """Whether forward alone, keeping nothing for a backward pass, is another call."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def warm(self) -> None:
        """Compile for this size, where that is done at the first call; make no other memory."""

    def train(self) -> object:
        """Forward and backward: the output, and the gradients of all parameters and of x."""
        raise NotImplementedError

    def results(self) -> Results:
        """The same in the layout of the generated modules."""
        raise NotImplementedError

    def infer(self) -> object:
        """Forward alone."""
        raise NotImplementedError

    def keep(self) -> object:
        """Forward, and all that backward needs; nothing else is in the object."""
        raise NotImplementedError

    def allocated(self) -> int | None:
        """Bytes that forward allocates for backward beside y, x and the parameters, touched or not.

        None where that cannot be asked.
        """
        return None

    def stepper(self) -> Stepper | None:
        """A call of one time step from a state of zeros; None where there is none."""
        return None


@dataclass(frozen=True)
class Kind:
    """How a kind of contender is made, and for which cells.

    Attributes:
        name: for `--contenders`, the table and the JSON.
        label: for people.
        package: what must be installed.
        cells: those that it computes, None for every cell.
        load: imports what it needs and gives the class or function that makes a contender.
        doubles: cells and the sizes (letters) at which it is timed in float64 too.
        unavailable: why it cannot run here for a reason other than its package, or None.
    """

    name: str
    label: str
    package: str
    cells: tuple[str, ...] | None
    load: Callable[[], Callable[[Problem], Contender]]
    doubles: tuple[tuple[str, str], ...] = ()
    unavailable: Callable[[], str | None] = lambda: None

    def missing(self) -> str | None:
        """Why it must be left out here, or None."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.name} is left out: the package {self.package} is not installed"
        reason = self.unavailable()
        return None if reason is None else f"{self.name} is left out: {reason}"

    def computes(self, cell: str) -> bool:
        """Whether it has the cell."""
        return self.cells is None or cell in self.cells

    def dtypes(self, cell: str, size: str) -> Sequence[str]:
        """In which it is timed."""
        double = any(c == cell and size in sizes for c, sizes in self.doubles)
        return ("float32", "float64") if double else ("float32",)

    def make(self, problem: Problem) -> Contender:
        """A contender for this problem."""
        return self.load()(problem)
