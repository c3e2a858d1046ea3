"""The tree of an equation as it is written: symbols with their decorations, nothing interpreted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """A subscript ("_") or superscript ("^").

    Attributes:
        items: expressions, separated by commas.
        mark: a sign that stands alone: "top", "+", "*", "-"; else empty.
        unicode: the characters of a Unicode index, else empty.
        bracket: the brackets around the items besides braces: "(", "<", "[", or empty.
    """

    side: str
    items: tuple[Node, ...]
    position: int
    mark: str = ""
    unicode: str = ""
    bracket: str = ""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter with its decorations: base is `C`, `alpha`, or an upright word."""

    base: str
    accents: tuple[str, ...]
    font: str
    primes: int
    scripts: tuple[Script, ...]
    position: int
    end: int
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; a superscript is a power.  `is_vector`: a bold 0 or 1."""

    text: str
    scripts: tuple[Script, ...]
    position: int
    end: int
    spaced: bool = False
    is_vector: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs, in order."""

    terms: tuple[tuple[bool, Node], ...]  # (is negative, term)
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """Factors with the operator before each: "" for juxtaposition."""

    factors: tuple[tuple[str, Node], ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Group:
    """Expressions in brackets; more than one is a concatenation."""

    bracket: str
    items: tuple[Node, ...]
    scripts: tuple[Script, ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    """A named function of its arguments; `is_bare` when the argument has no brackets."""

    function: str
    arguments: tuple[Node, ...]
    scripts: tuple[Script, ...]  # on the function's name, or after its arguments
    is_bare: bool
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function without an argument, as in `g = \\tanh` or in a column of functions."""

    function: str
    scripts: tuple[Script, ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Fraction:
    """One expression above another."""

    above: Node
    below: Node
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix that is written out, by rows."""

    rows: tuple[tuple[Node, ...], ...]
    scripts: tuple[Script, ...]
    position: int
    end: int


Node = Symbol | Number | Sum | Term | Group | Call | FunctionName | Fraction | Grid


@dataclass(frozen=True, slots=True)
class ParsedEquation:
    """`sides[0] = sides[1] = ...`, as written."""

    sides: tuple[Node, ...]
    is_inline: bool

    @property
    def position(self) -> int:
        return self.sides[0].position


def parts(node: Node) -> tuple[Node, ...]:
    """The direct sub-expressions, scripts left out."""
    match node:
        case Sum(terms):
            return tuple(term for _, term in terms)
        case Term(factors):
            return tuple(factor for _, factor in factors)
        case Group(_, items):
            return items
        case Call(_, arguments):
            return arguments
        case Fraction(above, below):
            return (above, below)
        case Grid(rows):
            return tuple(node for row in rows for node in row)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Every node, a node before its parts; scripts are not entered."""
    yield node
    for part in parts(node):
        yield from walk(part)
