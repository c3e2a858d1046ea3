"""Whether the equations can be evaluated one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from lstmgen.errors import EquationError
from lstmgen.form.normal_form import Definition
from lstmgen.language.indexing import indexed_name, where


def check_order(read: Sequence[Definition], equations: Sequence[sympy.Basic]) -> None:
    """Each vector at t must be defined before it is used."""
    position = {d.name: k for k, d in enumerate(read)}
    direct: dict[str, list[str]] = {}
    for d, equation in zip(read, equations, strict=True):
        now = sorted(
            {
                indexed[0]
                for node in sympy.preorder_traversal(equation.rhs)
                if (indexed := indexed_name(node)) is not None and indexed[1] == 0
            }
        )
        direct[d.name] = [name for name in now if name in position]
    for k, d in enumerate(read):
        for used in direct[d.name]:
            if position[used] < k:
                continue
            place = where(k + 1, equations[k])
            if d.name in _reachable(used, direct):
                raise EquationError(
                    f"{place}: {d.name}[t] depends on itself within one step"
                    + (f" through {used}[t]" if used != d.name else "")
                    + f" (an implicit equation); use {used}[t-1], or solve for {d.name}[t]"
                )
            raise EquationError(
                f"{place}: {used}[t] is used before equation ({position[used] + 1}) defines it; "
                "move that equation up"
            )


def _reachable(start: str, edges: Mapping[str, Sequence[str]]) -> set[str]:
    seen = {start}
    todo = [start]
    while todo:
        for following in edges[todo.pop()]:
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen
