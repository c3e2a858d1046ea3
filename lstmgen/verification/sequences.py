"""Cases with `lengths` and `restart`, put together of short sequences.

A row that starts again is made of sequences that have nothing to do with each other, one behind the
other, of which all but the first begin with a state of zeros; a row with a length ends early.  So
the short ones alone are evaluated at 50 digits, and any number of steps and rows costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lstmgen.verification.cases import SEEDS, Array, Arrays, Case, Gradient

_BEHIND = 3.0
"""What dy holds behind a row's length, where it does not matter."""
_AGAIN = 0.3
"""The part of the steps that are marked for a new start behind a row's length."""


def sequences(
    pool: Sequence[Case],
    T: int,
    B: int,
    seed: int,
    *,
    lengths: bool,
    restart: bool,
    within: bool = True,
) -> Case:
    """A case of T steps and B rows.

    Args:
        pool: short sequences with the same parameters, of each length those that begin with a state
            of their own before those that begin with zeros: `Cases.make_pool`.
        T: without `restart` and `within`, that of the longest in the pool.
        lengths: whether rows have lengths; among them are 0 and T.
        restart: whether rows start again, some at the first step.
        within: whether they do so within their lengths, or behind them only, where it is nothing.
    """
    random = np.random.default_rng((seed, T, B))
    ends = np.full(B, T)
    if lengths:
        ends = random.integers(0, T + 1, B)
        ends[: min(B, 2)] = (T, 0)[: min(B, 2)]
        random.shuffle(ends)
    case = _Rows(pool, T, B)
    for row, end in enumerate(ends):
        case.fill(row, int(end), _cut(int(end), pool, random, restart and within))
    again = case.again | (random.random((T, B)) < _AGAIN) & (np.arange(T)[:, None] >= ends)
    return case.made(ends if lengths else None, again if restart else None)


def _cut(
    end: int, pool: Sequence[Case], random: np.random.Generator, restart: bool
) -> list[tuple[bool, int]]:
    """The sequences of a row: whether one begins with zeros, and its steps."""
    if not end:
        return []
    if not restart:
        return [(False, end)]
    longest = pool[-1].shape.T
    found: list[tuple[bool, int]] = []
    while end:
        steps = int(random.integers(1, min(end, longest) + 1))
        # Only the first can begin with the initial state, and need not.
        found.append((bool(found) or random.random() < 0.5, steps))
        end -= steps
    return found


class _Rows:
    """The arrays of a case, filled row by row."""

    def __init__(self, pool: Sequence[Case], T: int, B: int) -> None:
        self._pool = pool
        self._random = np.random.default_rng(B)
        some = pool[0]
        self._case = some
        self._shape = replace(some.shape, T=T, B=B)

        def empty(array: Array, fill: float, *lead: int) -> Array:
            return np.full((*lead, *array.shape[len(lead) :]), fill, array.dtype)

        def empties(arrays: Arrays, fill: float, *lead: int) -> Arrays:
            return {name: empty(array, fill, *lead) for name, array in arrays.items()}

        self.again = np.zeros((T, B), bool)
        self._inputs = empties(some.inputs, np.nan, T, B)
        self._initial = empties(some.initial, 0, B)
        self._dy = empty(some.dy, _BEHIND, T, B)
        self._dstate = empties(some.dstate, 0, B)
        self._y = empty(some.y, 0, T, B)
        self._states = empties(some.states, 0, T, B)
        self._last = empties(some.last, 0, B)
        zero = some.gradients[SEEDS[0]]
        self._gradients = {
            seed: Gradient(
                {name: np.zeros_like(array) for name, array in zero.parameters.items()},
                empties(zero.inputs, 0, T, B),
                empties(zero.initial, 0, B),
            )
            for seed in SEEDS[:2]
        }

    def fill(self, row: int, end: int, parts: Sequence[tuple[bool, int]]) -> None:
        """A row: its sequences one behind the other, and nothing from step `end` on."""
        first = self._some(False, 1)
        for name, array in first.initial.items():
            self._initial[name][row] = array[0]
        start = 0
        for number, (fresh, steps) in enumerate(parts):
            part = self._some(fresh, steps)
            at = slice(start, start + steps)
            begins, ends = number == 0, start + steps == end
            self.again[start, row] = fresh
            for name, array in part.inputs.items():
                self._inputs[name][at, row] = array[:, 0]
            self._dy[at, row] = part.dy[:, 0]
            self._y[at, row] = part.y[:, 0]
            for name, array in part.states.items():
                self._states[name][at, row] = array[:, 0]
            if begins and not fresh:
                for name, array in part.initial.items():
                    self._initial[name][row] = array[0]
            if ends:
                for name, array in part.last.items():
                    self._last[name][row] = array[0]
                    self._dstate[name][row] = part.dstate[name][0]
            for seed in SEEDS[: 2 if ends else 1]:
                self._add(seed, part.gradients[seed], at, row, begins and not fresh)
            start += steps
        if not parts:  # the state stays, and so does its gradient
            for name, array in first.initial.items():
                self._last[name][row] = array[0]
                self._dstate[name][row] = first.dstate[name][0]
                self._gradients[SEEDS[1]].initial[name][row] = first.dstate[name][0]

    def _add(self, seed: str, found: Gradient, at: slice, row: int, initial: bool) -> None:
        total = self._gradients[seed]
        for name, array in found.parameters.items():
            total.parameters[name][...] += array
        for name, array in found.inputs.items():
            total.inputs[name][at, row] += array[:, 0]
        if initial:
            for name, array in found.initial.items():
                total.initial[name][row] += array[0]

    def _some(self, fresh: bool, steps: int) -> Case:
        """One of the pool that begins with zeros, or does not, and has so many steps."""
        zeros = self._pool[1::2] if fresh else self._pool[::2]
        fitting = [case for case in zeros if steps == case.shape.T]
        return fitting[int(self._random.integers(len(fitting)))]

    def made(self, lengths: Array | None, restart: Array | None) -> Case:
        """The case."""
        dy, dstate = (self._gradients[seed] for seed in SEEDS[:2])
        return replace(
            self._case,
            shape=self._shape,
            inputs=self._inputs,
            initial=self._initial,
            dy=self._dy,
            dstate=self._dstate,
            y=self._y,
            states=self._states,
            last=self._last,
            gradients=dict(zip(SEEDS, (dy, dstate, dy + dstate), strict=True)),
            lengths=None if lengths is None else np.asarray(lengths, np.int64),
            restart=restart,
        )
