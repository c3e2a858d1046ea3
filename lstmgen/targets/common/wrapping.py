"""Lines of Python that are too long, broken at the commas inside their brackets.

Brackets and commas are found by Python's own tokenizer, so that those in strings are none.
"""

from __future__ import annotations

import io
import itertools
import textwrap
import token as kinds
import tokenize
from dataclasses import dataclass

__all__ = ["WIDTH", "filled", "wrapped"]

WIDTH = 99
"""Characters in a line of generated code, at most, where it can be broken."""

_OPEN, _CLOSE = "([{", ")]}"
_FORMATTED = tuple(
    getattr(kinds, f"{kind}_{end}")
    for kind in ("FSTRING", "TSTRING")
    for end in ("START", "END")
    if hasattr(kinds, f"{kind}_{end}")
)
"""Tokens that later Pythons have around what stands in a formatted string."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What stands in a pair of parentheses or braces: from `start` to `end`, in parts."""

    start: int
    end: int
    parts: tuple[str, ...]
    has_comma: bool
    inner: _Call | None = None  # the one argument, where it is in parentheses itself


def filled(items: str, width: int, indent: str = "") -> list[str]:
    """Lines with as many items as fit; a longer one has a line of its own.

    Args:
        items: with blanks between them.
        width: of a line.
        indent: of the lines after the first.
    """
    return textwrap.wrap(
        items,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def wrapped(code: str, indent: int) -> str:
    """Code with its longest parentheses or braces opened, an argument per line, if it does not fit.

    Args:
        code: one logical line of Python, without its indent.
        indent: how far it is indented; lines after the first are relative to it.
    """
    if indent + len(code) <= WIDTH:
        return code
    call = max(_calls(code), key=lambda c: c.end - c.start, default=None)
    if call is None or not call.parts:
        return code
    if call.inner is not None:  # a call with a tuple: open both at once
        call = call.inner
    lines = [wrapped(part, indent + 4).replace("\n", "\n    ") for part in call.parts]
    comma = "," if call.has_comma else ""
    inner = "".join(f"    {line}{comma}\n" for line in lines)
    return f"{code[: call.start]}\n{inner}{code[call.end :]}"


def _calls(code: str) -> list[_Call]:
    """Every pair of parentheses or braces, in the order of their ends."""
    found: list[_Call] = []
    open_at: list[tuple[str, int, list[int]]] = []  # bracket, where its inside begins, commas
    formatted = 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in _FORMATTED:
            formatted += 1 if token.type in _FORMATTED[::2] else -1
        if token.type != kinds.OP or formatted:
            continue
        if token.string in _OPEN:
            open_at.append((token.string, token.end[1], []))
        elif token.string == "," and open_at:
            open_at[-1][2].append(token.start[1])
        elif token.string in _CLOSE:
            bracket, start, commas = open_at.pop()
            if bracket == "[":
                continue
            end = token.start[1]
            edges = [start - 1, *commas, end]
            parts = [code[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]
            inner = found[-1] if found else None
            whole = inner is not None and (inner.start, inner.end) == (start + 1, end - 1)
            kept = tuple(part for part in parts if part)
            only = inner if whole and not commas else None
            found.append(_Call(start, end, kept, bool(commas), only))
    return found
