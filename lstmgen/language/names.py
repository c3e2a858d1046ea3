"""What a cell may call its symbols."""

from __future__ import annotations

import keyword
import re

from lstmgen.typeset.formula import GREEK

_C_KEYWORDS = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
    concept const constexpr const_cast continue decltype default delete do double dynamic_cast else
    enum explicit export extern false float for friend goto if inline int long mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
    switch template this thread_local throw true try typedef typeid typename union unsigned using
    virtual void volatile wchar_t while xor xor_eq restrict""".split()
)
WEIGHTS = frozenset("WUVR")
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


def is_weight(name: str) -> bool:
    """Whether it has one of the letters that papers use for weights: W, U_f."""
    return name.partition("_")[0] in WEIGHTS
