"""Gradients of any implementation, from what it returns at points beside the given one.

Differences of eighth order: the sum over k = 1 to 4 of w_k (f(x + kh) - f(x - kh)) / h with the
weights w = 4/5, -1/5, 4/105, -1/280.  Source: B. Fornberg, "Generation of Finite Difference
Formulas on Arbitrarily Spaced Grids", Mathematics of Computation 51, 1988.  In float64, with
numbers of the size of one, they are right to about 1e-11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lstmgen.verification.against.subjects import Outcome
from lstmgen.verification.cases import Arrays, Case, Gradient

__all__ = ["differences"]

_STEP = 2.0**-13  # four of them stay within the distance that cases keep from kinks
_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def differences(run: Callable[[Case], Outcome], case: Case, seed: str) -> Gradient:
    """The gradients of the loss of `SEEDS` that is named, for every number of a float64 case."""
    moved = replace(
        case,
        parameters=_copies(case.parameters),
        inputs=_copies(case.inputs),
        initial=_copies(case.initial),
    )

    def slopes(arrays: Arrays) -> Arrays:
        found = {name: np.zeros(array.shape) for name, array in arrays.items()}
        for name, array in arrays.items():
            for index in np.ndindex(array.shape):
                kept, total = array[index], 0.0
                for k, weight in enumerate(_WEIGHTS, start=1):
                    for sign in (1, -1):
                        array[index] = kept + sign * k * _STEP
                        total += sign * weight * _loss(run(moved), case, seed)
                array[index] = kept
                found[name][index] = total / _STEP
        return found

    return Gradient(slopes(moved.parameters), slopes(moved.inputs), slopes(moved.initial))


def _loss(found: Outcome, case: Case, seed: str) -> float:
    loss, seeds = 0.0, seed.split(" and ")
    if "dy" in seeds:
        loss += float(np.sum(found.y * case.dy))
    if "dstate" in seeds:
        loss += sum(float(np.sum(found.last[s] * case.dstate[s])) for s in case.dstate)
    return loss


def _copies(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}
