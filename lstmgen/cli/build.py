"""lstmgen build CELL..."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell
from lstmgen.cli.targets import TargetCommand, TargetName
from lstmgen.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lstmgen.targets.building import Prepared
    from lstmgen.targets.writing import Outcome

__all__ = ["build"]


@click.command(cls=TargetCommand, target_options=True)
@click.argument("cells", metavar="CELL...", nargs=-1, shell_complete=complete_cell)
@click.option(
    "--target",
    "targets",
    type=TargetName(),
    multiple=True,
    help="What the module runs on; may be given more often.",
)
@click.option(
    "-o",
    "directory",
    metavar="DIR",
    type=click.Path(),
    default="generated",
    show_default=True,
    help="Where modules go.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 if a module is not what would be written.  Without CELL: all "
    "modules in DIR.",
)
@click.option("--force", is_flag=True, help="Overwrite even files that lstmgen did not write.")
@click.option(
    "--no-verify",
    is_flag=True,
    help="Write without comparing with the equations first, which takes less than half a second.",
)
@declare
def build(
    cells: tuple[str, ...],
    targets: tuple[str, ...],
    directory: str,
    check: bool,
    force: bool,
    no_verify: bool,
    declarations: tuple[str, ...],
    **options: str | None,
) -> int:
    """Write the module of each CELL into DIR."""
    from lstmgen import targets as registry
    from lstmgen.targets import building

    if not cells and not check:
        example = f"lstmgen build lstm --target {registry.DEFAULT}"
        raise UsageError(f"build needs a CELL, for example: {example}")
    if not targets and not check:
        raise UsageError(f"build needs --target {' or --target '.join(registry.names())}")
    chosen = {
        name.removeprefix("target_option_"): value
        for name, value in options.items()
        if value is not None
    }
    if chosen and not cells:
        (first, *_) = chosen
        raise UsageError(f"--{first} goes with a CELL; without one, files say how they were built")
    wanted = tuple(dict.fromkeys(targets or registry.names()))
    for target in wanted:
        registry.get(target).settle(chosen)
    if not cells:
        return _compared(building.check_folder(directory, wanted))
    # All before the first is written, so that a mistake in one leaves nothing half done.
    loaded = [load_cell(cell, declarations) for cell in cells]
    prepared = [
        building.prepare(cell, target, directory, as_on_disk=check, **chosen)
        for cell in loaded
        for target in wanted
    ]
    _check_apart(prepared, [name for name in cells for _ in wanted])
    if check:
        return _compared(outcome for one in prepared for outcome in one.compare())
    if not no_verify:
        for one in prepared:
            one.verify()
    for one in prepared:
        for outcome in one.write(force=force):
            click.echo(f"{outcome.path}: {outcome.action}")
    return 0


def _check_apart(prepared: list[Prepared], names: list[str]) -> None:
    """Refuse two cells that would be written to one file."""
    places: dict[Path, tuple[str, bytes]] = {}
    for one, name in zip(prepared, names, strict=True):
        for path, content in one.paths().items():
            first, written = places.setdefault(path, (name, content))
            if written != content:
                raise UsageError(
                    f"{first} and {name} would both be written to {path}; give one of the cells "
                    "another name, or build them into two folders with -o"
                )


def _compared(outcomes: Iterable[Outcome]) -> int:
    """Show what differs; the exit code."""
    differing = count = 0
    for outcome in outcomes:
        if outcome.action == "not compared":
            click.echo(outcome.difference, err=True)
            continue
        count += 1
        if outcome.action == "differs":
            differing += 1
            click.echo(outcome.difference, err=True)
    click.echo(
        f"lstmgen: {differing} of {count} modules differ; build them again"
        if differing
        else f"lstmgen: {count} modules are up to date",
        err=True,
    )
    return 1 if differing else 0
