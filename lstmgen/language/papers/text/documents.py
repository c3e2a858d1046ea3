"""From a text to the regions of it that hold mathematics, its declarations and its macros.

What is no mathematics is overwritten with blanks of the same length, so that a position in what
is prepared here is a position in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lstmgen.language.papers.source import Source
from lstmgen.language.papers.text.commands import COLUMNS
from lstmgen.language.papers.text.vocabulary import REMARKS, unified

_DISPLAY = re.compile(
    r"\$\$(?P<dollars>.*?)\$\$|(?<!\\)\\\[(?P<brackets>(?:(?!(?<!\\)\\\[).)*?)\\\]|"
    r"\\begin\s*\{(?P<env>(?:align|equation|gather|multline|eqnarray|displaymath|flalign|alignat|"
    r"IEEEeqnarray|math|dmath|empheq|subequations|aligned|alignedat|gathered|split)\*?)\}"
    r"(?P<body>(?:(?!\\begin\s*\{(?P=env)\}).)*?)\\end\s*\{(?P=env)\}",
    re.DOTALL,
)
_PLACE = re.compile(r"\s*\[[tbc]\]")
_ARGUMENTS = {  # of an environment, by how its name begins
    "empheq": re.compile(r"\s*(?:\[[^\]\n]*\])?\s*\{[a-z]+\*?\}"),
    **dict.fromkeys(("aligna", "alignedat", "IEEEeqnarray"), COLUMNS),
}
_INLINE = re.compile(
    r"(?<![\\$])\$`?(?P<dollar>[^$]*?)`?(?<!\\)\$|\\\((?P<paren>(?:(?!\\\().)*?)\\\)"
    r"|:math:`(?P<role>[^`]*)`",
    re.DOTALL,
)
_MATH_FENCE = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*(?:math|latex|tex)[ \t]*\n(?P<fence>.*?)^[ \t]*(?:```|~~~)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_RST = re.compile(
    r"^(?P<indent>[ \t]*)\.\. math::[ \t]*(?P<first>[^\n]*)\n(?P<rest>(?:(?P=indent)[ \t]+[^\n]*\n|"
    r"[ \t]*\n)*)",
    re.MULTILINE,
)
_RST_OPTION = re.compile(r"^[ \t]*:[a-z]+:[^\n]*$", re.MULTILINE)
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%([^\n]*)")
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?(?:sub|sup|b|i|em|strong|var|code|p|br|math)\s*/?>", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)`(?P<code>[^`\n]*=[^`\n]*)`(?!`)")
_AXIS = re.compile(r",\s*(?:dim|axis)\s*=\s*-?\d+(?=\s*\))")  # torch.cat([a, b], dim=-1)
_QUOTES = re.compile(r"^[ \t]*[rRuU]?(?:\"{3}|'{3})|(?:\"{3}|'{3})[ \t]*$", re.MULTILINE)
_CODE = re.compile(r"^[ \t]*(?:def\s[^=]*:|return\s+[\w, ]+|(?:import|from)\s[^=]*|@\w+)[ \t]*$")
_LABEL = re.compile(r"^[ \t]*[A-Z][A-Za-z]{2,}(?:[ -][A-Za-z]{2,}){0,4}:[ \t]+(?=\S)")
_DIRECTIVE = re.compile(r"(?:[%#]|<!--)\s*lstmgen:[ \t]*([^\n]*)")
_HASH = re.compile(
    r"(?:^|(?<=\s))#[^\n]*$|(?:^[ \t]*|[ \t]{2,})(?://|%)[^\n]*$|"
    r"(?://|%)[ \t]*[A-Za-z]+[ \t]+[A-Za-z][^\n]*$",
    re.MULTILINE,
)
_COMMAND = re.compile(r"\\[A-Za-z]")
_DELIMITER = re.compile(r"\$|\\[\[(]|\\begin|:math:|\.\. math::")
_MARKER = re.compile(
    r"^[ \t]*(?:[-*•+][ \t]+|\(?\d{1,3}(?:\.\d+)*[.):][ \t]+|\(\d{1,3}[a-z]?\)[ \t]*|>[ \t]+)"
)
_WORDS = re.compile(
    r"(?<![\\A-Za-z_{^.])[A-Za-z]{2,}(?![A-Za-z_({\[])(?:[ \t]+|[ \t]*[,.:;][ \t]+|[ \t]*$)"
)
_RELATION = re.compile(r"=|\\in(?![a-z])|∈|←|<-")
_TOLD = re.compile(  # z_t = 1, h_0 = 0, t = 1, ..., T: within words no definition
    r"(?:(?<![\w\]])[A-Za-z]+(?:_t|\[t\])\s*=\s*\d+(?:\.\d+)?|[A-Za-z]+(?:_0|\[0\])\s*=\s*0|"
    r"(?<!\w)t\s*=\s*\d+)(?!\.?\d|[\w(]|\s*[-+*/@·⊙^])"
)
_DEFINES_MACRO = re.compile(
    r"\\(?:re|provide)?newcommand|\\[gex]?def(?![A-Za-z])|\\let(?![A-Za-z])|\\Declare"
)


@dataclass(frozen=True, slots=True)
class Directive:
    """A declaration for the reader, `alpha scalar`, and where it stands (None: not in the text)."""

    text: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the text that holds mathematics.

    Attributes:
        kind: "display"; "inline", which may only mention a symbol; or "lines", where each line
            is a row, prose among them.
    """

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text in which everything is blank that is no mathematics."""

    prepared: str
    is_latex: bool
    regions: tuple[Region, ...]
    directives: tuple[Directive, ...]
    has_macros: bool


def document(source: Source) -> Document:
    """Find the mathematics of a text."""
    text = _plain_html(unified(source.text))
    directives, text = _directives(text)
    is_latex = _COMMAND.search(text) is not None or _DELIMITER.search(text) is not None
    if is_latex:
        text = _COMMENT.sub(lambda m: m[1] + " " * (len(m[2]) + 1), text)
    text = _HTML_COMMENT.sub(_blank, text)
    has_macros = _DEFINES_MACRO.search(text) is not None
    regions = _regions(text)
    if not regions and not is_latex:
        regions = [Region("display", *match.span("code")) for match in _CODE_SPAN.finditer(text)]
    if not regions:
        text = _QUOTES.sub(_blank, text)
        text = _FENCE.sub(_blank, text)
        if not is_latex:
            text = _AXIS.sub(_blank, _HASH.sub(_blank, text))
        text = _without_prose(text)
        regions = [Region("lines", 0, len(text))]
    return Document(text, is_latex, tuple(regions), tuple(directives), has_macros)


def _directives(text: str) -> tuple[list[Directive], str]:
    """The lines `% lstmgen: ...`, and the text without them; `end` ends the text."""
    found: list[Directive] = []
    for match in _DIRECTIVE.finditer(text):
        content = match[1].partition("-->")[0].partition("  #")[0].strip()
        if content == "end":
            text = text[: match.start()]
            break
        found.append(Directive(content, match.start(1)))
    return found, _DIRECTIVE.sub(_blank, text)


def _regions(text: str) -> list[Region]:
    """Displayed formulas and inline ones, in order; none where the text is lines of formulas."""
    displays: list[Region] = []
    for match in _MATH_FENCE.finditer(text):
        displays.append(Region("display", *match.span("fence")))
    for match in _RST.finditer(text):
        displays += _rst_rows(text, match)
    for match in _DISPLAY.finditer(text):
        for group in ("dollars", "brackets", "body"):
            if match.group(group) is not None:
                start, end = match.span(group)
                if group == "body":
                    start = _past_arguments(text, match["env"], start, end)
                displays.append(Region("display", start, end))
    displays = _outermost(displays)
    outside = text
    for region in displays:
        lead = text.rfind("\n", 0, region.start)
        outside = (
            outside[: region.start] + " " * (region.end - region.start) + outside[region.end :]
        )
        del lead
    outside = _DISPLAY.sub(_blank, outside)
    outside = outside.replace("$$", "  ")
    inline = [
        Region("inline", *match.span(group))
        for match in _INLINE.finditer(outside)
        for group in ("dollar", "paren", "role")
        if match.group(group) is not None
    ]
    return sorted([*displays, *inline], key=lambda region: region.start)


def _past_arguments(text: str, environment: str, start: int, end: int) -> int:
    """Where the formulas of an environment begin, behind its columns or place."""
    known = (p for name, p in _ARGUMENTS.items() if environment.startswith(name))
    arguments = next(known, _PLACE).match(text, start, end)
    return arguments.end() if arguments else start


def _rst_rows(text: str, match: re.Match[str]) -> list[Region]:
    """The formulas of a directive of reStructuredText: blank lines separate them."""
    start, end = match.start("first"), match.end("rest")
    found, place = [], start
    body = text[start:end]
    for gap in [*re.finditer(r"\n[ \t]*\n", body), None]:
        stop = start + gap.start() if gap else end
        place += len(text[place:stop]) - len(text[place:stop].lstrip("\n"))
        part = text[place:stop]
        while option := _RST_OPTION.match(part):
            place += option.end() + 1
            part = text[place:stop]
        if part.strip():
            found.append(Region("display", place, stop))
        place = start + gap.end() if gap else end
    return found


def _outermost(regions: list[Region]) -> list[Region]:
    """Regions that lie in no other one."""
    result: list[Region] = []
    for region in sorted(regions, key=lambda r: (r.start, -r.end)):
        if not result or region.start >= result[-1].end:
            result.append(region)
    return result


def _without_prose(text: str) -> str:
    """Lines of formulas without their numbers and bullets, and without lines that are prose."""
    lines, depth = [], 0
    for line in text.split("\n"):
        marked = line
        if marker := _MARKER.match(line):
            has_sign = marker[0].strip() in ("-", "+", "*")
            if not has_sign or _RELATION.search(line):
                marked = " " * marker.end() + line[marker.end() :]
        if (label := _LABEL.match(marked)) and _RELATION.search(marked, label.end()):
            marked = " " * label.end() + marked[label.end() :]
        if depth <= 0 and (_is_prose(marked) or _CODE.match(marked)):
            marked = " " * len(line)
        depth += _depth(marked)
        if not marked.strip():
            depth = 0
        lines.append(marked)
    return "\n".join(lines)


def _is_prose(line: str) -> bool:
    """Whether a line of a text holds words and no formula."""
    words = _WORDS.findall(line + " ")
    if not words:
        return False
    first_told = _TOLD.search(line)
    if first_told and len(_WORDS.findall(line[: first_told.start()])) >= 2:
        line = _TOLD.sub(" ", line)
    if _RELATION.search(line) or re.search(r"\\[A-Za-z]", line):
        return False
    plain = [re.sub(r"[^A-Za-z]", "", w).lower() for w in words]
    first = re.match(r"[ \t]*([A-Za-z]+)", line)
    starts = first is not None and first[1].lower() in REMARKS
    return starts or len(plain) >= 2 or (line.rstrip().endswith(":") and len(plain) >= 1)


def _depth(text: str) -> int:
    return sum(text.count(c) for c in "[({") - sum(text.count(c) for c in "])}")


def _plain_html(text: str) -> str:
    """`z<sub>t</sub>` as z_{t}, at the same places; other tags are blank."""
    if "<" not in text:
        return text
    marks = {"<sub>": "_{", "</sub>": "}", "<sup>": "^{", "</sup>": "}"}
    return _TAG.sub(lambda m: marks.get(m[0].lower(), "").ljust(len(m[0])), text)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
