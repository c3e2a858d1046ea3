"""lstmgen jacobian CELL."""

from __future__ import annotations

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell

__all__ = ["jacobian"]


@click.command()
@click.argument("cell", shell_complete=complete_cell)
@click.option("--text", "as_text", is_flag=True, help="As plain text instead of LaTeX.")
@declare
def jacobian(cell: str, as_text: bool, declarations: tuple[str, ...]) -> None:
    """How each state depends on the states one step before, as LaTeX.

    diag(...) alone is the direct, element-wise path; all other terms pass through matrix products.
    """
    from lstmgen.gradients import jacobian as derivation

    derived = derivation.jacobian(load_cell(cell, declarations))
    click.echo(str(derived) if as_text else derived.latex())
