r"""The definitions of the normal form and the derived gradients as LaTeX.

\delta v_t is dL/dv_t.  The block of the columns of W_f that multiplies h is W_{f,h}.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from fractions import Fraction

from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
    matvecs,
    shifted,
    unmasked,
)
from lstmgen.algebra.precedence import ADD, MUL
from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.derivation import (
    Gradients,
    InitialGradient,
    InputGradient,
    MatrixGradient,
    OuterProduct,
    VectorGradient,
)
from lstmgen.language.names import latex_name
from lstmgen.show.printing.latex_lines import Line
from lstmgen.show.printing.latex_pieces import (
    Piece,
    call,
    is_raised,
    matrix_product,
    negated,
    number,
    power,
    product,
    quotient,
    signed,
    total,
    transposed,
    wrapped,
)

_TIME = {0: "t", -1: "t-1", 1: "t+1"}
_FIRST_STEP = {0: "1", -1: "0"}


class DerivedPrinter:
    """Typesets expressions over a cell's values, parameters and adjoints."""

    def __init__(self, form: NormalForm, gradients: Gradients | None = None) -> None:
        self._form = form
        self.scalars = frozenset(form.scalars)
        self._helpers = {
            d.name: form_name
            for d in form.definitions
            if (form_name := _helper(d.label, d.name, form)) is not None
        }
        self._adjoint_of: dict[str, str] = {}
        if gradients is not None:
            self._adjoint_of = {a.name: a.of for a in gradients.adjoints}
            self._adjoint_of |= {i.name: i.of for i in gradients.inputs}
        self._times = _TIME
        self.blocks = {w: self._block_names(w) for w in form.weights}

    def at_first_step(self) -> DerivedPrinter:
        """The same printer with t = 1: h_{t-1} is h_0."""
        printer = DerivedPrinter(self._form)
        printer._adjoint_of = self._adjoint_of
        printer._times = _FIRST_STEP
        return printer

    def value(self, name: str, shift: int = 0) -> str:
        r"""x_{t-1}, a^{f}_t, or for an adjoint \delta x_t."""
        if name in self._adjoint_of:
            return rf"\delta {self.value(self._adjoint_of[name], shift)}"
        time = self._times[shift]
        if name in self._helpers:
            letter, above = self._helpers[name]
            return latex_name(letter, time, superscript=above)
        return latex_name(name, time)

    def piece(self, expression: Expression) -> Piece:
        """The expression as a part of a formula."""
        match expression:
            case Number(value):
                return number(value)
            case Value(name, shift):
                return Piece(self.value(name, shift))
            case Parameter(name):
                return Piece(latex_name(name), scalar=name in self.scalars)
            case MatVec(weight, slot, is_transposed, operand):
                block = self.blocks[weight][slot]
                matrix = transposed(block) if is_transposed else block
                return matrix_product(matrix, [self.piece(operand)], bare=True)
            case Add(terms):
                return total(self._terms(terms))
            case Mul(factors):
                return self._product(factors)
            case Neg(argument):
                return negated(self.piece(argument))
            case Div(above, below):
                return quotient(self.piece(above), self.piece(below))
            case Pow(base, exponent):
                applied = None
                if isinstance(base, Call):
                    applied = (base.function, [self.piece(a) for a in base.arguments])
                return power(self.piece(base), self.piece(exponent), call=applied)
            case Call("masked"):
                return self.piece(unmasked(expression))
            case Call(function, arguments):
                return call(function, [self.piece(a) for a in arguments])

    def _product(self, factors: Sequence[Expression]) -> Piece:
        """The numbers first, multiplied out, then the vectors in their order."""
        constant = math.prod(f.value for f in factors if isinstance(f, Number))
        pieces = [self.piece(f) for f in factors if not isinstance(f, Number)]
        ordered = [*(p for p in pieces if p.scalar), *(p for p in pieces if not p.scalar)]
        return product([number(Fraction(constant)), *ordered])

    def _terms(self, terms: Sequence[Expression]) -> list[Piece]:
        """The terms of a sum, the blocks of a whole weight joined: W [h_{t-1}, x_t]."""
        pieces: list[Piece] = []
        k = 0
        while k < len(terms):
            first, negative = _product_and_sign(terms[k])
            count = len(self._form.weights[first.weight].columns) if first else 1
            if first and count > 1 and self._is_whole(terms[k : k + count], first, negative):
                group = [_product_and_sign(term)[0] for term in terms[k : k + count]]
                operands = [self.piece(p.operand) for p in group if p is not None]
                piece = matrix_product(latex_name(first.weight), operands, bare=False)
                pieces.append(negated(piece) if negative else piece)
                k += count
            else:
                pieces.append(self.piece(terms[k]))
                k += 1
        return pieces

    def _is_whole(self, terms: Sequence[Expression], first: MatVec, negative: bool) -> bool:
        found = [_product_and_sign(term) for term in terms]
        slots = range(len(self._form.weights[first.weight].columns))
        return not first.transposed and [
            (p.weight, p.slot, n) for p, n in found if p is not None
        ] == [(first.weight, slot, negative) for slot in slots]

    def _block_names(self, weight: str) -> tuple[str, ...]:
        """W_{f,h} for each block of columns; by number where two multiply the same vector."""
        operands = self._form.blocks[weight]
        if len(operands) == 1:
            return (latex_name(weight),)
        letters = [self.symbol(operand.name) for operand in operands]
        if len(set(letters)) < len(letters):
            letters = [str(k) for k in range(1, len(operands) + 1)]
        return tuple(latex_name(weight, letter) for letter in letters)

    def symbol(self, name: str) -> str:
        """A vector's letter without the time, for the name of a block: h, or u for an operand."""
        if name in self._helpers:
            letter, above = self._helpers[name]
            alone = sum(h[0] == letter for h in self._helpers.values()) == 1
            return letter if alone else latex_name(letter, superscript=above)
        return latex_name(name)

    def block_lines(self, weights: Sequence[str]) -> list[Line]:
        """W_f = [W_{f,C}, W_{f,h}, W_{f,x}] for the given weights."""
        return [
            Line(latex_name(w), f"[{', '.join(self.blocks[w])}]")
            for w in weights
            if len(self.blocks[w]) > 1
        ]

    def helper_lines(self) -> list[Line]:
        """The definitions that the normal form adds: pre-activations, operands, products."""
        return [
            Line(self.value(d.name), signed(self.piece(d.value)), d.label)
            for d in self._form.definitions
            if d.name in self._helpers
        ]


