"""What one equation defines."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.language.papers.equations import formulas as f


@dataclass(frozen=True, slots=True)
class Definition:
    """`name` at t is `value`; `position` is the place of the equation.

    Another equation for the same vector is `repeated`: it must say the same.
    """

    name: str
    value: f.Formula
    position: int
    repeated: bool = False
