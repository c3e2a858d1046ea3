r"""Cells as LaTeX: the equations as the paper has them, and the derived gradients.

Needs amsmath only.  Labels are the same everywhere: (1) an equation, (1a) a definition that the
normal form adds to it, (δ1) a derived equation.
"""

from __future__ import annotations

from lstmgen.language.typesetting import declarations, forward_lines
from lstmgen.stages import Stages
from lstmgen.typeset.lines import align

END_OF_EQUATIONS = "% lstmgen: end"
"""What follows this line is for people: a reader of equations stops here."""

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})


def forward_latex(cell: Stages) -> str:
    """The equations; declarations that they need to be read back stand in comments before."""
    lines = [f"% lstmgen: {x}" for x in declarations(cell.equations, cell.normal_form)]
    return "\n".join([*lines, equations_latex(cell)])


def equations_latex(cell: Stages) -> str:
    """The equations in an align* environment, without any comment.

    So MathJax shows them as they are: in a page, `%` is text.
    """
    return align(forward_lines(cell.equations, cell.normal_form))


def document_body(cell: Stages, *, forward: bool = True, gradients: bool = True) -> str:
    """The equations and the derived gradients of a cell, as the body of a LaTeX document."""
    parts = [forward_latex(cell)] if forward else []
    if gradients:
        parts += [END_OF_EQUATIONS] * forward + [cell.gradients.latex()]
    return "\n".join(parts) + "\n"


def standalone(cell: Stages, *, forward: bool = True, gradients: bool = True) -> str:
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
