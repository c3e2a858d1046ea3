"""A cell's declared equations, and each stage that is derived from them when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy

from lstmgen.form.normal_form import NormalForm
from lstmgen.language.reading import read

if TYPE_CHECKING:
    from lstmgen.gradients.derivation import Gradients
    from lstmgen.language.papers import Reading
    from lstmgen.schedule.program import Schedule


class Stages:
    """What targets, verification and all that shows a cell take: its equations and its stages.

    `lstmgen.Cell` is this with formulas and drawings.  `reading` says how the equations were read,
    if they were read from a text.

    Args:
        name: an identifier; generated files and kernels carry it.
        equations: `Eq(f[t], sigma(W_f @ [h[t-1], x[t]] + b_f))`, in order of evaluation.
        output: the vector that `forward` returns at every step; `h` unless said otherwise.
        sizes: sizes other than the hidden size, as `{"r": "P"}` or `{r: "P"}`.
        source: the paper, for `show` and the header of generated files; a cell file's docstring
            serves when it is not given.

    Raises:
        EquationError: the equations cannot be built; the message names the equation and the cure.
    """

    def __init__(
        self,
        name: str,
        *equations: sympy.Eq,
        output: Any = "h",
        sizes: Mapping[Any, str] | None = None,
        source: str = "",
    ) -> None:
        self.name = name
        self.equations: tuple[sympy.Eq, ...] = equations
        self.source = source
        self.reading: Reading | None = None
        self._normal_form = read(
            name, equations, str(output), {str(v): s for v, s in (sizes or {}).items()}
        )

    @property
    def normal_form(self) -> NormalForm:
        """The equations cut so that each matrix product stands in one place."""
        return self._normal_form

    @cached_property
    def gradients(self) -> Gradients:
        """The derived gradient equations."""
        from lstmgen.gradients.derivation import derive

        return derive(self.normal_form)

    @cached_property
    def schedule(self) -> Schedule:
        """The program that all targets read, with products, fused blocks and what is kept."""
        from lstmgen.schedule import schedule

        return schedule(self.normal_form, self.gradients)

    @property
    def states(self) -> tuple[str, ...]:
        """What a step hands to the next, the output first."""
        return self.normal_form.states

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a step takes from outside."""
        return self.normal_form.inputs

    @property
    def output(self) -> str:
        """The vector that `forward` returns at every step."""
        return self.normal_form.output

    @property
    def parameters(self) -> dict[str, tuple[str, ...]]:
        """Each parameter's symbolic shape, in order of appearance."""
        return {p: self.normal_form.shape(p) for p in self.normal_form.parameters}

    @property
    def digest(self) -> str:
        """The identity of the cell, a hash of its equations, sizes and output."""
        form = self.normal_form
        parts = [str(form), form.output, repr(sorted(form.sizes.items())), *form.scalar_inputs]
        text = "\n".join(parts)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
