"""Which symbol bears which name: two that are written otherwise must not be taken for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.errors import EquationError
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.questions import Inference
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes as n


@dataclass(frozen=True, slots=True)
class Key:
    """What tells a symbol from another one that would have the same name."""

    parts: tuple[object, ...]
    font: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a symbol first stands, and how it is written there."""

    written: str
    position: int
    key: Key
    is_timed: bool


class SeenSymbols:
    """The symbols of a text by name."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._in_two_fonts: dict[str, n.Symbol] = {}
        self.by_name: dict[str, Seen] = {}

    def note(self, node: n.Symbol, name: str, key: Key, *, is_timed: bool) -> None:
        """Note a symbol; refuse another one with its name."""
        written = self._source.written(node.position, node.end)
        seen = self.by_name.setdefault(name, Seen(written, node.position, key, is_timed))
        if seen.key == key:
            return
        if name.endswith("_0") and seen.is_timed != is_timed:
            return  # h^l_0 = 0 and h^0_t = x_t: neither is a symbol of the cell
        if not (is_timed and seen.is_timed and seen.key.parts == key.parts):
            raise self._second(node, name)
        self._in_two_fonts.setdefault(name, node)

    def in_one_font(self, equations: Sequence[f.ResolvedEquation]) -> list[Inference]:
        r"""A vector in two fonts, h_t and \mathbf{h}_{t-1}, is one if one of them is defined."""
        lefts = [s for e in equations for s in e.sides[:-1] if isinstance(s, f.Ref)]
        found = []
        for name, node in self._in_two_fonts.items():
            if len({left.is_bold for left in lefts if left.name == name}) != 1:
                raise self._second(node, name)
            claim = f"the same as {self.by_name[name].written}"
            reason = "only one of the two is defined, and they differ in nothing but the font"
            written = self._source.written(node.position, node.end)
            found.append(Inference(node.position, written, claim, reason, (), is_told=True))
        return found

    def _second(self, node: n.Symbol, name: str) -> EquationError:
        written, seen = self._source.written(node.position, node.end), self.by_name[name]
        return self._source.error(
            node.position,
            f"{written} and {seen.written} (line {self._source.line(seen.position)}) would both "
            f"be called {name}; write them alike, or rename one of them",
        )
