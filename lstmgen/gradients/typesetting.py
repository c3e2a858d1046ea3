"""The derived equations as typeset lines, and as a text in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.algebra.expression import Add, Expression
from lstmgen.algebra.functions import Function
from lstmgen.algebra.pieces import ZERO, Piece, call, signed, total
from lstmgen.algebra.precedence import ADD, MUL
from lstmgen.algebra.symbols import symbol
from lstmgen.form.normal_form import NormalForm
from lstmgen.form.typesetting import Typesetter, delta
from lstmgen.gradients.equations import (
    Adjoint,
    InitialGradient,
    InputGradient,
    MatrixGradient,
    OuterProduct,
    VectorGradient,
)
from lstmgen.typeset.formula import (
    Columns,
    Fence,
    Formula,
    Joint,
    Letters,
    Negative,
    Style,
    SumOver,
    Symbol,
    Time,
    Transposed,
    adjacent,
    fenced,
)
from lstmgen.typeset.latex import latex
from lstmgen.typeset.lines import Line, align

_ONES = Transposed(Letters("1", Style.BOLD))


def differential(value: Formula) -> Formula:
    """dy: what reaches a value from outside."""
    return adjacent(Letters("d", Style.UPRIGHT), value)


SEED = differential(symbol("y", Time()))
"""dy_t, the gradient that reaches the output from outside."""


def of_value(adjoint: Adjoint, printer: Typesetter) -> Line:
    """The adjoint of a value."""
    pieces = [Piece(SEED)] * adjoint.is_output + _split(adjoint.printed, printer)
    return Line(printer.value(adjoint.name), _sum(pieces), adjoint.label)


def of_parameter(gradient: MatrixGradient | VectorGradient, printer: Typesetter) -> list[Line]:
    """The gradient of a parameter; where blocks have nothing in common, a line for each."""
    if isinstance(gradient, VectorGradient):
        return [_vector(gradient, printer)]
    rows = _common(gradient)
    if rows is not None:
        pieces = [_outer(row, printer) for row in rows]
        return [Line(delta(symbol(gradient.parameter)), _over_time(total(pieces)), gradient.label)]
    return [
        Line(
            delta(block),
            _over_time(total([_outer((p,), printer) for p in products])) if products else ZERO,
            gradient.label if slot == 0 else "",
        )
        for slot, (block, products) in enumerate(
            zip(printer.blocks[gradient.parameter], gradient.blocks, strict=True)
        )
    ]


def of_input(gradient: InputGradient, printer: Typesetter) -> Line:
    """The gradient of an input, summed over the units if it is one number."""
    pieces = _split(gradient.terms, printer)
    if gradient.of in printer.form.scalar_inputs:
        pieces = [_over_units(piece) for piece in pieces]
    return Line(printer.value(gradient.name), _sum(pieces), gradient.label)


def of_initial_state(
    gradient: InitialGradient, later: Sequence[Expression], printer: Typesetter
) -> Line:
    """The gradient of a state before the first step; `later` are its terms from the next step."""
    first = printer.at_first_step()
    return Line(delta(first.value(gradient.state, -1)), _sum(_split(later, first)), gradient.label)


def is_whole(gradient: MatrixGradient) -> bool:
    """Whether one line has the gradient, and not one for each block."""
    return _common(gradient) is not None


def document(
    form: NormalForm,
    helpers: Sequence[Line],
    blocks: Sequence[Line],
    groups: tuple[Sequence[Line], Sequence[Line], Sequence[Line]],
    masks: Sequence[Function],
) -> str:
    """The derived equations with the definitions they use, in align* environments and text."""
    adjoints, parameters, rest = groups
    parts = []
    if helpers:
        parts += ["The gradients use these parts of the equations:", align(helpers)]
    if blocks:
        opening = "and" if helpers else "The gradients use"
        parts += [f"{opening} the blocks of columns", align(blocks)]
    last = _listed([f"${latex(final(s))}$" for s in form.states])
    several = len(form.states) > 1
    parts += [
        rf"With $\delta v_t = \partial L / \partial v_t$, and ${latex(SEED)}$ the gradient that "
        rf"reaches the output ${latex(symbol(form.output, Time()))}$ from outside,",
        align(adjoints),
        f"At $t = T$ there are no terms with $t+1$; the gradient{'s' * several} {last} of the last "
        f"state{'s' * several} stand{'s' * (not several)} in their place.",
        "",
        "Summed over $t$ and over the batch, the parameters have",
        align(parameters),
        "and the inputs and the initial states",
        align(rest),
    ]
    if masks:
        parts += ["", "Here " + _listed([_defined(f) for f in masks]) + "."]
    return "\n".join(parts)


def final(state: str) -> Formula:
    """The gradient that reaches the last value of a state from outside."""
    return differential(symbol(state, Time(letter="T")))


def _defined(function: Function) -> str:
    summary = function.summary.rstrip(".").replace("a < 0", "$a < 0$").replace("a > 0", "$a > 0$")
    return f"${latex(example(function))}$ is {summary}"


def example(function: Function) -> Formula:
    """The function of an a."""
    return call(function.name, [Piece(Letters("a"))]).formula


def _listed(items: list[str]) -> str:
    """a, b and c."""
    return " and ".join([*([", ".join(items[:-1])] * bool(items[:-1])), items[-1]])


def _split(terms: Sequence[Expression], printer: Typesetter) -> list[Piece]:
    """A piece for each term, and for each of a term that is a sum."""
    return [
        printer.piece(part)
        for term in terms
        for part in (term.terms if isinstance(term, Add) else (term,))
    ]


def _sum(pieces: Sequence[Piece]) -> Formula:
    return signed(total(pieces)) if pieces else ZERO


def _vector(gradient: VectorGradient, printer: Typesetter) -> Line:
    left = delta(symbol(gradient.parameter))
    pieces = _split(gradient.terms, printer)
    if gradient.parameter in printer.scalars:
        pieces = [_over_units(piece) for piece in pieces]
    return Line(left, _over_time(total(pieces)) if pieces else ZERO, gradient.label)


def _over_units(piece: Piece) -> Piece:
    r"""The sum over the units of a vector, \mathbf{1}^\top v."""
    return Piece(adjacent(_ONES, fenced(piece.formula)), negative=piece.negative)


def _over_time(piece: Piece) -> Formula:
    time = Time()
    if piece.negative:
        return Negative(SumOver(time, piece.formula))
    return SumOver(time, fenced(piece.formula) if piece.level == ADD else piece.formula)


def _common(gradient: MatrixGradient) -> list[tuple[OuterProduct, ...]] | None:
    """The outer products of all blocks side by side, if the blocks share their adjoints."""
    if len({len(block) for block in gradient.blocks}) > 1:
        return None
    rows = list(zip(*gradient.blocks, strict=True))
    alike = all(len({(p.left, p.negative) for p in row}) == 1 for row in rows)
    return rows if alike and rows else None


def _outer(row: Sequence[OuterProduct], printer: Typesetter) -> Piece:
    r"""\delta a_t [h_{t-1}, x_t]^\top, or with one vector \delta a_t x_t^\top."""
    rights = [printer.value(p.right.name, p.right.shift) for p in row]
    left = printer.value(row[0].left.name, row[0].left.shift)
    right = transposed(rights[0]) if len(rights) == 1 else Transposed(Columns(tuple(rights)))
    return Piece(adjacent(left, right, joint=Joint.THIN), MUL, negative=row[0].negative)


def transposed(vector: Formula) -> Formula:
    r"""v^\top, in parentheses where v is more than a letter with an index."""
    is_plain = isinstance(vector, Symbol) and not vector.is_raised
    return Transposed(vector if is_plain else Fence(vector))
