"""Times of several calls, taken in turn, so that what else the machine does meets them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.limits.results import spread

__all__ = ["Effort", "Samples", "in_turn", "ratio"]

Call = Callable[[], object]
Samples = dict[str, list[float]]
"""Seconds a call, a number for each round."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: samples of each contender.
        sample: seconds that a sample takes at least; short calls are repeated to fill it.
        longest: seconds for one contender over all rounds; long calls get fewer rounds,
            but three.
    """

    rounds: int
    sample: float
    longest: float


def in_turn(calls: Mapping[str, Call], effort: Effort) -> Samples:
    """Time each call in every round; each round starts with another one.

    Each call has run before (to compile, to allocate) and runs once more to find how often it
    must be repeated.
    """
    repeats: dict[str, int] = {}
    slowest = 0.0
    for name, call in calls.items():
        call()
        seconds = _seconds(call, 1)
        if seconds < effort.sample / 10:
            seconds = _seconds(call, 10)
        repeats[name] = max(1, round(effort.sample / max(seconds, 1e-7)))
        slowest = max(slowest, seconds * repeats[name])
    rounds = max(3, min(effort.rounds, int(effort.longest / slowest))) if calls else 0
    names = list(calls)
    samples: Samples = {name: [] for name in names}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for k in range(rounds):
            first = k % len(names)
            for name in names[first:] + names[:first]:
                samples[name].append(_seconds(calls[name], repeats[name]))
            gc.collect()  # between the rounds, not within a sample
    finally:
        if collecting:
            gc.enable()
    return samples


def ratio(theirs: list[float], ours: list[float]) -> dict[str, float | int]:
    """The spread of theirs over ours, round by round.

    The two follow one another in each round, so that it matters little when the machine becomes
    slower or faster in between: the ratio of the medians of all rounds would be anything then.
    """
    return spread([a / b for a, b in zip(theirs, ours, strict=True)])


def _seconds(call: Call, repeats: int) -> float:
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
