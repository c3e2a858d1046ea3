"""A place in the tokens of an equation, and what is said where they cannot be read."""

from __future__ import annotations

from typing import NoReturn

from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax.statements import CONDITION
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import UNKNOWN_COMMANDS

_CLOSING = {"(": ")", "[": "]", "{": "}", "set": "set", "<": ">", "|": "|"}
_SHOWN = {"set": r"'\}'", ">": r"'\rangle'", "|": r"\rvert"}
OPERAND = "a symbol, a number, a function or a bracket"


class Cursor:
    """Goes through the tokens of one equation."""

    def __init__(self, source: Source, tokens: tuple[Token, ...]) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0

    def peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def end(self) -> int:
        return self._tokens[self._at - 1].end if self._at else 0

    def operator(self, *texts: str) -> Token | None:
        token = self.peek()
        if token is not None and token.kind == "operator" and token.text in texts:
            self._at += 1
            return token
        return None

    def close(self, opening: Token) -> None:
        wanted = _CLOSING[opening.text]
        token = self.peek()
        fits = token is not None and token.kind == "close"
        # ( ... ] is a mistake, but \left\{ ... \right\} and { ... \} are one bracket
        if not fits or token is None or token.text != wanted:
            self.unexpected(_SHOWN.get(wanted, f"'{wanted}'"))
        self._at += 1

    def unexpected(self, expected: str) -> NoReturn:
        token = self.peek()
        if token is None:
            end = self._tokens[-1].end
            raise self._source.error(end, f"the equation ends here; expected {expected}")
        if token.kind == "double bar" and expected == OPERAND:
            raise self._source.error(
                token.position,
                "the length (norm) of a vector takes all units together; only element-wise "
                "functions are read",
            )
        raise self._source.error(token.position, _unknown(token, expected))


def _unknown(token: Token, expected: str) -> str:
    if token.kind == "prose":
        return (
            f"expected a formula, not prose ({token.text[:40]!r}); move it behind a %, or write "
            "\\mathrm for a symbol's name"
        )
    if token.kind == "command":
        problem = UNKNOWN_COMMANDS.get(token.text)
        if problem:
            return f"the command \\{token.text} {problem}"
        return (
            f"the command \\{token.text} is not part of the notation; define it, "
            f"\\newcommand{{\\{token.text}}}{{...}}, or write out what it stands for"
        )
    if token.kind == "unknown":
        return f"the character {token.text!r} is not part of the notation"
    if token.kind == "relation" and token.text in ("<", ">", "<=", ">=", "!="):
        return f"the comparison {token.text} is {CONDITION}"
    if token.text == "/" and expected == OPERAND:
        return "// may be a division or begin a remark; write a / (...), or # before the remark"
    if token.kind == "relation" and token.text == "=" and "operator" in expected:
        return "a second '=' in one equation; write two equations"
    shown = token.text if token.kind != "begin" else f"\\begin{{{token.text}}}"
    return f"unexpected {shown!r}; expected {expected}"
