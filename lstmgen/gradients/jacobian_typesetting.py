r"""The state-to-state Jacobian as typeset lines: diag(f_t) alone, and terms with weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lstmgen.algebra.expression import ONE, ZERO, Expression, Value, matvecs, walk
from lstmgen.algebra.pieces import ZERO as NOTHING
from lstmgen.algebra.pieces import Piece, at_level, signed, total
from lstmgen.algebra.precedence import MUL
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.form.typesetting import Typesetter
from lstmgen.gradients.paths import PART, Block, Diagonal, Entry, Factor, Group, Term, Whole
from lstmgen.typeset.formula import Call as Applied
from lstmgen.typeset.formula import (
    Formula,
    Joint,
    Letters,
    Partial,
    Quotient,
    Restricted,
    Underbrace,
    Word,
    adjacent,
    fenced,
)
from lstmgen.typeset.latex import width
from lstmgen.typeset.lines import LINE_WIDTH, Line

_BRACE = 0.8 * LINE_WIDTH  # a wider sum must stay free to be broken into lines
_IDENTITY = Letters("I")


def lines(entries: Sequence[Entry], form: NormalForm) -> list[Line]:
    """All equations, then the symbols that they add."""
    printer = Typesetter(form)
    found = []
    for entry in entries:
        found.append(Line(_ratio(entry.of, entry.by, printer), _right(entry, printer), entry.label))
        if entry.diagonal is not None:
            right = signed(printer.piece(entry.direct))
            found.append(Line(printer.value(entry.diagonal), right))
    found += [
        Line(printer.value(d.name), signed(printer.piece(d.value)), d.label)
        for d in _added(entries, form)
    ]
    return found + printer.block_lines(_weights(entries, form))


def notes(entries: Sequence[Entry], form: NormalForm) -> Iterator[str]:
    """In text: the definitions that the entries use, and what their signs mean."""
    yield from map(str, _added(entries, form))
    if any(isinstance(f, Block) for f in _factors(entries)):
        yield "W[k]: the block of columns of W that multiplies the k-th vector"
    if any(isinstance(f, Whole) and f.part for f in _factors(entries)):
        yield f"{PART}: without its first, direct term"


def _ratio(of: str, by: str, printer: Typesetter) -> Formula:
    return Quotient(Partial(printer.value(of)), Partial(printer.value(by, -1)))


def _right(entry: Entry, printer: Typesetter) -> Formula:
    pieces = []
    if entry.direct != ZERO:
        direct = _matrix(entry.direct, printer)
        inside = signed(direct)
        if entry.products and width(inside) < _BRACE:
            # Set apart, because what follows it passes through matrix products.
            direct = Piece(Underbrace(inside, "direct"), MUL)
        pieces.append(direct)
    pieces += [_term(term, printer) for term in entry.products]
    return signed(total(pieces)) if pieces else NOTHING


def _matrix(vector: Expression, printer: Typesetter) -> Piece:
    """diag(v), or a number times I."""
    piece = printer.piece(vector)
    if not piece.scalar:
        return Piece(Applied(Word("diag"), fenced(signed(piece))), MUL)
    if vector == ONE:
        return Piece(_IDENTITY, MUL)
    body = at_level(MUL, replace(piece, negative=False))
    written = adjacent(body, _IDENTITY, joint=Joint.BESIDE)
    return Piece(written, MUL, negative=piece.negative)


def _term(term: Term, printer: Typesetter) -> Piece:
    factors: list[Formula] = []
    negative = term.negative
    for factor in term.factors:
        match factor:
            case Diagonal(vector) if vector == ONE:
                pass
            case Diagonal(vector):
                piece = printer.piece(vector)
                if piece.scalar:  # before a matrix a number is enough
                    negative ^= piece.negative
                    factors.append(at_level(MUL, replace(piece, negative=False)))
                else:
                    factors.append(_matrix(vector, printer).formula)
            case Block(weight, slot, transposed):
                factors.append(printer.block(weight, slot, transposed))
            case Whole(of, by, part):
                ratio = _ratio(of, by, printer)
                factors.append(Restricted(ratio, Letters("W")) if part else ratio)
            case Group(terms):
                factors.append(fenced(signed(total([_term(t, printer) for t in terms]))))
    return Piece(adjacent(*factors, joint=Joint.THIN), MUL, negative=negative)


def _factors(entries: Sequence[Entry]) -> Iterator[Factor]:
    for entry in entries:
        yield from entry.factors


def _weights(entries: Sequence[Entry], form: NormalForm) -> list[str]:
    """The weights of which blocks appear, in the order of the parameters."""
    named = {factor.weight for factor in _factors(entries) if isinstance(factor, Block)}
    named |= {product.weight for d in _added(entries, form) for product in matvecs(d.value)}
    return [weight for weight in form.weights if weight in named]


def _added(entries: Sequence[Entry], form: NormalForm) -> list[Definition]:
    """The definitions, other than the cell's own equations, whose values appear."""
    expressions = [entry.direct for entry in entries]
    expressions += [f.vector for f in _factors(entries) if isinstance(f, Diagonal)]
    names = {node.name for e in expressions for node in walk(e) if isinstance(node, Value)}
    names |= {factor.of for factor in _factors(entries) if isinstance(factor, Whole)}
    return [d for d in form.definitions if d.label != d.equation and d.name in names]
