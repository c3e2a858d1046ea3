"""From the tokens of an equation to its tree, by precedence: sums, products, then factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmgen.language.papers.source import MAX_NESTING, Source
from lstmgen.language.papers.syntax.cursor import OPERAND
from lstmgen.language.papers.syntax.nodes import (
    Call,
    Fraction,
    FunctionName,
    Grid,
    Group,
    Node,
    Number,
    ParsedEquation,
    Script,
    Sum,
    Symbol,
    Term,
)
from lstmgen.language.papers.syntax.statements import CONDITION, Statement
from lstmgen.language.papers.syntax.symbols import Symbols
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import BOLD, SPELLINGS

_NAMES = frozenset({"letter", "greek", "word", "reals", "accent", "font", "switch", "top", "prime"})
_STARTS = _NAMES | frozenset(
    {"number", "function", "open", "begin", "bar", "fraction", "root", "command", "unknown"}
)
_MATRICES = frozenset(["matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array"])


def parse(source: Source, statement: Statement) -> ParsedEquation:
    """The tree of one equation; raises `EquationError` with a caret where it cannot be read."""
    parser = _Parser(source, statement.tokens)
    return ParsedEquation(parser.equation(), statement.is_inline)


def parse_name(source: Source, tokens: Sequence[Token]) -> Node:
    """The tree of a name or an expression that stands alone."""
    if not tokens:
        raise source.error(0, "nothing stands where a symbol is expected")
    parser = _Parser(source, tuple(tokens))
    node = parser.expression()
    parser.expect_end()
    return node


class _Parser(Symbols):
    def __init__(self, source: Source, tokens: tuple[Token, ...]) -> None:
        super().__init__(source, tokens)
        self._bars = 0

    def equation(self) -> tuple[Node, ...]:
        sides = [self.expression()]
        while (token := self.peek()) is not None:
            if token.kind == "relation" and token.text == "=":
                self._at += 1
                sides.append(self.expression())
            else:
                self.unexpected("'='" if len(sides) == 1 else "an operator or the end")
        if len(sides) == 1:
            raise self._source.error(
                sides[0].position,
                "this is no equation: expected '=' between what is defined and its value; leave "
                "out what is no equation, or begin the line with %",
            )
        return tuple(sides)

    def expect_end(self) -> None:
        """Refuse what follows an expression."""
        if self.peek() is not None:
            self.unexpected("the end")

    def expression(self) -> Node:
        """Terms with signs."""
        start = self.peek()
        terms: list[tuple[bool, Node]] = []
        while True:
            negative = False
            while (sign := self.operator("+", "-")) is not None:
                negative ^= sign.text == "-"
            terms.append((negative, self._term()))
            following = self.peek()
            if following is None or following.kind != "operator" or following.text not in "+-":
                break
        if len(terms) == 1 and not terms[0][0]:
            return terms[0][1]
        assert start is not None
        return Sum(tuple(terms), start.position, self.end())

    def _term(self) -> Node:
        factors: list[tuple[str, Node]] = [("", self.factor())]
        while (token := self.peek()) is not None:
            if token.kind == "operator" and token.text not in ("+", "-"):
                self._at += 1
                sign = self.operator("-", "+")
                if sign is not None and sign.text == "-":
                    start = sign.position
                    inner = self.factor()
                    factors.append((token.text, Sum(((True, inner),), start, self.end())))
                else:
                    factors.append((token.text, self.factor()))
            elif token.kind in _STARTS and not (token.kind == "bar" and self._bars):
                if token.kind == "bar" and self._separates():
                    break
                if token.kind == "number" and isinstance(factors[-1][1], Number):
                    raise self._source.error(
                        token.position,
                        "two numbers side by side may be one number or a product; write 1000 for "
                        "1\\,000, 0.5 for 0,5, and \\cdot for a product",
                    )
                factors.append(("", self.factor()))
            else:
                break
        if len(factors) == 1:
            return factors[0][1]
        return Term(tuple(factors), factors[0][1].position, self.end())

    def _separates(self) -> bool:
        """Whether a bar stands between two parts of a concatenation, [a | b]."""
        closing = 0
        for token in self._tokens[self._at + 1 :]:
            if token.kind == "open":
                closing += 1
            elif token.kind == "close":
                closing -= 1
                if closing < 0:
                    return True
            elif token.kind == "bar" and closing == 0:
                return False
        return False

    def factor(self) -> Node:
        self._depth += 1
        if self._depth > 3 * MAX_NESTING:
            token = self.peek() or self._tokens[-1]
            raise self._source.error(
                token.position,
                f"more than {MAX_NESTING} functions, accents or bars nest here; name the inner "
                "part in an equation of its own",
            )
        try:
            return self.item()
        finally:
            self._depth -= 1

    def item(self) -> Node:
        token = self.peek()
        if token is None:
            self.unexpected(OPERAND)
        match token.kind:
            case "number":
                self._at += 1
                return self.number(token)
            case "letter" | "greek" | "word" | "top" | "prime" | "accent" | "font":
                return self.symbol()
            case "switch":
                self._at += 1
                return self.item()
            case "function":
                return self.function()
            case "open":
                return self.group()
            case "begin":
                return self._grid()
            case "bar":
                return self._absolute()
            case "fraction":
                self._at += 1
                above, below = self._argument(), self._argument()
                return Fraction(above, below, token.position, self.end())
            case "root":
                self._at += 1
                if (degree := self.peek()) is not None and degree.text == "[":
                    raise self._source.error(
                        degree.position, "only square roots are read; write a power, a^{1/3}"
                    )
                inner = self._argument()
                return Call("sqrt", (inner,), self.scripts(), False, token.position, self.end())
        self.unexpected(OPERAND)

    def function(self) -> Node:
        token = self.peek()
        assert token is not None
        self._at += 1
        scripts = self.scripts()
        return self.applied(token.text, scripts, token)

    def applied(self, name: str, scripts: tuple[Script, ...], start: Token) -> Node:
        """A function with its argument, in brackets or bare."""
        following = self.peek()
        if following is not None and following.kind == "open" and following.text != "|":
            arguments = self._arguments()
            scripts = (*scripts, *self.scripts())
            return Call(name, arguments, scripts, False, start.position, self.end())
        starts = following is not None and following.kind in _STARTS
        if starts and following is not None and following.kind == "bar" and self._bars:
            starts = False
        if name == "sigma" and scripts and not (starts and following and following.kind == "open"):
            return Symbol("sigma", (), "", 0, scripts, start.position, self.end(), start.spaced)
        if starts:
            argument = self.factor()
            return Call(name, (argument,), scripts, True, start.position, self.end())
        if following is not None and following.kind == "operator" and following.text in "+-":
            raise self._source.error(
                following.position,
                f"where the argument of {name} ends is not clear; put it in parentheses, as in "
                f"{name}({following.text}x_t)",
            )
        return FunctionName(name, scripts, start.position, self.end())

    def _arguments(self) -> tuple[Node, ...]:
        token = self.peek()
        assert token is not None
        self._at += 1
        if token.text == "{":
            inner = self.peek()
            if inner is not None and inner.kind == "open" and inner.text in ("(", "["):
                arguments = self._arguments()
                self.close(token)
                return arguments
        items = self.items(token)
        self.close(token)
        return items

    def _argument(self) -> Node:
        """What a fraction or a root takes: braces, or one sign."""
        token = self.peek()
        if token is not None and token.kind == "open" and token.text in ("{", "("):
            self._at += 1
            inner = self.expression()
            self.close(token)
            return inner
        if token is not None and token.kind == "number" and len(token.text) > 1:
            # \frac12 is one half
            digits = token.text
            if digits.isdigit():
                first = replace(token, text=digits[0], end=token.position + 1)
                rest = replace(token, text=digits[1:], position=token.position + 1, spaced=False)
                at = self._at
                self._tokens = (*self._tokens[:at], first, rest, *self._tokens[at + 1 :])
                token = first
        if token is not None and token.kind == "number":
            self._at += 1
            return Number(token.text, (), token.position, token.end)
        return self.letter()

    def group(self) -> Node:
        token = self.peek()
        assert token is not None
        self._at += 1
        if token.text == "{":
            return self._braces(token)
        if token.text == "|":
            self._bars += 1
            inner = self.expression()
            self._bars -= 1
            self.close(token)
            return Call("abs", (inner,), self.scripts(), False, token.position, self.end())
        if token.text == "<":
            raise self._source.error(
                token.position,
                "angle brackets are read as an index of time only, h^{<t>}; an inner product is "
                "one number, which is not read",
            )
        start = self._at
        items = self.items(token)
        self.close(token)
        bracket = "(" if token.text == "set" else token.text
        if len(items) > 1 and any(t.kind == "double bar" for t in self._tokens[start : self._at]):
            bracket = "["  # W (x_t \\| h_{t-1}): a concatenation, and no function of two
        return Group(bracket, items, self.scripts(), token.position, self.end())

    def _braces(self, token: Token) -> Node:
        """Braces of LaTeX: they group, and limit a change of font."""
        font = ""
        if (switch := self.peek()) is not None and switch.kind == "switch":
            self._at += 1
            font = switch.text
            word = self._upright_word()
            if word is not None:
                self.close(token)
                if word.base in SPELLINGS:
                    return self.applied(word.base, self.scripts(), token)
                primes, scripts = self.decorations()
                return replace(
                    word, primes=primes, scripts=scripts, position=token.position, end=self.end()
                )
        if (inner := self.peek()) is not None and inner.kind == "function":
            after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
            if after is not None and after.kind == "close":
                self._at += 2
                return self.applied(inner.text, self.scripts(), token)
        if inner is not None and inner.kind == "operator":
            after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
            if after is not None and after.kind == "close":
                self.unexpected(OPERAND)
        items = self.items(token)
        if len(items) == 1 and (over := self.peek()) is not None and over.kind == "over":
            self._at += 1
            below = self.expression()
            self.close(token)
            return Fraction(items[0], below, token.position, self.end())
        self.close(token)
        if len(items) == 1 and isinstance(items[0], Symbol):
            symbol = items[0]
            primes, scripts = self.decorations()
            accents = (*symbol.accents, font) if font == "mathcal" else symbol.accents
            return replace(
                symbol,
                accents=accents,
                font="bold" if font in BOLD else symbol.font,
                primes=symbol.primes + primes,
                scripts=(*symbol.scripts, *scripts),
                position=token.position,
                end=self.end(),
                spaced=token.spaced,
            )
        if len(items) == 1 and isinstance(items[0], Number) and font in BOLD:
            return replace(items[0], is_vector=items[0].text in ("0", "1"))
        return Group("{", items, self.scripts(), token.position, self.end())

    def items(self, opening: Token) -> tuple[Node, ...]:
        """Expressions between commas, semicolons or the bars of a concatenation."""
        bars, self._bars = self._bars, 0
        items = [self.expression()]
        while (token := self.peek()) is not None:
            separates = token.kind in ("double bar", "row") or (
                token.kind == "comma" and token.text in (",", ";")
            )
            if not separates and not (token.kind == "bar" and self._separates()):
                break
            self._at += 1
            items.append(self.expression())
        self._bars = bars
        return tuple(items)

    def _grid(self) -> Node:
        """A matrix that is written out."""
        begin = self.peek()
        assert begin is not None
        if begin.text not in _MATRICES:
            problem = CONDITION if "case" in begin.text else "this environment is not read"
            raise self._source.error(begin.position, problem)
        self._at += 1
        rows: list[list[Node]] = [[]]
        while True:
            token = self.peek()
            if token is None:
                raise self._source.error(
                    begin.position, f"\\end{{{begin.text}}} is missing; close the matrix"
                )
            if token.kind == "end":
                self._at += 1
                break
            if token.kind == "row":
                self._at += 1
                rows.append([])
            elif token.kind in ("align", "gap") or (token.kind == "comma" and token.text in ",;"):
                self._at += 1
            else:
                rows[-1].append(self.expression())
        filled = tuple(tuple(row) for row in rows if row)
        if not filled or len({len(row) for row in filled}) > 1:
            raise self._source.error(begin.position, "the rows of this matrix differ in length")
        return Grid(filled, self.scripts(), begin.position, self.end())

    def _absolute(self) -> Node:
        token = self.peek()
        assert token is not None
        self._at += 1
        self._bars += 1
        inner = self.expression()
        self._bars -= 1
        closing = self.peek()
        if closing is None or closing.kind != "bar":
            self.unexpected("'|'")
        self._at += 1
        return Call("abs", (inner,), self.scripts(), False, token.position, self.end())
