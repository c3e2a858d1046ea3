"""The tree of an equation with its symbols resolved: names, times, powers and transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ref:
    """A symbol: with a time, counted from t, it is a vector; without one a parameter."""

    name: str
    time: int | None
    position: int
    end: int
    is_upright: bool = False  # a word of several letters, which may be a function's name
    is_bold: bool = False
    is_function: bool = False  # a function's name with an index, sigma_g


@dataclass(frozen=True, slots=True)
class Num:
    """A number as written."""

    text: str
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms, each with whether it is negative."""

    terms: tuple[tuple[bool, Formula], ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Product:
    """Factors with the operator before each: "" for juxtaposition, "odot", "cdot", "*", "/"."""

    factors: tuple[tuple[str, Formula], ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Brackets:
    """Formulas in brackets; more than one is a concatenation."""

    bracket: str
    items: tuple[Formula, ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Power:
    """base to the exponent."""

    base: Formula
    exponent: Formula
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Transposed:
    """The transpose of a matrix, or of a row of vectors."""

    inner: Formula
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A function by name, and its arguments; `is_bare` where the argument has no brackets."""

    function: str
    arguments: tuple[Formula, ...]
    is_bare: bool
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function without arguments."""

    function: str
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Quotient:
    """One formula above another."""

    above: Formula
    below: Formula
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix that is written out, by rows."""

    rows: tuple[tuple[Formula, ...], ...]
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class StackRow:
    """One row of `body`, which is a stack of `count` vectors."""

    index: int
    count: int
    body: Formula
    position: int
    end: int


Formula = (
    Ref
    | Num
    | Sum
    | Product
    | Brackets
    | Power
    | Transposed
    | Apply
    | FunctionRef
    | Quotient
    | Grid
    | StackRow
)


@dataclass(frozen=True, slots=True)
class ResolvedEquation:
    """`sides[0] = sides[1] = ...`, its symbols resolved."""

    sides: tuple[Formula, ...]
    is_inline: bool

    @property
    def position(self) -> int:
        return self.sides[0].position


def parts(node: Formula) -> tuple[Formula, ...]:
    """The direct sub-formulas."""
    match node:
        case Sum(terms):
            return tuple(term for _, term in terms)
        case Product(factors):
            return tuple(factor for _, factor in factors)
        case Brackets(_, items):
            return items
        case Power(base, exponent):
            return (base, exponent)
        case Transposed(inner):
            return (inner,)
        case Apply(_, arguments):
            return arguments
        case Quotient(above, below):
            return (above, below)
        case StackRow(_, _, body):
            return (body,)
        case Grid(rows):
            return tuple(item for row in rows for item in row)
    return ()


def rebuilt(node: Formula, new: tuple[Formula, ...]) -> Formula:
    """The node with other sub-formulas, in the order of `parts`."""
    if new == parts(node):
        return node
    match node:
        case Sum(terms):
            signs = [negative for negative, _ in terms]
            return replace(node, terms=tuple(zip(signs, new, strict=True)))
        case Product(factors):
            operators = [operator for operator, _ in factors]
            return replace(node, factors=tuple(zip(operators, new, strict=True)))
        case Brackets():
            return replace(node, items=new)
        case Power():
            return replace(node, base=new[0], exponent=new[1])
        case Transposed():
            return replace(node, inner=new[0])
        case Apply():
            return replace(node, arguments=new)
        case Quotient():
            return replace(node, above=new[0], below=new[1])
        case StackRow():
            return replace(node, body=new[0])
        case Grid(rows):
            items = iter(new)
            return replace(node, rows=tuple(tuple(next(items) for _ in row) for row in rows))
    return node


def walk(node: Formula) -> Iterator[Formula]:
    """Every node, a node before its parts."""
    yield node
    for part in parts(node):
        yield from walk(part)


def mapped(node: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """The formula with `change` applied to every node, its parts first."""
    return change(rebuilt(node, tuple(mapped(part, change) for part in parts(node))))


def has_time(node: Formula) -> bool:
    """Whether a vector at a time step occurs in the formula."""
    return any(isinstance(part, Ref) and part.time is not None for part in walk(node))


def unbracketed(node: Formula) -> Formula:
    """What stands in brackets, where that is one formula."""
    while isinstance(node, Brackets) and len(node.items) == 1:
        node = node.items[0]
    return node


def key(node: Formula) -> object:
    """The formula without its places, to compare two of them."""
    match node:
        case Ref(name, time):
            return ("ref", name, time)
        case Num(text):
            return ("num", text)
        case Apply(function):
            head: object = ("apply", function)
        case FunctionRef(function):
            return ("function", function)
        case Sum(terms):
            head = ("sum", *(negative for negative, _ in terms))
        case Product(factors):
            head = ("product", *(operator for operator, _ in factors))
        case Brackets(_, items) if len(items) == 1:
            return key(items[0])
        case _:
            head = type(node).__name__
    return (head, *map(key, parts(node)))


def refs(node: Formula) -> Iterator[Ref]:
    """The symbols of a formula."""
    return (part for part in walk(node) if isinstance(part, Ref))


def as_list(node: Formula) -> tuple[Formula, ...] | None:
    """The vectors of a concatenation, however it is written; None for anything else."""
    if isinstance(node, Transposed):
        items = as_list(node.inner)
        if items is None:
            return None
        return tuple(i.inner if isinstance(i, Transposed) else i for i in items)
    if isinstance(node, Brackets):
        if len(node.items) > 1:
            return node.items
        return as_list(node.items[0])
    if isinstance(node, Grid) and (all(len(row) == 1 for row in node.rows) or len(node.rows) == 1):
        return tuple(item for row in node.rows for item in row)
    return None


def flat(items: Iterable[Formula]) -> Iterator[Formula]:
    """The vectors of a list, those of lists within it too."""
    for item in items:
        inner = as_list(item)
        if inner is not None and len(inner) > 1:
            yield from inner
        else:
            yield item


def name_of(node: Formula) -> str:
    """The name of the letter that a formula is, or holds first."""
    return next((part.name for part in walk(node) if isinstance(part, Ref)), "W")


def list_of(node: Formula) -> Formula:
    """The brackets that a formula is, or holds first."""
    return next((p for p in walk(node) if isinstance(p, Brackets | Grid)), node)
