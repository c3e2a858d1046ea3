"""Parsing symbols: letters with accents, fonts, primes, and indices."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from lstmgen.language.papers.source import MAX_NESTING, Source
from lstmgen.language.papers.syntax.cursor import Cursor
from lstmgen.language.papers.syntax.nodes import Group, Node, Number, Script, Sum, Symbol
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import BOLD, UPRIGHT


class Symbols(Cursor):
    """Reads symbols; what stands in brackets is left to `group` and `items`."""

    def __init__(self, source: Source, tokens: tuple[Token, ...]) -> None:
        super().__init__(source, tokens)
        self._depth = 0
        self._font = ""  # of the formula around: \mathbf{W x_t}

    @abstractmethod
    def item(self) -> Node:
        """A factor without what multiplies it."""

    @abstractmethod
    def group(self) -> Node:
        """What stands in brackets."""

    @abstractmethod
    def items(self, opening: Token) -> tuple[Node, ...]:
        """The expressions behind an opening bracket, up to the closing one."""

    def number(self, token: Token) -> Node:
        scripts = self.scripts()
        if token.font == "vector":  # the length of a vector of ones does not matter
            scripts = tuple(s for s in scripts if s.side == "^")
        return Number(
            token.text, scripts, token.position, self.end(), token.spaced, token.font == "vector"
        )

    def symbol(self) -> Node:
        """A letter or word with accents, fonts, primes and indices."""
        start = self.peek()
        assert start is not None
        inner = self.letter()
        if not isinstance(inner, Symbol):
            return inner
        primes, scripts = self.decorations()
        return replace(
            inner,
            primes=inner.primes + primes,
            scripts=(*inner.scripts, *scripts),
            position=start.position,
            end=self.end(),
            spaced=start.spaced,
        )

    def letter(self) -> Node:
        """A letter, with an accent or in a font; what a font or braces hold may be a formula."""
        token = self.peek()
        if token is None:
            self.unexpected("a symbol")
        self._at += 1
        span = (token.position, token.end)
        if token.kind == "greek" and token.text == "Delta":
            following = self.peek()
            if following is not None and following.kind == "letter" and len(following.text) == 1:
                self._at += 1
                base = f"Delta{following.text}"
                return Symbol(base, (), "", 0, (), token.position, following.end, token.spaced)
        if token.kind in ("letter", "greek", "word", "reals"):
            font = token.font or self._font
            return Symbol(token.text, token.accents, font, 0, (), *span, token.spaced)
        if token.kind in ("top", "prime"):
            return Symbol(f"\\{token.kind}", (), "", 0, (), *span, token.spaced)
        if token.kind == "function":
            return Symbol(token.text, (), "upright", 0, (), *span, token.spaced)
        if token.kind in ("accent", "font", "switch"):
            return self._accented(token)
        if token.kind == "open" and token.text == "{":
            self._at -= 1
            return self.group()
        self._at -= 1
        self.unexpected("a symbol")

    def _accented(self, token: Token) -> Node:
        self._depth += 1
        if self._depth > 3 * MAX_NESTING:
            raise self._source.error(token.position, "more accents nest here than are read")
        outer = self._font
        if token.text in BOLD:
            self._font = "bold"
        inner = self.letter()
        self._font = outer
        self._depth -= 1
        if isinstance(inner, Group) and not inner.scripts and isinstance(inner.items[0], Number):
            inner = inner.items[0]  # \mathbf{0}, \vec{0}
        if token.kind == "font":
            if isinstance(inner, Symbol):
                font = "bold" if token.text in BOLD else inner.font
                if token.text in UPRIGHT and len(inner.base) == 1:
                    font = "upright"
                return replace(inner, font=font, position=token.position)
            if isinstance(inner, Number):
                return replace(inner, is_vector=inner.text in ("0", "1"))
            return inner
        if not isinstance(inner, Symbol):
            if isinstance(inner, Number) and token.text == "vec":
                return inner
            raise self._source.error(token.position, "an accent must stand above one symbol")
        return replace(inner, accents=(*inner.accents, token.text), position=token.position)

    def decorations(self) -> tuple[int, tuple[Script, ...]]:
        primes, scripts = 0, []
        while (token := self.peek()) is not None:
            if token.kind == "prime":
                self._at += 1
                primes += len(token.text)
            elif (script := self._script()) is not None:
                scripts.append(script)
            else:
                break
        return primes, tuple(scripts)

    def scripts(self) -> tuple[Script, ...]:
        """Indices and powers; a prime is one of them here."""
        found: list[Script] = []
        while (token := self.peek()) is not None:
            if token.kind == "prime":
                self._at += 1
                mark = Symbol("\\prime", (), "", 0, (), token.position, token.end)
                found.append(Script("^", (mark,), token.position))
            elif (script := self._script()) is not None:
                found.append(script)
            else:
                break
        return tuple(found)

    def _script(self) -> Script | None:
        token = self.peek()
        if token is None:
            return None
        if token.kind in ("lowered", "raised"):
            self._at += 1
            side = "_" if token.kind == "lowered" else "^"
            return Script(side, (), token.position, unicode=token.text)
        if token.kind == "top" and self._at and token.end > token.position:
            # a transpose in Unicode or as .T, without a caret before it
            if self._source.text[token.position : token.position + 1] in (".", "ᵀ", "⊤"):
                self._at += 1
                return Script("^", (), token.position, mark="top")
            return None
        if token.kind != "script":
            return None
        self._at += 1
        return self._script_argument(token)

    def _script_argument(self, script: Token) -> Script:
        side, position = script.text, script.position
        token = self.peek()
        if token is None:
            self.unexpected("an index")
        if token.kind == "open" and token.text in ("{", "(", "<", "["):
            return self._bracketed_script(side, position)
        if token.kind == "top":
            self._at += 1
            return Script(side, (), position, mark="top")
        if token.kind == "operator" and token.text in ("+", "*", "-", "star", "ast", "odot"):
            self._at += 1
            following = self.peek()
            if token.text == "-" and following is not None and following.kind == "number":
                self._at += 1
                number = Number(following.text, (), following.position, following.end)
                negative = Sum(((True, number),), token.position, following.end)
                return Script(side, (negative,), position)
            return Script(side, (), position, mark=token.text)
        if token.kind == "number":
            self._at += 1
            number = Number(token.text, (), token.position, token.end, token.spaced)
            return Script(side, (number,), position)
        if token.kind in ("fraction", "root"):
            return Script(side, (self.item(),), position)
        return Script(side, (self.letter(),), position)

    def _bracketed_script(self, side: str, position: int) -> Script:
        """`_{...}`, `^{(t)}`, `^<t>`."""
        token = self.peek()
        assert token is not None
        self._at += 1
        inner = self.peek()
        after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
        closes = token.text == "{" and after is not None and after.kind == "close"
        if closes and inner is not None and inner.kind in ("top", "operator"):
            self._at += 2
            mark = "top" if inner.kind == "top" else inner.text
            return Script(side, (), position, mark=mark)
        bracket = "" if token.text == "{" else token.text
        if not bracket and inner is not None and inner.kind == "open" and inner.text == "<":
            self._at += 1
            items = self.items(inner)
            self.close(inner)
            self.close(token)
            return Script(side, items, position, bracket="<")
        if inner is not None and inner.kind == "switch":
            self._at += 1
            word = self._upright_word()
            if word is not None:
                self.close(token)
                return Script(side, (word,), position)
        if inner is not None and inner.kind == "close":
            self._at += 1
            return Script(side, (), position)
        items = self.items(token)
        self.close(token)
        if len(items) == 1 and isinstance(items[0], Group) and not items[0].scripts:
            group = items[0]
            if not bracket and group.bracket in ("(", "<", "["):
                return Script(side, group.items, position, bracket=group.bracket)
        return Script(side, items, position, bracket=bracket)

    def _upright_word(self) -> Symbol | None:
        r"""The word of {\rm in}, letter by letter, up to the brace."""
        start = self._at
        letters: list[Token] = []
        while (token := self.peek()) is not None and token.kind == "letter":
            letters.append(token)
            self._at += 1
        closing = self.peek()
        if len(letters) > 1 and closing is not None and closing.kind == "close":
            text = "".join(t.text for t in letters)
            return Symbol(text, (), "upright", 0, (), letters[0].position, letters[-1].end)
        self._at = start
        return None
