r"""From a document to the equations in it, with the place of everything for messages.

What is no mathematics (prose, comments, spacing, tags) is overwritten with blanks of the same
length, so that a position in the prepared text is a position in the file.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lstmgen.errors import EquationError

MAX_CHARACTERS = 200_000
MAX_EQUATIONS = 400
MAX_EQUATION_CHARACTERS = 8_000
MAX_TOTAL_CHARACTERS = 60_000
MAX_NESTING = 30

_ENVIRONMENTS = (
    "align|aligned|alignat|equation|gather|gathered|multline|split|cases|eqnarray|displaymath|"
    "math|array|flalign|empheq|subequations|dcases"
)
# The look-aheads keep the time linear where an opening is never closed.
_DISPLAY = re.compile(
    r"\$\$(?P<dollars>.*?)\$\$|(?<!\\)\\\[(?P<brackets>(?:(?!(?<!\\)\\\[).)*?)\\\]|"
    r"\\begin\s*\{(?P<env>(?:align|equation|gather|multline|eqnarray|displaymath|flalign|alignat)"
    r"\*?)\}(?P<body>(?:(?!\\begin\s*\{(?P=env)\}).)*?)\\end\s*\{(?P=env)\}",
    re.DOTALL,
)
_INLINE = re.compile(r"\$([^$]*)\$|\\\(((?:(?!\\\().)*?)\\\)", re.DOTALL)
_BLANKED = re.compile(
    rf"\\(?:begin|end)\s*\{{(?:{_ENVIRONMENTS})\*?\}}(?:\s*\{{[lcr|@ \d]*\}})?"
    r"|\\(?:tag\*?|label|eqref|ref|vspace|hspace)\s*\{(?:[^{}]|\{[^{}]*\})*\}"
    r"|\\left\s*\\\{(?=\s*\\begin)|\\(?:left|right)\s*\."
    r"|\\(?:left|right|big|Big|bigg|Bigg)[lrm]?(?![A-Za-z])"
    r"|\\(?:displaystyle|textstyle|nonumber|notag|allowdisplaybreaks|centering|noindent)"
    r"(?![A-Za-z])"
    r"|\\[,;:!> ]|\{\s*\}|&"
)
_NEW_ROW = re.compile(r"\\\\(?:\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm)\s*\])?|\\cr(?![A-Za-z])")
_MATRIX = re.compile(r"\\begin\s*\{([bp]?matrix)\}((?:(?!\\begin).)*?)\\end\s*\{\1\}", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%([^\n]*)")
_DIRECTIVE = re.compile(r"[%#]\s*lstmgen:[ \t]*([^\n]*)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_HASH = re.compile(r"^[ \t]*#[^\n]*$", re.MULTILINE)
_COMMAND_RUN = re.compile(rf"(?:(?:\\[A-Za-z]+|σ)\s*){{{MAX_NESTING},}}")
_COMMAND = re.compile(r"\\[A-Za-z]")
_CHARACTERS = str.maketrans(
    {"−": "-", "⋅": "·", "∙": "·", "′": "'", "’": "'", "∆": "Δ", "ε": "ϵ", "\u00a0": " ", "\r": " "}
    | {"ϕ": "φ", "∗": "*", "≔": "="}
)
_RELATION = re.compile(r":=|=|\\leftarrow(?![A-Za-z])|\\coloneqq(?![A-Za-z])|←")
_OPERAND_END = re.compile(r"[\w)\]}'|]$")
_OPERAND_START = re.compile(
    r"[A-Za-z0-9({\[]|\\(?!(?:odot|circ|ast|star|cdot|times|qquad|quad|leftarrow|rvert)(?![A-Za-z]))"
)
_GAP = re.compile(r"\\qquad(?![A-Za-z])|\\quad(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Directive:
    """A declaration for the reader, `alpha scalar`, and where it stands (None: not in the file)."""

    text: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The prepared text of one equation; `start` is its place in the file."""

    text: str
    start: int


