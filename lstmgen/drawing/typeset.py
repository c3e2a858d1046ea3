"""Typeset labels: a name or a small formula as runs of text with subscripts and accents.

Widths are estimated from the metrics of a wide serif face, so that a label set in another one
takes less room than was kept for it, not more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
)
from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW, precedence
from lstmgen.algebra.symbols import symbol as named
from lstmgen.typeset.formula import (
    GREEK,
    Accented,
    Commas,
    Formula,
    Greek,
    Increment,
    Letters,
    Style,
    Symbol,
    Time,
    Words,
)

__all__ = [
    "MINUS",
    "PER_UNIT",
    "Run",
    "Text",
    "formula",
    "function",
    "joined",
    "middle",
    "plain",
    "symbol",
    "upright",
    "width",
]

MINUS, TIMES, DOT = "\u2212", "\u00d7", "\u00b7"
PRIME = "\u2032"
PER_UNIT = "\u2299"  # the mark of a line whose units are multiplied one by one
SCRIPT = 0.72  # size of a subscript against its base
_MARKS = {
    "tilde": "\u0303",
    "hat": "\u0302",
    "bar": "\u0304",
    "overline": "\u0305",
    "dot": "\u0307",
    "vec": "\u20d7",
}


@dataclass(frozen=True, slots=True)
class Run:
    """Letters set alike.

    Attributes:
        text: the letters.
        level: 0 on the line, -1 a subscript, 1 a superscript.
        italic: a variable; otherwise a number, an operator or a word.
        accents: over the letters, the innermost first: tilde, hat, bar, overline, dot or vec.
        bold: a letter of another alphabet, the paper's calligraphic ones.
    """

    text: str
    level: int = 0
    italic: bool = False
    accents: tuple[str, ...] = ()
    bold: bool = False


Text = tuple[Run, ...]


def upright(text: str, level: int = 0) -> Text:
    """Letters as they are."""
    return (Run(text, level),)


def symbol(name: str, time: int | None = None) -> Text:
    """`C_tilde` at time 0 is C with a tilde and the subscript t; without a time, a parameter."""
    moment = () if time is None else (Time(time),)
    return _runs(named(name, *moment))


def _runs(symbol: Formula) -> Text:
    """A symbol as letters: what stands above, and how, is part of its run."""
    match symbol:
        case Symbol(base, primes, None, below):
            marks = (Run(PRIME * primes),) if primes else ()
            return (*_runs(base), *marks, *(_below(below) if below else ()))
        case Accented("mathcal", base):
            (run,) = _runs(base)
            return (replace(run, bold=True),)
        case Accented(accent, base):
            (run,) = _runs(base)
            return (replace(run, accents=(*run.accents, accent)),)
        case Letters(text, style):
            slanted = style in (Style.ITALIC, Style.SLANTED) and not text.isdigit()
            return (Run(text, italic=slanted),)
        case Greek(name):
            return (Run(GREEK[name], italic=True),)
        case Increment(letter):
            return (Run(f"Δ{letter}", italic=True),)
        case Time(shift, letter):
            later = {-1: f"{MINUS}1", 0: "", 1: "+1"}[shift]
            return (Run(f"{letter}{later}", italic=True),)
    raise TypeError(f"{symbol!r} is not in the name of a symbol")


def _below(script: Formula) -> Text:
    """A subscript: its words one beside the other, and a comma before the time."""
    match script:
        case Words(items):
            return tuple(run for item in items for run in _below(item))
        case Commas((first, *rest)):
            after = tuple(replace(r, text=f",{r.text}") for item in rest for r in _below(item))
            return (*_below(first), *after)
    run, *primes = _runs(script)
    written = "".join(r.text for r in (run, *primes))
    accents = "".join(_MARKS[accent] for accent in run.accents)
    return (Run(written + accents, -1, run.italic),)


def function(name: str) -> Text:
    """A function's name inside a box or a circle."""
    entry = FUNCTIONS.get(name)
    return (Run(entry.label if entry and entry.label else name, italic=False),)


