r"""Formulas as LaTeX, with the widths that they will have; needs amsmath only."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.typeset.formula import (
    Accented,
    Bars,
    Call,
    Columns,
    Commas,
    Condition,
    Equation,
    Fence,
    Formula,
    Greek,
    Increment,
    Joint,
    Letters,
    List,
    Negative,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    Restricted,
    Root,
    Style,
    Sum,
    SumOver,
    Symbol,
    Time,
    Transposed,
    Underbrace,
    Word,
    Words,
)

__all__ = ["Piece", "latex", "pieces", "width"]

_STYLES = {
    Style.UPRIGHT: "mathrm",
    Style.SLANTED: "mathit",
    Style.BOLD: "mathbf",
    Style.TEXT: "text",
}
# The functions of the table for which LaTeX has a command of its own.
_COMMANDS = frozenset("tanh sin cos sinh cosh arctan exp log max min".split())
_JOINTS = {Joint.NOTHING: "", Joint.BESIDE: " ", Joint.THIN: r"\, ", Joint.WORD: r"\,"}
_RELATIONS = {"≠": r"\neq "}
_TOP = r"^{\top}"
_SCRIPT = 0.7  # the size of a script
_OPERATOR, _COMMAND, _NAME = 2.0, 1.2, 3.5  # widths, in those of an average letter


@dataclass(slots=True)
class Piece:
    """What stands between two places where a line may be broken.

    Attributes:
        text: the LaTeX; behind a break it begins with a space.
        width: in widths of an average letter.
        depth: how many parentheses are open where it begins.
        is_factor: whether it begins with an element-wise product.
    """

    text: str = ""
    width: float = 0.0
    depth: int = 0
    is_factor: bool = False


def latex(formula: Formula) -> str:
    """The formula on one line."""
    return "".join(piece.text for piece in pieces(formula))


def width(formula: Formula) -> float:
    """An estimate of the set width, in widths of an average letter."""
    return sum(piece.width for piece in pieces(formula))


def pieces(formula: Formula) -> list[Piece]:
    """The formula, cut where a line may be broken."""
    writer = _Writer()
    writer.write(formula)
    return writer.pieces


class _Writer:
    """Writes nodes, one after the other."""

    def __init__(self, scale: float = 1.0, *, breaks: bool = True) -> None:
        self.pieces = [Piece()]
        self._scale = scale
        self._breaks = breaks
        self._depth = 0

    def _put(self, text: str, width: float | None = None) -> None:
        """Text; every letter is one wide unless a width is given."""
        piece = self.pieces[-1]
        piece.text += text
        piece.width += self._scale * (len(text) if width is None else width)

    def _break(self, *, is_factor: bool = False) -> None:
        if self._breaks:
            self.pieces.append(Piece(depth=self._depth, is_factor=is_factor))

    def _unbroken(self, formula: Formula, scale: float = 1.0) -> Piece:
        """Another writer's work: one piece, at a size in proportion to this one's."""
        writer = _Writer(scale * self._scale, breaks=False)
        writer.write(formula)
        return writer.pieces[0]

    def _put_unbroken(self, formula: Formula) -> None:
        inner = self._unbroken(formula)
        self._put(inner.text, inner.width / self._scale)

    def _script(self, sign: str, formula: Formula, *, braces: bool = False) -> None:
        script = self._unbroken(formula, _SCRIPT)
        bare = len(script.text) == 1 and not braces
        text = script.text if bare else f"{{{script.text}}}"
        self._put(sign + text, script.width / self._scale)

    def write(self, formula: Formula) -> None:
        """Append a node."""
        match formula:
            case Letters(text, Style.ITALIC):
                self._put(text)
            case Letters(text, style):
                escaped = text.replace("_", r"\_")
                self._put(
                    rf"\{_STYLES[style]}{{{escaped}}}", len(text) + 1.2 * (style is Style.TEXT)
                )
            case Greek(name):
                # Beside a letter a bare \Delta would be read as an increment.
                self._put(r"{\Delta}" if name == "Delta" else rf"\{name}", _COMMAND)
            case Increment(letter):
                self._put(rf"{{\Delta {letter}}}", _COMMAND + 1)
            case Word(name) if name in _COMMANDS:
                self._put(rf"\{name}", _NAME)
            case Word(name):
                self._put(rf"\operatorname{{{name}}}", len(name))
            case Accented(accent, base):
                self._accented(accent, base)
            case Number(digits, continued):
                self._put(digits)
                if continued:
                    self._put(r"\ldots", _COMMAND)
            case Time(shift, letter):
                self._put(letter + (f"{shift:+d}" if shift else ""))
            case Words(items):
                self._row(items, " ", 0.0)
            case Commas(items):
                self._row(items, ",", 1.0)
            case List(items):
                self._row(items, ", ", 1.0)
            case Condition(relation, right):
                self._put(_RELATIONS.get(relation, relation), 1)
                self.write(right)
            case Symbol():
                self._symbol(formula)
            case _:
                self._compound(formula)

    def _compound(self, formula: Formula) -> None:
        match formula:
            case Negative(body):
                self._put("-")
                self.write(body)
            case Sum(terms):
                self._sum(terms)
            case Product(first, others):
                self.write(first)
                for joint, factor in others:
                    self._joint(joint)
                    self.write(factor)
            case Columns(items, is_stack):
                self._fence("[", List(items) if not is_stack else items, "]")
            case Fence(inner, size):
                grown = ("", "Big", "bigg")[size]
                left, right = (rf"\{grown}l(", rf"\{grown}r)") if grown else ("(", ")")
                self._fence(left, inner, right)
            case Call(function, arguments, power):
                self.write(function)
                if power is not None:
                    self._script("^", power)
                self.write(arguments)
            case Quotient(above, below):
                over, under = self._unbroken(above), self._unbroken(below)
                text = rf"\frac{{{over.text}}}{{{under.text}}}"
                self._put(text, max(over.width, under.width) / self._scale)
            case Root(inner):
                self._enclosed(r"\sqrt{", inner, "}", _COMMAND)
            case Bars(inner):
                self._enclosed(r"\lvert ", inner, r" \rvert", 2 * _COMMAND)
            case Power(base, exponent):
                self._put_unbroken(base)
                self._script("^", exponent)
            case Transposed(base):
                is_raised = isinstance(base, Symbol) and base.is_raised
                self._put("{" * is_raised, 0.0)
                self.write(base)
                self._put("}" * is_raised + _TOP, _SCRIPT * _COMMAND)
            case SumOver(index, body):
                self._put(r"\sum", _COMMAND)
                self._script("_", index)
                self._put(" ", 0.0)
                self.write(body)
            case Partial(of):
                self._put(r"\partial ", _COMMAND)
                self.write(of)
            case Restricted(inner, by):
                self._enclosed(r"\left.", inner, r"\right|", 1.0)
                self._script("_", by, braces=True)
            case Underbrace(inner, remark):
                self._enclosed(r"\underbrace{", inner, "}", _COMMAND)
                self._script("_", Letters(remark, Style.TEXT), braces=True)
            case Equation(left, right):
                self.write(left)
                self._put(" = ", _OPERATOR)
                self.write(right)
            case _:
                raise TypeError(f"{formula!r} is no formula")

    def _row(self, items: tuple[Formula, ...], separator: str, room: float) -> None:
        for k, item in enumerate(items):
            if k:
                self._put(separator, room)
            self.write(item)

    def _accented(self, accent: str, base: Formula) -> None:
        inner = self._unbroken(base)
        text = inner.text
        if isinstance(base, Increment) or base == Greek("Delta"):
            text = text[1:-1]  # the accent's braces are enough
        self._put(rf"\{accent}{{{text}}}", inner.width / self._scale)

    def _symbol(self, symbol: Symbol) -> None:
        primes = "'" * symbol.primes
        is_both = bool(primes) and symbol.above is not None
        self._put("{" * is_both, 0.0)
        self.write(symbol.base)
        self._put(primes)
        self._put("}" * is_both, 0.0)
        if symbol.above is not None:
            self._script("^", symbol.above, braces=True)
        if symbol.below is not None:
            self._script("_", symbol.below)

    def _sum(self, terms: tuple[Formula, ...]) -> None:
        self.write(terms[0])
        for term in terms[1:]:
            self._break()
            is_negative = isinstance(term, Negative)
            self._put(" - " if is_negative else " + ", _OPERATOR)
            self.write(term.body if isinstance(term, Negative) else term)

    def _joint(self, joint: Joint) -> None:
        match joint:
            case Joint.ELEMENTWISE:
                self._break(is_factor=True)
                self._put(r" \odot ", _OPERATOR)
            case Joint.DOT:
                self._put(r" \cdot ", _OPERATOR)
            case _:
                self._put(_JOINTS[joint], float(joint in (Joint.THIN, Joint.WORD)))

    def _fence(self, left: str, inner: Formula | tuple[Formula, ...], right: str) -> None:
        self._put(left, 1.0)
        self._depth += 1
        if isinstance(inner, Formula):
            self.write(inner)
        else:
            self._row(inner, "; ", 1.0)
        self._depth -= 1
        self._put(right, 1.0)

    def _enclosed(self, left: str, inner: Formula, right: str, more: float) -> None:
        found = self._unbroken(inner)
        self._put(left + found.text + right, found.width / self._scale + more)
