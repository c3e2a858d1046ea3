"""The order in which things lie side by side, chosen so that neighbours can be handled as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_TRIALS = 240


def best_order(items: Sequence[str], cost: Callable[[tuple[str, ...]], int]) -> tuple[str, ...]:
    """An order of the items with low cost: moves of one item, as long as one helps."""
    best = tuple(items)
    lowest = cost(best)
    trials = 0
    improved = True
    while improved and trials < _TRIALS:
        improved = False
        for i in range(len(best)):
            for j in range(len(best)):
                if i == j or trials >= _TRIALS:
                    continue
                rest = [*best[:i], *best[i + 1 :]]
                candidate = (*rest[:j], best[i], *rest[j:])
                trials += 1
                if (found := cost(candidate)) < lowest:
                    best, lowest, improved = candidate, found, True
    return best
