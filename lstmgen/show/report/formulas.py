"""The equations of a cell as groups of typeset, labelled formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lstmgen.algebra.symbols import symbol as symbol_of
from lstmgen.gradients.jacobian import jacobian
from lstmgen.language.typesetting import forward_lines
from lstmgen.show.costs import Formula as Polynomial
from lstmgen.stages import Stages
from lstmgen.typeset.formula import (
    Formula,
    Joint,
    List,
    Number,
    Power,
    Sum,
    adjacent,
    fenced,
)
from lstmgen.typeset.latex import width
from lstmgen.typeset.lines import Line
from lstmgen.typeset.mathml import equation, mathml

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
    "summed",
    "symbol",
    "typeset",
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
    """Typeset lines as one group."""
    lines = tuple(lines)
    formulas = tuple(Typeset(line.label, Markup(equation(line.left, line.right)))
                     for line in lines)  # fmt: skip
    widest = max((width(line.left) for line in lines), default=0.0)
    return Group(formulas, round(0.5 * widest + 1.6, 2))


def forward(cell: Stages) -> Group:
    """The cell's own equations."""
    return group(forward_lines(cell.equations, cell.normal_form))


def added(cell: Stages) -> Group:
    """The definitions that the normal form adds."""
    return group(cell.gradients.typesetter().helper_lines())


def gradients(cell: Stages) -> tuple[Group, Group, Group, Group]:
    """The blocks of columns that gradients use, and those of values, parameters and the rest."""
    derived = cell.gradients
    adjoints, parameters, rest = derived.lines()
    return group(derived.block_lines()), group(adjoints), group(parameters), group(rest)


def jacobian_group(cell: Stages) -> Group:
    """The state-to-state Jacobian, without the definitions that stand elsewhere already."""
    derived = cell.gradients
    shown = [*derived.typesetter().helper_lines(), *derived.block_lines()]
    return group(line for line in jacobian(cell).lines() if line not in shown)


def typeset(formula: Formula) -> Markup:
    """A formula inside a line of text."""
    return Markup(mathml(formula))


def symbol(name: str, *subscripts: Formula) -> Markup:
    """A name as a formula, perhaps with a time."""
    return typeset(symbol_of(name, *subscripts))


def shape(sizes: Sequence[str]) -> Markup:
    """A symbolic shape, (H, H+D)."""
    if not sizes:
        return Markup("scalar")
    sides = [summed([symbol_of(size) for size in side.split("+")]) for side in sizes]
    return typeset(fenced(List(tuple(sides))))


def summed(terms: Sequence[Formula]) -> Formula:
    """The sum of the terms."""
    return terms[0] if len(terms) == 1 else Sum(tuple(terms))


def polynomial(formula: Polynomial) -> Markup:
    """A polynomial in sizes, 8 B H² + 8 B D H; a line may end between its terms."""
    return Markup(" + ").join(typeset(_term(*term)) for term in formula.ordered) or Markup(
        typeset(Number("0"))
    )


def _term(powers: Mapping[str, int], coefficient: int) -> Formula:
    factors: list[Formula] = [
        symbol_of(size) if power == 1 else Power(symbol_of(size), Number(str(power)))
        for size, power in powers.items()
    ]
    if coefficient != 1 or not factors:
        factors.insert(0, Number(str(coefficient)))
    return adjacent(*factors, joint=Joint.THIN)
