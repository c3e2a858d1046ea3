"""lstmgen draw CELL"""

from __future__ import annotations

from pathlib import Path

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell

__all__ = ["draw"]


@click.command(short_help="The cell's data flow as a figure: SVG, PNG, DOT or Mermaid.")
@click.argument("cell", shell_complete=complete_cell)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where the figure goes: *.svg, *.png, *.dot or *.mmd.  Without it, SVG goes to stdout.",
)
@click.option("--gradients", is_flag=True, help="The backward flow: adjoints, right to left.")
@declare
def draw(cell: str, output: str | None, gradients: bool, declarations: tuple[str, ...]) -> None:
    """Draw one step of CELL, laid out from its equations alone.

    States are rails, learned layers boxes, element-wise operations circles, concatenations rings.
    PNG needs the extra lstmgen[draw]; SVG, DOT and Mermaid need nothing.
    """
    from lstmgen.drawing.picture import check_format
    from lstmgen.drawing.picture import draw as picture

    if output is not None:
        check_format(output)  # before the work, not after it
    drawing = picture(load_cell(cell, declarations), gradients=gradients)
    if output is None:
        click.echo(drawing.svg(), nl=False)
        return
    drawing.save(Path(output))
    click.echo(f"lstmgen: drawing written to {output}", err=True)
