r"""Macros that a text defines: \newcommand, \def, \let and \DeclareMathOperator.

They are put in as text, with bounds on how much they may grow; nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lstmgen.language.papers.source import Source

MAX_DEPTH = 20
MAX_EXPANSION = 4_000
MAX_EXPANSIONS = 4_000

_START = re.compile(
    r"\\(?:(?P<new>(?:re|provide)?newcommand|providecommand|DeclareRobustCommand)\*?\s*"
    r"(?:\{\s*\\(?P<braced>[A-Za-z]+)\s*\}|\\(?P<bare>[A-Za-z]+))"
    r"(?:\s*\[\s*(?P<count>\d)\s*\])?(?:\s*\[(?P<default>[^\]]*)\])?"
    r"|(?P<operator>DeclareMathOperator)\*?\s*(?:\{\s*\\(?P<op_braced>[A-Za-z]+)\s*\}|"
    r"\\(?P<op_bare>[A-Za-z]+))"
    r"|(?P<let>let)\s*\\(?P<alias>[A-Za-z]+)\s*=?\s*(?P<target>\\[A-Za-z]+|[^\s\\{}])"
    r"|(?P<def>[gex]?def)\s*\\(?P<defined>[A-Za-z]+)\s*(?P<parameters>(?:#\d)*))\s*"
)


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: its text, with #1 to #9 for its arguments."""

    body: str
    arguments: int
    default: str | None = None

    def applied(self, arguments: list[str]) -> str:
        """The text with the arguments put in."""
        return re.sub(
            r"#([1-9])",
            lambda m: arguments[int(m[1]) - 1] if int(m[1]) <= len(arguments) else "",
            self.body,
        )


def macros(source: Source, text: str) -> tuple[Mapping[str, Macro], str]:
    """The macros of a text, and the text without their definitions."""
    found: dict[str, Macro] = {}
    place = 0
    pieces: list[str] = []
    while match := _START.search(text, place):
        end = match.end()
        if match["let"]:
            found[match["alias"]] = Macro(match["target"] + " ", 0)
        else:
            if not text.startswith("{", end):
                pieces.append(text[place:end])
                place = end
                continue
            closing = closing_brace(text, end)
            if closing is None:
                raise source.error(match.start(), "the braces of this macro are never closed")
            body = text[end + 1 : closing]
            end = closing + 1
            if match["operator"]:
                name = match["op_braced"] or match["op_bare"]
                found[name] = Macro(rf"\operatorname{{{body}}}", 0)
            elif match["def"]:
                found[match["defined"]] = Macro(body, len(match["parameters"]) // 2)
            else:
                name = match["braced"] or match["bare"]
                found[name] = Macro(body, int(match["count"] or 0), match["default"])
        pieces.append(text[place : match.start()])
        pieces.append(re.sub(r"[^\n]", " ", text[match.start() : end]))
        place = end
    return found, "".join([*pieces, text[place:]])


def closing_brace(text: str, opening: int) -> int | None:
    """The place of the brace that closes the one at `opening`."""
    depth, position = 0, opening
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return None


def taken_arguments(text: str, position: int, end: int, macro: Macro) -> tuple[list[str], int]:
    """The arguments of a macro that is used at `position`, and where the text goes on."""
    arguments: list[str] = []
    for k in range(macro.arguments):
        while position < end and text[position].isspace():
            position += 1
        if k == 0 and macro.default is not None:
            optional = re.compile(r"\[([^\]]*)\]").match(text, position, end)
            arguments.append(optional[1] if optional else macro.default)
            position = optional.end() if optional else position
            continue
        if position < end and text[position] == "{":
            closing = closing_brace(text[:end], position)
            closing = end - 1 if closing is None else closing
            arguments.append(text[position + 1 : closing])
            position = closing + 1
        elif position < end:
            single = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL).match(text, position, end)
            assert single is not None
            arguments.append(single[0])
            position = single.end()
        else:
            arguments.append("")
    return arguments, position
