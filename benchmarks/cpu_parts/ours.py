"""The generated NumPy module."""

from __future__ import annotations

import tracemalloc
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

import lstmgen
from lstmgen import targets

from .contender import Contender, Stepper
from .problem import Problem, Results

__all__ = ["Ours", "OursRecomputing", "can_recompute", "module_of"]


@cache
def module_of(cell: str, recompute: str | None = None) -> ModuleType:
    """The generated module of a built-in cell, or of a path."""
    options = {} if recompute is None else {"recompute": recompute}
    return lstmgen.compile(lstmgen.load(cell), "numpy", **options)


def can_recompute() -> bool:
    """Whether modules can be built that keep the states only."""
    return any(option.name == "recompute" for option in targets.get("numpy").options)


class Ours(Contender):
    """forward(reuse=) and backward, as a training loop calls them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.module = self._module()
        self.params = dict(problem.params)
        self.tape: Any = None

    def _module(self) -> ModuleType:
        return module_of(self.problem.cell)

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


class OursRecomputing(Ours):
    """The module that keeps the states only and computes the rest again in backward."""

    def _module(self) -> ModuleType:
        return module_of(self.problem.cell, "all")
