"""Source code as HTML: a line has an anchor, and a label in a comment links to its equation."""

from __future__ import annotations

import io
import itertools
import keyword
import re
import tokenize
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

__all__ = ["LABEL", "Listing", "anchor", "linked", "listing", "runs"]

LABEL = re.compile(r"\b\d+[a-z]*\b|δ\d+|\bJ\d+")
"""A label of an equation, wherever nothing but labels stands."""

_CITED = re.compile(r"(?<=\()(?:\d+[a-z]*|δ\d+)(?=\))")


@dataclass(frozen=True)
class Listing:
    """A module as HTML.

    Attributes:
        target: what anchors of lines begin with: the target's name, and for its second file and
            those behind it a number more.
        title: what the page calls it.
        code: the lines, one element each.
        count: how many lines.
        lines: for every label, the numbers of the lines that compute it, in order; where none
            does, because other equations' lines do it too, the lines of docstrings that state it.
            None for a file that computes no equation, such as what calls a compiled one.
        links: how many labels link to equations.
    """

    target: str
    code: Markup
    count: int
    lines: dict[str, tuple[int, ...]] = field(hash=False)
    links: int
    title: str = ""


def anchor(label: str) -> str:
    """The id of the equation with a label: eq-1a, and eq-d7 for δ7."""
    return f"eq-{label.replace('δ', 'd')}"


def linked(text: str, known: Collection[str]) -> Markup:
    """Text of labels alone, such as "4, δ11-δ21", with those that are known as links."""
    found: list[Markup | str] = []
    end = 0
    for match in LABEL.finditer(text):
        found.append(Markup.escape(text[end : match.start()].replace("-", "–")))
        found.append(_link(match[0]) if match[0] in known else Markup.escape(match[0]))
        end = match.end()
    found.append(Markup.escape(text[end:]))
    return Markup("").join(found)


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs of neighbours: 3, 4, 5, 9 are (3, 5) and (9, 9)."""
    grouped = itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    blocks = [[number for _, number in group] for _, group in grouped]
    return [(block[0], block[-1]) for block in blocks]


def listing(
    source: str, target: str, known: Collection[str], title: str = "", python: bool = True
) -> Listing:
    """A generated module with its labels linked.

    Args:
        source: the module's text.
        target: what anchors begin with.
        known: the labels that have an equation on the page.
        title: what the page calls it.
        python: whether it is Python; else it is a language whose comments begin with //.
    """
    text = source.splitlines()
    spans: list[list[tuple[int, int, str]]] = [[] for _ in text]
    tokens = _tokens(source, text) if python else _lines(text)
    for number, start, end, kind in tokens:
        spans[number].append((start, end, kind))
    lines: dict[str, list[int]] = {}
    stated: dict[str, list[int]] = {}
    rendered = []
    links = 0
    for number, (line, marked) in enumerate(zip(text, spans, strict=True), start=1):
        parts: list[Markup] = []
        at = 0
        for start, end, kind in marked:
            parts.append(Markup.escape(line[at:start]))
            body, cited = _cited(line[start:end], kind, known)
            links += len(cited)
            for label in cited:
                (stated if kind == "docstring" else lines).setdefault(label, []).append(number)
            parts.append(Markup('<span class="{}">{}</span>').format(kind[0], body))
            at = end
        parts.append(Markup.escape(line[at:]))
        rendered.append(
            Markup('<span class="line" id="{}-{}">{}\n</span>').format(
                target, number, Markup("").join(parts)
            )
        )
    cited_at = stated | lines if lines else {}
    found = {label: tuple(dict.fromkeys(where)) for label, where in cited_at.items()}
    return Listing(target, Markup("").join(rendered), len(text), found, links, title)


def _link(label: str) -> Markup:
    return Markup('<a href="#{}">{}</a>').format(anchor(label), label)


def _cited(text: str, kind: str, known: Collection[str]) -> tuple[Markup, list[str]]:
    """A token with links, and the labels it cites."""
    start = 0
    if kind == "kernel":  # of code in another language, its comments alone
        start = text.find("//")
        start = len(text) if start < 0 else start
    if kind == "word" or kind == "string":
        return Markup.escape(text), []
    parts: list[Markup] = [Markup.escape(text[:start])]
    found = []
    for match in _CITED.finditer(text, start):
        if match[0] in known:
            parts += [Markup.escape(text[start : match.start()]), _link(match[0])]
            start = match.end()
            found.append(match[0])
    parts.append(Markup.escape(text[start:]))
    return Markup("").join(parts), found


def _tokens(source: str, text: Sequence[str]) -> Iterator[tuple[int, int, int, str]]:
    """Line, first and last column and kind of comments, strings and keywords, line by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _kind(token)
        if not kind:
            continue
        (first, start), (last, end) = token.start, token.end
        for row in range(first - 1, last):
            left = start if row == first - 1 else 0
            right = end if row == last - 1 else len(text[row])
            if right > left:
                yield row, left, right, kind


def _lines(text: Sequence[str]) -> Iterator[tuple[int, int, int, str]]:
    """Each line of another language as `_tokens` has it."""
    return ((number, 0, len(line), "kernel") for number, line in enumerate(text) if line)


def _kind(token: tokenize.TokenInfo) -> str:
    """comment, docstring, string, kernel (code in a string), word (a keyword), or nothing."""
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "word"
    if token.type != tokenize.STRING:
        return ""
    if token.string.startswith(('"""', "'''")):
        return "docstring"
    return "kernel" if token.string.startswith('r"""') else "string"
