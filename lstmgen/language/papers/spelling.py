r"""What a symbol's decorations mean: its identifier, its time, a power, a transpose.

`\tilde{C}_{t-1}` is C_tilde at t-1; `W_{hf}` is W_hf; `b^{(1)}_f` is b_f_1; `x_t^2` is a power.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lstmgen.language.papers.nodes import (
    Call,
    Fraction,
    Group,
    Node,
    Number,
    Script,
    Sum,
    Symbol,
    Term,
    walk,
)
from lstmgen.language.papers.source import Source

_UNICODE = str.maketrans(
    "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵗⁿ",
    "0123456789+-()aehijklmnoprstuvx0123456789+-()tn",
)
TRANSPOSES = ("\\top", "T")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A symbol, resolved.

    Attributes:
        identifier: what the cell calls it.
        key: what distinguishes it from a symbol that would have the same identifier.
        time: None, or the offset from t as text: "0", "-1".
        power: the exponent, if there is one.
        transposed: whether it carries a transpose.
    """

    identifier: str
    key: tuple[object, ...]
    time: int | None
    power: Node | None
    transposed: bool
    position: int


def time_letter(source: Source, equations: Iterable[Node]) -> str:
    """The letter of the time index: the one that occurs as t-1; t where none does."""
    found: dict[str, int] = {}
    for node in equations:
        for symbol in _symbols(node):
            for script in symbol.scripts:
                for letter, offset in _steps(script):
                    if offset is not None and letter not in found:
                        found[letter] = symbol.position
    if len(found) > 1 and "t" not in found:
        names = list(found)
        raise source.error(
            found[names[1]],
            f"both {names[0]}-1 and {names[1]}-1 are used as an index; use one letter for time",
        )
    return "t" if "t" in found or not found else next(iter(found))


def _symbols(node: Node) -> Iterator[Symbol]:
    for part in walk(node):
        if isinstance(part, Symbol):
            yield part
        for script in getattr(part, "scripts", ()):
            for item in script.items:
                yield from _symbols(item)


def _steps(script: Script) -> Iterator[tuple[str, int | None]]:
    """The letters that a script gives as x-1 or x+1."""
    if script.unicode:
        text = script.unicode.translate(_UNICODE).strip("()")
        if len(text) > 2 and text[0].isalpha() and text[1] in "+-" and text[2:].isdigit():
            yield text[0], int(text[1:])
        return
    for item in script.items:
        inner = _bracketless(item)
        if isinstance(inner, Sum) and (step := _step(inner)) is not None:
            yield step


def _step(node: Sum) -> tuple[str, int] | None:
    match node.terms:
        case ((False, Symbol(base, (), _, 0, ()) as letter), (negative, Number(text, ()))):
            if text.isdigit() and len(text) < 6 and letter.font != "upright":
                return base, -int(text) if negative else int(text)
    return None


def _bracketless(node: Node) -> Node:
    while isinstance(node, Group) and len(node.items) == 1 and not node.scripts:
        node = node.items[0]
    return node


def resolve(source: Source, symbol: Symbol, letter: str) -> Spelling:
    """The meaning of a symbol's decorations, where `letter` is the time index."""
    time: int | None = None
    power: Node | None = None
    transposed = False
    below: list[str] = []
    above: list[str] = []
    for script in symbol.scripts:
        if script.unicode:
            words, offset = _unicode_words(script, letter)
            if script.side == "^" and len(words) == 1 and words[0].isdigit():
                place = script.position
                power = Number(words[0], (), place, place + 1)
                continue
        else:
            if script.side == "^" and len(script.items) == 1:
                only = script.items[0]
                if isinstance(only, Symbol) and only.base in TRANSPOSES and not only.scripts:
                    transposed = True
                    continue
                if _is_exponent(only, letter):
                    if power is not None:
                        raise source.error(script.position, "a second exponent on one symbol")
                    power = only
                    continue
            words, offset = _words(source, script, letter)
        if offset is not None:
            if time is not None:
                raise source.error(script.position, "a second time index on one symbol")
            time = offset
        (below if script.side == "_" else above).extend(words)
    primes = symbol.primes
    while "\\prime" in above:
        above.remove("\\prime")
        primes += 1
    plain_below, plain_above = _plain(below), _plain(above)
    words = [*symbol.accents, *["prime"] * primes, *plain_below, *plain_above]
    identifier = "_".join([symbol.base, *words])
    if keyword.iskeyword(identifier):
        identifier += "_"
    font = "" if symbol.font == "upright" and len(symbol.base) > 1 else symbol.font
    key = (symbol.base, symbol.accents, font, primes, tuple(below), tuple(above))
    return Spelling(identifier, key, time, power, transposed, symbol.position)