def _helper(label: str, name: str, form: NormalForm) -> tuple[str, str] | None:
    """Letter and superscript of an added definition: a_f is a^{f}, u_h_tilde is u^{\tilde h}."""
    if not label.endswith(tuple(string.ascii_lowercase)):
        return None
    letter = name.partition("_")[0]
    equation = next(d.name for d in form.definitions if d.label == _number(label))
    above = latex_name(equation)
    count = letter.lstrip(string.ascii_letters)
    return letter.rstrip(string.digits), above + (f",{count}" if count else "")


def _number(label: str) -> str:
    return label.rstrip(string.ascii_lowercase)


def _product_and_sign(term: Expression) -> tuple[MatVec | None, bool]:
    match term:
        case MatVec():
            return term, False
        case Neg(MatVec() as inner):
            return inner, True
    return None, False


def gradient_lines(gradients: Gradients) -> list[list[Line]]:
    """The lines of the derived equations in groups: adjoints, parameters, inputs and states."""
    printer = DerivedPrinter(gradients.form, gradients)
    adjoints = []
    for adjoint in gradients.adjoints:
        terms = [*adjoint.here, *(shifted(term, 1) for term in adjoint.later)]
        pieces = [Piece(r"\mathrm{d}y_t")] * adjoint.is_output
        pieces += [piece for term in terms for piece in _split(printer, term)]
        right = signed(total(pieces)) if pieces else "0"
        adjoints.append(Line(printer.value(adjoint.name), right, _tag(adjoint.label)))
    parameters = [
        line
        for gradient in gradients.parameters
        for line in (
            _vector(gradient, printer)
            if isinstance(gradient, VectorGradient)
            else _matrix(gradient, printer)
        )
    ]
    rest = [
        Line(printer.value(i.name), _input(i, gradients, printer), _tag(i.label))
        for i in gradients.inputs
    ]
    rest += [_initial(i, gradients, printer) for i in gradients.initial]
    return [adjoints, parameters, rest]