def formula(expression: Expression) -> Text:
    """A formula on one line, element-wise products written with a centred dot."""
    match expression:
        case Number(value):
            return upright(_number(value))
        case Value(name, shift):
            return symbol(name, shift)
        case Parameter(name):
            return symbol(name)
        case MatVec(weight, _, transposed, operand):
            raised = upright("T", 1) if transposed else ()
            return (*symbol(weight), *raised, *upright(DOT), *formula(operand))
        case Add(terms):
            runs = formula(terms[0])
            for term in terms[1:]:
                negative = isinstance(term, Neg)
                body = term.argument if isinstance(term, Neg) else term
                runs += upright(MINUS if negative else "+")
                runs += _at(MUL if negative else ADD, body)
            return runs
        case Mul(factors):
            runs = _at(MUL, factors[0])
            for factor in factors[1:]:
                runs += (*upright(DOT), *_at(MUL, factor))
            return runs
        case Neg(argument):
            return (*upright(MINUS), *_at(MUL, argument))
        case Div(above, below):
            return (*_at(MUL, above), *upright("/"), *_at(POW, below))
        case Pow(base, exponent):
            return (*_at(ATOM, base), *(_raised(r) for r in formula(exponent)))
        case Call(name, arguments):
            runs = (*function(name), *upright("("))
            for k, argument in enumerate(arguments):
                runs += (*(upright(", ") if k else ()), *formula(argument))
            return (*runs, *upright(")"))
    raise TypeError(f"{expression!r} is not an expression")


def _at(level: int, expression: Expression) -> Text:
    runs = formula(expression)
    if precedence(expression) < level:
        return (*upright("("), *runs, *upright(")"))
    return runs


def _raised(run: Run) -> Run:
    return Run(run.text, 1, run.italic, run.accents, run.bold)


def _number(value: Fraction) -> str:
    sign = MINUS if value < 0 else ""
    value = abs(value)
    if value.denominator == 1:
        return f"{sign}{value.numerator}"
    if value.denominator <= 100:
        return f"{sign}{value.numerator}/{value.denominator}"
    return f"{sign}{float(value):.4g}"


def plain(text: Text) -> str:
    """The label as a line of Unicode text, for descriptions and formats without typesetting."""
    written, level = "", 0
    for run in text:
        body = run.text + "".join(_MARKS[a] for a in run.accents)
        if run.level < 0 and level >= 0:
            written += "_"
        if run.level > 0:
            written += "^"
        written += body
        level = run.level
    return written


_NARROW = frozenset("iljtfI.,:;|!'()[]/\u2032·")
_WIDE = frozenset("mwMWΔΩΘΦΨ+=<>" + MINUS + TIMES)


def middle(text: Text, size: float) -> float:
    """From the start of a label to its middle, in a face of usual width."""
    wide = width(text, size)
    return wide / 2 - min(0.07 * wide, 2.5)


def joined(text: Text) -> Text:
    """The label with neighbouring runs that are set alike made one."""
    runs: list[Run] = []
    for run in text:
        last = runs[-1] if runs else None
        if last and not (run.accents or last.accents) and run == replace(last, text=run.text):
            runs[-1] = replace(last, text=last.text + run.text)
        else:
            runs.append(run)
    return tuple(runs)


def width(text: Text, size: float) -> float:
    """The room that the label takes, in the units of the font size."""
    return sum(_run_width(run, size) for run in text)


def _run_width(run: Run, size: float) -> float:
    scale = size if run.level == 0 else size * SCRIPT
    total = 0.0
    for letter in run.text:
        if letter in _MARKS.values():
            continue
        if letter in _NARROW:
            total += 0.40
        elif letter in _WIDE:
            total += 0.92 if letter in "mwMW" else 0.84
        elif letter.isupper():
            total += 0.74
        else:
            total += 0.62
    return total * scale
