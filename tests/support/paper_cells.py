"""Cells in another form before they are printed: with rows for columns, with stacked gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lstmgen import Cell
from lstmgen.language import notation
from lstmgen.language.translation import function_name


def with_rows(cell: Cell) -> Cell | None:
    """The cell whose matrices are transposed, x_t W for W x_t; None where it has lists."""
    products = [p for e in cell.equations for p in e.rhs.atoms(notation.MatrixProduct)]
    if any(len(product.operands) > 1 for product in products):
        return None
    equations = [notation.Eq(e.lhs, _flipped(e.rhs)) for e in cell.equations]
    return Cell(cell.name, *equations, output=cell.normal_form.output)


def _flipped(node: Any) -> Any:
    if not node.args or isinstance(node, notation.At):
        return node
    if isinstance(node, notation.MatrixProduct):
        weight = node.weight
        is_transposed = isinstance(weight, notation.Transpose)
        operands = [_flipped(operand) for operand in node.operands]
        flipped = weight.T if is_transposed else notation.Transpose(weight)
        return notation.MatrixProduct(flipped, operands)
    return node.func(*map(_flipped, node.args))


def gates_of(cell: Cell) -> list[tuple[int, str, Any, bool]]:
    """Equations g = f(W_g [..] + b_g) over one list: place, function, product, with a bias."""
    found: list[tuple[int, str, Any, bool]] = []
    for k, equation in enumerate(cell.equations):
        value = equation.rhs
        if len(value.args) != 1 or value.func.__name__ not in notation.CLASSES:
            continue
        inner = value.args[0]
        terms = inner.args if isinstance(inner, notation.OrderedAdd) else (inner,)
        product = terms[0]
        is_gate = isinstance(product, notation.MatrixProduct) and len(terms) <= 2
        if is_gate and (len(terms) == 1 or isinstance(terms[1], notation.Name)):
            found.append((k, function_name(value), product, len(terms) == 2))
    groups: dict[Any, list[tuple[int, str, Any, bool]]] = {}
    for gate in found:
        groups.setdefault((str(gate[2].operands), gate[3]), []).append(gate)
    largest = max(groups.values(), key=len, default=[])
    weights = [str(gate[2].weight) for gate in largest]
    uses = [str(p.weight) for e in cell.equations for p in e.rhs.atoms(notation.MatrixProduct)]
    is_own = all(uses.count(weight) == 1 for weight in weights)
    return largest if len(largest) > 1 and is_own else []


def stacked(
    gates: Sequence[tuple[int, str, Any, bool]],
    names: Sequence[str],
    functions: Callable[[str], str],
    operands: str,
) -> tuple[str, str]:
    """Both sides of the equation of a stack of gates, whose matrix is W and whose bias b."""
    left = r" \\ ".join(names)
    column = r" \\ ".join(functions(function) for _, function, _, _ in gates)
    inner = rf"W {operands}"
    if gates[0][3]:
        inner = rf"\left({inner} + b\right)"
    return (
        rf"\begin{{bmatrix}} {left} \end{{bmatrix}}",
        rf"\begin{{bmatrix}} {column} \end{{bmatrix}} {inner}",
    )
