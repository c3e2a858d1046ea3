"""The signs of a formula, however they are typed, and what is done to a list of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Token:
    """A sign of a formula.

    Attributes:
        kind: "letter", "greek", "word" (upright), "number", "function", "operator", "relation",
            "open", "close", "script", "lowered" and "raised" (Unicode), "prime", "top", "accent",
            "font", "switch", "fraction", "root", "dots", "comma", "bar", "double bar", "row",
            "line", "gap", "align", "begin", "end", "prose", "reals", "command", "unknown".
        text: in one spelling: `odot` for \\odot and ⊙.
        position, end: where it stands in the text.
        spaced: whether there is space before it.
    """

    kind: str
    text: str
    position: int
    end: int
    spaced: bool = False
    accents: tuple[str, ...] = ()
    font: str = ""


_RUN_TOGETHER = re.compile(r"\b[A-Za-z~]{1,6}t-1\b")


def without_idle_braces(tokens: list[Token]) -> list[Token]:
    """`t{-}1` and `{z = a}`: braces around an operator or an equation only set the space."""
    opened: list[int] = []
    idle: set[int] = set()
    related: set[int] = set()  # opening braces that a relation stands in
    for k, token in enumerate(tokens):
        if token.kind == "open":
            opened.append(k)
        elif token.kind == "close" and opened:
            start = opened.pop()
            is_sign = k == start + 2 and tokens[start + 1].kind in ("operator", "relation")
            if tokens[start].text == "{" and token.text == "}" and (is_sign or start in related):
                idle |= {start, k}
        elif token.kind == "relation" and token.text == "=" and opened:
            related.add(opened[-1])
    # what follows one of these is its argument
    takes = ("script", "fraction", "root", "accent", "font", "function")
    for start in sorted(idle):
        if tokens[start].kind == "open" and start and tokens[start - 1].kind in takes:
            idle -= {start, _closing(tokens, start)}
    return [token for k, token in enumerate(tokens) if k not in idle] if idle else tokens


def with_placeholders(tokens: list[Token]) -> list[Token]:
    r"""`\phi(\cdot) = \max(0, \cdot)`: there, the dot is the argument."""
    result = list(tokens)
    for k in range(1, len(tokens) - 1):
        before, token, after = tokens[k - 1 : k + 2]
        opens = before.kind == "open" or (before.kind == "comma" and before.text == ",")
        closes = after.kind == "close" or (after.kind == "comma" and after.text == ",")
        if token.kind == "operator" and token.text == "cdot" and opens and closes:
            result[k] = replace(token, kind="word", text="argument")
    return result


def _closing(tokens: list[Token], start: int) -> int:
    """The place of the bracket that closes the one at `start`."""
    depth = 0
    for k in range(start, len(tokens)):
        depth += (tokens[k].kind == "open") - (tokens[k].kind == "close")
        if depth == 0:
            return k
    return start


def with_angles(tokens: list[Token]) -> list[Token]:
    """`c^{<t>}` and `c^<t>`: there, < and > are brackets."""
    if not any(t.kind == "relation" and t.text == "<" for t in tokens):
        return tokens
    result = list(tokens)
    for k, token in enumerate(result):
        if token.kind != "relation" or token.text != "<" or k == 0:
            continue
        before = result[k - 1]
        if before.kind == "open" and before.text == "{" and k > 1:
            before = result[k - 2]
        if before.kind != "script":
            continue
        for j in range(k + 1, min(k + 8, len(result))):
            if result[j].kind == "relation" and result[j].text == ">":
                result[k] = replace(token, kind="open")
                result[j] = replace(result[j], kind="close")
                break
    return result


def cut(token: Token) -> list[Token]:
    """`zt` as z_t, where a text writes its steps like that."""
    text = token.text
    if token.kind != "letter" or not 2 <= len(text) <= 4 or not text.endswith("t"):
        return [token]
    middle = token.end - 1
    return [
        replace(token, text=text[:-1], end=middle),
        Token("script", "_", middle, middle),
        Token("open", "{", middle, middle),
        Token("letter", "t", middle, token.end),
        Token("close", "}", token.end, token.end),
    ]


def previous(tokens: list[Token]) -> list[Token]:
    """`Ht-1` as H_{t-1}: the minus and the one go into the index."""
    result: list[Token] = []
    k = 0
    while k < len(tokens):
        after = tokens[k + 1 : k + 3]
        if (
            tokens[k].kind == "close"
            and tokens[k].position == tokens[k].end
            and [t.text for t in after] == ["-", "1"]
            and not any(t.spaced for t in after)
        ):
            result += [*after, tokens[k]]
            k += 3
        else:
            result.append(tokens[k])
            k += 1
    return result


def is_run_together(text: str) -> bool:
    """Whether a plain text writes Ht-1 for the state before, as operator sheets do."""
    return _RUN_TOGETHER.search(text) is not None and "_t" not in text and "[t" not in text
