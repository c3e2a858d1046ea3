"""The equations of a cell as groups of typeset, labelled formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lstmgen.gradients.jacobian import jacobian
from lstmgen.language.names import latex_name
from lstmgen.show.costs import Formula as Polynomial
from lstmgen.show.printing.jacobian import jacobian_lines
from lstmgen.show.printing.latex_derived import DerivedPrinter, gradient_lines, used_blocks
from lstmgen.show.printing.latex_forward import forward_lines
from lstmgen.show.printing.latex_lines import Line, width
from lstmgen.show.report.mathml import equation, mathml

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = [
    "Group",
    "Typeset",
    "added",
    "forward",
    "gradients",
    "group",
    "jacobian_group",
    "polynomial",
    "shape",
    "symbol",
]


@dataclass(frozen=True, slots=True)
class Typeset:
    """An equation in MathML; `label` is empty where it has none."""

    label: str
    math: Markup


@dataclass(frozen=True, slots=True)
class Group:
    """Equations that stand together.

    Attributes:
        formulas: the equations.
        left: the width to which left sides are set, in em, so that the signs of equality align.
    """

    formulas: tuple[Typeset, ...]
    left: float

    def __bool__(self) -> bool:
        return bool(self.formulas)


def group(lines: Iterable[Line]) -> Group:
    """Lines of the LaTeX printers as one group."""
    lines = tuple(lines)
    formulas = tuple(Typeset(_label(line.tag), Markup(equation(line.left, line.right)))
                     for line in lines)  # fmt: skip
    widest = max((width(line.left) for line in lines), default=0.0)
    return Group(formulas, round(0.5 * widest + 1.6, 2))


def _label(tag: str) -> str:
    return tag.replace(r"$\delta$", "δ")


def forward(cell: Cell) -> Group:
    """The cell's own equations."""
    return group(forward_lines(cell))


def added(cell: Cell) -> Group:
    """The definitions that the normal form adds."""
    return group(DerivedPrinter(cell.normal_form, cell.gradients).helper_lines())


def gradients(cell: Cell) -> tuple[Group, Group, Group, Group]:
    """The blocks of columns that gradients use, and those of values, parameters and the rest."""
    derived = cell.gradients
    printer = DerivedPrinter(cell.normal_form, derived)
    adjoints, parameters, rest = gradient_lines(derived)
    blocks = printer.block_lines(used_blocks(derived))
    return group(blocks), group(adjoints), group(parameters), group(rest)


def jacobian_group(cell: Cell) -> Group:
    """The state-to-state Jacobian, without the definitions that stand elsewhere already."""
    printer = DerivedPrinter(cell.normal_form, cell.gradients)
    shown = [*printer.helper_lines(), *printer.block_lines(used_blocks(cell.gradients))]
    return group(line for line in jacobian_lines(jacobian(cell)) if line not in shown)


def symbol(name: str, *subscripts: str) -> Markup:
    """A name as a formula, perhaps with a time."""
    return Markup(mathml(latex_name(name, *subscripts)))


def shape(sizes: Sequence[str]) -> Markup:
    """A symbolic shape, (H, H+D)."""
    if not sizes:
        return Markup("scalar")
    sides = [" + ".join(map(latex_name, side.split("+"))) for side in sizes]
    return Markup(mathml(f"({', '.join(sides)})"))


def polynomial(formula: Polynomial) -> Markup:
    """A polynomial in sizes, 8 B H² + 8 B D H; a line may end between its terms."""
    return Markup(" + ").join(Markup(mathml(_term(term))) for term in str(formula).split(" + "))


def _term(term: str) -> str:
    factors = []
    for factor in term.split("·"):
        base, _, exponent = factor.partition("^")
        letter = base if base.isdigit() else latex_name(base)
        factors.append(f"{{{letter}}}^{{{exponent}}}" if exponent else letter)
    return r" \, ".join(factors)