def used_blocks(gradients: Gradients) -> list[str]:
    """The weights whose blocks the gradients name, in order of the parameters."""
    terms = [t for a in gradients.adjoints for t in (*a.here, *a.later)]
    terms += [t for i in gradients.inputs for t in i.terms]
    named = {product.weight for term in terms for product in matvecs(term)}
    named |= {
        g.parameter
        for g in gradients.parameters
        if isinstance(g, MatrixGradient) and _common(g) is None
    }
    return [w for w in gradients.form.weights if w in named]


def _tag(label: str) -> str:
    return f"$\\delta${label.removeprefix('δ')}"


def _split(printer: DerivedPrinter, term: Expression) -> list[Piece]:
    if isinstance(term, Add):
        return [printer.piece(part) for part in term.terms]
    return [printer.piece(term)]


def _sum(printer: DerivedPrinter, terms: Sequence[Expression]) -> str:
    pieces = [piece for term in terms for piece in _split(printer, term)]
    return signed(total(pieces)) if pieces else "0"


def _input(gradient: InputGradient, gradients: Gradients, printer: DerivedPrinter) -> str:
    if gradient.of not in gradients.form.scalar_inputs:
        return _sum(printer, gradient.terms)
    pieces = [piece for term in gradient.terms for piece in _split(printer, term)]
    return signed(total([_over_units(piece) for piece in pieces])) if pieces else "0"


def _initial(initial: InitialGradient, gradients: Gradients, printer: DerivedPrinter) -> Line:
    first = printer.at_first_step()
    later = gradients.adjoint(initial.state).later
    left = rf"\delta {first.value(initial.state, -1)}"
    return Line(left, _sum(first, later), _tag(initial.label))


def _vector(gradient: VectorGradient, printer: DerivedPrinter) -> list[Line]:
    left = rf"\delta {latex_name(gradient.parameter)}"
    if not gradient.terms:
        return [Line(left, "0", _tag(gradient.label))]
    pieces = [piece for term in gradient.terms for piece in _split(printer, term)]
    if gradient.parameter in printer.scalars:
        pieces = [_over_units(piece) for piece in pieces]
    return [Line(left, _over_time(total(pieces)), _tag(gradient.label))]


def _over_units(piece: Piece) -> Piece:
    r"""The sum over the units of a vector, \mathbf{1}^\top v."""
    return Piece(rf"\mathbf{{1}}^{{\top}}{wrapped(piece.text)}", negative=piece.negative)


def _over_time(piece: Piece) -> str:
    if piece.negative:
        return rf"-\sum_t {piece.text}"
    inner = wrapped(piece.text) if piece.level == ADD else piece.text
    return rf"\sum_t {inner}"


def _common(gradient: MatrixGradient) -> list[tuple[OuterProduct, ...]] | None:
    """The outer products of all blocks side by side, if the blocks share their adjoints."""
    if len({len(block) for block in gradient.blocks}) > 1:
        return None
    rows = list(zip(*gradient.blocks, strict=True))
    alike = all(len({(p.left, p.negative) for p in row}) == 1 for row in rows)
    return rows if alike and rows else None


def _matrix(gradient: MatrixGradient, printer: DerivedPrinter) -> list[Line]:
    name = rf"\delta {latex_name(gradient.parameter)}"
    tag = _tag(gradient.label)
    rows = _common(gradient)
    if rows is not None:
        pieces = [_outer(row, printer) for row in rows]
        return [Line(name, _over_time(total(pieces)), tag)]
    return [
        Line(
            rf"\delta {block}",
            _over_time(total([_outer((p,), printer) for p in products])) if products else "0",
            tag if slot == 0 else "",
        )
        for slot, (block, products) in enumerate(
            zip(printer.blocks[gradient.parameter], gradient.blocks, strict=True)
        )
    ]


def _outer(row: Sequence[OuterProduct], printer: DerivedPrinter) -> Piece:
    r"""\delta a_t [h_{t-1}, x_t]^\top, or with one vector \delta a_t x_t^\top."""
    rights = [printer.value(p.right.name, p.right.shift) for p in row]
    left = printer.value(row[0].left.name, row[0].left.shift)
    if len(rights) > 1:
        right = rf"[{', '.join(rights)}]^{{\top}}"
    elif rights[0].startswith(r"\delta") or is_raised(rights[0]):
        right = rf"({rights[0]})^{{\top}}"
    else:
        right = rf"{rights[0]}^{{\top}}"
    return Piece(f"{left}\\, {right}", MUL, negative=row[0].negative)
