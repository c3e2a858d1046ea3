"""lstmgen report CELL, lstmgen report --all."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell
from lstmgen.errors import UsageError

__all__ = ["report"]

_SUFFIXES = (".html", ".htm")


@click.command(short_help="Everything about a cell as a page; with --all, a site of all cells.")
@click.argument("cell", required=False, shell_complete=complete_cell)
@click.option(
    "-o",
    "output",
    metavar="FILE|DIR",
    type=click.Path(),
    help="Where the page goes, *.html, or with --all the folder of all pages.  Without it, the "
    "page goes to stdout.",
)
@click.option("--all", "every", is_flag=True, help="A page for each cell, and an index.")
@click.option("--force", is_flag=True, help="Overwrite even files that lstmgen did not write.")
@declare
def report(
    cell: str | None, output: str | None, every: bool, force: bool, declarations: tuple[str, ...]
) -> int:
    """Write all there is to know about CELL as one HTML page: no script, no network.

    Equations, derived gradients, drawings, Jacobian, measured gradient flow, parameters, schedule,
    cost, verification, and the generated code with its labels linked to the equations.  The exit
    code is 1 if a check failed; the page then says which.
    """
    if every:
        if cell is not None:
            raise UsageError(f"--all is for all cells; leave out {cell}, or --all")
        if output is None:
            raise UsageError("--all writes many files; give their folder: -o site")
        return _site(Path(output), force)
    if cell is None:
        raise UsageError("report needs a CELL, for example: lstmgen report lstm -o lstm.html")
    return _page(cell, declarations, None if output is None else Path(output), force)


def _page(cell: str, declarations: tuple[str, ...], path: Path | None, force: bool) -> int:
    from lstmgen.cli.progress import ProgressLine
    from lstmgen.show.report.contents import gather
    from lstmgen.show.report.page import is_page, rendered, save
    from lstmgen.targets.writing import check_ours

    if path is not None:
        # Before the work, not after it.
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(f"{path}: the page is an HTML file; name it *.html")
        check_ours(path, is_ours=is_page, force=force)
    with ProgressLine(sys.stderr) as progress:
        contents = gather(load_cell(cell, declarations), progress)
        text = rendered(contents)
    if path is None:
        click.echo(text, nl=False)
    else:
        outcome = save(text, path, force=force)
        click.echo(f"lstmgen: {outcome.path}: {outcome.action}", err=True)
    if not contents.checks.ok:
        click.echo(f"lstmgen: {contents.name}: {contents.checks.verdict}", err=True)
        return 1
    return 0


def _site(folder: Path, force: bool) -> int:
    from lstmgen.cli.progress import ProgressLine
    from lstmgen.show.report.site import all_cells, processors, write_site

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; --all writes many files")
    families, problems = all_cells()
    for problem in problems:
        click.echo(f"lstmgen: {problem}", err=True)
    with ProgressLine(sys.stderr) as progress:
        progress("starting", 0.0)
        site = write_site(families, folder, force=force, workers=processors(), progress=progress)
    click.echo(
        f"lstmgen: {folder}: {site.files} files, {site.changed} of them new or changed", err=True
    )
    for name in site.failed:
        click.echo(f"lstmgen: {name}: a check failed; its page says which", err=True)
    return 1 if site.failed else 0
