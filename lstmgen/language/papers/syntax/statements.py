"""From the tokens of a region to its equations, each on its own and without the remarks behind it.

Rows, alignment columns, wide gaps, commas and prose divide a region into pieces.  A piece goes on
with the equation before it, begins a new one, or is a remark: an equation's number, the range of
the time, what set a vector is from.  What is none of these is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.language.papers.source import MAX_EQUATION_TOKENS, MAX_EQUATIONS, Source
from lstmgen.language.papers.text.documents import Region
from lstmgen.language.papers.text.pieces import (
    Piece,
    depth_of,
    is_dots,
    is_equals,
    is_number,
    is_open,
    is_words,
    pieces_of,
    relation_at,
    starts_with,
    starts_with_operator,
    systems_opened,
)
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import CONDITIONS

CONDITION = (
    "a condition: only one formula for all cases is read; write it with a function, like "
    "max(0, a), or as a mixture, like g_t \\odot a_t + (1 - g_t) \\odot b_t"
)
_CASE = re.compile(  # If $b = 100$, ...: what happens then, and no definition
    r"(?i)\b(?:if|when|whenever|unless|provided|for|once|while|suppose|assuming)\s+"
    r"(?:\$`?|\\\(|:math:`)$"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """The tokens of one equation, or of a formula that is mentioned inline."""

    tokens: tuple[Token, ...]
    is_inline: bool

    @property
    def position(self) -> int:
        return self.tokens[0].position


@dataclass(frozen=True, slots=True)
class Membership:
    r"""`W, U \in \mathbb{R}^{n \times d}`: tokens of the names, and of the set."""

    names: tuple[tuple[Token, ...], ...]
    members: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """What a text states: equations, and what sets its vectors and matrices are from."""

    equations: tuple[Statement, ...]
    memberships: tuple[Membership, ...]


def statements(
    source: Source, regions: Sequence[tuple[Region, Sequence[Token]]], letter: str
) -> Statements:
    """The equations of all regions; `letter` is the index of time."""
    found = _Found(source, letter)
    for region, tokens in regions:
        found.region(region, systems_opened(source, tokens))
    if len(found.equations) > MAX_EQUATIONS:
        raise source.error(
            found.equations[MAX_EQUATIONS].position,
            f"there are more than {MAX_EQUATIONS} equations; split the cell",
        )
    return Statements(tuple(found.equations), tuple(found.memberships))


class _Found:
    """Puts pieces together to equations."""

    def __init__(self, source: Source, letter: str) -> None:
        self._source = source
        self._letter = letter
        self.equations: list[Statement] = []
        self.memberships: list[Membership] = []
        self._current: list[Token] = []
        self._kind = ""
        self._in_remark = False
        self._is_case = False

    def region(self, region: Region, tokens: Sequence[Token]) -> None:
        """Add what a region states."""
        self._kind, self._in_remark = region.kind, False
        before = self._source.text[max(0, region.start - 30) : region.start]
        self._is_case = region.kind == "inline" and _CASE.search(before) is not None
        pieces = pieces_of(tokens, region.kind)
        for k, piece in enumerate(pieces):
            following = pieces[k + 1] if k + 1 < len(pieces) else None
            self._piece(piece, following)
        self._finish()

    def _finish(self) -> None:
        tokens = self._without_number(self._current)
        self._current = []
        is_inline = self._kind == "inline"
        if not tokens or (is_inline and (relation_at(tokens) is None or _is_value(tokens))):
            return
        if self._is_case:
            return
        if len(tokens) > MAX_EQUATION_TOKENS:
            raise self._source.error(
                tokens[0].position,
                f"an equation of more than {MAX_EQUATION_TOKENS} signs is not read; name parts "
                "of it in equations of their own",
            )
        self.equations.append(Statement(tuple(tokens), is_inline))

    def _without_number(self, tokens: list[Token]) -> list[Token]:
        """Without the number of the equation at its end, `h_t = ... (3)`."""
        if not (
            len(tokens) > 6
            and [t.text for t in tokens[-3::2]] == ["(", ")"]
            and tokens[-2].kind == "number"
            and tokens[-3].spaced
            and tokens[-4].kind in ("close", "letter", "number", "lowered", "raised")
        ):
            return tokens
        number = tokens[-2].text
        counts = number == str(len(self.equations) + 1) or "." in number
        gap = self._source.text[tokens[-4].end : tokens[-3].position]
        if not counts and len(gap) < 2 and "\t" not in gap:
            raise self._source.error(
                tokens[-3].position,
                f"({number}) may be the number of this equation or a factor; write "
                f"\\tag{{{number}}} or {number} \\cdot (...)",
            )
        return tokens[:-3]

    def _piece(self, piece: Piece, following: Piece | None) -> None:
        if piece.is_prose:
            self._prose(piece)
            return
        tokens, current = piece.tokens, self._current
        new_row = "row" in piece.between
        if new_row:
            self._in_remark = False
        if not current and not new_row and self._in_remark and relation_at(tokens) is None:
            return
        if current and (is_open(current) or starts_with_operator(tokens)):
            if starts_with(tokens, "relation") and not is_equals(tokens[0]):
                self._member(current, tokens)
                self._in_remark = True
                return
            self._extend(tokens)
            return
        relation = relation_at(tokens)
        if relation is None:
            self._without_relation(piece, following, new_row)
        elif self._is_range(tokens):
            self._in_remark = True
        elif not is_equals(tokens[relation]):
            names = [] if not current or relation_at(current) is not None else [tuple(current)]
            if names:
                self._current = []
            self._other_relation(names, tokens, relation)
        else:
            self._finish()
            self._in_remark = False
            self._extend(tokens)

    def _extend(self, tokens: Sequence[Token]) -> None:
        r"""Go on with the current equation, up to what it says of a set: `\in \mathbb{R}^n`."""
        for k, token in enumerate(tokens):
            if token.kind == "relation" and token.text == "in" and depth_of(tokens[:k]) == 0:
                self._current += tokens[:k]
                self._member(self._current, tokens[k:])
                self._in_remark = True
                return
        self._current += tokens

    def _member(self, current: Sequence[Token], tokens: Sequence[Token]) -> None:
        if tokens[0].text == "in":
            relation = relation_at(current)
            name = tuple(current if relation is None else current[:relation])
            self.memberships.append(Membership((name,), tuple(tokens[1:])))
            if relation is None:
                self._current = []
        elif self._kind != "inline":
            raise self._source.error(tokens[0].position, _other_relation(tokens[0]))
        else:
            self._current = []

    def _other_relation(
        self, names: list[tuple[Token, ...]], tokens: Sequence[Token], relation: int
    ) -> None:
        """A piece with another relation than =: a set, or something that is only mentioned."""
        name = tuple(tokens[:relation])
        if tokens[relation].text == "in":
            self.memberships.append(Membership((*names, name), tuple(tokens[relation + 1 :])))
            self._in_remark = True
        elif self._kind == "inline" or self._in_remark or self._is_index(name):
            self._in_remark = True
        else:
            raise self._source.error(tokens[relation].position, _other_relation(tokens[relation]))

    def _without_relation(self, piece: Piece, following: Piece | None, new_row: bool) -> None:
        tokens, current = piece.tokens, self._current
        begins = following is not None and starts_with(following.tokens, "relation")
        listed = (
            self._kind == "inline"
            or not current
            or (relation_at(current) is None and piece.between <= {"comma", "gap"})
        )
        if begins and following is not None and "row" not in following.between:
            if current and relation_at(current) is None and not new_row:
                self._finish_mention()
            self._finish()
            self._extend(tokens)
        elif not current or (listed and relation_at(current) is None):
            if self._in_remark and not new_row:
                return
            if current:
                self._names(tokens)
            else:
                self._extend(tokens)
        elif is_number(tokens) or is_dots(tokens) or self._in_remark or self._is_aside(tokens):
            self._in_remark = self._in_remark or is_dots(tokens)
        elif piece.between == {"line"} and self._kind == "display":
            self._extend(tokens)
        elif is_words(tokens) or ("comma" in piece.between and self._kind == "inline"):
            self._in_remark = True
        else:
            raise self._source.error(
                tokens[0].position,
                "expected an operator or the end of the equation; what follows "
                + ("a new line" if new_row or "line" in piece.between else "a wide gap or a comma")
                + " is read only if it is an equation: move the remark behind a %, or join the "
                "factors with an operator",
            )

    def _names(self, tokens: Sequence[Token]) -> None:
        """`W, U` before a set: kept as one list, which a relation must follow."""
        self._finish_mention()
        self._extend(tokens)

    def _finish_mention(self) -> None:
        """Something without a relation: in prose a mention, in a display no equation."""
        if self._kind == "inline":
            self._current = []

    def _prose(self, piece: Piece) -> None:
        words = re.findall(r"[A-Za-z]+", piece.tokens[0].text.lower())
        attached = self._current and "row" not in piece.between
        if self._kind != "inline" and attached and CONDITIONS.intersection(words[:2]):
            raise self._source.error(piece.tokens[0].position, CONDITION)
        if attached and is_open(self._current):
            raise self._source.error(
                piece.tokens[0].position,
                f"expected a formula, not prose ({piece.tokens[0].text[:40]!r}); move it behind a "
                "%, or write \\mathrm for a symbol's name",
            )
        self._in_remark = True

    def _is_range(self, tokens: Sequence[Token]) -> bool:
        """`t = 1`, `1 <= t <= T`, `t > 0`."""
        relation = relation_at(tokens)
        assert relation is not None
        if is_equals(tokens[relation]):
            left = tokens[:relation]
            return len(left) == 1 and left[0].text == self._letter
        return self._is_index(tokens)

    def _is_aside(self, tokens: Sequence[Token]) -> bool:
        """`(t >= 1)`: the range of the time in parentheses."""
        inner = tokens[1:-1]
        in_brackets = tokens[0].text in ("(", "[") and tokens[-1].kind == "close"
        return in_brackets and relation_at(inner) is not None and self._is_index(inner)

    def _is_index(self, tokens: Sequence[Token]) -> bool:
        letters = [t.text for t in tokens if t.kind in ("letter", "greek")]
        plain = all(t.kind in ("letter", "number", "relation", "dots", "reals") for t in tokens)
        return plain and self._letter in letters


def _is_value(tokens: Sequence[Token]) -> bool:
    """`=n`, which tells what the words before it count."""
    return len(tokens) == 2 and is_equals(tokens[0]) and tokens[1].kind in ("letter", "number")


def _other_relation(token: Token) -> str:
    names = {"sim": "\\sim", "approx": "\\approx", "in": "\\in", "propto": "\\propto"}
    shown = names.get(token.text, token.text)
    if token.text in ("<", ">", "<=", ">="):
        return f"the comparison {shown} is {CONDITION}"
    if token.text == "sim":
        return "a random value (\\sim) is not read; let it be an input of the cell"
    return f"the relation {shown} defines nothing; write the value with =, or leave the line out"
