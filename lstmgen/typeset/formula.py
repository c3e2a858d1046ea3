"""A typeset formula as an immutable tree: what stands where, in no language yet.

Where a long line may be broken follows from the tree: before the later terms of a sum and before
the element-wise products of a `Product`, unless they stand in a fraction, a script or a root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ",
    "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ",
}  # fmt: skip
"""The letters that a `Greek` may be, and their characters."""

ACCENTS = frozenset({"tilde", "hat", "bar", "dot", "vec", "overline", "mathcal"})
"""What an `Accented` may have; mathcal is another alphabet."""


class Style(Enum):
    """How the letters of a `Letters` are set."""

    ITALIC = auto()  # each letter a variable of its own
    UPRIGHT = auto()
    SLANTED = auto()  # a word in italics
    BOLD = auto()
    TEXT = auto()


class Joint(Enum):
    """What stands between two factors."""

    NOTHING = auto()  # dy: two letters that are one symbol
    BESIDE = auto()
    THIN = auto()  # with a thin space
    WORD = auto()  # with a thin space too, because a word would run into the next letter
    DOT = auto()
    ELEMENTWISE = auto()


class Formula:
    """Any node of the tree."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Letters(Formula):
    """Letters and digits set alike."""

    text: str
    style: Style = Style.ITALIC


@dataclass(frozen=True, slots=True)
class Greek(Formula):
    """A Greek letter by its name, or ell."""

    name: str


@dataclass(frozen=True, slots=True)
class Increment(Formula):
    """Δt, one symbol."""

    letter: str


@dataclass(frozen=True, slots=True)
class Word(Formula):
    """The name of a function: tanh, softplus."""

    name: str


@dataclass(frozen=True, slots=True)
class Accented(Formula):
    """One of `ACCENTS` on a symbol."""

    accent: str
    base: Formula


@dataclass(frozen=True, slots=True)
class Number(Formula):
    """Digits; `continued` if more follow that are left out."""

    digits: str
    continued: bool = False


@dataclass(frozen=True, slots=True)
class Time(Formula):
    """A step: t, t-1, t+1, or T."""

    shift: int = 0
    letter: str = "t"


@dataclass(frozen=True, slots=True)
class Words(Formula):
    """Symbols of a subscript, one beside the other."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Commas(Formula):
    """Symbols of a script with commas between them."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Condition(Formula):
    """The subscript of an indicator: > 0, ≠ 0."""

    relation: str
    right: Formula


@dataclass(frozen=True, slots=True)
class Symbol(Formula):
    """A letter with its primes and scripts."""

    base: Formula
    primes: int = 0
    above: Formula | None = None
    below: Formula | None = None

    @property
    def is_raised(self) -> bool:
        """Whether it has a superscript or a prime, so that it can have no exponent besides."""
        return self.primes > 0 or self.above is not None


@dataclass(frozen=True, slots=True)
class Negative(Formula):
    """-body."""

    body: Formula


@dataclass(frozen=True, slots=True)
class Sum(Formula):
    """Terms that are added; the `Negative` ones are subtracted."""

    terms: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Product(Formula):
    """The first factor, and each other one behind what joins it to those before."""

    first: Formula
    others: tuple[tuple[Joint, Formula], ...]


@dataclass(frozen=True, slots=True)
class Columns(Formula):
    """[a, b]; or [a; b], one above the other."""

    items: tuple[Formula, ...]
    is_stack: bool = False


@dataclass(frozen=True, slots=True)
class Fence(Formula):
    """In parentheses, which grow with what they hold: `size` is 0, 1 or 2."""

    inner: Formula
    size: int = 0


@dataclass(frozen=True, slots=True)
class List(Formula):
    """a, b: the arguments of a function."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Call(Formula):
    """A function, perhaps raised to a power, and its arguments in parentheses."""

    function: Formula
    arguments: Fence
    power: Formula | None = None


@dataclass(frozen=True, slots=True)
class Quotient(Formula):
    """A fraction."""

    above: Formula
    below: Formula


@dataclass(frozen=True, slots=True)
class Root(Formula):
    """A square root."""

    inner: Formula


@dataclass(frozen=True, slots=True)
class Bars(Formula):
    """An absolute value."""

    inner: Formula


@dataclass(frozen=True, slots=True)
class Power(Formula):
    """base^exponent; a base that is a symbol must not be raised already."""

    base: Formula
    exponent: Formula


@dataclass(frozen=True, slots=True)
class Transposed(Formula):
    """base^⊤, whatever scripts the base has."""

    base: Formula


@dataclass(frozen=True, slots=True)
class SumOver(Formula):
    """The sum of the body over an index."""

    index: Formula
    body: Formula


@dataclass(frozen=True, slots=True)
class Partial(Formula):
    """∂x, a side of a derivative."""

    of: Formula


@dataclass(frozen=True, slots=True)
class Restricted(Formula):
    """inner|_by: only the part of it that goes by a way."""

    inner: Formula
    by: Formula


@dataclass(frozen=True, slots=True)
class Underbrace(Formula):
    """A remark under a part of a formula."""

    inner: Formula
    remark: str


@dataclass(frozen=True, slots=True)
class Equation(Formula):
    """left = right."""

    left: Formula
    right: Formula


def adjacent(*factors: Formula, joint: Joint = Joint.NOTHING) -> Formula:
    """Factors side by side."""
    first, *others = factors
    return Product(first, tuple((joint, other) for other in others)) if others else first


def fenced(inner: Formula) -> Fence:
    """In parentheses of the size that is needed: a fraction or a root is tall."""
    return Fence(inner, _height(inner))


def _height(formula: Formula) -> int:
    """0 for a line, 1 for a fraction or a root, 2 for a fraction within a fraction."""
    tallest = max(map(_height, parts(formula)), default=0)
    match formula:
        case Quotient(above, below):
            return 2 if any(_has_fraction(side) for side in (above, below)) else 1
        case Root():
            return max(tallest, 1)
    return tallest


def _has_fraction(formula: Formula) -> bool:
    if isinstance(formula, Power):  # in an exponent a fraction is small
        return _has_fraction(formula.base)
    return isinstance(formula, Quotient) or any(map(_has_fraction, parts(formula)))


def parts(formula: Formula) -> Iterator[Formula]:
    """The nodes that a node holds."""
    for name in formula.__match_args__:  # a dataclass has its fields there
        value = getattr(formula, name)
        if isinstance(value, Formula):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes(value)


def _nodes(items: tuple[object, ...]) -> Iterator[Formula]:
    for item in items:
        if isinstance(item, Formula):
            yield item
        elif isinstance(item, tuple):
            yield from _nodes(item)
