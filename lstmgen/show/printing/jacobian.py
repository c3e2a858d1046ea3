r"""The state-to-state Jacobian as text and as LaTeX: diag(f_t) alone, and terms with weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lstmgen.algebra.expression import ONE, ZERO, Expression, Value, matvecs, walk
from lstmgen.algebra.precedence import MUL
from lstmgen.form.normal_form import Definition
from lstmgen.gradients.jacobian import Block, Diagonal, Entry, Factor, Group, Jacobian, Term, Whole
from lstmgen.show.printing.latex_derived import DerivedPrinter
from lstmgen.show.printing.latex_lines import LINE_WIDTH, Line, align, width
from lstmgen.show.printing.latex_pieces import Piece, at_level, signed, total, unbroken, wrapped
from lstmgen.show.printing.text import text

_PART = "|W"
_BRACE = 0.8 * LINE_WIDTH  # a wider sum must stay free to be broken into lines


def jacobian_text(jacobian: Jacobian) -> str:
    """One equation a line, with its label; then what its symbols mean."""
    lines = []
    for entry in (*jacobian.entries, *jacobian.helpers):
        parts = []
        if entry.direct != ZERO:
            parts.append(_diagonal_text(entry.direct))
        parts += [_term_text(term) for term in entry.products]
        right = " + ".join(parts).replace("+ -", "- ") or "0"
        lines.append(f"({entry.label}) {_ratio_text(entry.of, entry.by)} = {right}")
        if entry.diagonal is not None:
            lines.append(f"      {entry.diagonal}_t = {text(entry.direct)}")
    for definition in _added(jacobian):
        lines.append(f"({definition.label}) {definition.name}_t = {text(definition.value)}")
    if any(isinstance(f, Block) for f in _factors(jacobian)):
        lines.append("W[k]: the block of columns of W that multiplies the k-th vector")
    if any(isinstance(f, Whole) and f.part for f in _factors(jacobian)):
        lines.append(f"{_PART}: without its first, direct term")
    return "\n".join(lines)


def _ratio_text(of: str, by: str) -> str:
    return f"d{of}_t/d{by}_{{t-1}}"


def _diagonal_text(vector: Expression) -> str:
    if vector == ONE:
        return "I"
    return f"diag({text(vector)})"


def _term_text(term: Term) -> str:
    factors = [_factor_text(factor) for factor in term.factors]
    return ("-" if term.negative else "") + " ".join(factors)


def _factor_text(factor: Factor) -> str:
    match factor:
        case Diagonal(vector):
            return _diagonal_text(vector)
        case Block(weight, slot, transposed):
            return f"{weight}[{slot}]{'^T' if transposed else ''}"
        case Whole(of, by, part):
            return _ratio_text(of, by) + (_PART if part else "")
        case Group(terms):
            inner = " + ".join(_term_text(term) for term in terms)
            return f"({inner.replace('+ -', '- ')})"


def jacobian_latex(jacobian: Jacobian) -> str:
    """All equations in one align environment; the symbols that they add stand at its end."""
    return align(jacobian_lines(jacobian))


def jacobian_lines(jacobian: Jacobian) -> list[Line]:
    """All equations, then the symbols that they add."""
    return _Latex(jacobian).lines()


class _Latex:
    def __init__(self, jacobian: Jacobian) -> None:
        self._jacobian = jacobian
        self._printer = DerivedPrinter(jacobian.form)

    def lines(self) -> list[Line]:
        jacobian, printer = self._jacobian, self._printer
        lines = []
        for entry in (*jacobian.entries, *jacobian.helpers):
            lines.append(Line(self._ratio(entry.of, entry.by), self._right(entry), entry.label))
            if entry.diagonal is not None:
                lines.append(
                    Line(printer.value(entry.diagonal), signed(printer.piece(entry.direct)))
                )
        lines += [
            Line(printer.value(d.name), signed(printer.piece(d.value)), d.label)
            for d in _added(jacobian)
        ]
        return lines + printer.block_lines(_weights(jacobian))

    def _ratio(self, of: str, by: str) -> str:
        above, below = self._printer.value(of), self._printer.value(by, -1)
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"

    def _right(self, entry: Entry) -> str:
        pieces = []
        if entry.direct != ZERO:
            direct = self._diagonal(entry.direct, alone=True)
            inside = unbroken(signed(direct))
            if entry.products and width(inside) < _BRACE:
                # Set apart, because what follows it passes through matrix products.
                direct = Piece(rf"\underbrace{{{inside}}}_{{\text{{direct}}}}", MUL)
            pieces.append(direct)
        pieces += [self._term(term) for term in entry.products]
        return signed(total(pieces)) if pieces else "0"

    def _diagonal(self, vector: Expression, *, alone: bool) -> Piece:
        """diag(v); a number is written before the matrix, or before I where it stands alone."""
        piece = self._printer.piece(vector)
        if not piece.scalar:
            return Piece(rf"\operatorname{{diag}}{wrapped(signed(piece))}", MUL)
        if vector == ONE:
            return Piece("I" if alone else "", MUL)
        body = at_level(MUL, replace(piece, negative=False))
        return Piece(body + r" I" * alone, MUL, negative=piece.negative)

    def _term(self, term: Term) -> Piece:
        factors: list[str] = []
        negative = term.negative
        for factor in term.factors:
            match factor:
                case Diagonal(vector):
                    piece = self._diagonal(vector, alone=False)
                    negative ^= piece.negative
                    factors.append(piece.text)
                case Block(weight, slot, transposed):
                    block = self._printer.blocks[weight][slot]
                    factors.append(block + (r"^{\top}" if transposed else ""))
                case Whole(of, by, part):
                    ratio = self._ratio(of, by)
                    factors.append(rf"\left.{ratio}\right|_{{W}}" if part else ratio)
                case Group(terms):
                    factors.append(wrapped(signed(total([self._term(t) for t in terms]))))
        return Piece(r"\, ".join(filter(None, factors)), MUL, negative=negative)


def _factors(jacobian: Jacobian) -> Iterator[Factor]:
    """Every factor of every entry."""
    for entry in (*jacobian.entries, *jacobian.helpers):
        yield from _within(entry.products)


def _within(terms: Sequence[Term]) -> Iterator[Factor]:
    for term in terms:
        for factor in term.factors:
            yield factor
            if isinstance(factor, Group):
                yield from _within(factor.terms)


def _weights(jacobian: Jacobian) -> list[str]:
    """The weights of which blocks appear, in the order of the parameters."""
    named = {factor.weight for factor in _factors(jacobian) if isinstance(factor, Block)}
    named |= {product.weight for d in _added(jacobian) for product in matvecs(d.value)}
    return [weight for weight in jacobian.form.weights if weight in named]


def _added(jacobian: Jacobian) -> list[Definition]:
    """The definitions, other than the cell's own equations, whose values appear."""
    expressions = [entry.direct for entry in (*jacobian.entries, *jacobian.helpers)]
    expressions += [f.vector for f in _factors(jacobian) if isinstance(f, Diagonal)]
    names = {node.name for e in expressions for node in walk(e) if isinstance(node, Value)}
    names |= {factor.of for factor in _factors(jacobian) if isinstance(factor, Whole)}
    return [d for d in jacobian.form.definitions if d.label != d.equation and d.name in names]
