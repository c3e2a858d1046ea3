r"""Cells as LaTeX: the equations as the paper has them, and the derived gradients.

Needs amsmath only.  Labels are the same everywhere: (1) an equation, (1a) a definition that the
normal form adds to it, (δ1) a derived equation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmgen.language.names import latex_name
from lstmgen.show.printing.latex_derived import DerivedPrinter, gradient_lines, used_blocks
from lstmgen.show.printing.latex_forward import declarations, forward_lines
from lstmgen.show.printing.latex_lines import align

if TYPE_CHECKING:
    from lstmgen.algebra.functions import Function
    from lstmgen.cell import Cell
    from lstmgen.gradients.derivation import Gradients

END_OF_EQUATIONS = "% lstmgen: end"
"""What follows this line is for people: a reader of equations stops here."""

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})


def forward_latex(cell: Cell) -> str:
    """The equations; declarations that they need to be read back stand in comments before."""
    lines = [f"% lstmgen: {declaration}" for declaration in declarations(cell)]
    return "\n".join([*lines, equations_latex(cell)])


def equations_latex(cell: Cell) -> str:
    """The equations in an align* environment, without any comment.

    So MathJax shows them as they are: in a page, `%` is text.
    """
    return align(forward_lines(cell))


def gradients_latex(gradients: Gradients) -> str:
    """The derived equations with the definitions they use, in align* environments and text."""
    form = gradients.form
    printer = DerivedPrinter(form, gradients)
    adjoints, parameters, rest = gradient_lines(gradients)
    parts = []
    helpers = printer.helper_lines()
    blocks = printer.block_lines(used_blocks(gradients))
    if helpers:
        parts += ["The gradients use these parts of the equations:", align(helpers)]
    if blocks:
        opening = "and" if helpers else "The gradients use"
        parts += [f"{opening} the blocks of columns", align(blocks)]
    last = _listed([rf"$\mathrm{{d}}{latex_name(s, 'T')}$" for s in form.states])
    several = len(form.states) > 1
    parts += [
        rf"With $\delta v_t = \partial L / \partial v_t$, and $\mathrm{{d}}y_t$ the gradient that "
        rf"reaches the output ${latex_name(form.output, 't')}$ from outside,",
        align(adjoints),
        f"At $t = T$ there are no terms with $t+1$; the gradient{'s' * several} {last} of the last "
        f"state{'s' * several} stand{'s' * (not several)} in their place.",
        "",
        "Summed over $t$ and over the batch, the parameters have",
        align(parameters),
        "and the inputs and the initial states",
        align(rest),
    ]
    if gradients.masks:
        parts += ["", "Here " + _listed([_defined(f) for f in gradients.masks]) + "."]
    return "\n".join(parts)


def _defined(function: Function) -> str:
    summary = function.summary.rstrip(".").replace("a < 0", "$a < 0$").replace("a > 0", "$a > 0$")
    return f"${function.latex}(a)$ is {summary}"


def _listed(items: list[str]) -> str:
    """a, b and c."""
    return " and ".join([*([", ".join(items[:-1])] * bool(items[:-1])), items[-1]])


def document_body(cell: Cell, *, forward: bool = True, gradients: bool = True) -> str:
    """The equations and the derived gradients of a cell, as the body of a LaTeX document."""
    parts = [forward_latex(cell)] if forward else []
    if gradients:
        parts += [END_OF_EQUATIONS] * forward + [gradients_latex(cell.gradients)]
    return "\n".join(parts) + "\n"


def standalone(cell: Cell, *, forward: bool = True, gradients: bool = True) -> str:
    """A document of its own, for pdflatex as it is."""
    title = cell.name.translate(_SPECIAL)
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{amsmath}",
            r"\setlength{\textwidth}{6.5in}",
            r"\setlength{\oddsidemargin}{0in}",
            r"\setlength{\textheight}{9in}",
            r"\setlength{\topmargin}{-0.5in}",
            r"\setlength{\parindent}{0pt}",
            r"\allowdisplaybreaks",
            r"\begin{document}",
            rf"\section*{{{title}}}",
            document_body(cell, forward=forward, gradients=gradients).rstrip("\n"),
            r"\end{document}",
            "",
        ]
    )
