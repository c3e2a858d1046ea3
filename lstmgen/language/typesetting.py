"""The equations as typeset formulas, in the form and order in which the cell declares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import sympy

from lstmgen.algebra.functions import FUNCTIONS, used
from lstmgen.algebra.pieces import (
    Piece,
    call,
    matrix_product,
    negated,
    number,
    power,
    product,
    quotient,
    signed,
    total,
)
from lstmgen.algebra.symbols import symbol
from lstmgen.form.normal_form import NormalForm
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name
from lstmgen.language.names import is_weight, needs_declaration
from lstmgen.language.translation import function_name
from lstmgen.typeset.formula import Formula, Greek, Letters, Time, Transposed
from lstmgen.typeset.lines import Line

_CONSTANTS: dict[str, tuple[str, Formula]] = {
    "Pi": ("pi", Greek("pi")),
    "Exp1": ("e", Letters("e")),
}


def forward_lines(equations: Sequence[sympy.Eq], form: NormalForm) -> list[Line]:
    """A line for each equation, labelled with its number."""
    scalars = frozenset(form.scalars)
    lines = []
    for k, equation in enumerate(equations, start=1):
        left = _piece(equation.lhs, scalars)
        lines.append(Line(left.formula, signed(_piece(equation.rhs, scalars)), str(k)))
    return lines


def declarations(equations: Sequence[sympy.Eq], form: NormalForm) -> Iterator[str]:
    """What the equations alone do not tell a reader: scalars, sizes, constants, the output."""
    constants = {
        type(node).__name__
        for equation in equations
        for node in sympy.preorder_traversal(equation)
        if isinstance(node, sympy.NumberSymbol)
    }
    for name in (*form.scalars, *form.scalar_inputs):
        yield f"{name} scalar"
    for name in sorted(_CONSTANTS[kind][0] for kind in constants if kind in _CONSTANTS):
        yield f"{name} number"
    shown = _shown_vectors(equations)
    for name in sorted(used(d.value for d in form.definitions)):
        entry = FUNCTIONS[name]
        if isinstance(entry.written, Greek) and entry.written.name not in entry.commands:
            yield f"{entry.written.name} = {name}"
    for parameter in form.parameters:
        # A reader takes these for a number, the identity or Euler's number, or asks.
        if parameter in form.weights and (
            needs_declaration(parameter) or not parameter[0].isupper()
        ):
            yield f"{parameter} matrix"
        elif parameter in form.vectors and (parameter == "e" or parameter not in shown):
            yield f"{parameter} vector"
    for value, size in form.sizes.items():
        if size in form.extra_sizes:
            yield f"{value} size {size}"
    if form.output != "h" or _has_idle_vector(equations, form.output):
        yield f"{form.output} output"


def _shown_vectors(equations: Sequence[sympy.Eq]) -> set[str]:
    """Parameters that are seen to be vectors: added to a vector, or multiplied with one."""
    found = set()
    for equation in equations:
        for node in sympy.preorder_traversal(equation.rhs):
            if not isinstance(node, (sympy.Add, sympy.Mul)):
                continue
            parts = [part for part in node.args if not _is_below(part)]
            vectors = [k for k, part in enumerate(parts) if _has_vector(part)]
            for k, part in enumerate(parts):
                beside = any(j != k for j in vectors)
                is_sum = isinstance(node, sympy.Add)
                is_letter = isinstance(part, sympy.Symbol) and beside
                is_open = is_letter and (needs_declaration(part.name) or is_weight(part.name))
                if is_letter and not (is_sum and is_open):
                    found.add(part.name)
    return found


def _has_vector(node: sympy.Basic) -> bool:
    return any(indexed_name(part) is not None for part in sympy.preorder_traversal(node))


def _has_idle_vector(equations: Sequence[sympy.Eq], output: str) -> bool:
    """Whether a vector beside the output is used by no other equation than its own."""
    used: set[str] = set()
    names = []
    for equation in equations:
        name, _ = indexed_name(equation.lhs) or ("", None)
        names.append(name)
        for node in sympy.preorder_traversal(equation.rhs):
            vector = indexed_name(node)
            if vector is not None and vector[0] != name:
                used.add(vector[0])
    return any(name not in used and name != output for name in names)


def _piece(node: sympy.Basic, scalars: frozenset[str]) -> Piece:
    vector = indexed_name(node)
    if vector is not None:
        name, offset = vector
        return Piece(symbol(name, Time(int(offset))))
    if isinstance(node, notation.MatrixProduct):
        return _product(node, scalars)
    if isinstance(node, sympy.Symbol):
        return Piece(symbol(node.name), scalar=node.name in scalars)
    if isinstance(node, sympy.Rational):
        return number(Fraction(int(node.p), int(node.q)))
    if isinstance(node, sympy.Float):
        text = repr(float(node))
        return number(Fraction(text), decimal=text)
    if isinstance(node, sympy.NumberSymbol):
        constant = _CONSTANTS.get(type(node).__name__)
        if constant is None:
            return number(Fraction(str(node.evalf(60))))
        return Piece(constant[1], scalar=True)
    if isinstance(node, sympy.Add):
        return total([_piece(term, scalars) for term in node.args])
    if isinstance(node, sympy.Mul):
        return _mul(node, scalars)
    if isinstance(node, sympy.exp):
        return call("exp", [_piece(node.exp, scalars)])
    if isinstance(node, sympy.Pow):
        if _is_below(node):
            below = _raised(node.base, -node.exp, scalars)
            return quotient(number(Fraction(1)), below)
        return _raised(node.base, node.exp, scalars)
    return call(function_name(node), [_piece(a, scalars) for a in node.args])


def _is_below(node: sympy.Basic) -> bool:
    return (
        isinstance(node, sympy.Pow)
        and not isinstance(node, sympy.exp)
        and isinstance(node.exp, sympy.Number)
        and bool(node.exp.is_negative)
    )


def _mul(node: sympy.Mul, scalars: frozenset[str]) -> Piece:
    """A product, its negative powers as the lower side of one fraction."""
    above: list[Piece] = []
    below: list[Piece] = []
    for factor in node.args:
        if _is_below(factor):
            below.append(_raised(factor.base, -factor.exp, scalars))
        elif factor == sympy.S.NegativeOne and type(factor) is not sympy.Float:
            above.append(negated(number(Fraction(1))))
        else:
            above.append(_piece(factor, scalars))
    upper = product(above) if above else number(Fraction(1))
    return quotient(upper, product(below)) if below else upper


def _raised(base: sympy.Expr, exponent: sympy.Expr, scalars: frozenset[str]) -> Piece:
    inner = _piece(base, scalars)
    if exponent == 1:
        return inner
    if exponent == sympy.Rational(1, 2):
        return call("sqrt", [inner])
    is_call = isinstance(base, sympy.Function) and indexed_name(base) is None
    applied = (function_name(base), [_piece(a, scalars) for a in base.args]) if is_call else None
    return power(inner, _piece(exponent, scalars), call=applied)


def _product(node: notation.MatrixProduct, scalars: frozenset[str]) -> Piece:
    is_transposed = isinstance(node.weight, notation.Transpose)
    weight = node.weight.T if is_transposed else node.weight
    name = symbol(str(weight))
    written = Transposed(name) if is_transposed else name
    operands = [_piece(operand, scalars) for operand in node.operands]
    bare = len(operands) == 1 and indexed_name(node.operands[0]) is not None
    return matrix_product(written, operands, bare=bare)
