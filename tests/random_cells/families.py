"""What a cell exercises: the families of cells that the generator must go on reaching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sympy

from lstmgen import Cell
from lstmgen.algebra.functions import BY_NOTATION
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name

from .names import colliding


def families(cell: Cell) -> frozenset[str]:
    """The families of a cell, read from its SymPy equations and its roles."""
    return frozenset(_found(cell))


def every_family() -> tuple[str, ...]:
    """All that the generator is to reach."""
    called = dict.fromkeys(f"function {f.name}" for f in BY_NOTATION.values())
    return (*_STRUCTURE, *_NAMES, *called)


_STRUCTURE = (
    *(f"{k} equation{'s' * (k > 1)}" for k in range(1, 7)),
    "more equations",
    "1 state",
    "2 states",
    "3 or more states",
    "a state at t and t-1",
    "a state read only at t-1",
    "a state copied",
    "a state that does not recur",
    "a value before the loop",
    "a value after the loop",
    "a value of before the loop that is read only behind it",
    "a copy of another value",
    "a readout behind the loop with a product",
    "an output that is no state",
    "an output of inputs alone",
    "a value nobody reads",
    "a dead equation",
    "several inputs",
    "a tied input",
    "an input of one number",
    "a declared size",
    "a declared size of a state",
    "a declared size of the output",
    "a weight twice",
    "a weight in several concatenations",
    "a vector in two slots of a weight",
    "a transposed weight",
    "a weight and its transpose",
    "an operand that is an expression",
    "a product subtracted",
    "a product in a nested function",
    "a concatenation of four",
    "a scalar",
    "a scalar in an exponent",
    "a scalar as a divisor",
    "a per-unit parameter",
    "a per-unit parameter as a factor",
    "a per-unit parameter in an exponent",
    "a parameter in several equations",
    "no parameter",
    "a quotient",
    "a negative power",
    "a fractional power",
    "a varying power",
    "a constant beside whole numbers",
    "a product of gates",
)
_NAMES = (
    "a colliding name of an input",
    "a colliding name of a state",
    "a colliding name of another value",
    "a colliding name of a weight",
    "a colliding name of another parameter",
    "a colliding name of a size",
)


def _found(cell: Cell) -> Iterator[str]:
    count = len(cell.equations)
    yield "more equations" if count > 6 else f"{count} equation{'s' * (count > 1)}"
    states = set(cell.states)
    yield ("1 state", "2 states", "3 or more states")[min(len(states), 3) - 1]
    yield from _of_uses(cell, states)
    yield from _of_weights(cell)
    yield from _of_terms(cell)
    yield from _of_sizes(cell)
    yield from _of_names(cell)


def _of_uses(cell: Cell, states: set[str]) -> Iterator[str]:
    right = {eq.lhs.name: eq.rhs for eq in cell.equations}
    uses = {name: set(_uses(value)) for name, value in right.items()}
    now = {v for used in uses.values() for v, offset in used if offset == 0}
    recurs: set[str] = set()
    for name, used in uses.items():
        if any(offset < 0 or v in recurs for v, offset in used):
            recurs.add(name)
    feeds = set(states)
    for name in reversed(right):
        if name in feeds:
            feeds |= {v for v, offset in uses[name] if offset == 0}
    behind = {name for name in recurs if name not in feeds}
    for name in right:
        readers = {r for r, used in uses.items() if (name, 0) in used}
        if name not in recurs and name not in states and readers and readers <= behind:
            yield "a value of before the loop that is read only behind it"
    for state in states:
        yield "a state at t and t-1" if state in now else "a state read only at t-1"
        if state not in recurs:
            yield "a state that does not recur"
    for name, value in right.items():
        if (copied := indexed_name(value)) is not None:
            yield "a copy of another value"
            if name in states or copied[0] in states:
                yield "a state copied"
        if name not in states:
            if name not in recurs:
                yield "a value before the loop"
            elif name not in feeds:
                yield "a value after the loop"
                if any(value.atoms(notation.MatrixProduct)):
                    yield "a readout behind the loop with a product"
        if name != cell.output and name not in states and name not in now:
            yield "a value nobody reads"
    live = {cell.output, *states}
    for name in reversed(right):
        if name in live:
            live |= {v for v, _ in uses[name]}
    if any(name not in live for name in right):
        yield "a dead equation"
    if cell.output not in states:
        yield "an output that is no state"
        if cell.output not in recurs:
            yield "an output of inputs alone"
    if len(cell.inputs) > 1:
        yield "several inputs"


def _of_weights(cell: Cell) -> Iterator[str]:
    products = [p for eq in cell.equations for p in _products(eq.rhs)]
    by_weight: dict[str, list[tuple[bool, tuple[str, ...]]]] = {}
    for product in products:
        back = isinstance(product.weight, notation.Transpose)
        name = str(product.weight.T if back else product.weight)
        by_weight.setdefault(name, []).append((back, tuple(map(str, product.operands))))
        if len(product.operands) > 3:
            yield "a concatenation of four"
        if any(indexed_name(operand) is None for operand in product.operands):
            yield "an operand that is an expression"
        yield from ["a transposed weight"] * back
    for found in by_weight.values():
        different = set(found)
        if len(found) > 1:
            yield "a weight twice"
        if len({f for f in different if len(f[1]) > 1}) > 1:
            yield "a weight in several concatenations"
        if len({back for back, _ in different}) > 1:
            yield "a weight and its transpose"
        slots = {(vector, k) for _, vectors in different for k, vector in enumerate(vectors)}
        if len({vector for vector, _ in slots}) < len(slots):
            yield "a vector in two slots of a weight"


def _of_terms(cell: Cell) -> Iterator[str]:
    scalars, vectors = set(cell.normal_form.scalars), set(cell.normal_form.vectors)
    places: dict[str, set[int]] = {}
    for k, equation in enumerate(cell.equations):
        for node in sympy.preorder_traversal(equation.rhs):
            if isinstance(node, sympy.Symbol) and str(node) in cell.parameters:
                places.setdefault(str(node), set()).add(k)
            yield from _of_node(node, scalars, vectors)
        for node in sympy.preorder_traversal(equation.rhs):
            if isinstance(node, sympy.Function) and len(node.args) == 1:
                inner = node.args[0]
                if isinstance(inner, sympy.Function) and inner.atoms(notation.MatrixProduct):
                    yield "a product in a nested function"
    if scalars:
        yield "a scalar"
    if vectors:
        yield "a per-unit parameter"
    if any(len(where) > 1 for where in places.values()):
        yield "a parameter in several equations"
    if not cell.parameters:
        yield "no parameter"


def _of_node(node: sympy.Basic, scalars: set[str], vectors: set[str]) -> Iterator[str]:
    function = BY_NOTATION.get(type(node).__name__)
    if function is not None:
        yield f"function {function.name}"
    elif isinstance(node, sympy.Pow):
        names = {str(s) for s in node.exp.free_symbols}
        if node.exp == -1:
            yield "a quotient"
            below = {str(s) for s in node.base.free_symbols}
            yield from ["a scalar as a divisor"] * bool(below & scalars)
        elif node.exp.is_number:
            if node.exp.is_negative:
                yield "a negative power"
            if not node.exp.is_integer:
                yield "a fractional power"
        else:
            yield "a varying power"
            yield from ["a scalar in an exponent"] * bool(names & scalars)
            yield from ["a per-unit parameter in an exponent"] * bool(names & vectors)
    elif isinstance(node, sympy.Mul):
        if any(str(f) in vectors for f in node.args):
            yield "a per-unit parameter as a factor"
        if -1 in node.args and any(isinstance(f, notation.MatrixProduct) for f in node.args):
            yield "a product subtracted"
        if sum(isinstance(f, sympy.Function) for f in node.args) > 1:
            yield "a product of gates"
    elif isinstance(node, sympy.Number) and not node.is_Integer:
        yield "a constant beside whole numbers"


def _of_sizes(cell: Cell) -> Iterator[str]:
    form = cell.normal_form
    own = {*form.input_sizes}
    if any(form.sizes[x] not in own for x in form.inputs):
        yield "a tied input"
    if form.scalar_inputs:
        yield "an input of one number"
    if form.extra_sizes:
        yield "a declared size"
    if any(form.sizes[s] != "H" for s in form.states):
        yield "a declared size of a state"
    if form.sizes[form.output] in form.extra_sizes:
        yield "a declared size of the output"


def _of_names(cell: Cell) -> Iterator[str]:
    form = cell.normal_form
    groups: dict[str, Iterable[str]] = {
        "an input": form.inputs,
        "a state": form.states,
        "another value": {eq.lhs.name for eq in cell.equations} - {*form.states},
        "a weight": form.weights,
        "another parameter": {*form.parameters} - {*form.weights},
        "a size": {*form.extra_sizes} - {"P", "Q"},
    }
    for group, names in groups.items():
        if any(map(colliding, names)) or (names and group == "a size"):
            yield f"a colliding name of {group}"


def _uses(value: sympy.Basic) -> Iterator[tuple[str, int]]:
    for node in sympy.preorder_traversal(value):
        if (indexed := indexed_name(node)) is not None:
            yield indexed[0], int(indexed[1])


def _products(value: sympy.Basic) -> Iterator[notation.MatrixProduct]:
    for node in sympy.preorder_traversal(value):
        if isinstance(node, notation.MatrixProduct):
            yield node
