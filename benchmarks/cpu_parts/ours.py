"""The generated modules: the one in C, which is ours, and the one in NumPy beside it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

import lstmgen
from lstmgen import targets
from lstmgen.errors import UnavailableError

from .contender import Contender, Stepper
from .problem import Problem, Results

__all__ = ["MORE_FLAGS", "Generated", "Ours", "OursInNumPy", "OursRecomputing", "no_compiler"]

MORE_FLAGS: Sequence[str] = ()
"""For the compiler, after those of the module: tests compile in haste."""


@cache
def module_of(cell: str, target: str, recompute: str) -> ModuleType:
    """The generated module of a built-in cell, or of a path."""
    options = {} if recompute == "none" else {"recompute": recompute}
    module = lstmgen.compile(lstmgen.load(cell), target, **options)
    if hasattr(module, "_FLAGS"):
        vars(module)["_FLAGS"] = (*module._FLAGS, *MORE_FLAGS)
    return module


def no_compiler() -> str | None:
    """Why modules in C cannot run here, or None."""
    try:
        targets.get("c").check_available("cpu")
    except UnavailableError as error:
        return str(error)
    return None


class Generated(Contender):
    """forward(reuse=) and backward, as a training loop calls them."""

    target: ClassVar[str] = "c"
    recompute: ClassVar[str] = "none"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.module = module_of(problem.cell, self.target, self.recompute)
        self.params = dict(problem.params)
        self.tape: Any = None

    def train(self) -> tuple[Any, ...]:
        y, _, self.tape = self.module.forward(self.params, self.problem.x, reuse=self.tape)
        return (y, *self.module.backward(self.params, self.tape, self.problem.dy))

    def results(self) -> Results:
        y, dparams, dx, _ = self.train()
        return {"y": y, "dx": dx, **dparams}

    def infer(self) -> object:
        return self.module.forward(self.params, self.problem.x, tape=False)[0]

    def keep(self) -> object:
        return self.module.forward(self.params, self.problem.x)

    def allocated(self) -> int:
        tracemalloc.start()
        y, state, tape = self.module.forward(self.params, self.problem.x)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not tape.spent  # still held, as are y and the state
        return int(size - y.nbytes - sum(value.nbytes for value in state.values()))

    def stepper(self) -> Stepper:
        size, params = self.problem.size, self.params
        state = self.module.init_state(size.B, size.H, dtype=self.problem.dtype)
        x = np.ascontiguousarray(self.problem.x[0])
        step = self.module.step
        return lambda: step(params, x, state)


class Ours(Generated):
    """The module in C."""


class OursInNumPy(Generated):
    """The module in NumPy."""

    target = "numpy"


class OursRecomputing(Generated):
    """The module in C that keeps the states only and computes the rest again in backward."""

    recompute = "all"
