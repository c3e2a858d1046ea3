"""Definitions in the order in which they can be computed."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition


def in_order(vectors: Sequence[Definition]) -> list[Definition]:
    """Sorted by use, as far as possible in the order of the text."""
    names = {d.name for d in vectors}
    needed = {
        d.name: {r.name for r in f.refs(d.value) if r.time == 0 and r.name in names}
        for d in vectors
    }
    placed: list[Definition] = []
    done: set[str] = set()
    rest = list(vectors)
    while rest:
        ready = next((d for d in rest if needed[d.name] <= done), None)
        if ready is None:
            return [*placed, *rest]  # a circle, which the cell refuses by name
        placed.append(ready)
        done.add(ready.name)
        rest.remove(ready)
    return placed