def is_mark(node: Node) -> bool:
    """Whether a superscript is a transpose or a prime."""
    return isinstance(node, Symbol) and node.base in (*TRANSPOSES, "\\prime") and not node.scripts


def _plain(words: list[str]) -> list[str]:
    return [part for word in words for part in word.lstrip("\\").split("_")]


def _is_exponent(node: Node, letter: str) -> bool:
    """Whether a superscript is a power: a number, or a formula that is no time and no label."""
    inner = _bracketless(node)
    if isinstance(inner, Number):
        return not isinstance(node, Group)
    if isinstance(inner, Sum):
        step = _step(inner)
        return step is None or step[0] != letter
    return isinstance(inner, (Fraction, Call)) or (
        isinstance(inner, Term) and any(op for op, _ in inner.factors)
    )


def _unicode_words(script: Script, letter: str) -> tuple[list[str], int | None]:
    text = script.unicode.translate(_UNICODE)
    for suffix in (f"({letter})", letter):
        if text == suffix:
            return [], 0
    bare = text.strip("()")
    for step in ("-", "+"):
        head, sign, tail = bare.partition(step)
        if sign and tail.isdigit() and len(tail) < 6 and head.endswith(letter):
            return [head[: -len(letter)]] * (len(head) > 1), int(step + tail)
    if bare.endswith(letter) and len(bare) > 1:
        return [bare[: -len(letter)]], 0
    return [bare], None


def _words(source: Source, script: Script, letter: str) -> tuple[list[str], int | None]:
    """The words of a script, and the time index among them."""
    words: list[str] = []
    time: int | None = None
    for item in script.items:
        inner = _bracketless(item)
        offset: int | None = None
        if isinstance(inner, Symbol) and _is_letter(inner, letter):
            offset = 0
        elif isinstance(inner, Sum) and (step := _step(inner)) is not None and step[0] == letter:
            offset = step[1]
        if offset is None:
            words += _label(source, inner)
        elif time is not None:
            raise source.error(inner.position, "a second time index on one symbol")
        else:
            time = offset
    return words, time


def _is_letter(symbol: Symbol, letter: str) -> bool:
    return (symbol.base, symbol.accents, symbol.primes, symbol.scripts) == (letter, (), 0, ())


def _label(source: Source, node: Node) -> list[str]:
    """The words of a label: letters that touch make one word, h f two, hf one."""
    match node:
        case Number(text, ()) if text.isdigit():
            return [text]
        case Symbol():
            return _symbol_words(source, node)
        case Term(factors) if all(operator == "" for operator, _ in factors):
            words: list[str] = []
            last: Node | None = None
            for _, factor in factors:
                new = _label(source, factor)
                joins = last is not None and last.end == factor.position
                if joins and _is_bare(last) and _is_bare(factor) and words:
                    words[-1] += new[0]
                    new = new[1:]
                words += new
                last = factor
            return words
        case Group(_, items, ()):
            return [word for item in items for word in _label(source, item)]
    raise source.error(
        node.position,
        "an index that is neither a time, as t or t-1, nor a label, as f or hf, is not read",
    )


def _is_bare(node: Node | None) -> bool:
    """Letters or digits that a following one may join."""
    if isinstance(node, Number):
        return True
    return (
        isinstance(node, Symbol)
        and node.base.isascii()
        and len(node.base.rstrip("0123456789")) == 1
        and not (node.accents or node.primes or node.scripts)
    )


def _symbol_words(source: Source, symbol: Symbol) -> list[str]:
    # Greek letters keep a mark, so that W_\xi is not taken for W_{xi}.
    is_greek = len(symbol.base) > 1 and symbol.font != "upright" and symbol.base.isalpha()
    words = ["\\" + symbol.base if is_greek and not _is_text(source) else symbol.base]
    words += [*symbol.accents, *["prime"] * symbol.primes]
    for script in symbol.scripts:
        if script.unicode:
            raise source.error(script.position, "an index within an index is not read")
        words += [word for item in script.items for word in _label(source, item)]
    return words


def _is_text(source: Source) -> bool:
    return not source.is_latex
