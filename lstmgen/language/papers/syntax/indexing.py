"""The indices of a symbol: a time, a layer, or the words of a label."""

from __future__ import annotations

from typing import NoReturn

from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes as n
from lstmgen.language.papers.syntax.timing import Indices
from lstmgen.language.papers.text.vocabulary import LOWERED, RAISED

MARKS = {"+": "plus", "*": "star", "-": "minus", "star": "star", "ast": "star", "odot": "circ"}


class Indexing:
    """Reads indices, where it is known which letters are time and layers."""

    def __init__(self, source: Source, indices: Indices) -> None:
        self._source = source
        self._time = indices.time
        self._layers = indices.layers

    def step(self, node: n.Node) -> int | None:
        """The time that an index gives: 0 for t, -1 for t-1."""
        inner = bracketless(node)
        if isinstance(inner, n.Symbol) and _is_letter(inner, self._time):
            return 0
        step = _step(inner)
        return step[1] if step is not None and step[0] == self._time else None

    def layer(self, node: n.Node) -> int | None:
        inner = bracketless(node)
        if isinstance(inner, n.Symbol) and any(_is_letter(inner, x) for x in self._layers):
            return 0
        step = _step(inner)
        return step[1] if step is not None and step[0] in self._layers else None

    def words(self, script: n.Script) -> tuple[list[str], int | None, int | None]:
        """The words of an index, the time among them, and the layer."""
        words: list[str] = []
        time: int | None = None
        layer: int | None = None
        for item in script.items:
            offset = self.step(item)
            if offset is not None:
                if time is not None:
                    self.refuse(item, "a second time index on one symbol")
                time = offset
                continue
            level = self.layer(item)
            if level is not None:
                if level > 0:
                    self.refuse(item, "the layer above is not known to this one; use l and l-1")
                layer = level
                continue
            inner = bracketless(item)
            if isinstance(inner, n.Term) and (split := self._split(inner)) is not None:
                label, offset = split
                words += label
                time = offset
                continue
            words += self.label(inner)
        return words, time, layer

    def _split(self, node: n.Term) -> tuple[list[str], int] | None:
        r"""`h_{i t}`: a label and a time that stand apart."""
        *labels, (operator, last) = node.factors
        if operator or not isinstance(last, n.Symbol) or not last.spaced:
            return None
        if not _is_letter(last, self._time) or any(op for op, _ in labels):
            return None
        return [word for _, item in labels for word in self.label(item)], 0

    def label(self, node: n.Node) -> list[str]:
        """The words of a label: letters that touch make one word, h f two, hf one."""
        match node:
            case n.Number(text, ()) if text.isdigit():
                return [text]
            case n.Sum(((True, n.Number(text, ())),)) if text.isdigit():
                return [f"minus{text}"]
            case n.Symbol():
                return self._symbol_words(node)
            case n.FunctionName(function, ()):
                return [function]
            case n.Term(factors) if all(operator == "" for operator, _ in factors):
                words: list[str] = []
                last: n.Node | None = None
                for _, factor in factors:
                    new = self.label(factor)
                    joins = last is not None and not getattr(factor, "spaced", True)
                    if joins and _is_bare(last) and _is_bare(factor) and words:
                        words[-1] += new[0]
                        new = new[1:]
                    words += new
                    last = factor
                return words
            case n.Group(_, items, ()):
                return [word for item in items for word in self.label(item)]
        self.refuse(
            node,
            "an index that is neither a time, as t or t-1, nor a label, as f or hf, is not read",
        )

    def _symbol_words(self, symbol: n.Symbol) -> list[str]:
        # Greek letters keep a mark, so that W_\xi is not taken for W_{xi}.
        start = self._source.text[symbol.position : symbol.position + 1]
        is_greek = symbol.base.isalpha() and len(symbol.base) > 1 and symbol.font != "upright"
        words = ["\\" + symbol.base if is_greek and start == "\\" else symbol.base]
        words += [*symbol.accents, *["prime"] * symbol.primes]
        for script in symbol.scripts:
            if script.unicode:
                self.refuse(script, "an index within an index is not read")
            if script.mark:
                words.append(MARKS.get(script.mark, script.mark))
            words += [word for item in script.items for word in self.label(item)]
        return words

    def unicode(self, script: n.Script) -> tuple[list[str], int | None]:
        table = LOWERED if script.side == "_" else RAISED
        text = "".join(table.get(c, c) for c in script.unicode)
        letter = self._time
        for suffix in (f"({letter})", letter):
            if text == suffix:
                return [], 0
        bare = text.strip("()")
        for step in ("-", "+"):
            head, sign, tail = bare.partition(step)
            if sign and tail.isdigit() and len(tail) < 6 and head.endswith(letter):
                label = head[: -len(letter)].strip("()")
                return [label] * bool(label), int(step + tail)
        if bare.endswith(letter) and len(bare) > 1:
            return [bare[: -len(letter)].strip("()")], 0
        return [bare], None

    def refuse(self, node: n.Node | n.Script, problem: str) -> NoReturn:
        raise self._source.error(node.position, problem)


def _step(node: n.Node) -> tuple[str, int] | None:
    """x-1 or x+1 for one letter x."""
    match node:
        case n.Sum(
            ((False, n.Symbol(base, (), _, 0, ()) as letter), (negative, n.Number(text, ())))
        ):
            if text.isdigit() and len(text) < 6 and letter.font != "upright":
                return base, -int(text) if negative else int(text)
    return None


def bracketless(node: n.Node) -> n.Node:
    """What stands in brackets, where that is one expression."""
    while isinstance(node, n.Group) and len(node.items) == 1 and not node.scripts:
        node = node.items[0]
    return node


def _is_letter(symbol: n.Symbol, letter: str) -> bool:
    return (symbol.base, symbol.accents, symbol.primes, symbol.scripts) == (letter, (), 0, ())


def _is_bare(node: n.Node | None) -> bool:
    """Letters or digits that a following one may join."""
    if isinstance(node, n.Number):
        return True
    return (
        isinstance(node, n.Symbol)
        and node.base.isascii()
        and len(node.base.rstrip("0123456789")) == 1
        and not (node.accents or node.primes or node.scripts)
    )


def label_text(script: n.Script) -> str | None:
    """The letters or the number of an index, where these are all of it."""
    if len(script.items) != 1:
        return None
    inner = bracketless(script.items[0])
    if isinstance(inner, n.Term) and all(operator == "" for operator, _ in inner.factors):
        texts = [_letter_text(factor) for _, factor in inner.factors]
        return None if None in texts else "".join(t for t in texts if t)
    return _letter_text(inner)


def _letter_text(node: n.Node) -> str | None:
    if isinstance(node, n.Number) and not node.scripts:
        return node.text
    if isinstance(node, n.Symbol) and not (node.scripts or node.accents or node.primes):
        return None if node.base.startswith("\\") else node.base
    return None
