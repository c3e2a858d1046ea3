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
