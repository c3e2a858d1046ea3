r"""From characters to tokens: the signs of a formula, however they are typed.

`\mathrm{tanh}`, `\tanh` and `tanh(` are one token, so are `\odot`, `⊙` and `(.)`; spacing and the
size of brackets are left out, wide gaps and alignment marks are kept, because remarks follow them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace

from lstmgen.language.papers.source import MAX_TOKENS, Source
from lstmgen.language.papers.text.commands import FUNCTION_WORDS, Commands
from lstmgen.language.papers.text.macros import (
    MAX_DEPTH,
    MAX_EXPANSION,
    MAX_EXPANSIONS,
    Macro,
    taken_arguments,
)
from lstmgen.language.papers.text.tokens import (
    Token,
    cut,
    previous,
    with_angles,
    with_placeholders,
    without_idle_braces,
)
from lstmgen.language.papers.text.vocabulary import (
    COMBINING,
    GREEK,
    GREEK_LETTERS,
    LOWERED,
    MATRIX_PRODUCT,
    RAISED,
    SYMBOLS,
)

_NUMBER = re.compile(r"\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3}(?![\d.A-Za-z_]))?|\.\d{1,30}")
_WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿĀ-ſḀ-ỿ][̀-ͯ]*(?:[A-Za-z0-9][̀-ͯ]*)*~?")
_LETTER = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿĀ-ſḀ-ỿ][̀-ͯ]*\d*")
_APPLIED = re.compile(r"[A-Za-z][A-Za-z0-9]{2,24}(?=\s*(?:\\left\s*|\\[bB]ig+l?\s*)?[(\[])")
_CALLED = re.compile(r"[A-Za-z]\w*(?=\s*\()")  # hard_sigmoid(a)
_LOWERED = re.compile(f"[{''.join(LOWERED)}]+")
_RAISED = re.compile(f"[{''.join(RAISED)}]+")
_MATHEMATICAL = 0x1D400  # from here on, letters of mathematics
_FRACTIONS = {"½": "0.5", "¼": "0.25", "¾": "0.75"}
_LIBRARY = re.compile(
    r"(?:(?:np|numpy|jnp|jax|torch|tf|math|F|nn|functional|keras|scipy|special|nnx?|activations)\.)+"
    r"(?=[A-Za-z])"
)


class Lexer(Commands):
    """Reads tokens off a text; `is_latex`: a letter is a symbol, else a word is one."""

    def __init__(
        self,
        source: Source,
        text: str,
        *,
        is_latex: bool,
        macros: Mapping[str, Macro],
        runs_together: bool = False,
    ) -> None:
        self._source = source
        self._text = text
        self._is_latex = is_latex
        self._macros = macros
        self._runs_together = runs_together
        self._depth = 0
        self._expansions = 0
        self._count = 0

    def tokens(self, start: int, end: int) -> list[Token]:
        """The tokens between two places of the text."""
        found = []
        for token in self._scan(start, end):
            found.append(token)
            self._count += 1
            if self._count > MAX_TOKENS:
                raise self._source.error(
                    token.position, f"more than {MAX_TOKENS} signs are not read; split the cell"
                )
        if self._runs_together:
            found = [part for token in found for part in cut(token)]
            found = previous(found)
        return without_idle_braces(with_placeholders(with_angles(found)))

    def nested(self, start: int, end: int) -> list[Token]:
        """The tokens within the argument of a command, which may hold such commands again."""
        if self._depth >= MAX_DEPTH:
            raise self._source.error(start, "commands nest too deeply here; write the formula out")
        self._depth += 1
        try:
            return self.tokens(start, end)
        finally:
            self._depth -= 1

    def expanded(
        self, macro: Macro, position: int, after: int, end: int
    ) -> tuple[list[Token], int]:
        """The tokens that a macro stands for, all of them where it is used."""
        arguments, after = taken_arguments(self._text, after, end, macro)
        text = macro.applied(arguments)
        self._expansions += 1
        if (
            self._depth >= MAX_DEPTH
            or len(text) > MAX_EXPANSION
            or self._expansions > MAX_EXPANSIONS
        ):
            raise self._source.error(
                position, "this macro grows without an end; write out what it stands for"
            )
        outer, self._text, self._depth = self._text, text, self._depth + 1
        try:
            made = list(self._scan(0, len(text)))
        finally:
            self._text, self._depth = outer, self._depth - 1
        return [replace(t, position=position, end=after) for t in made if t.kind != "line"], after

    def _scan(self, position: int, end: int) -> Iterator[Token]:
        text, spaced = self._text, True
        while position < end:
            character = text[position]
            if character == "\n":
                yield Token("line", "\n", position, position + 1)
                position, spaced = position + 1, True
                continue
            if character.isspace():
                position, spaced = position + 1, True
                continue
            if character == "\\":
                made, position = self.command(position, end, spaced)
                yield from made
            else:
                token = self._plain(position, end, spaced)
                if token is not None:
                    if token.kind != "empty":
                        yield token
                    position = token.end
                else:
                    position += 1
            spaced = False

    def _plain(self, position: int, end: int, spaced: bool) -> Token | None:
        """A token that begins with no backslash."""
        text = self._text
        character = text[position]

        def token(kind: str, what: str, length: int = 1) -> Token:
            return Token(kind, what, position, position + length, spaced)

        if character.isdigit() and (match := _NUMBER.match(text, position, end)):
            return token("number", match[0], len(match[0]))
        if character in _FRACTIONS:
            return token("number", _FRACTIONS[character])
        if character.isalpha():
            return self._letters(position, end, spaced)
        two = text[position : position + 2]
        if character == ".":
            if match := _NUMBER.match(text, position, end):
                return token("number", match[0], len(match[0]))
            if two == ".*":
                return token("operator", "odot", 2)
            if re.match(r"\.T(?![A-Za-z0-9_])", text[position:end]):
                return token("top", "top", 2)
            if dots := re.match(r"\.{2,}", text[position:end]):
                return token("dots", "...", len(dots[0]))
            return token("comma", ".")
        if text.startswith("(.)", position):
            return token("operator", "odot", 3)
        if two == "**":
            return token("script", "^", 2)
        if two in (":=", "<-", "=="):
            return token("relation", "=", 2)
        if character == "{" and (empty := re.compile(r"\{\s*\}").match(text, position, end)):
            return token("empty", "{}", len(empty[0]))
        if two in ("<=", ">=", "!="):
            return token("relation", two, 2)
        if two == "||":
            return token("double bar", two, 2)
        if character == "~" and self._is_latex:
            return None
        if character in SYMBOLS:
            return token("operator", SYMBOLS[character])
        if character in GREEK_LETTERS:
            return token("greek", GREEK_LETTERS[character])
        if character in LOWERED:
            match = _LOWERED.match(text, position, end)
            assert match is not None
            return token("lowered", match[0], len(match[0]))
        if character in RAISED:
            match = _RAISED.match(text, position, end)
            assert match is not None
            return token("raised", match[0], len(match[0]))
        if character == "'":
            primes = re.match(r"'+", text[position:end])
            assert primes is not None
            return token("prime", primes[0], len(primes[0]))
        kinds = {
            "=": "relation", "←": "relation", "<": "relation", ">": "relation", "∈": "relation",
            "≈": "relation", "≤": "relation", "≥": "relation", "(": "open", "[": "open",
            "{": "open", "⟨": "open", ")": "close", "]": "close", "}": "close", "⟩": "close",
            "_": "script", "^": "script", ",": "comma", ";": "comma", ":": "comma", "|": "bar",
            "‖": "double bar", "&": "align", "…": "dots", "⋯": "dots", "ᵀ": "top", "⊤": "top",
            "ℝ": "reals", "√": "root",
        }  # fmt: skip
        names = {"←": "=", "∈": "in", "≈": "approx", "≤": "<=", "≥": ">=", "⟨": "<", "⟩": ">"}
        return token(kinds.get(character, "unknown"), names.get(character, character))

    def _letters(self, position: int, end: int, spaced: bool) -> Token:
        """A name: in LaTeX a letter with digits, in plain text a word; or a function's name."""
        text = self._text

        def token(kind: str, what: str, length: int) -> Token:
            return Token(kind, what, position, position + length, spaced)

        if text[position] in GREEK_LETTERS:
            return token("greek", GREEK_LETTERS[text[position]], 1)
        if text[position] == "σ":
            return token("function", "sigma", 1)
        if text[position] == "ℝ":
            return token("reals", "R", 1)
        if text[position] in RAISED:
            match = _RAISED.match(text, position, end)
            assert match is not None
            if match[0] == "ᵀ":
                return token("top", "top", 1)
            return token("raised", match[0], len(match[0]))
        if text[position] in LOWERED:
            match = _LOWERED.match(text, position, end)
            assert match is not None
            return token("lowered", match[0], len(match[0]))
        if self._is_latex:
            applied = _APPLIED.match(text, position, end)
            if applied and (applied[0] in FUNCTION_WORDS or _is_word(applied[0])):
                return token("function", applied[0], len(applied[0]))
            match = _LETTER.match(text, position, end)
            if match is None:
                return token("unknown", text[position], 1)
            return _lettered(token("letter", match[0], len(match[0])))
        if ord(self._source.text[position]) >= _MATHEMATICAL:  # 𝐖𝐱ₜ: each is a symbol
            return token("letter", text[position], 1)
        if (prefix := _LIBRARY.match(text, position, end)) and prefix.end() < end:
            inner = self._letters(prefix.end(), end, spaced)
            return replace(inner, position=position, spaced=spaced)
        called = _CALLED.match(text, position, end)
        if called and called[0] in FUNCTION_WORDS:
            return token("function", called[0], len(called[0]))
        match = _WORD.match(text, position, end)
        if match is None:
            return token("unknown", text[position], 1)
        word = match[0]
        following = text[match.end() : match.end() + 1]
        is_function = word in FUNCTION_WORDS or word in MATRIX_PRODUCT
        if is_function and (following != "_" or word in ("max", "min")):
            return token("function", word, len(word))
        if word in GREEK:
            return token("greek", word, len(word))
        return _lettered(token("letter", word, len(word)))


def _is_word(text: str) -> bool:
    """Whether letters before a bracket in LaTeX are a function's name and not factors."""
    return len(text) >= 4 and text.isalpha() and text[1:].islower()


def _lettered(token: Token) -> Token:
    """A name without its combining accents, and these as words."""
    if token.text.isascii() and "~" not in token.text:
        return token
    letters, accents = "", []
    for character in unicodedata.normalize("NFD", token.text):
        if character == "~" or character in COMBINING:
            accents.append(COMBINING.get(character, "tilde"))
        else:
            letters += character
    return replace(token, text=letters, accents=tuple(accents))
