"""Search for a placement whose lines are short, straight and free of crossings.

A descent over moves of single nodes, with kicks out of its valleys that come from a generator
with a fixed seed, so that the same cell gives the same drawing everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from lstmgen.drawing.estimate import Estimate
from lstmgen.drawing.graph import Graph, Kind
from lstmgen.drawing.placement import Bands, Place

__all__ = ["Candidate", "search"]

Candidate = tuple[float, dict[str, Place]]  # estimated cost, placement

_GAIN = 1e-9
_PATIENCE = 1.04  # a valley this much above the last one is searched from too


def search(
    graph: Graph, bands: Bands, start: dict[str, Place], *, kicks: int, seed: int = 1
) -> list[Candidate]:
    """The valleys found, the cheapest first, each once."""
    descent = _Descent(graph, bands, start)
    chance = random.Random(seed)
    descent.run()
    current = descent.candidate()
    found = {_signature(descent.places): current}
    for _ in range(kicks):
        descent.estimate.restore(current[1])
        descent.kick(chance)
        descent.run()
        candidate = descent.candidate()
        found.setdefault(_signature(descent.places), candidate)
        if candidate[0] < current[0] * _PATIENCE:
            current = candidate
    return sorted(found.values(), key=lambda c: c[0])


def _signature(places: dict[str, Place]) -> tuple[tuple[str, Place], ...]:
    return tuple(sorted(places.items()))


class _Descent:
    def __init__(self, graph: Graph, bands: Bands, start: dict[str, Place]) -> None:
        self.estimate = Estimate(graph, bands, start)
        self._bands = bands
        self._rows = {n.key: bands.rows(n) for n in graph.nodes}
        self._movable = [
            n.key for n in graph.nodes if n.kind not in (Kind.STATE_IN, Kind.STATE_OUT)
        ]

    @property
    def places(self) -> dict[str, Place]:
        return self.estimate.places

    def candidate(self) -> Candidate:
        return self.estimate.cost(), dict(self.places)

    def run(self) -> None:
        """Improve until no move does."""
        for _ in range(10):
            improved = [self._relocate(key) for key in self._movable]
            improved += [self._swap(), self._swap_rails()]
            self.estimate.restore(self.places)
            if not any(improved) and not self._stretch():
                return

    def kick(self, chance: random.Random) -> None:
        """Move a column, or a few nodes, somewhere else."""
        last = self.estimate.right - 1
        if last > 1 and chance.random() < 0.6:
            column, to = chance.randint(1, last), chance.randint(1, last)
            order = [c for c in range(1, last + 1) if c != column]
            order.insert(to - 1, column)
            number = {c: k + 1 for k, c in enumerate(order)}
            self.estimate.restore(
                {key: (number.get(c, c), row) for key, (c, row) in self.places.items()}
            )
            return
        for _ in range(3):
            key = chance.choice(self._movable)
            place = (chance.randint(1, max(1, self.estimate.right - 1)), self._row(key, chance))
            if place not in self.estimate.at:
                self.estimate.move({key: place})

    def _row(self, key: str, chance: random.Random) -> int:
        if self._is_on_rail(key):
            return self.places[key][1]
        return chance.choice(self._rows[key])

    def _is_on_rail(self, key: str) -> bool:
        return key in self._bands.on_rail

    def _relocate(self, key: str) -> bool:
        estimate, start = self.estimate, self.places[key]
        best, least = start, estimate.around([key])
        (left, top), (right, bottom) = estimate.window(key)
        low, high = max(1, left - 1), min(right + 1, estimate.right - 1)
        rows = (start[1],) if self._is_on_rail(key) else self._rows[key]
        far = len(rows) > 2  # an output has two rows, far apart
        for column in range(low, high + 1):
            for row in rows:
                if (far and not top - 1 <= row <= bottom + 1) or (column, row) in estimate.at:
                    continue
                estimate.move({key: (column, row)})
                cost = estimate.around([key], least)
                if cost < least - _GAIN:
                    best, least = (column, row), cost
        estimate.move({key: best})
        return best != start

    def _try(self, changes: dict[str, Place]) -> bool:
        """Keep the changes if they are an improvement."""
        before = {key: self.places[key] for key in changes}
        cost = self.estimate.around(changes)
        self.estimate.move(changes)
        if self.estimate.around(changes, cost) < cost - _GAIN:
            return True
        self.estimate.move(before)
        return False

    def _swap(self) -> bool:
        improved = False
        for number, key in enumerate(self._movable):
            for other in self._movable[:number]:
                (c1, r1), (c2, r2) = self.places[key], self.places[other]
                if abs(c1 - c2) > 3 or abs(r1 - r2) > 2:
                    continue
                if r1 != r2 and (self._is_on_rail(key) or self._is_on_rail(other)):
                    continue
                if r1 == r2 or (r1 in self._rows[other] and r2 in self._rows[key]):
                    improved |= self._try({key: (c2, r2), other: (c1, r1)})
        return improved

    def _swap_rails(self) -> bool:
        """Exchange two rails with all that stands on them."""
        improved = False
        states = list(self._bands.rails)
        for number, state in enumerate(states):
            for other in states[:number]:
                row, other_row = (self.places[f"previous:{s}"][1] for s in (state, other))
                if (row < self._bands.layer) != (other_row < self._bands.layer):
                    continue
                changes = {k: (self.places[k][0], other_row) for k in self._on(state)}
                changes |= {k: (self.places[k][0], row) for k in self._on(other)}
                at = self.estimate.at
                if all(at.get(place, key) in changes for key, place in changes.items()):
                    improved |= self._try(changes)
        return improved

    def _on(self, state: str) -> Iterator[str]:
        yield f"previous:{state}"
        yield f"next:{state}"
        yield from (key for key, s in self._bands.on_rail.items() if s == state)

    def _stretch(self) -> bool:
        """A new column beside a node for it alone."""
        cost = self.estimate.cost()
        for key in self._movable:
            before = dict(self.places)
            for at in (before[key][0], before[key][0] + 1):
                shifted = {k: (c + (c >= at), r) for k, (c, r) in before.items()}
                shifted[key] = (at, before[key][1])
                self.estimate.restore(shifted)
                if self.estimate.cost(cost) < cost - _GAIN:
                    return True
            self.estimate.restore(before)
        return False
