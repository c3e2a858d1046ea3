"""How a name is written: in LaTeX, and what a cell may call its symbols at all."""

from __future__ import annotations

import itertools
import keyword
import re

from lstmgen.algebra.functions import BY_WORD

GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma "
    "Upsilon Phi Psi Omega ell".split()
)
ACCENTS = frozenset({"tilde", "hat", "bar", "dot", "vec", "overline", "mathcal"})
_TIME = "t"
# As \mathrm these would be read as the functions.
_FUNCTIONS = frozenset(BY_WORD)
_C_KEYWORDS = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
    concept const constexpr const_cast continue decltype default delete do double dynamic_cast else
    enum explicit export extern false float for friend goto if inline int long mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
    switch template this thread_local throw true try typedef typeid typename union unsigned using
    virtual void volatile wchar_t while xor xor_eq restrict""".split()
)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def objection(name: str) -> str | None:
    """Why `name` cannot be a symbol of a cell, or None if it can."""
    if not _IDENTIFIER.fullmatch(name):
        return "is not an identifier: use a letter, then letters, digits and underscores"
    if keyword.iskeyword(name):
        return f"is a keyword of Python: call it {name}_1 or {name.upper()}"
    if name in _C_KEYWORDS:
        return f"is a keyword of C++: call it {name}_1 or {name.upper()}"
    return None


def needs_declaration(matrix: str) -> bool:
    """Whether a matrix's letter looks like a number or the identity: Greek, an increment, or I."""
    head, _, rest = matrix.partition("_")
    return head in GREEK or head.startswith("Delta") or (head == "I" and not rest)


def latex_name(name: str, *subscripts: str, superscript: str = "") -> str:
    r"""`C_tilde` with the subscript t is \tilde{C}_t; `b_f` is b_f; `alpha` is \alpha.

    Words after an underscore are accents (tilde, hat, bar, dot, vec, overline, mathcal), primes
    (prime), or subscripts.  The given subscripts (a time, a block) follow the name's own, after a
    comma.  Two names never give the same LaTeX: a name that would read as another one, like `W_t`,
    is set as it is, \mathrm{W\_t}.
    """
    base, own, primes = _parts(name)
    subscript = ",".join([" ".join(own)] * bool(own) + list(subscripts))
    if len(subscript) > 1:
        subscript = f"{{{subscript}}}"
    raised = f"^{{{superscript}}}" if superscript else ""
    if primes and raised:
        base, primes = f"{{{base}{primes}}}", ""
    return f"{base}{primes}{raised}" + (f"_{subscript}" if subscript else "")


def _parts(name: str) -> tuple[str, list[str], str]:
    """The letter with its accents, the words of the subscript, and the primes."""
    head, *rest = name.split("_")
    if len(rest) == 1 and not rest[0] and keyword.iskeyword(head):
        rest = []  # lambda_ is a lambda
    if _TIME in rest or "" in rest or head in ACCENTS or head == "prime" or _is_odd(rest):
        return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}", [], ""
    base, primes = _head(head), ""
    own: list[str] = []
    for word in rest:
        if word == "prime" and not own:
            primes += "'"
        elif word == "prime":
            own[-1] = _one_symbol(own[-1]) + "'"
        elif word in ACCENTS and not own:
            base = _accented(word, base)
        elif word in ACCENTS:
            own[-1] = _accented(word, _one_symbol(own[-1]))
        else:
            own.append(_subscript(word))
    return base, own, primes


def _is_odd(words: list[str]) -> bool:
    """Whether a number has an accent or a prime, or an accent stands above a prime."""
    pairs = itertools.pairwise(words)
    return any(
        (word in ACCENTS and before == "prime")
        or ((word in ACCENTS or word == "prime") and before.isdigit())
        for before, word in pairs
    )


def _accented(accent: str, written: str) -> str:
    inner = written[1:-1] if written.startswith("{") else written
    return rf"\{accent}{{{inner}}}"


def _one_symbol(written: str) -> str:
    """Two letters as one upright symbol, so that an accent is above both."""
    return rf"\mathrm{{{written}}}" if re.fullmatch(r"[A-Za-z]{2}", written) else written


def _head(word: str) -> str:
    """A letter, with digits as in W1, a Greek letter, an increment (Deltat), or an upright word."""
    if word in _FUNCTIONS:
        return rf"\mathit{{{word}}}"
    if word == "Delta":
        return r"{\Delta}"  # beside a letter it would be an increment
    if word in GREEK:
        return rf"\{word}"
    if re.fullmatch(r"[A-Za-z]\d*", word):
        return word
    if re.fullmatch(r"Delta[A-Za-z]", word):
        return rf"{{\Delta {word[-1]}}}"
    return rf"\mathrm{{{word}}}"


def _subscript(word: str) -> str:
    """Letters of a subscript: pairs such as xi in W_{xi} are two letters, from x to i."""
    if word in _FUNCTIONS and len(word) > 2:
        return rf"\mathit{{{word}}}"
    if word == "Delta":
        return r"{\Delta}"
    if word in GREEK and len(word) > 2:
        return rf"\{word}"
    if len(word) <= 2 or re.fullmatch(r"[A-Za-z]?\d+", word):
        return word
    return rf"\mathrm{{{word}}}"
