"""What commands that take a CELL share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmgen.cell import Cell

__all__ = ["complete_cell", "declare", "load_cell"]

_STRICT = "lstmgen.strict"  # in the context, so that commands need not pass it on
_declare = click.option(
    "--declare",
    "declarations",
    multiple=True,
    metavar="'NAME KIND'",
    help="Settle what equations in a text leave open: 'alpha scalar', 'phi = tanh', 'r size P'.",
)
_strict = click.option(
    "--strict",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.__setitem__(_STRICT, value),
    help="For equations in a text: ask about everything that was inferred and not declared.",
)


def declare(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that read a cell from a text: --declare, as a parameter, --strict."""
    return _declare(_strict(command))


def load_cell(cell: str, declarations: tuple[str, ...] = ()) -> Cell:
    """The cell of that name or file; what a cell file prints goes to stderr.

    There too goes what a text was read as where it leaves something out, and a warning of an
    equation that does nothing.
    """
    from lstmgen.library.loading import load

    context = click.get_current_context(silent=True)
    strict = context is not None and bool(context.meta.get(_STRICT))
    with contextlib.redirect_stdout(sys.stderr):
        loaded = load(cell, declarations=declarations, strict=strict)
    for note in loaded.reading.notes if loaded.reading else ():
        click.echo(f"lstmgen: {note}", err=True)
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
