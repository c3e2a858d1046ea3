"""What rows, columns, gaps, commas and prose divide the tokens of a region into."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.language.papers.source import MAX_NESTING, Source
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import REMARKS

_DIVIDERS = frozenset({"row", "line", "gap", "align", "comma", "prose", "forall"})
_SYSTEMS = frozenset({"cases", "dcases", "rcases", "array", "numcases"})
_CONNECTING = frozenset({"and", "where", "with", "for"})
_BINARY = frozenset({"operator", "script", "double bar"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a region that is an equation, goes on with one, or is a remark."""

    tokens: tuple[Token, ...]
    between: frozenset[str]  # the dividers before it

    @property
    def is_prose(self) -> bool:
        return bool(self.tokens) and self.tokens[0].kind in ("prose", "forall")


def pieces_of(tokens: Sequence[Token], kind: str) -> list[Piece]:
    """What stands between dividers outside of all brackets."""
    found: list[Piece] = []
    part: list[Token] = []
    between: set[str] = {"row"}
    depth = 0

    def close() -> None:
        nonlocal between
        if part:
            found.append(Piece(tuple(part), frozenset(between)))
            part.clear()
            between = set()

    for token in tokens:
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth = max(0, depth - 1)
        divides = token.kind in _DIVIDERS and depth == 0
        if token.kind == "line":
            if depth == 0:
                close()
                between.add("row" if kind == "lines" else "line")
            continue
        if token.kind == "row" and depth > 0 and not _in_environment(part):
            continue  # a row that is broken inside of brackets
        if depth > 0 and token.kind in ("align", "gap") and not _in_environment(part):
            continue
        is_word = token.kind == "letter" and depth == 0 and token.text in REMARKS
        if is_word and (not part or token.text in _CONNECTING):
            token = Token("prose", token.text, token.position, token.end)
            divides = True
        if not divides:
            part.append(token)
            continue
        close()
        if token.kind in ("prose", "forall"):
            found.append(Piece((token,), frozenset(between)))
            between = {"prose"}
        else:
            between.add(token.kind)
    close()
    return found


def _in_environment(part: Sequence[Token]) -> bool:
    """Whether an environment such as a matrix is open, whose rows and columns matter."""
    open_ones: list[str] = []
    for token in part:
        if token.kind in ("open", "begin"):
            open_ones.append(token.kind)
        elif token.kind in ("close", "end") and open_ones:
            open_ones.pop()
    return "begin" in open_ones


def systems_opened(source: Source, tokens: Sequence[Token]) -> list[Token]:
    """Without the environment around a system of equations; refuses nesting that is too deep."""
    result: list[Token] = []
    removed: list[bool] = []
    depth = 0
    for k, token in enumerate(tokens):
        if token.kind in ("open", "begin"):
            depth += 1
            if depth > MAX_NESTING:
                raise source.error(
                    token.position,
                    f"brackets nest deeper than {MAX_NESTING}; name the inner part in an equation "
                    "of its own",
                )
        elif token.kind in ("close", "end"):
            depth = max(0, depth - 1)
        if token.kind == "begin":
            before = next((t for t in reversed(result) if t.kind not in ("gap", "align")), None)
            starts = before is None or before.kind in ("row", "line", "prose")
            opens = token.text in _SYSTEMS and starts and _holds_relation(tokens, k)
            removed.append(opens)
            if opens:
                continue
        elif token.kind == "end" and removed and removed.pop():
            result.append(Token("row", "\\\\", token.position, token.end))
            continue
        result.append(token)
    return result


def _holds_relation(tokens: Sequence[Token], start: int) -> bool:
    depth = 0
    for token in tokens[start:]:
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth -= 1
            if depth == 0:
                return False
        elif token.kind == "relation" and depth == 1:
            return True
    return False


def depth_of(tokens: Sequence[Token]) -> int:
    """How many brackets are left open."""
    opened = sum(t.kind in ("open", "begin") for t in tokens)
    return opened - sum(t.kind in ("close", "end") for t in tokens)


def relation_at(tokens: Sequence[Token]) -> int | None:
    """The place of the first relation outside of all brackets."""
    depth = 0
    for k, token in enumerate(tokens):
        if token.kind in ("open", "begin"):
            depth += 1
        elif token.kind in ("close", "end"):
            depth -= 1
        elif token.kind == "relation" and depth == 0:
            return k
    return None


def is_equals(token: Token) -> bool:
    """Whether it is a relation that defines."""
    return token.kind == "relation" and token.text == "="


def is_open(tokens: Sequence[Token]) -> bool:
    """Whether something must follow: a bracket is open, or an operator stands at the end."""
    last = tokens[-1]
    is_index = len(tokens) > 1 and tokens[-2].kind == "script"  # [a]_+, h^*
    return depth_of(tokens) > 0 or (last.kind in ("relation", *_BINARY) and not is_index)


def starts_with(tokens: Sequence[Token], kind: str) -> bool:
    """Whether a token of this kind comes first."""
    return bool(tokens) and tokens[0].kind == kind


def starts_with_operator(tokens: Sequence[Token]) -> bool:
    """Whether something must stand before it."""
    return tokens[0].kind in ("relation", "operator", "script", "close")


def is_number(tokens: Sequence[Token]) -> bool:
    """The number of an equation: (1), (3.1), (2a), (*)."""
    if len(tokens) < 3 or tokens[0].text not in ("(", "[") or tokens[-1].kind != "close":
        return False
    inner = tokens[1:-1]
    if any(t.kind not in ("number", "letter", "comma", "operator", "prime") for t in inner):
        return False
    return len(inner) <= 5 and all(len(t.text) <= 4 for t in inner)


def is_dots(tokens: Sequence[Token]) -> bool:
    """Whether there is nothing but dots."""
    return all(t.kind == "dots" for t in tokens)


def is_words(tokens: Sequence[Token]) -> bool:
    """Words of plain text: two in a row that are no symbols of a formula."""
    words = [t.kind == "letter" and len(t.text) > 2 and t.text.islower() for t in tokens]
    return any(a and b for a, b in itertools.pairwise(words)) or (len(tokens) == 1 and words[0])


def _is_mention(tokens: Sequence[Token]) -> bool:
    return relation_at(tokens) is None
