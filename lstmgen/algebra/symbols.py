"""How a name is written in formulas: C_tilde is a C with a tilde."""

from __future__ import annotations

import itertools
import keyword
import re
from functools import cache

from lstmgen.algebra.functions import BY_WORD
from lstmgen.typeset.formula import (
    ACCENTS,
    GREEK,
    Accented,
    Commas,
    Formula,
    Greek,
    Increment,
    Letters,
    Style,
    Symbol,
    Words,
)

__all__ = ["symbol"]

_TIME = "t"
# As upright words these would be read as the functions.
_FUNCTIONS = frozenset(BY_WORD)


def symbol(name: str, *subscripts: Formula, above: Formula | None = None) -> Formula:
    r"""`C_tilde` with the subscript t is \tilde{C}_t; `b_f` is b_f; `alpha` is \alpha.

    Words after an underscore are accents (tilde, hat, bar, dot, vec, overline, mathcal), primes
    (prime), or subscripts.  The given subscripts (a time, a block) follow the name's own, after a
    comma.  Two names never give the same symbol: a name that would read as another one, like `W_t`,
    is set as it is, \mathrm{W\_t}.
    """
    base, own, primes = _parts(name)
    scripts = (*([_together(own)] if own else []), *subscripts)
    if not (primes or scripts or above):
        return base
    below = None
    if scripts:
        below = scripts[0] if len(scripts) == 1 else Commas(scripts)
    return Symbol(base, primes, above, below)


def _together(words: tuple[Formula, ...]) -> Formula:
    return words[0] if len(words) == 1 else Words(words)


@cache
def _parts(name: str) -> tuple[Formula, tuple[Formula, ...], int]:
    """The letter with its accents, the words of the subscript, and the primes."""
    head, *rest = name.split("_")
    if len(rest) == 1 and not rest[0] and keyword.iskeyword(head):
        rest = []  # lambda_ is a lambda
    if _TIME in rest or "" in rest or head in ACCENTS or head == "prime" or _is_odd(rest):
        return Letters(name, Style.UPRIGHT), (), 0
    base, primes = _head(head), 0
    own: list[Formula] = []
    for word in rest:
        if word == "prime" and not own:
            primes += 1
        elif word == "prime":
            last = _one_symbol(own[-1])
            own[-1] = (
                Symbol(last.base, last.primes + 1)
                if isinstance(last, Symbol)
                else Symbol(last, primes=1)
            )
        elif word in ACCENTS and not own:
            base = Accented(word, base)
        elif word in ACCENTS:
            own[-1] = Accented(word, _one_symbol(own[-1]))
        else:
            own.append(_subscript(word))
    return base, tuple(own), primes


def _is_odd(words: list[str]) -> bool:
    """Whether a number has an accent or a prime, or an accent stands above a prime."""
    pairs = itertools.pairwise(words)
    return any(
        (word in ACCENTS and before == "prime")
        or ((word in ACCENTS or word == "prime") and before.isdigit())
        for before, word in pairs
    )


def _one_symbol(written: Formula) -> Formula:
    """Two letters as one upright symbol, so that an accent is above both."""
    if isinstance(written, Letters) and re.fullmatch(r"[A-Za-z]{2}", written.text):
        return Letters(written.text, Style.UPRIGHT)
    return written


def _head(word: str) -> Formula:
    """A letter, with digits as in W1, a Greek letter, an increment (Deltat), or an upright word."""
    if word in _FUNCTIONS:
        return Letters(word, Style.SLANTED)
    if word in GREEK:
        return Greek(word)
    if re.fullmatch(r"[A-Za-z]\d*", word):
        return Letters(word)
    if re.fullmatch(r"Delta[A-Za-z]", word):
        return Increment(word[-1])
    return Letters(word, Style.UPRIGHT)


def _subscript(word: str) -> Formula:
    """Letters of a subscript: pairs such as xi in W_{xi} are two letters, from x to i."""
    if word in _FUNCTIONS and len(word) > 2:
        return Letters(word, Style.SLANTED)
    if word in GREEK and len(word) > 2:
        return Greek(word)
    if len(word) <= 2 or re.fullmatch(r"[A-Za-z]?\d+", word):
        return Letters(word)
    return Letters(word, Style.UPRIGHT)
