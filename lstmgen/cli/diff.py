"""lstmgen diff A B."""

from __future__ import annotations

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell
from lstmgen.cli.output import as_json, echo_json

__all__ = ["diff"]


@click.command(short_help="What differs between two cells, in the mathematics.")
@click.argument("first", metavar="A", shell_complete=complete_cell)
@click.argument("second", metavar="B", shell_complete=complete_cell)
@as_json
@declare
def diff(first: str, second: str, as_json: bool, declarations: tuple[str, ...]) -> None:
    """What differs between the cells A and B: equations, parameters, gradients, schedule.

    Names do not count, nor does the order of terms, nor how blocks are put together to matrices:
    vectors and parameters are matched by name, and by structure where their names differ.
    Declarations are for B, or for A where B is built in.
    """
    from lstmgen.library.files import is_text
    from lstmgen.show.comparing import compare

    of_second = declarations if is_text(second) or not is_text(first) else ()
    of_first = () if of_second else declarations
    found = compare(load_cell(first, of_first), load_cell(second, of_second))
    if as_json:
        echo_json(found.as_json())
    else:
        click.echo(str(found))
