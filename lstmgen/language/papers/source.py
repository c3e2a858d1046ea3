"""A text with equations, the places in it, and messages about them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from lstmgen.errors import EquationError

MAX_CHARACTERS = 200_000
MAX_EQUATIONS = 400
MAX_EQUATION_TOKENS = 6_000
MAX_TOKENS = 40_000
MAX_NESTING = 30
MAX_SHOWN = 160
MAX_WRITTEN = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column of a text, both from 1, and the line itself with a caret below it."""

    line: int
    column: int
    excerpt: str


class Source:
    """A text with equations; `name` is what messages call it."""

    def __init__(self, text: str, name: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise EquationError(
                f"{name}: {len(text)} characters are more than the {MAX_CHARACTERS} that are "
                "read; give the equations alone"
            )
        self.text = text
        self.name = name

    def line(self, position: int) -> int:
        """The number of the line that holds the position, from 1."""
        return self.text.count("\n", 0, position) + 1

    def place(self, position: int) -> Place:
        """Line, column, and the line with a caret under the place."""
        position = max(0, min(position, len(self.text)))
        start = self.text.rfind("\n", 0, position) + 1
        end = self.text.find("\n", position)
        line = self.text[start : len(self.text) if end < 0 else end].expandtabs(1).rstrip("\r")
        column = offset = position - start
        if len(line) > MAX_SHOWN:
            cut = max(0, column - 60)
            line, offset = line[cut : cut + MAX_SHOWN], column - cut
        line = "".join(c if c.isprintable() else "?" for c in line)
        before = sum(not unicodedata.combining(c) for c in line[:offset])
        return Place(self.line(position), column + 1, f"    {line}\n    {' ' * before}^")

    def error(self, position: int, problem: str) -> EquationError:
        """`name:line:column: problem`, the line and a caret under the place."""
        place = self.place(position)
        head, *more = problem.split("\n")
        tail = "".join(f"\n{line}" for line in more)
        return EquationError(
            f"{self.name}:{place.line}:{place.column}: {head}\n{place.excerpt}{tail}"
        )

    def written(self, start: int, end: int) -> str:
        """What stands there, on one line, and only the beginning of much."""
        text = " ".join(self.text[start : min(end, start + 4 * MAX_WRITTEN)].split())
        return text if len(text) <= MAX_WRITTEN else f"{text[:MAX_WRITTEN]}..."
