"""Whether two formulas are the same mathematics, where a text gives both for one vector.

`h_t = a = b`, or a display and the prose beside it.  Both are evaluated at drawn numbers, products
with matrices and functions as if nothing were known of them but their arguments.
"""

from __future__ import annotations

import cmath
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy

from lstmgen.errors import EquationError
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.source import Source

_POINTS = 3
_TOLERANCE = 1e-9


def check_repeated(
    source: Source,
    build: Callable[[f.Formula], Any],
    first: Sequence[Definition],
    repeated: Sequence[Definition],
    values: Mapping[str, Any],
) -> None:
    """Refuse a vector that is defined twice, and not as the same mathematics.

    `values`: the expressions of the first definitions; `build` makes those of the others.
    """
    for second in repeated:
        if not are_same(values[second.name], build(second.value)):
            raise otherwise(source, second, next(d for d in first if d.name == second.name))


def otherwise(source: Source, second: Definition, first: Definition) -> EquationError:
    """What is wrong with a second definition that says something else."""
    if first.position == second.position:
        return source.error(
            second.value.position,
            f"a second '=' in one equation, and the two values of {first.name} differ; write two "
            "equations, or leave one of them out",
        )
    return source.error(
        second.position,
        f"{first.name} is defined already in line {source.line(first.position)}, and otherwise; "
        "give one of the two another name, or leave one out",
    )


def are_same(first: Any, second: Any) -> bool:
    """Whether two expressions of the notation agree wherever they are evaluated."""
    try:
        return all(_agree(_Point(seed), first, second) for seed in range(_POINTS))
    except (OverflowError, ZeroDivisionError):
        return False


def _agree(point: _Point, first: Any, second: Any) -> bool:
    a, b = point.value(first), point.value(second)
    return abs(a - b) <= _TOLERANCE * max(abs(a), abs(b))


class _Point:
    """A number for each symbol, and some function for each function and matrix."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._drawn: dict[object, float] = {}

    def value(self, node: Any) -> complex:
        """The value of an expression at this point."""
        if indexed_name(node) is not None or isinstance(node, sympy.Symbol):
            return self._number(str(node))
        if isinstance(node, notation.MatrixProduct):
            return self._opaque(str(node.weight), node.operands)
        if node.is_number and not isinstance(node, sympy.Function):
            return complex(node)
        values = [self.value(part) for part in node.args]
        if isinstance(node, sympy.Add):
            return sum(values)
        if isinstance(node, sympy.Mul):
            product = 1 + 0j
            for value in values:
                product *= value
            return product
        if isinstance(node, sympy.Pow) and not isinstance(node, sympy.exp):
            return values[0] ** values[1]
        return self._opaque(type(node).__name__, node.args)

    def _number(self, key: object) -> float:
        if key not in self._drawn:
            self._drawn[key] = self._random.uniform(0.5, 1.5)
        return self._drawn[key]

    def _opaque(self, name: str, arguments: Any) -> complex:
        phase = sum(
            self._number((name, k)) * self.value(argument) for k, argument in enumerate(arguments)
        )
        return cmath.sin(phase + self._number((name, "phase")))
