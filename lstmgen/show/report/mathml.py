r"""Formulas as MathML, from the LaTeX that lstmgen's own printers write.

It reads what `lstmgen.show.printing` writes and no more: names with accents, primes, scripts, sums,
products, fractions, roots, sized parentheses, underbraces.  The result keeps to MathML Core, which
Chromium, Firefox and Safari render without a script.  The printers' break marks become pieces of
the row between which a browser may break a long line: the outermost first, and those inside
parentheses only where what is left is too wide for a narrow screen.

Source: MathML Core, W3C Candidate Recommendation; https://www.w3.org/TR/mathml-core/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.language.names import GREEK
from lstmgen.show.printing.latex_pieces import BREAK

__all__ = ["equation", "mathml"]

_TOKEN = re.compile(rf"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|{BREAK}|\S")
_ROOM = 22.0  # letters; a piece that is wider may be broken inside its parentheses

_NAMES = frozenset(
    f.latex[1:] for f in FUNCTIONS.values() if f.around is None and f.latex[1:].isalpha()
)
_UPRIGHT_GREEK = frozenset("Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split())
_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ",
    "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ",
}  # fmt: skip
_ACCENTS = {"tilde": "˜", "hat": "ˆ", "bar": "¯", "dot": "˙", "vec": "→", "overline": "¯"}
_SIZES = {"Bigl": "1.8em", "Bigr": "1.8em", "biggl": "2.4em", "biggr": "2.4em"}
_OPERATORS = {"odot": "⊙", "cdot": "⋅", "partial": "∂", "top": "⊤", "ldots": "…"}
_SCRIPT_LETTERS = {
    "B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ", "e": "ℯ",
    "g": "ℊ", "o": "ℴ",
}  # fmt: skip
_APPLY = "<mo>\u2061</mo>"  # function application, invisible

assert set(_LETTERS) >= GREEK


@dataclass(frozen=True, slots=True)
class _Item:
    """One element of a row, or a place where the row may be broken.

    Attributes:
        markup: the element; empty for a break.
        width: its width, in letters.
        depth: for a break, the number of open parentheses.
        opens, closes: whether it is a parenthesis.
        base: what may carry scripts under it instead of beside it.
    """

    markup: str
    width: float = 1.0
    depth: int = 0
    opens: bool = False
    closes: bool = False
    under: bool = False


def mathml(latex: str) -> str:
    """A formula inside a line of text."""
    items = _Reader(latex).row()
    return f"<math>{_joined(items)}</math>"


def equation(left: str, right: str, *, room: float = _ROOM) -> str:
    """left = right, with places where a narrow screen may break it.

    Args:
        left, right: LaTeX, `right` with break marks.
        room: letters that fit on the narrowest screen.
    """
    head = [*_Reader(left).row(), _operator("=", "infix")]
    pieces = _pieces(_Reader(right).row(), 0, room)
    parts = "".join(f"<mrow>{_joined(piece)}</mrow>" for piece in pieces)
    left_side = f'<mrow class="left"><mrow>{_joined(head)}</mrow></mrow>'
    return f'<math class="eq" displaystyle="true">{left_side}{parts}</math>'


def _pieces(row: Sequence[_Item], depth: int, room: float) -> list[list[_Item]]:
    """The row, cut at its breaks in `depth` parentheses; pieces that are still wide, deeper."""
    found: list[list[_Item]] = [[]]
    for item in row:
        if not item.markup and item.depth == depth and found[-1]:
            found.append([])
        else:
            found[-1].append(item)
    wide = [sum(i.width for i in p) > room and any(not i.markup for i in p) for p in found]
    return [
        part
        for piece, again in zip(found, wide, strict=True)
        for part in (_pieces(piece, depth + 1, room) if again else [piece])
    ]


def _joined(items: Sequence[_Item]) -> str:
    return "".join(item.markup for item in items)


def _operator(sign: str, form: str = "", *, width: float = 2.0) -> _Item:
    where = f' form="{form}"' if form else ""
    return _Item(f"<mo{where}>{escape(sign)}</mo>", width)


def _fence(sign: str, size: str = "") -> _Item:
    grown = f'stretchy="true" symmetric="true" minsize="{size}" maxsize="{size}"'
    how = grown if size else 'stretchy="false"'
    form = "prefix" if sign in "([" else "postfix"
    markup = f'<mo form="{form}" fence="true" {how}>{sign}</mo>'
    return _Item(markup, 1.0, opens=form == "prefix", closes=form == "postfix")


class _Reader:
    """A recursive descent over the tokens of one formula."""

    def __init__(self, latex: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(latex)
        self._at = 0

    def row(self, end: str = "") -> list[_Item]:
        """Elements up to a token, which is taken too."""
        found: list[_Item] = []
        depth = 0
        while self._at < len(self._tokens):
            token = self._take()
            if token == end:
                return found
            if token == BREAK:
                found.append(_Item("", 0.0, depth))
                continue
            item = self._scripted(self._atom(token, found))
            depth += item.opens - item.closes
            found.append(item)
        return found

    def _take(self) -> str:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _raw(self) -> str:
        """The text of a group, as it stands."""
        assert self._take() == "{"
        parts = []
        while (token := self._take()) != "}":
            parts.append(token.removeprefix("\\"))
        return "".join(parts)

    def _argument(self) -> _Item:
        """A group, or one token, as one element."""
        token = self._take()
        if token != "{":
            return self._atom(token, [])
        return _grouped(self.row("}"))

    def _scripted(self, base: _Item) -> _Item:
        """The element with the scripts and primes that follow it."""
        below: _Item | None = None
        above: list[_Item] = []
        while self._peek() in ("_", "^", "'"):
            sign = self._take()
            if sign == "_":
                below = self._argument()
            else:
                above.append(_Item("<mo>′</mo>", 0.4) if sign == "'" else self._argument())
        if below is None and not above:
            return base
        over = _grouped(above) if above else None
        scripts = [s for s in (below, over) if s is not None]
        if base.under and below is not None:
            name = "munder"
        else:
            name = {1: "msub" if below else "msup", 2: "msubsup"}[len(scripts)]
        width = base.width + 0.7 * max(s.width for s in scripts)
        markup = f"<{name}>{base.markup}{''.join(s.markup for s in scripts)}</{name}>"
        return _Item(markup, width, opens=base.opens, closes=base.closes)

    def _atom(self, token: str, before: Sequence[_Item]) -> _Item:
        """One element without its scripts."""
        if token == "{":
            return _grouped(self.row("}"))
        if token.startswith("\\"):
            return self._command(token[1:])
        if token[0].isdigit():
            return _Item(f"<mn>{token}</mn>", float(len(token)))
        if token in "([":
            return _fence(token)
        if token in ")]":
            return _fence(token)
        if token == "-":
            return _operator("−", "prefix" if _is_start(before) else "infix")
        if token in "+=>":
            return _operator(token, "infix" if before else "prefix")
        if token == "," or token == ";":
            return _operator(token, width=1.0)
        if token.isalpha():
            return _Item(f"<mi>{token}</mi>")
        return _operator(token, width=1.0)

    def _command(self, name: str) -> _Item:
        if name in _LETTERS:
            variant = ' mathvariant="normal"' if name in _UPRIGHT_GREEK else ""
            return self._applied(_Item(f"<mi{variant}>{_LETTERS[name]}</mi>"), name == "sigma")
        if name in _NAMES:
            return self._applied(_Item(f"<mi>{name}</mi>", 3.0))
        if name in _OPERATORS:
            return _operator(_OPERATORS[name], width=2.0 if name in ("odot", "cdot") else 1.0)
        if name in _ACCENTS:
            inner = self._argument()
            stretchy = "true" if name == "overline" else "false"
            mark = f'<mo stretchy="{stretchy}">{_ACCENTS[name]}</mo>'
            return _Item(f'<mover accent="true">{inner.markup}{mark}</mover>', inner.width)
        if name in _SIZES:
            return _fence(self._take(), _SIZES[name])
        match name:
            case "operatorname":
                word = self._raw()
                return self._applied(_Item(f"<mi>{escape(word)}</mi>", float(len(word))))
            case "mathrm":
                word = self._raw()
                variant = ' mathvariant="normal"' if len(word) == 1 else ""
                return _Item(f"<mi{variant}>{escape(word)}</mi>", float(len(word)))
            case "mathit":
                word = self._raw()
                return _Item(f'<mi class="italic">{escape(word)}</mi>', float(len(word)))
            case "mathbf":
                return _Item(f"<mi>{_bold(self._raw())}</mi>")
            case "mathcal":
                return _Item(f"<mi>{_script(self._raw())}</mi>")
            case "text":
                word = self._raw()
                return _Item(f"<mtext>{escape(word)}</mtext>", float(len(word)))
            case "frac":
                above, below = self._argument(), self._argument()
                width = max(above.width, below.width)
                return _Item(f"<mfrac>{above.markup}{below.markup}</mfrac>", width)
            case "sqrt":
                inner = self._argument()
                return _Item(f"<msqrt>{inner.markup}</msqrt>", inner.width + 1)
            case "sum":
                return _Item('<mo movablelimits="false">∑</mo>', 1.5, under=True)
            case "underbrace":
                inner = self._argument()
                brace = f'<munder>{inner.markup}<mo stretchy="true">⏟</mo></munder>'
                return _Item(brace, inner.width, under=True)
            case "left":
                assert self._take() == "."
                inner = _grouped(self.row("\\right"))
                bar = f'<mo form="postfix" stretchy="true">{escape(self._take())}</mo>'
                return _Item(f"<mrow>{inner.markup}{bar}</mrow>", inner.width + 1)
            case "lvert" | "rvert":
                form = "prefix" if name == "lvert" else "postfix"
                return _Item(f'<mo form="{form}" stretchy="false">|</mo>', 1.0)
            case ",":
                return _Item('<mspace width="0.17em"></mspace>', 0.3)
        return _operator(name, width=1.0)  # an escaped character stands for itself

    def _applied(self, function: _Item, is_function: bool = True) -> _Item:
        """A function's name; what follows in parentheses is its argument, for those who listen."""
        if is_function and self._peek() in ("(", "\\Bigl", "\\biggl"):
            return _Item(f"<mrow>{function.markup}{_APPLY}</mrow>", function.width)
        return function


