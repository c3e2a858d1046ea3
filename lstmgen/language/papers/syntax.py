"""Lark's parser for one equation, and its tree as nodes."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

import lark

from lstmgen.language.papers.nodes import (
    Call,
    Fraction,
    Group,
    Node,
    Number,
    ParsedEquation,
    Script,
    Sum,
    Symbol,
    Term,
)
from lstmgen.language.papers.source import Chunk, Source

_NAME = {
    # A letter with digits is one name; in plain text so is a word, and a ~ is a tilde.
    True: r"NAME: /[A-Za-zÀ-ÖØ-öø-ÿĀ-ſ][̀-ͯ]*[0-9]*/",
    False: r"NAME: /[A-Za-zÀ-ÖØ-öø-ÿĀ-ſ][̀-ͯ]*[A-Za-z]*[0-9]*~?/",
}

_EXPECTED = {
    "EQ": "'='",
    "PLUS": "an operator",
    "RPAR": "')'",
    "RBRACKET": "']'",
    "RBRACE": "'}'",
    "RSET": r"'\}'",
    "BAR": "'|'",
    "RVERT": r"\rvert",
    "COMMA": "','",
}
_CLOSING = ("EQ", "RPAR", "RBRACKET", "RBRACE", "RSET", "RVERT")


@cache
def _parser(is_latex: bool) -> lark.Lark:
    grammar = files(__package__).joinpath("equations.lark").read_text(encoding="utf-8")
    return lark.Lark(
        f"{grammar}\n{_NAME[is_latex]}\n",
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
    )


def parse(source: Source, chunk: Chunk) -> ParsedEquation:
    """The tree of one equation; raises `EquationError` with a caret where it cannot be read."""
    try:
        tree = _parser(source.is_latex).parse(chunk.text)
    except lark.exceptions.UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        raise source.error(
            chunk.start + place, _unknown(chunk.text[place :])
        ) from None
    except lark.exceptions.UnexpectedToken as error:
        at_end = error.token.type == "$END"
        position = len(chunk.text) if at_end else (error.token.start_pos or 0)
        found = "the equation ends here" if at_end else f"unexpected {str(error.token)!r}"
        expected = _expected(error.accepts or error.expected)
        raise source.error(chunk.start + position, f"{found}; expected {expected}") from None
    relations = _Build(chunk.start).transform(tree)
    if len(relations) == 1:
        raise source.error(
            chunk.start,
            "this is no equation: expected '=' between what is defined and its value; leave out "
            "what is no equation, or begin the line with %",
        )
    if len(relations) > 2:
        raise source.error(
            relations[2].position, "a second '=' in one equation; write two equations"
        )
    return ParsedEquation(relations[0], relations[1], chunk)


def _unknown(rest: str) -> str:
    if command := re.match(r"\\(text\w*|mathrm|mbox)\s*\{([^}]*)\}?", rest):
        return (
            f"expected an equation, not prose ({command[2].strip()[:40]!r}); move it out of the "
            "formula, or behind a %"
        )
    if command := re.match(r"\\[A-Za-z]+", rest):
        return f"the command {command[0]} is not part of the notation"
    return f"the character {rest[0]!r} is not part of the notation"


def _expected(terminals: Any) -> str:
    needs_operand = "NAME" in terminals and "CDOT" not in terminals
    names = ["a symbol, a number, a function or a bracket"] if needs_operand else []
    for terminal, text in _EXPECTED.items():
        if terminal in terminals and not (needs_operand and terminal not in _CLOSING):
            names.append(text)
    return " or ".join(names)


_BRACKETS = {"LPAR": "(", "LBRACKET": "[", "LBRACE": "{", "LSET": "("}
_FUNCTIONS = {
    "sigmoid": "sigma",
    "sigm": "sigma",
    "logistic": "sigma",
    "σ": "sigma",
    "ReLU": "relu",
    "ln": "log",
}
_GREEK = dict(
    zip(
        "αβγδϵζηθικλμνξπρτυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho tau "
            "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
        ).split(" "),
        strict=True,
    )
)
_BOLD = ("mathbf", "boldsymbol", "bm", "pmb", "textbf")
_ACCENT_NAMES = {"widetilde": "tilde", "widehat": "hat", "check": "hat"}
_COMBINING = {"̃": "tilde", "̂": "hat", "̄": "bar", "̇": "dot", "̅": "overline", "⃗": "vec"}


@lark.v_args(meta=True)
class _Build(lark.Transformer):  # type: ignore[type-arg]
    """Lark's tree to nodes whose positions are places in the file."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self._offset = offset

    def _span(self, meta: Any) -> tuple[int, int]:
        return self._offset + meta.start_pos, self._offset + meta.end_pos

    def start(self, meta: Any, found: list[Any]) -> list[Node]:
        return [item for item in found if not isinstance(item, lark.Token)]

    def sign(self, meta: Any, found: list[Any]) -> str:
        return str(found[0])

    addop = sign

    def op(self, meta: Any, found: list[Any]) -> lark.Token:
        return found[0]  # type: ignore[no-any-return]

    def expr(self, meta: Any, found: list[Any]) -> Node:
        terms: list[tuple[bool, Node]] = []
        negative = False
        for item in found:
            if isinstance(item, str):
                negative ^= item == "-"
            else:
                terms.append((negative, item))
                negative = False
        if len(terms) == 1 and not terms[0][0]:
            return terms[0][1]
        return Sum(tuple(terms), *self._span(meta))

    def term(self, meta: Any, found: list[Any]) -> Node:
        factors: list[tuple[str, Node]] = []
        operator = ""
        for item in found:
            if isinstance(item, lark.Token):
                operator = item.type
            else:
                factors.append((operator, item))
                operator = ""
        return factors[0][1] if len(factors) == 1 else Term(tuple(factors), *self._span(meta))

    def items(self, meta: Any, found: list[Any]) -> tuple[Node, ...]:
        return tuple(item for item in found if not isinstance(item, lark.Token))

    def script(self, meta: Any, found: list[Any]) -> Script:
        position = self._offset + meta.start_pos
        first = found[0]
        if first.type in ("SUBSCRIPT", "SUPERSCRIPT"):
            side = "_" if first.type == "SUBSCRIPT" else "^"
            return Script(side, (), str(first), position)
        side, argument = str(first), found[1]
        if isinstance(argument, tuple):
            return Script(side, argument, "", position)
        if isinstance(argument, lark.Token) and argument.type == "NUMBER":
            start = self._offset + (argument.start_pos or 0)
            number = Number(str(argument), (), start, start + len(argument))
            return Script(side, (number,), "", position)
        return Script(side, (self._letter(argument),), "", position)

    def number(self, meta: Any, found: list[Any]) -> Node:
        return Number(str(found[0]), tuple(found[1:]), *self._span(meta))

    def symbol(self, meta: Any, found: list[Any]) -> Node:
        base = self._letter(found[0])
        primes = sum(len(i) for i in found[1:] if isinstance(i, lark.Token))
        scripts = tuple(i for i in found[1:] if isinstance(i, Script))
        return _decorated(base, primes, scripts, *self._span(meta))

    def accent(self, meta: Any, found: list[Any]) -> Symbol:
        inner = self._letter(found[1])
        command = str(found[0]).lstrip("\\")
        accents = (*inner.accents, _ACCENT_NAMES.get(command, command))
        return Symbol(
            inner.base, accents, inner.font, inner.primes, inner.scripts, *self._span(meta)
        )

    def font(self, meta: Any, found: list[Any]) -> Symbol:
        inner = self._letter(found[1])
        font = "bold" if str(found[0])[1:] in _BOLD else ""
        return Symbol(
            inner.base, inner.accents, font, inner.primes, inner.scripts, *self._span(meta)
        )

    def _letter(self, item: Any) -> Symbol:
        if isinstance(item, Symbol):
            return item
        start = self._offset + (item.start_pos or 0)
        span = (start, start + len(item))
        text, font = str(item), ""
        accents: tuple[str, ...] = ()
        if item.type == "NAME":
            text, accents = _plain_letter(text)
        elif item.type == "GREEK":
            text = _GREEK.get(text, text.lstrip("\\"))
        elif item.type == "INCREMENT":
            text = f"Delta{text[-1]}"
        elif item.type == "UPRIGHT":
            text = re.sub(r"^[^{]*\{\s*|\s*\}$", "", text).replace("\\_", "_")
            font = "upright"
        elif item.type == "FUNCTION":
            text, font = re.sub(r"^\\(?:\w+\*?\s*\{\s*)?|\s*\}$", "", text), "upright"
        elif item.type == "TOP":
            text = "\\top"
        elif item.type == "PRIME":
            text = "\\prime"
        return Symbol(text, accents, font, 0, (), *span)

    def group(self, meta: Any, found: list[Any]) -> Node:
        bracket, items = _BRACKETS[found[0].type], found[1]
        primes = [i for i in found[3:] if isinstance(i, lark.Token)]
        scripts = tuple(i for i in found[3:] if isinstance(i, Script))
        inner = items[0]
        if bracket == "{" and len(items) == 1 and isinstance(inner, Symbol):
            return _decorated(inner, sum(map(len, primes)), scripts, *self._span(meta))
        if primes:
            start = self._offset + (primes[0].start_pos or 0)
            scripts = (Script("^", (Symbol("\\prime", (), "", 0, (), start, start),), "", start),)
        return Group(bracket, items, scripts, *self._span(meta))

    def braced(self, meta: Any, found: list[Any]) -> Node:
        return self.group(meta, found)

    def call(self, meta: Any, found: list[Any]) -> Node:
        where = next(k for k, item in enumerate(found) if isinstance(item, tuple))
        scripts = [i for i in found if isinstance(i, Script)]
        scripts += [self._prime(i) for i in found[1:where] if getattr(i, "type", "") == "PRIMES"]
        return Call(_function(found[0]), found[where], tuple(scripts), False, *self._span(meta))

    def _prime(self, token: lark.Token) -> Script:
        start = self._offset + (token.start_pos or 0)
        return Script("^", (Symbol("\\prime", (), "", 0, (), start, start),), "", start)

    def bare(self, meta: Any, found: list[Any]) -> Node:
        scripts = [i for i in found[1:-1] if isinstance(i, Script)]
        scripts += [self._prime(i) for i in found[1:-1] if isinstance(i, lark.Token)]
        argument = found[-1]
        braced = isinstance(argument, Group) and argument.bracket == "{"
        arguments = argument.items if braced else (argument,)
        is_bare = not braced
        return Call(_function(found[0]), arguments, tuple(scripts), is_bare, *self._span(meta))

    def fraction(self, meta: Any, found: list[Any]) -> Node:
        return Fraction(found[1], found[2], *self._span(meta))

    def root(self, meta: Any, found: list[Any]) -> Node:
        return Call("sqrt", (found[1],), tuple(found[2:]), False, *self._span(meta))

    def absolute(self, meta: Any, found: list[Any]) -> Node:
        scripts = tuple(i for i in found if isinstance(i, Script))
        return Call("abs", (found[1],), scripts, False, *self._span(meta))

    bars = absolute


def _decorated(
    base: Symbol, primes: int, scripts: tuple[Script, ...], position: int, end: int
) -> Symbol:
    return Symbol(
        base.base,
        base.accents,
        base.font,
        base.primes + primes,
        (*base.scripts, *scripts),
        position,
        end,
    )


def _plain_letter(text: str) -> tuple[str, tuple[str, ...]]:
    """A name without its combining accents, and these as words."""
    letters, accents = "", []
    for character in unicodedata.normalize("NFD", text):
        if character == "~" or character in _COMBINING:
            accents.append(_COMBINING.get(character, "tilde"))
        else:
            letters += character
    return letters, tuple(accents)


def _function(token: lark.Token) -> str:
    name = re.sub(r"^\\(?:\w+\*?\s*\{\s*)?|\s*\}$", "", str(token))
    return _FUNCTIONS.get(name, name)
