"""lstmgen weights PARAMS.npz"""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["weights"]


@click.command(short_help="Parameters as a header in C, for programs that have them built in.")
@click.argument("params", metavar="PARAMS.npz", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where the header goes.  Without it, to stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite even a file that lstmgen did not write.")
def weights(params: str, output: str | None, force: bool) -> None:
    """Write the arrays of PARAMS.npz, made by numpy.savez(FILE, **params), as text of C.

    Each becomes `static const float weights_NAME[]`, or double, with every digit.
    """
    from lstmgen.targets.building import is_generated
    from lstmgen.targets.c.weights import header_text, read_parameters
    from lstmgen.targets.writing import write

    text = header_text(read_parameters(Path(params)))
    if output is None:
        click.echo(text, nl=False)
        return
    outcome = write(Path(output), text.encode(), is_ours=is_generated, force=force)
    click.echo(f"{outcome.path}: {outcome.action}")
