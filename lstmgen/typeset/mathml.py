"""Formulas as MathML.

The result keeps to MathML Core, which Chromium, Firefox and Safari render without a script.  Places
where a line may be broken become pieces of the row, between which a browser may break: the
outermost first, and those inside parentheses only where what is left is too wide for a narrow
screen.

Source: MathML Core, W3C Candidate Recommendation; https://www.w3.org/TR/mathml-core/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lstmgen.typeset.formula import (
    GREEK,
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

__all__ = ["equation", "mathml"]

_ROOM = 22.0  # letters; a piece that is wider may be broken inside its parentheses

_UPRIGHT_GREEK = frozenset("Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split())
_ACCENTS = {"tilde": "˜", "hat": "ˆ", "bar": "¯", "dot": "˙", "vec": "→", "overline": "¯"}
_SIZES = ("", "1.8em", "2.4em")
_SCRIPT_LETTERS = {
    "B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ", "e": "ℯ",
    "g": "ℊ", "o": "ℴ",
}  # fmt: skip
_MINUS = "−"
_APPLY = "<mo>\u2061</mo>"  # function application, invisible
_SCRIPT = 0.7  # the size of a script


@dataclass(frozen=True, slots=True)
class _Item:
    """One element of a row, or a place where the row may be broken.

    Attributes:
        markup: the element; empty for a break.
        width: its width, in letters.
        depth: for a break, the number of open parentheses.
    """

    markup: str
    width: float = 1.0
    depth: int = 0


_PRIME, _TOP = _Item("<mo>′</mo>", 0.4), _Item("<mo>⊤</mo>")


def mathml(formula: Formula) -> str:
    """A formula inside a line of text."""
    return f"<math>{_joined(_row(formula))}</math>"


def equation(left: Formula, right: Formula, *, room: float = _ROOM) -> str:
    """left = right, with places where a narrow screen may break it.

    Args:
        left, right: the sides.
        room: letters that fit on the narrowest screen.
    """
    head = [*_row(left), _operator("=", "infix")]
    pieces = _pieces(_row(right), 0, room)
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
    return _Item(f'<mo form="{form}" fence="true" {how}>{sign}</mo>')


def _bar(form: str) -> _Item:
    return _Item(f'<mo form="{form}" stretchy="false">|</mo>')


def _grouped(items: Sequence[_Item]) -> _Item:
    """Several elements as one, which is not broken."""
    kept = [item for item in items if item.markup]
    if len(kept) == 1:
        return kept[0]
    return _Item(f"<mrow>{_joined(kept)}</mrow>", sum(item.width for item in kept))


def _one(formula: Formula) -> _Item:
    return _grouped(_row(formula))


def _scripted(
    base: _Item, below: _Item | None, above: _Item | None, *, under: bool = False
) -> _Item:
    """The base with scripts beside it, or with the lower one under it."""
    scripts = [s for s in (below, above) if s is not None]
    if not scripts:
        return base
    beside = "msubsup" if len(scripts) == 2 else ("msub" if below else "msup")
    name = "munder" if under else beside
    markup = f"<{name}>{base.markup}{_joined(scripts)}</{name}>"
    return _Item(markup, base.width + _SCRIPT * max(s.width for s in scripts))


def _row(formula: Formula, depth: int = 0) -> list[_Item]:
    """The elements of a formula that stands in `depth` parentheses, and its breaks."""
    match formula:
        case Letters() | Greek() | Word() | Number():
            return _letters(formula)
        case Increment(letter):
            return [_grouped([*_row(Greek("Delta")), *_row(Letters(letter))])]
        case Accented(accent, base):
            return [_accented(accent, base)]
        case Time(0, letter):
            return _row(Letters(letter))
        case Time(shift, letter):
            sign = _operator(_MINUS if shift < 0 else "+", "infix")
            return [*_row(Letters(letter)), sign, *_row(Number(str(abs(shift))))]
        case Words(items):
            return [item for part in items for item in _row(part)]
        case Commas(items) | List(items):
            return _listed(items, ",", depth)
        case Condition(relation, right):
            return [_operator(relation, "prefix"), *_row(right)]
        case Symbol(base, primes, above, below):
            over = [_PRIME] * primes
            if above is not None:
                over.append(_one(above))
            under = None if below is None else _one(below)
            return [_scripted(_one(base), under, _grouped(over) if over else None)]
        case Negative(body):
            return [_operator(_MINUS, "prefix"), *_row(body, depth)]
        case Sum(terms):
            return _sum(terms, depth)
        case Product(first, others):
            found = _row(first, depth)
            for joint, factor in others:
                found += [*_joint(joint, depth), *_row(factor, depth)]
            return found
    return _compound(formula, depth)


def _compound(formula: Formula, depth: int) -> list[_Item]:
    match formula:
        case Columns(items, is_stack):
            inner = _listed(items, ";" if is_stack else ",", depth + 1)
            return [_fence("["), *inner, _fence("]")]
        case Fence(inner, size):
            grown = _SIZES[size]
            return [_fence("(", grown), *_row(inner, depth + 1), _fence(")", grown)]
        case Call(function, arguments, power):
            name = _one(function)
            if power is not None:
                name = _raised(function, _one(power))
            applied = _Item(f"<mrow>{name.markup}{_APPLY}</mrow>", name.width)
            return [applied, *_row(arguments, depth)]
        case Quotient(above, below):
            over, under = _one(above), _one(below)
            markup = f"<mfrac>{over.markup}{under.markup}</mfrac>"
            return [_Item(markup, max(over.width, under.width))]
        case Root(inner):
            one = _one(inner)
            return [_Item(f"<msqrt>{one.markup}</msqrt>", one.width + 1)]
        case Bars(inner):
            kept = [item for item in _row(inner) if item.markup]
            return [_bar("prefix"), *kept, _bar("postfix")]
        case Power(base, exponent):
            return _scripted_row(base, _one(exponent), depth)
        case Transposed(base):
            return _scripted_row(base, _TOP, depth)
        case SumOver(index, body):
            sign = _Item('<mo movablelimits="false">∑</mo>', 1.5)
            return [_scripted(sign, _one(index), None, under=True), *_row(body, depth)]
        case Partial(of):
            return [_operator("∂", width=1.0), *_row(of, depth)]
        case Restricted(inner, by):
            one = _one(inner)
            bar = '<mo form="postfix" stretchy="true">|</mo>'
            whole = _Item(f"<mrow>{one.markup}{bar}</mrow>", one.width + 1)
            return [_scripted(whole, _one(by), None)]
        case Underbrace(inner, remark):
            one = _one(inner)
            brace = f'<munder>{one.markup}<mo stretchy="true">⏟</mo></munder>'
            text = _one(Letters(remark, Style.TEXT))
            return [_scripted(_Item(brace, one.width), text, None, under=True)]
        case Equation(left, right):
            return [*_row(left, depth), _operator("=", "infix"), *_row(right, depth)]
    raise TypeError(f"{formula!r} is no formula")


def _letters(formula: Letters | Greek | Word | Number) -> list[_Item]:
    match formula:
        case Letters(text, Style.ITALIC):
            runs = re.findall(r"\d+|\D", text)
            return [_Item(f"<m{'n' if r.isdigit() else 'i'}>{r}</m{'n' if r.isdigit() else 'i'}>",
                          float(len(r))) for r in runs]  # fmt: skip
        case Letters(text, Style.BOLD):
            return [_Item(f"<mi>{''.join(map(_bold, text))}</mi>")]
        case Letters(text, Style.TEXT):
            return [_Item(f"<mtext>{escape(text)}</mtext>", float(len(text)))]
        case Letters(text, Style.SLANTED):
            return [_Item(f'<mi class="italic">{escape(text)}</mi>', float(len(text)))]
        case Letters(text):
            variant = ' mathvariant="normal"' if len(text) == 1 else ""
            return [_Item(f"<mi{variant}>{escape(text)}</mi>", float(len(text)))]
        case Greek(name):
            variant = ' mathvariant="normal"' if name in _UPRIGHT_GREEK else ""
            return [_Item(f"<mi{variant}>{GREEK[name]}</mi>")]
        case Word(name):
            return [_Item(f"<mi>{name}</mi>", 0.75 * len(name))]  # upright letters are narrow
        case Number(digits, continued):
            more = [_operator("…", width=1.0)] * continued
            return [_Item(f"<mn>{digits}</mn>", float(len(digits))), *more]


def _accented(accent: str, base: Formula) -> _Item:
    if accent == "mathcal":
        is_letter = isinstance(base, Letters) and base.style is Style.ITALIC
        if not is_letter:
            return _one(base)  # there is no other alphabet for it
        assert isinstance(base, Letters)
        return _Item(f"<mi>{''.join(map(_script, base.text))}</mi>")
    inner = _one(base)
    stretchy = "true" if accent == "overline" else "false"
    mark = f'<mo stretchy="{stretchy}">{_ACCENTS[accent]}</mo>'
    return _Item(f'<mover accent="true">{inner.markup}{mark}</mover>', inner.width)


def _listed(items: Sequence[Formula], separator: str, depth: int) -> list[_Item]:
    found: list[_Item] = []
    for k, item in enumerate(items):
        found += [_operator(separator, width=1.0)] * bool(k)
        found += _row(item, depth)
    return found


def _sum(terms: Sequence[Formula], depth: int) -> list[_Item]:
    found = _row(terms[0], depth)
    for term in terms[1:]:
        is_negative = isinstance(term, Negative)
        sign = _operator(_MINUS if is_negative else "+", "infix")
        body = term.body if isinstance(term, Negative) else term
        found += [_Item("", 0.0, depth), sign, *_row(body, depth)]
    return found


def _joint(joint: Joint, depth: int) -> list[_Item]:
    match joint:
        case Joint.ELEMENTWISE:
            return [_Item("", 0.0, depth), _operator("⊙")]
        case Joint.DOT:
            return [_operator("⋅")]
        case Joint.THIN | Joint.WORD:
            return [_Item('<mspace width="0.17em"></mspace>', 0.3)]
    return []


def _raised(base: Formula, above: _Item) -> _Item:
    """A script beside the base's own, if it has none there."""
    if isinstance(base, Symbol) and not base.is_raised and base.below is not None:
        return _scripted(_one(base.base), _one(base.below), above)
    return _scripted(_one(base), None, above)


def _scripted_row(base: Formula, above: _Item, depth: int) -> list[_Item]:
    """What stands in parentheses has the script at the closing one."""
    if isinstance(base, (Fence, Columns)):
        *others, last = _row(base, depth)
        return [*others, _scripted(last, None, above)]
    return [_raised(base, above)]


def _bold(letter: str) -> str:
    """A mathematical bold letter or digit, which have characters of their own."""
    if letter.isdigit():
        return chr(0x1D7CE + int(letter))
    if "A" <= letter <= "Z":
        return chr(0x1D400 + ord(letter) - ord("A"))
    return chr(0x1D41A + ord(letter) - ord("a")) if "a" <= letter <= "z" else escape(letter)


def _script(letter: str) -> str:
    """A script letter; some stood in Unicode before the others."""
    if letter in _SCRIPT_LETTERS:
        return _SCRIPT_LETTERS[letter]
    if "A" <= letter <= "Z":
        return chr(0x1D49C + ord(letter) - ord("A"))
    return chr(0x1D4B6 + ord(letter) - ord("a")) if "a" <= letter <= "z" else escape(letter)