class Source:
    """A text with equations, and the messages about places in it."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.text = text
        if len(text) > MAX_CHARACTERS:
            raise EquationError(
                f"{name}: {len(text)} characters are more than the {MAX_CHARACTERS} that are "
                "read; give the equations alone"
            )
        self.is_latex = _COMMAND.search(text) is not None or "$" in text
        self.directives, prepared = _take_directives(text)
        self._prepared = self._mathematics(prepared)

    def error(self, position: int, problem: str) -> EquationError:
        """`name:line: problem`, the line and a caret under the place."""
        position = max(0, min(position, len(self.text)))
        start = self.text.rfind("\n", 0, position) + 1
        end = self.text.find("\n", position)
        line = self.text[start : len(self.text) if end < 0 else end].expandtabs(1).rstrip("\r")
        column = position - start
        if len(line) > 160:
            cut = max(0, column - 60)
            line, column = line[cut : cut + 160], column - cut
        line = "".join(c if c.isprintable() else "?" for c in line)
        before = sum(not unicodedata.combining(c) for c in line[:column])
        return EquationError(
            f"{self.name}:{self.line(position)}: {problem}\n    {line}\n    {' ' * before}^"
        )

    def line(self, position: int) -> int:
        """The number of the line that holds the position, from 1."""
        return self.text.count("\n", 0, position) + 1

    def _mathematics(self, text: str) -> str:
        """The text with everything blank that is no equation."""
        text = _single_characters(text).translate(_CHARACTERS)
        text = _FENCE.sub(_blank, text)
        regions = [
            m.span(g)
            for m in _DISPLAY.finditer(text)
            for g in ("dollars", "brackets", "body")
            if m.group(g) is not None
        ]
        if not regions:
            regions = [m.span(1 if m[1] is not None else 2) for m in _INLINE.finditer(text)]
        if regions:
            text = _keep(text, regions)
        elif not self.is_latex:
            text = _HASH.sub(_blank, text)
        text = _MATRIX.sub(_stacked, text)
        return text if not self.is_latex else text.replace("~", " ")

    def chunks(self) -> list[Chunk]:
        """The equations: rows that hold no relation continue the one before."""
        rows = [part for row in self._rows() for part in _pairs(row)]
        found: list[Chunk] = []
        depth = 0
        for row in rows:
            self._check_gaps(row)
            blanked = _BLANKED.sub(_blank, _GAP.sub(_blank, row.text))
            text = blanked.rstrip()
            lead = len(text) - len(text.lstrip())
            row = Chunk(text[lead:], row.start + lead)
            if not row.text:
                continue
            if found and (depth > 0 or self._continues(found[-1], row)):
                gap = row.start - found[-1].start - len(found[-1].text)
                found[-1] = Chunk(found[-1].text + " " * gap + row.text, found[-1].start)
                depth += _depth(row.text)
            else:
                found.append(row)
                depth = _depth(row.text)
            self._check_length(found[-1])
        if len(found) > MAX_EQUATIONS:
            raise self.error(
                found[MAX_EQUATIONS].start,
                f"there are more than {MAX_EQUATIONS} equations; split the cell",
            )
        found = [Chunk(c.text.rstrip(" .,;"), c.start) for c in found]
        total = 0
        for chunk in found:
            self._check_bounds(chunk)
            total += len(chunk.text)
            if total > MAX_TOTAL_CHARACTERS:
                raise self.error(
                    chunk.start,
                    f"equations of more than {MAX_TOTAL_CHARACTERS} characters together are not "
                    "read; split the cell",
                )
        return found

    def _check_gaps(self, row: Chunk) -> None:
        r"""A \quad between two operands separates, so that what follows is no factor."""
        for match in _GAP.finditer(row.text):
            left = _BLANKED.sub(_blank, row.text[: match.start()]).rstrip()
            right = _BLANKED.sub(_blank, row.text[match.end() :]).lstrip()
            if _OPERAND_END.search(left) and _OPERAND_START.match(right):
                raise self.error(
                    row.start + match.end() + len(row.text[match.end() :]) - len(right),
                    "expected an operator or the end of the equation; what follows a wide gap is "
                    "read only if it is an equation: move the remark behind a %, or join the "
                    "factors with an operator",
                )

    def _rows(self) -> Iterator[Chunk]:
        start = 0
        ends = [m.span() for m in re.finditer(rf"{_NEW_ROW.pattern}|\n", self._prepared)]
        for end, following in [*ends, (len(self._prepared), 0)]:
            text = self._prepared[start:end].strip()
            row = Chunk(text, self._prepared.find(text, start) if text else start)
            self._check_length(row)
            if text:
                yield row
            start = following

    def _continues(self, before: Chunk, row: Chunk) -> bool:
        if not _relations(row.text):
            return True
        starts_with_relation = _RELATION.match(row.text) is not None
        return starts_with_relation and not _relations(before.text)

    def _check_length(self, chunk: Chunk) -> None:
        if len(chunk.text) > MAX_EQUATION_CHARACTERS:
            raise self.error(
                chunk.start,
                f"an equation of more than {MAX_EQUATION_CHARACTERS} characters is not read; "
                "name parts of it in equations of their own",
            )

    def _check_bounds(self, chunk: Chunk) -> None:
        depth = 0
        for match in re.finditer(r"[\[({]|[\])}]", chunk.text):
            depth += 1 if match[0] in "[({" else -1
            if depth > MAX_NESTING:
                raise self.error(
                    chunk.start + match.start(),
                    f"brackets nest deeper than {MAX_NESTING}; name the inner part in an "
                    "equation of its own",
                )
        run = _COMMAND_RUN.search(chunk.text)
        bars = re.finditer(r"\||\\lvert(?![A-Za-z])", chunk.text)
        beyond = next(itertools.islice(bars, 2 * MAX_NESTING, None), None)
        for found in (run, beyond):
            if found is not None:
                raise self.error(
                    chunk.start + found.start(),
                    f"more than {MAX_NESTING} functions, accents or bars nest here; name the "
                    "inner part in an equation of its own",
                )


def _take_directives(text: str) -> tuple[list[Directive], str]:
    """The `% lstmgen:` lines, and the text with all comments blank; `end` ends the text."""
    directives: list[Directive] = []
    for match in _DIRECTIVE.finditer(text):
        if match[1].strip() == "end":
            text = text[: match.start()]
            break
        directives.append(Directive(match[1].strip(), match.start(1)))
    text = _COMMENT.sub(lambda m: m[1] + " " * (len(m[2]) + 1), text)
    return directives, _DIRECTIVE.sub(_blank, text)


def _single_characters(text: str) -> str:
    """Letters of the mathematical alphabets as plain ones, without moving anything."""

    def plain(character: str) -> str:
        if not 0x1D400 <= ord(character) <= 0x1D7FF and character != "ℎ":
            return character
        folded = unicodedata.normalize("NFKC", character)
        return folded if len(folded) == 1 else character

    return "".join(map(plain, text)) if not text.isascii() else text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _keep(text: str, regions: list[tuple[int, int]]) -> str:
    """Blanks outside the regions; a new line after each, so that each is a row of its own."""
    blank: Callable[[str], str] = lambda part: re.sub(r"[^\n]", " ", part)  # noqa: E731
    result, last = "", 0
    for start, end in regions:
        gap = blank(text[last:start])
        result += (gap[:-1] + "\n" if gap else "") + text[start:end]
        last = end
    return result + blank(text[last:])


def _stacked(match: re.Match[str]) -> str:
    """A column vector as a list in brackets of the same length."""
    opening = match.start(2) - match.start()
    closing = match.end() - match.end(2)
    body = _NEW_ROW.sub(lambda m: ";".ljust(len(m[0])), match[2]).replace("\n", " ")
    return "[".ljust(opening) + body + "]".ljust(closing)


def _depth(text: str) -> int:
    return len(re.findall(r"[\[({]", text)) - len(re.findall(r"[\])}]", text))


def _relations(text: str) -> list[int]:
    """Where relations stand outside of all brackets."""
    found, depth, last = [], 0, 0
    for match in _RELATION.finditer(text):
        depth += _depth(text[last : match.start()])
        last = match.start()
        if depth == 0:
            found.append(last)
    return found


def _pairs(row: Chunk) -> Iterator[Chunk]:
    r"""Equations that share a line: a = b \qquad c = d."""
    start = 0
    if len(_relations(row.text)) > 1:
        for match in _GAP.finditer(row.text):
            left, right = row.text[start : match.start()], row.text[match.end() :]
            if _relations(left) and _relations(right):
                yield Chunk(left, row.start + start)
                start = match.end()
    yield Chunk(row.text[start:], row.start + start)
