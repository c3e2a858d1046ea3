r"""What a text says of sets: `W \in \mathbb{R}^{n \times d}` makes W a matrix, with its sizes."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lstmgen.errors import EquationError
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes
from lstmgen.language.papers.syntax.parsing import parse_name
from lstmgen.language.papers.syntax.statements import Membership
from lstmgen.language.papers.text.tokens import Token

_KINDS = {0: "scalar", 1: "vector", 2: "matrix"}


@dataclass(frozen=True, slots=True)
class Member:
    """The set that a symbol is from: `sizes` has one label for a vector and two for a matrix.

    `is_interval`: a set such as [0, 1], which may be said of each element.
    """

    name: str
    sizes: tuple[str, ...]
    position: int
    written: str
    is_interval: bool = False

    @property
    def kind(self) -> str:
        """A row or a column is a vector, but a capital letter a matrix, with one row."""
        if "1" in self.sizes and not self.name[:1].isupper():
            return _KINDS[1]
        return _KINDS[len(self.sizes)]


def members(
    source: Source,
    memberships: Sequence[Membership],
    name_of: Callable[[nodes.Node], str | None],
) -> Mapping[str, Member]:
    """By name, what each symbol is said to be from; sets that are not understood are left out."""
    found: dict[str, Member] = {}
    for membership in memberships:
        sizes = _sizes(membership.members)
        if sizes is None:
            continue
        for tokens in membership.names:
            for part in _split(tokens):
                try:
                    node = parse_name(source, part)
                except EquationError:
                    continue
                for symbol in _symbols(node):
                    name = name_of(symbol)
                    if name is not None:
                        written = source.written(symbol.position, symbol.end)
                        is_interval = membership.members[0].kind == "open"
                        member = Member(name, sizes, symbol.position, written, is_interval)
                        found.setdefault(name, member)
    return found


def _symbols(node: nodes.Node) -> list[nodes.Symbol]:
    """A symbol with its time behind it, h(t), is the symbol."""
    if isinstance(node, nodes.Term) and len(node.factors) == 2:
        node = node.factors[0][1]
    return [node] if isinstance(node, nodes.Symbol) else []


def _split(tokens: Sequence[Token]) -> list[tuple[Token, ...]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and (token.kind in ("comma", "prose") or token.text == "and"):
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts if part]


def _sizes(tokens: Sequence[Token]) -> tuple[str, ...] | None:
    """The sizes of R^{n x d}; none for R, and for an interval of numbers."""
    tokens = [t for t in tokens if t.kind not in ("gap", "align")]
    if not tokens:
        return None
    if sum(token.kind == "reals" for token in tokens) > 1:
        return None  # R^n x R^d
    first, rest = tokens[0], list(tokens[1:])
    if first.kind == "open" and first.text in ("(", "["):
        closing = next((k for k, t in enumerate(tokens) if t.kind == "close"), None)
        inner = tokens[1:closing]
        if closing is None or not any(t.kind == "number" for t in inner):
            return None
        rest = list(tokens[closing + 1 :])
    elif not (first.kind == "reals" and first.text == "R") and first.text != "R":
        return None
    while rest and rest[0].kind == "script" and rest[0].text == "_":
        rest = rest[2:] if rest[1:] and rest[1].kind != "open" else _behind(rest[1:])
    if not rest:
        return ()
    if rest[0].kind == "raised":
        text = unicodedata.normalize("NFKC", "".join(t.text for t in rest))  # ⁿˣᵈ
        parts = re.split("[x×]", text)
        return tuple(parts) if len(parts) <= 2 and all(map(str.isalnum, parts)) else None
    if rest[0].kind != "script" or rest[0].text != "^" or len(rest) < 2:
        return ()
    if rest[1].kind != "open":
        return (rest[1].text,)
    inside = rest[2 : len(rest) - len(_behind(rest[1:]))]
    labels: list[str] = [""]
    inside = inside[:-1] if inside and inside[-1].kind == "close" else inside
    for before, token in itertools.pairwise([rest[1], *inside]):
        is_label = before.kind in ("script", "open")  # the x of N_x
        divides = token.text in ("times", "×") or (token.text == "x" and not is_label)
        divides = divides or token.kind == "comma"
        if divides and labels[-1]:
            labels.append("")
        elif token.kind in ("letter", "greek", "word", "number", "operator"):
            labels[-1] += token.text
    labels = [label for label in labels if label]
    return tuple(labels) if 1 <= len(labels) <= 2 else None


def _behind(tokens: Sequence[Token]) -> list[Token]:
    """What follows the bracket that the first token opens."""
    depth = 0
    for k, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0:
            return list(tokens[k + 1 :])
    return []


def check_sets(source: Source, product: f.Product, members: Mapping[str, Member]) -> None:
    """Refuse an element-wise product of vectors that the text says are of different sizes."""
    factors = [factor for _, factor in product.factors if isinstance(factor, f.Ref)]
    sets = [members[factor.name] for factor in factors if factor.name in members]
    sets = [member for member in sets if len(member.sizes) == 1]
    for first, second in itertools.pairwise(sets):
        if first.sizes != second.sizes:
            raise source.error(
                product.position,
                f"{first.name} is said to be from R^{first.sizes[0]} and {second.name} from "
                f"R^{second.sizes[0]}, so that they have no element-wise product",
            )


def check_rows(source: Source, product: f.Product, members: Mapping[str, Member]) -> None:
    """Refuse `w x_t` where w is said to have one row: the product is one number."""
    for k, (operator, factor) in enumerate(product.factors):
        after = product.factors[k + 1] if k + 1 < len(product.factors) else ("odot", factor)
        beside = [after] if k == 0 else [(operator, product.factors[k - 1][1]), after]
        if not isinstance(factor, f.Ref) or factor.time is not None:
            continue
        member = members.get(factor.name)
        if member is None or "1" not in member.sizes:
            continue
        if any(sign != "odot" and f.has_time(other) for sign, other in beside):
            raise source.error(
                factor.position,
                f"{factor.name} is said to be from R^({' x '.join(member.sizes)}), a set of single "
                "rows or columns: its product with a vector is one number, which is not read",
            )


def check_columns(
    source: Source, node: f.Formula, name: str, columns: str | None, vector: Member | None
) -> None:
    """Refuse `W x_t` where the sets of W and of x do not fit."""
    if columns is None or vector is None or len(vector.sizes) != 1 or vector.sizes[0] == columns:
        return
    raise source.error(
        node.position,
        f"{name} is said to multiply vectors from R^{columns}, and {vector.name} to be from "
        f"R^{vector.sizes[0]}; write the transposed matrix, or the vector before it",
    )


def check_scalars(
    source: Source, vectors: Sequence[Definition], members: Mapping[str, Member]
) -> None:
    """Refuse a value that is said to be one number, where a vector is computed."""
    for definition in vectors:
        member = members.get(definition.name)
        if member is not None and not member.sizes and not member.is_interval:
            raise source.error(
                member.position,
                f"{definition.name} is said to be one number, and computed from vectors; one "
                "number for a whole layer is read as an input or a parameter only",
            )


def size_name(label: str) -> str | None:
    """What a module calls a size: R for r, N128 for 128; None for a sum or a product."""
    if label.isdigit():
        return f"N{label}"
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", label):
        name = label[0].upper() + label[1:]
        return f"{name}_" if name in ("H", "D", "T", "B") else name
    return None


def hidden_label(members: Mapping[str, Member], defined: frozenset[str]) -> str | None:
    """What the text calls the hidden size: that of h, else of the first vector it defines."""
    known = [members[n] for n in ("h", *sorted(defined)) if n in members and n in defined]
    known = [member for member in known if len(member.sizes) == 1]
    return known[0].sizes[0] if known else None


def vector_sizes(members: Mapping[str, Member], defined: frozenset[str]) -> dict[str, str]:
    """Sizes of defined vectors that are from another set than the state."""
    hidden = hidden_label(members, defined)
    found = {}
    for name, member in members.items():
        if name in defined and len(member.sizes) == 1 and hidden is not None:
            size = size_name(member.sizes[0])
            if member.sizes[0] != hidden and size is not None:
                found[name] = size
    return found
