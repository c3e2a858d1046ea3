"""Definitions in the order in which they can be computed."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.language.papers import formulas as f
from lstmgen.language.papers.definition import Definition


def in_order(vectors: Sequence[Definition]) -> list[Definition]:
    """Sorted by use, as far as possible in the order of the text."""
    names = {d.name for d in vectors}
    placed: list[Definition] = []
    done: set[str] = set()
    rest = list(vectors)
    while rest:
        for definition in rest:
            needed = {r.name for r in f.refs(definition.value) if r.time == 0 and r.name in names}
            if needed <= done:
                break
        else:
            return [*placed, *rest]  # a circle, which the cell refuses by name
        placed.append(definition)
        done.add(definition.name)
        rest.remove(definition)
    return placed