def _is_start(before: Sequence[_Item]) -> bool:
    """Whether a minus here is a sign: at the start, or behind a parenthesis or an operator."""
    last = next((item for item in reversed(before) if item.markup), None)
    return last is None or last.opens or last.markup in ("<mo>,</mo>", '<mo form="infix">=</mo>')


def _grouped(items: Sequence[_Item]) -> _Item:
    """Several elements as one."""
    kept = [item for item in items if item.markup]
    if len(kept) == 1:
        return kept[0]
    return _Item(f"<mrow>{_joined(kept)}</mrow>", sum(item.width for item in kept))


def _bold(text: str) -> str:
    """Mathematical bold letters and digits, which have characters of their own."""

    def one(c: str) -> str:
        if c.isdigit():
            return chr(0x1D7CE + int(c))
        if "A" <= c <= "Z":
            return chr(0x1D400 + ord(c) - ord("A"))
        return chr(0x1D41A + ord(c) - ord("a")) if "a" <= c <= "z" else escape(c)

    return "".join(map(one, text))


def _script(text: str) -> str:
    """Script letters; some stood in Unicode before the others."""

    def one(c: str) -> str:
        if c in _SCRIPT_LETTERS:
            return _SCRIPT_LETTERS[c]
        if "A" <= c <= "Z":
            return chr(0x1D49C + ord(c) - ord("A"))
        return chr(0x1D4B6 + ord(c) - ord("a")) if "a" <= c <= "z" else escape(c)

    return "".join(map(one, text))
