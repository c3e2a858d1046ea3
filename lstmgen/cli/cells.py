"""What commands that take a CELL share."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmgen.cell import Cell

__all__ = ["complete_cell", "declare", "load_cell"]

declare = click.option(
    "--declare",
    "declarations",
    multiple=True,
    metavar="'NAME KIND'",
    help="Settle what equations in a text leave open: 'alpha scalar', 'phi = tanh', 'r size P'.",
)
"""The option of commands that read a cell from a text."""


def load_cell(cell: str, declarations: tuple[str, ...] = ()) -> Cell:
    """The cell of that name or file; what a cell file prints goes to stderr.

    An equation that does nothing is worth a warning there, too.
    """
    from lstmgen.library.loading import load

    with contextlib.redirect_stdout(sys.stderr):
        loaded = load(cell, declarations=declarations)
    for definition in loaded.normal_form.unread:
        if definition.label == definition.equation:  # and not one that the normal form added
            equation = loaded.equations[int(definition.equation) - 1]
            click.echo(
                f"lstmgen: warning: equation ({definition.equation}), {equation.lhs} = "
                f"{equation.rhs}: nothing depends on {definition.name}[t]; is an equation missing "
                "that uses it?",
                err=True,
            )
    return loaded


def complete_cell(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For the shell: the built-in names that fit, else files."""
    from click.shell_completion import CompletionItem

    from lstmgen.library.loading import names

    found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]
