r"""From the commands of LaTeX to tokens: `\mathrm{tanh}` and `\tanh` are one, spacing is none."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping

from lstmgen.language.papers.text.macros import Macro
from lstmgen.language.papers.text.tokens import Token
from lstmgen.language.papers.text.vocabulary import (
    ACCENTS,
    BOLD,
    CONCATENATION,
    DIAGONAL,
    FONTS,
    GREEK,
    NOT_ELEMENT_WISE,
    OPERATORS,
    PROSE,
    RELATIONS,
    SPELLINGS,
    SWITCHES,
    UPRIGHT,
)

_COMMAND = re.compile(r"\\([A-Za-z]+)\*?|\\([^A-Za-z])")
_ARGUMENT = re.compile(r"\s*\{\s*([A-Za-z0-9 \-]|\\_|\\-|\\ |\\,|\\text\s*\{-\})*\s*\}")
_SKIPPED_ARGUMENT = frozenset(
    [
        "tag",
        "label",
        "eqref",
        "ref",
        "cite",
        "vspace",
        "hspace",
        "phantom",
        "hphantom",
        "vphantom",
        "color",
        "kern",
        "mkern",
        "vskip",
        "hskip",
        "mspace",
        "footnote",
        "index",
    ]
)
_SKIPPED = frozenset(
    [
        "displaystyle",
        "textstyle",
        "scriptstyle",
        "scriptscriptstyle",
        "nonumber",
        "notag",
        "allowdisplaybreaks",
        "centering",
        "noindent",
        "limits",
        "nolimits",
        "mathstrut",
        "strut",
        "mathop",
        "mathbin",
        "mathrel",
        "mathord",
        "mathopen",
        "mathclose",
        "mathpunct",
        "thinspace",
        "medspace",
        "thickspace",
        "negthinspace",
        "enspace",
        "enskip",
        "hfil",
        "left",
        "right",
        "middle",
        "ensuremath",
        "boxed",
        "underline",
        "hline",
        "par",
        "relax",
        "protect",
        "IEEEyesnumber",
        "IEEEnonumber",
        "IEEEyessubnumber",
        "IEEEnosubnumber",
        "IEEEeqnarraynumspace",
        "unboldmath",
        "boldmath",
        "mathstrut",
        "smash",
        "operatornamewithlimits",
        "xspace",
        "bigskip",
        "medskip",
        "smallskip",
    ]
)
_MARKED_EQUALS = re.compile(r"\s*(?:\{\s*:?=\s*\}|=)")  # \stackrel{def}{=}
_SIZES = re.compile(r"(?:big|Big|bigg|Bigg)[lrm]?$")
_GAPS = frozenset({"quad", "qquad", "hfill", "hspace", "mspace", "hskip"})
FUNCTION_WORDS = SPELLINGS.keys() | NOT_ELEMENT_WISE.keys() | CONCATENATION | DIAGONAL
_ROW_SPACE = re.compile(r"\*?\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|baselineskip)\s*\]|\*")
_PLACE = re.compile(r"\s*\[[tbc]\]")  # \begin{aligned}[t]
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+)\*?\}")
COLUMNS = re.compile(r"""\s*(?:\[[a-z]\]\s*)?\{(?:[lcrLCRs|@!\s\d.,;*'"?/+]|\{[^{}]*\})*\}""")
_TRANSPARENT = frozenset(
    [
        "align",
        "aligned",
        "alignat",
        "alignedat",
        "equation",
        "gather",
        "gathered",
        "multline",
        "split",
        "eqnarray",
        "displaymath",
        "math",
        "flalign",
        "empheq",
        "subequations",
        "IEEEeqnarray",
        "IEEEeqnarraybox",
        "dmath",
        "dgroup",
        "multlined",
        "document",
        "center",
        "small",
        "footnotesize",
    ]
)
_WITH_COLUMNS = frozenset({"array", "alignat", "alignedat", "IEEEeqnarray", "IEEEeqnarraybox"})


class Commands(ABC):
    """Reads what begins with a backslash."""

    _text: str
    _macros: Mapping[str, Macro]

    @abstractmethod
    def tokens(self, start: int, end: int) -> list[Token]:
        """The tokens between two places of the text."""

    @abstractmethod
    def nested(self, start: int, end: int) -> list[Token]:
        """The same within the argument of a command."""

    @abstractmethod
    def expanded(
        self, macro: Macro, position: int, after: int, end: int
    ) -> tuple[list[Token], int]:
        """The tokens that a macro stands for, and where the text goes on."""

    def command(self, position: int, end: int, spaced: bool) -> tuple[list[Token], int]:
        """What a command of LaTeX stands for, and where the text goes on."""
        text = self._text
        match = _COMMAND.match(text, position, end)
        if match is None:
            return [Token("unknown", "\\", position, position + 1, spaced)], position + 1
        name, after = match[1] or match[2], match.end()

        def one(kind: str, what: str, until: int = after) -> tuple[list[Token], int]:
            return [Token(kind, what, position, until, spaced)], until

        if (macro := self._macros.get(name)) is not None and not match[2]:
            return self.expanded(macro, position, match.end(1), end)
        if match[2]:
            return self._sign(match[2], position, after, end, spaced)
        if name in ("left", "right"):
            point = re.match(r"\s*\.", text[after:end])
            return [], after + (point.end() if point else 0)
        if name in ("begin", "end"):
            return self._environment(name, position, after, end, spaced)
        if name == "IEEEeqnarraymulticol":  # {3}{l}{a = b}: its place, then what stands there
            return [], self._past_argument(self._past_argument(after, end), end)
        if name in _GAPS:
            return [Token("gap", name, position, after, spaced)], self._past(after, end, name)
        if name in _SKIPPED_ARGUMENT:
            return [], self._past_argument(after, end)
        if name in ("underbrace", "overbrace"):
            return self._braced(after, end)
        if name in _SKIPPED or _SIZES.match(name):
            return [], after
        if name in ("eqno", "leqno"):
            return one("gap", name)
        if name in ("cr", "newline", "tabularnewline", "linebreak"):
            return one("row", "\\\\")
        if name in PROSE:
            return self._prose(name, position, after, end, spaced)
        if name == "sigma":
            return one("function", "sigma")
        if name in SPELLINGS and name != "sqrt":
            return one("function", name)
        if name in ("stackrel", "overset", "underset") and (
            equals := _MARKED_EQUALS.match(text, self._past_argument(after, end), end)
        ):
            return one("relation", "=", equals.end())
        if name in ("textcolor",):
            return [], self._past_argument(after, end)
        if name in FONTS:
            return self._font(name, position, after, end, spaced)
        if name in ACCENTS:
            kind = "switch" if name in SWITCHES else "accent"
            return one(kind, ACCENTS[name])
        if name in GREEK:
            return one("greek", name)
        if name in OPERATORS:
            return one("operator", OPERATORS[name] or name)
        if name in RELATIONS:
            return one("comma" if name == "colon" else "relation", RELATIONS[name])
        kinds = {
            "frac": "fraction", "tfrac": "fraction", "dfrac": "fraction", "cfrac": "fraction",
            "nicefrac": "fraction", "sfrac": "fraction", "over": "over",
            "sqrt": "root", "top": "top", "intercal": "top", "prime": "prime",
            "dots": "dots", "ldots": "dots", "cdots": "dots", "vdots": "dots", "dotsc": "dots",
            "lvert": "open", "rvert": "close", "vert": "bar", "mid": "bar", "lVert": "double bar",
            "rVert": "double bar", "Vert": "double bar", "parallel": "double bar",
            "langle": "open", "rangle": "close", "lbrack": "open", "rbrack": "close",
            "lbrace": "open", "rbrace": "close", "lparen": "open", "rparen": "close",
            "forall": "forall",
        }  # fmt: skip
        names = {
            "lvert": "|", "rvert": "|", "langle": "<", "rangle": ">", "lbrack": "[", "rbrack": "]",
            "lbrace": "{", "rbrace": "}", "lparen": "(", "rparen": ")", "prime": "'",
        }  # fmt: skip
        if name in kinds:
            return one(kinds[name], names.get(name, name))
        return one("command", name)

    def _braced(self, after: int, end: int) -> tuple[list[Token], int]:
        r"""\underbrace{a}_{\text{remark}} is a."""
        closing = self._past_argument(after, end)
        made = self.nested(after, closing)
        remark = re.compile(r"\s*[_^]\s*(?=\{)").match(self._text, closing, end)
        return made, self._closing(remark.end(), end) if remark else closing

    def _sign(
        self, sign: str, position: int, after: int, end: int, spaced: bool
    ) -> tuple[list[Token], int]:
        r"""A backslash before a sign: `\\`, `\{`, `\|`, spacing."""
        if sign == "\\":
            space = _ROW_SPACE.match(self._text, after, end)
            after = space.end() if space else after
            return [Token("row", "\\\\", position, after, spaced)], after
        if sign == "{":
            opens_system = re.match(r"\s*\\begin", self._text[after:end])
            if opens_system:
                return [], after
            return [Token("open", "set", position, after, spaced)], after
        if sign == "}":
            return [Token("close", "set", position, after, spaced)], after
        if sign == "|":
            return [Token("double bar", "||", position, after, spaced)], after
        if sign == "&":
            return [Token("unknown", "&", position, after, spaced)], after
        if sign == "_":
            return [Token("unknown", "\\_", position, after, spaced)], after
        if sign in ",;:!> \n/-()[]":
            return [], after
        return [Token("unknown", sign, position, after, spaced)], after

    def _past(self, after: int, end: int, name: str) -> int:
        return self._past_argument(after, end) if name in ("hspace", "mspace") else after

    def _past_argument(self, after: int, end: int) -> int:
        """The place behind an argument in braces, if there is one."""
        start = re.match(r"\*?\s*(?=\{)", self._text[after : min(end, after + 40)])
        return after if start is None else self._closing(after + start.end(), end)

    def _closing(self, opening: int, end: int) -> int:
        """The place behind the brace that closes the one at `opening`."""
        depth, position = 0, opening
        while position < end:
            character = self._text[position]
            if character == "\\":
                position += 1
            elif character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    return position + 1
            position += 1
        return end

    def _environment(
        self, which: str, position: int, after: int, end: int, spaced: bool
    ) -> tuple[list[Token], int]:
        match = _ENVIRONMENT.match(self._text, after, end)
        if match is None:
            return [Token("command", which, position, after, spaced)], after
        name, after = match[1], match.end()
        if which == "begin" and name in _WITH_COLUMNS:
            columns = COLUMNS.match(self._text, after, end)
            after = columns.end() if columns else after
        elif which == "begin" and name in _TRANSPARENT:
            place = _PLACE.match(self._text, after, end)
            after = place.end() if place else after
        if name in _TRANSPARENT:
            return [Token("line", "\n", position, after, spaced)], after
        return [Token(which, name, position, after, spaced)], after

    def _prose(
        self, name: str, position: int, after: int, end: int, spaced: bool
    ) -> tuple[list[Token], int]:
        r"""\text{tanh}(x) is a function, \text{in} in an index a word, all else prose."""
        start = re.match(r"\s*(?=\{)", self._text[after:end])
        if start is None:
            return [Token("command", name, position, after, spaced)], after
        opening = after + start.end()
        closing = self._closing(opening, end)
        content = self._text[opening + 1 : closing - 1].strip()
        if name == "textbf" and re.fullmatch(r"[A-Za-z]|0|1", content):
            return self._font("bm", position, after, end, spaced)
        word = re.sub(r"\\[_-]|[ -]", "", content)
        following = self._text[closing : closing + 20].lstrip()
        if content in FUNCTION_WORDS or (
            word.isidentifier()
            and word in FUNCTION_WORDS
            and following.startswith(("(", "\\left", "["))
        ):
            return [Token("function", word, position, closing, spaced)], closing
        is_index = re.search(
            r"[_^]\s*(?:\{\s*[^{}]{0,20})?$", self._text[max(0, position - 24) : position]
        )
        is_one_word = word.isascii() and word.isalnum() and " " not in content
        if is_one_word and (is_index or following.startswith(("_", "^"))):
            return [Token("word", word, position, closing, spaced, font="upright")], closing
        if is_index and re.fullmatch(r"[A-Za-z0-9 ,\-]+", content):
            word = "_".join(re.findall(r"[A-Za-z0-9]+", content))
            return [Token("word", word, position, closing, spaced, font="upright")], closing
        if "$" not in content:
            return [Token("prose", content, position, closing, spaced)], closing
        made = []
        place = opening + 1
        for k, part in enumerate(self._text[opening + 1 : closing - 1].split("$")):
            if k % 2 == 0:
                made.append(Token("prose", part.strip(), place, place + len(part), spaced))
            else:
                made += self.tokens(place, place + len(part))
            place += len(part) + 1
        return made, closing

    def _font(
        self, name: str, position: int, after: int, end: int, spaced: bool
    ) -> tuple[list[Token], int]:
        r"""\mathrm{tanh}, \mathbf{1}, \mathbb{R}, \mathrm{in}; else a font for what follows."""
        text = self._text
        if name in SWITCHES:
            return [Token("switch", name, position, after, spaced)], after
        argument = _ARGUMENT.match(text, after, end)
        bare = None if argument else re.match(r"\s+[A-Za-z0-9]|[01]", text[after:end])
        if argument is None and bare is None:
            return [Token("font", name, position, after, spaced)], after
        closing = argument.end() if argument else after + bare.end()  # type: ignore[union-attr]
        raw = argument[0].strip()[1:-1] if argument else bare[0].strip()  # type: ignore[index]
        word = re.sub(r"\\_", "_", raw.strip())
        squeezed = re.sub(r"\\text\s*\{-\}|\\[-, ]|[ \-]", "", word)

        def one(kind: str, what: str, font: str = "") -> tuple[list[Token], int]:
            return [Token(kind, what, position, closing, spaced, font=font)], closing

        if name == "mathbb" and word in ("R", "N", "Z", "C"):
            return one("reals", word)
        if name == "mathbb" and word != "1":
            return one("command", f"mathbb{{{word}}}")
        if word in ("0", "1") and name not in UPRIGHT:
            return one("number", word, "vector")
        if name in UPRIGHT and word in ("T", "top"):
            return one("top", "top")
        if name in UPRIGHT | {"mathit", "mathnormal"}:
            if name != "mathit" and squeezed in FUNCTION_WORDS:
                return one("function", squeezed)
            if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", squeezed):
                return one(
                    "word", squeezed, "upright" if name in UPRIGHT or len(squeezed) > 1 else ""
                )
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", word):
            font = "bold" if name in BOLD else ""
            return one("letter", word, font)
        if re.fullmatch(r"\d+", word):
            return one("number", word)
        return [Token("font", name, position, after, spaced)], after
