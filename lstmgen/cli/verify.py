"""lstmgen verify CELL, lstmgen verify MODULE.py."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lstmgen.cli.cells import complete_cell, declare, load_cell
from lstmgen.cli.output import as_json
from lstmgen.cli.targets import DeviceName, TargetCommand, TargetName
from lstmgen.errors import UnavailableError, UsageError
from lstmgen.targets.registry import DEFAULT

__all__ = ["verify"]


@click.command(cls=TargetCommand)
@click.argument("subject", metavar="CELL|MODULE.py", shell_complete=complete_cell)
@click.option("--target", type=TargetName(), help=f"For a CELL; {DEFAULT} if not given.")
@click.option(
    "--cell",
    metavar="FILE",
    shell_complete=complete_cell,
    help="For a MODULE.py: its cell, where that is not built in.",
)
@click.option(
    "--device",
    type=DeviceName(),
    default="auto",
    show_default=True,
    help="Where the module runs, if its target has several devices: auto takes the target's own "
    "where that is here, and else the next.",
)
@click.option(
    "--against",
    metavar="PACKAGE.MODULE:NAME",
    help="Compare an implementation of your own with CELL: a function (params, x, state) -> "
    "(y, state) on NumPy arrays or torch tensors, or a torch module or its class.",
)
@as_json
@declare
def verify(
    subject: str,
    target: str | None,
    cell: str | None,
    device: str,
    against: str | None,
    as_json: bool,
    declarations: tuple[str, ...],
) -> int:
    """Check derivation and module against the equations at 50 digits.

    CELL: the module that would be built.  MODULE.py: the file as it is, which is run.

    With --against, where an implementation differs, the equations are named that a mistake can be
    in, and of the mistakes that people make the one that gives the same numbers.
    """
    from lstmgen import verification
    from lstmgen.cli.progress import ProgressLine

    module = cell is not None or _is_module(subject)
    if target and verification.is_module_file(subject):
        written_for = verification.target_of_file(subject)
        if target != written_for:
            raise UsageError(f"{subject} is written for {written_for}; leave --target out")
    if against and (module or target or device != "auto"):
        raise UsageError("--against takes a CELL, without --target, --cell and --device")
    report: verification.Report
    with ProgressLine(sys.stderr) as progress:
        if against:
            from lstmgen.verification.against import compare

            report = compare(load_cell(subject, declarations), against, progress)
        elif module:
            own = None if cell is None else load_cell(cell, declarations)
            report = verification.verify_file(subject, own, device=device, progress=progress)
        else:
            report = verification.verify(
                load_cell(subject, declarations),
                target or DEFAULT,
                device=device,
                progress=progress,
            )
    click.echo(report.to_json() if as_json else str(report))
    if not report.ok:
        return 1
    if report.unchecked:
        raise UnavailableError("not everything could be checked; see above")
    return 0


def _is_module(subject: str) -> bool:
    """Whether it is a generated module and not a cell, even if it was edited beyond recognition."""
    from lstmgen.targets.building import is_generated
    from lstmgen.verification import is_module_file

    if is_module_file(subject):
        return True
    try:
        return is_generated(Path(subject).read_bytes())
    except OSError:
        return False
