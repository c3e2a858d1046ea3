"""The order in which things lie side by side, chosen so that neighbours can be handled as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_TRIALS = 1920, 480_000
"""Divided by the number of items, and by its cube: an order of many is dearer to look at."""


def best_order(
    items: Sequence[str], cost: Callable[[tuple[str, ...]], int], work: int = 0
) -> tuple[str, ...]:
    """An order of the items with low cost: moves of one item, as long as one helps.

    `work` is the number of what `cost` looks at, if that is larger than the number of items.
    """
    best = tuple(items)
    lowest = cost(best)
    trials, count = 0, max(8, work, len(best))
    limit = min(_TRIALS[0] // count, _TRIALS[1] // count**3)
    improved = True
    while improved and trials < limit:
        improved = False
        for i in range(len(best)):
            for j in range(len(best)):
                if i == j or trials >= limit:
                    continue
                rest = [*best[:i], *best[i + 1 :]]
                candidate = (*rest[:j], best[i], *rest[j:])
                trials += 1
                if (found := cost(candidate)) < lowest:
                    best, lowest, improved = candidate, found, True
    return best
