"""The nodes of the syntax tree of one equation; positions are places in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lstmgen.language.papers.source import Chunk


@dataclass(frozen=True, slots=True)
class Script:
    """A subscript ("_") or superscript ("^"); `items` is a list of expressions, or Unicode text."""

    side: str
    items: tuple[Node, ...]
    unicode: str = ""
    position: int = 0


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


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; a superscript is a power."""

    text: str
    scripts: tuple[Script, ...]
    position: int
    end: int


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
    """A function of its arguments; `is_bare` when the argument has no parentheses."""

    function: str
    arguments: tuple[Node, ...]
    scripts: tuple[Script, ...]  # on the function's name, or after its arguments
    is_bare: bool
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Fraction:
    """One expression above another."""

    above: Node
    below: Node
    position: int
    end: int


Node = Symbol | Number | Sum | Term | Group | Call | Fraction


@dataclass(frozen=True, slots=True)
class ParsedEquation:
    """left = right, and where each stands."""

    left: Node
    right: Node
    chunk: Chunk = field(repr=False)


def parts(node: Node) -> tuple[Node, ...]:
    """The direct sub-expressions, scripts left out."""
    match node:
        case Sum(terms, _, _):
            return tuple(term for _, term in terms)
        case Term(factors, _, _):
            return tuple(factor for _, factor in factors)
        case Group(_, items, _, _, _):
            return items
        case Call(_, arguments, _, _, _, _):
            return arguments
        case Fraction(above, below, _, _):
            return (above, below)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Every node, a node before its parts; scripts are not entered."""
    yield node
    for part in parts(node):
        yield from walk(part)
