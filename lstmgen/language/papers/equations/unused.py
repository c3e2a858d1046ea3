"""Definitions in displays that no equation uses."""

from __future__ import annotations

from collections.abc import Set

from lstmgen.language.papers.equations.formulas import Formula, Num, Ref, unbracketed
from lstmgen.language.papers.questions import Inference
from lstmgen.language.papers.source import Source


def unused(
    source: Source, left: Ref, right: Formula, inputs: Set[str], letter: str
) -> list[Inference]:
    """What is told of `Z = ...` in a display that nothing uses; beside an input z_t a refusal."""
    if isinstance(unbracketed(right), Num):
        return []
    written = source.written(left.position, left.end)
    for name in sorted(inputs):
        if name.lower() == left.name.lower():
            raise source.error(
                left.position,
                f"{written} has no time and is used nowhere, and no equation defines "
                f"{name}_{letter}: whether they are the same is not said; write {name}_{letter} "
                "= ... here, or leave the line out",
            )
    return [Inference(left.position, written, "left out", "no equation uses it", (), is_told=True)]
