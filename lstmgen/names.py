"""How a name is written: in LaTeX, and what a cell may call its symbols at all."""

from __future__ import annotations

import keyword
import re

_GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma "
    "Upsilon Phi Psi Omega ell".split()
)
_ACCENTS = frozenset({"tilde", "hat", "bar", "dot", "vec", "overline", "mathcal"})
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


def latex_name(name: str, *subscripts: str, superscript: str = "") -> str:
    r"""`C_tilde` with the subscript t is \tilde{C}_t; `b_f` is b_f; `alpha` is \alpha.

    Words after an underscore are accents (tilde, hat, bar, dot, mathcal), primes (prime), or
    subscripts.  The given subscripts (a time, a block) follow the name's own, after a comma.
    """
    head, *rest = name.split("_")
    base, number = _letter(head)
    primes = ""
    own = [number] * bool(number)
    for word in rest:
        if word in _ACCENTS and not own:
            base = rf"\{word}{{{base}}}"
        elif word == "prime" and not own:
            primes += "'"
        elif word in _ACCENTS and own:
            own[-1] = rf"\{word}{{{own[-1]}}}"
        elif word == "prime":
            own[-1] += "'"
        elif word:
            letter, number = _letter(word)
            own.append(letter + number)
    subscript = ",".join([" ".join(own)] * bool(own) + list(subscripts))
    if len(subscript) > 1:
        subscript = f"{{{subscript}}}"
    raised = f"^{{{superscript}}}" if superscript else ""
    if primes and raised:
        base, primes = f"{{{base}{primes}}}", ""
    return f"{base}{primes}{raised}" + (f"_{subscript}" if subscript else "")


def _letter(word: str) -> tuple[str, str]:
    """A word as LaTeX, and the number that follows it: W1 is W with the subscript 1."""
    if word in _GREEK:
        return rf"\{word}", ""
    if match := re.fullmatch(r"([A-Za-z])(\d+)", word):
        return match[1], match[2]
    return word if len(word) <= 2 or word.isdigit() else rf"\mathrm{{{word}}}", ""
