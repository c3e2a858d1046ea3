"""lstmgen flow CELL..."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lstmgen.cli.cells import complete_cell, load_cell
from lstmgen.errors import UsageError

__all__ = ["flow"]


def _settings(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, float]:
    """NAME=VALUE, each as a name and a number."""
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, as in b_f=1") from None
    return found


def _drawn(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """NAME=HOW, each as two texts."""
    for text in given:
        if not all(text.partition("=")):
            raise click.BadParameter(f"{text!r} is not NAME=HOW, as in m=1 or m=mask:0.1")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}


@click.command(short_help="How far gradients reach back in time, measured and plotted.")
@click.argument("cells", metavar="CELL...", nargs=-1, required=True, shell_complete=complete_cell)
@click.option(
    "-o", "output", metavar="FILE.svg", type=click.Path(dir_okay=False), help="Write the plot."
)
@click.option(
    "--hidden", "-H", type=click.IntRange(1), default=64, show_default=True, help="Hidden size H."
)
@click.option(
    "--input",
    "-D",
    "inputs",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Input size D.",
)
@click.option(
    "--steps", "-T", type=click.IntRange(1), default=100, show_default=True, help="Steps T."
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Initialisations and inputs.",
)
@click.option(
    "--scale",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Matrices: uniform in ±scale/sqrt(H).",
)
@click.option(
    "--input-scale",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Inputs: their standard deviation.",
)
@click.option(
    "--forget-bias",
    "forget",
    metavar="VALUE",
    type=float,
    multiple=True,
    default=(1.0,),
    show_default=True,
    help="Initial bias of the gates on a state's direct path, in the cells that have one; may be "
    "given more often, for a curve each.",
)
@click.option(
    "--bias",
    "biases",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_settings,
    help="Initial value of a parameter, as in b_f=1, in the cells that have it; may be given more "
    "often.",
)
@click.option(
    "--input-values",
    "drawn",
    metavar="NAME=HOW",
    multiple=True,
    callback=_drawn,
    help="How an input is drawn, in the cells that have it: a number, or mask:0.1 for 1 with that "
    "probability and else 0; may be given more often.  [default: normal; what stands as 1 - d in "
    "the equations is a mask of probability 0.5]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a schema version.")
def flow(
    cells: tuple[str, ...],
    output: str | None,
    hidden: int,
    inputs: int,
    steps: int,
    seeds: int,
    scale: float,
    input_scale: float,
    forget: tuple[float, ...],
    biases: dict[str, float],
    drawn: dict[str, str],
    as_json: bool,
) -> None:
    """Measure the gradient of the last output by the states k steps earlier.

    It is measured through the generated modules, and its norm printed for some k and plotted
    for all, on a logarithmic axis.
    """
    import json

    from lstmgen.cli.progress import ProgressLine
    from lstmgen.show.flow import Settings, measure

    if output is not None and Path(output).suffix.lower() != ".svg":
        raise UsageError(f"{output}: the plot is an SVG file; name it *.svg")
    settings = Settings(hidden, inputs, steps, seeds, scale, input_scale, biases, drawn)
    loaded = [load_cell(cell) for cell in cells]
    with ProgressLine(sys.stderr) as progress:
        measured = measure(loaded, settings, forget_bias=forget, progress=progress)
    click.echo(json.dumps(measured.as_json(), indent=2) if as_json else str(measured))
    if output is not None:
        try:
            Path(output).write_text(measured.svg(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror}") from None
        click.echo(f"lstmgen: plot written to {output}", err=True)
