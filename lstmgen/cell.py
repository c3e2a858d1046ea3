"""The facade: a cell, with everything that a user asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmgen.stages import Stages

if TYPE_CHECKING:
    from lstmgen.drawing import Drawing


class Cell(Stages):
    """A recurrent cell, declared as equations in the order of the paper.

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

    def latex(self, *, forward: bool = True, gradients: bool = True) -> str:
        """The equations, and the derived gradients, as LaTeX in an align environment."""
        from lstmgen.latex import document_body

        return document_body(self, forward=forward, gradients=gradients)

    def draw(self, *, gradients: bool = False) -> Drawing:
        """The figure of one step, or with `gradients` of the backward flow."""
        from lstmgen.drawing import draw

        return draw(self, gradients=gradients)

    def _repr_latex_(self) -> str:
        from lstmgen.latex import equations_latex

        return equations_latex(self)

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, {len(self.equations)} equations)"
