"""The order in which things lie side by side, chosen so that neighbours can be handled as one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

_TRIALS = 1920, 480_000
"""Divided by the number of items, and by its cube: an order of many is dearer to look at."""


def best_order(
    items: Sequence[str], cost: Callable[[tuple[str, ...]], int], work: int = 0
) -> tuple[str, ...]:
    """An order of the items with low cost: as long as it helps, one moves or two change places.

    `work` is the number of what `cost` looks at, if that is larger than the number of items.
    """
    best = tuple(items)
    lowest = cost(best)
    seen = {best}
    count = max(8, work, len(best))
    limit = min(_TRIALS[0] // count, _TRIALS[1] // count**3)
    improved = True
    while improved and len(seen) <= limit:
        improved = False
        for change in (_moved, _swapped):
            for i, j in itertools.permutations(range(len(best)), 2):
                if len(seen) > limit or (change is _swapped and (improved or i > j)):
                    continue
                candidate = change(best, i, j)
                if candidate in seen:  # looked at before: it is no better
                    continue
                seen.add(candidate)
                if (found := cost(candidate)) < lowest:
                    best, lowest, improved = candidate, found, True
    return best


def _moved(items: tuple[str, ...], i: int, j: int) -> tuple[str, ...]:
    """Item i at place j."""
    rest = [*items[:i], *items[i + 1 :]]
    return (*rest[:j], items[i], *rest[j:])


def _swapped(items: tuple[str, ...], i: int, j: int) -> tuple[str, ...]:
    """Items i and j at each other's place."""
    result = list(items)
    result[i], result[j] = result[j], result[i]
    return tuple(result)
