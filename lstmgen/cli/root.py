"""The command line.  Nothing but click is imported before a command runs, so help is quick.

Data goes to stdout, messages to stderr.  Exit codes: 0 fine; 1 verification failed, or `--check`
found a difference; 2 usage; 3 the equations were refused; 4 a target or device is not available.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoArgsIsHelpError

from lstmgen import __version__
from lstmgen.cli import flow, jacobian
from lstmgen.cli.diff import diff
from lstmgen.cli.draw import draw
from lstmgen.cli.list import list_cells
from lstmgen.cli.report import report
from lstmgen.errors import LstmgenError, UnavailableError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmgen.cell import Cell

__all__ = ["main"]

# As in lstmgen.targets.building, which is imported only when a command runs.
_TARGETS = ("numpy", "cupy")
_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
_PIPE_CLOSED = 141  # and for one whose reader went away
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors for the user become one message."""
    if arguments is None:
        # A process of our own: importing SymPy makes many objects and hardly any garbage, and
        # looking through them each time that 700 are new takes a tenth of a short command.
        gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        code = commands.main(
            args=None if arguments is None else list(arguments),
            prog_name="lstmgen",
            standalone_mode=False,
        )
        return code if isinstance(code, int) else 0
    except LstmgenError as error:
        click.echo(f"lstmgen: {error}", err=True)
        return error.exit_code
    except NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"lstmgen: {error.format_message()}", err=True)
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"Try: {error.ctx.command_path} --help", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("lstmgen: interrupted", err=True)
        return _INTERRUPTED
    except _OutputLost as lost:
        # The interpreter flushes stdout once more when it ends; that must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(lost.__cause__, BrokenPipeError):
            return _PIPE_CLOSED
        click.echo(f"lstmgen: the output cannot be written: {lost}", err=True)
        return UsageError.exit_code


class _OutputLost(Exception):
    """The reader of our output, such as `head`, has gone, or its disk is full."""


class _Commands(click.Group):
    """Keeps a closed pipe from click, which would report it as a failed check."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and write out what it printed."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO) and error.filename is None:
                raise _OutputLost(error.strerror) from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of their definition, which is the order in which they are used."""
        return list(self.commands)


def _complete_cell(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For the shell: the built-in names that fit, else files."""
    from click.shell_completion import CompletionItem

    from lstmgen.library.loading import names

    found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


_declare = click.option(
    "--declare",
    "declarations",
    multiple=True,
    metavar="'NAME KIND'",
    help="Settle what equations in a text leave open: 'alpha scalar', 'phi = tanh', 'r size P'.",
)


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="lstmgen")
def commands() -> None:
    """From the equations of a recurrent cell to verified NumPy and CuPy modules.

    CELL is the name of a built-in cell, or the path of a file that declares one: a .py file is
    run, a .tex or .txt file holds equations and is only read, and - reads them from standard input.
    """


commands.add_command(list_cells)


@commands.command()
@click.argument("cell", shell_complete=_complete_cell)
@_declare
def show(cell: str, declarations: tuple[str, ...]) -> None:
    """Equations, states, parameters with shapes, and source."""
    from lstmgen.show.describe import describe

    click.echo(describe(_load(cell, declarations)))


@commands.command()
@click.argument("cell", shell_complete=_complete_cell)
@click.option("--forward", "only", flag_value="forward", help="Only the cell's own equations.")
@click.option("--gradients", "only", flag_value="gradients", help="Only the derived gradients.")
@click.option("--standalone", is_flag=True, help="A whole document, ready for pdflatex.")
@_declare
def latex(cell: str, only: str | None, standalone: bool, declarations: tuple[str, ...]) -> None:
    """The equations and their gradients as LaTeX."""
    from lstmgen.show.printing import latex as printer

    write = printer.standalone if standalone else printer.document_body
    loaded = _load(cell, declarations)
    text = write(loaded, forward=only != "gradients", gradients=only != "forward")
    click.echo(text.rstrip("\n"))


@commands.command(short_help="Normal form, products, fused blocks, what is saved, FLOPs, bytes.")
@click.argument("cell", shell_complete=_complete_cell)
@click.option(
    "--target",
    type=click.Choice(_TARGETS),
    help="Also the module's layout and calls (numpy), or launches, kernels and their registers "
    "(cupy).",
)
@_declare
def explain(cell: str, target: str | None, declarations: tuple[str, ...]) -> None:
    """Normal form, matrix products, fused blocks, what is saved, FLOPs and bytes."""
    from lstmgen.show import explaining

    click.echo(explaining.explain(_load(cell, declarations), target))


commands.add_command(diff)


@commands.command()
@click.argument("cells", metavar="CELL...", nargs=-1, shell_complete=_complete_cell)
@click.option(
    "--target",
    "targets",
    type=click.Choice(_TARGETS),
    multiple=True,
    help="What the module runs on; may be given twice.",
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
    "--recompute",
    type=click.Choice(["none", "all"]),
    help="all: keep the states of a few steps only, and run the forward pass again in backward; "
    "for numpy.  [default: none; with --check what the file says]",
)
@_declare
def build(
    cells: tuple[str, ...],
    targets: tuple[str, ...],
    directory: str,
    check: bool,
    force: bool,
    recompute: str | None,
    declarations: tuple[str, ...],
) -> int:
    """Write the module of each CELL into DIR."""
    from lstmgen.targets import building

    if not cells and not check:
        raise UsageError("build needs a CELL, for example: lstmgen build lstm --target numpy")
    if not targets and not check:
        raise UsageError(f"build needs --target {' or --target '.join(_TARGETS)}")
    if recompute and not cells:
        raise UsageError("--recompute goes with a CELL; without one, files say how they were built")
    if recompute:
        from lstmgen.targets.rendering import check_recompute

        for target in targets:
            check_recompute(target, recompute)
    # Loaded before the first is written, so that a mistake in one leaves nothing half done.
    loaded = [_load(cell, declarations) for cell in cells]
    wanted = dict.fromkeys(targets or _TARGETS)
    outcomes = (
        (
            building.build(
                cell, target, directory, check=check, force=force, recompute=recompute
            )
            for cell in loaded
            for target in wanted
        )
        if loaded
        else building.check_folder(directory, wanted)
    )
    differing = count = 0
    for outcome in outcomes:
        count += 1
        if outcome.action == "differs":
            differing += 1
            click.echo(outcome.difference, err=True)
        elif not check:
            click.echo(f"{outcome.path}: {outcome.action}")
    if check:
        click.echo(
            f"lstmgen: {differing} of {count} modules differ; build them again"
            if differing
            else f"lstmgen: {count} modules are up to date",
            err=True,
        )
    return 1 if differing else 0


@commands.command()
@click.argument("subject", metavar="CELL|MODULE.py", shell_complete=_complete_cell)
@click.option("--target", type=click.Choice(_TARGETS), help="For a CELL; numpy if not given.")
@click.option(
    "--cell",
    metavar="FILE",
    shell_complete=_complete_cell,
    help="For a MODULE.py: its cell, where that is not built in.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cuda", "cpu"]),
    default="auto",
    show_default=True,
    help="Where a module for cupy runs: auto takes a CUDA device where there is one, and else "
    "compiles the kernels for the CPU.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a schema version.")
@_declare
def verify(
    subject: str,
    target: str | None,
    cell: str | None,
    device: str,
    as_json: bool,
    declarations: tuple[str, ...],
) -> int:
    """Check derivation and module against the equations at 50 digits.

    CELL: the module that would be built.  MODULE.py: the file as it is, which is run.  The kernels
    of a module for cupy are compiled by NVRTC too.
    """
    from lstmgen import verification
    from lstmgen.cli.progress import ProgressLine

    module = cell is not None or _is_module(subject)
    if target and verification.is_module_file(subject):
        written_for = verification.target_of_file(subject)
        if target != written_for:
            raise UsageError(f"{subject} is written for {written_for}; leave --target out")
    with ProgressLine(sys.stderr) as progress:
        if module:
            own = None if cell is None else _load(cell, declarations)
            report = verification.verify_file(subject, own, device=device, progress=progress)
        else:
            report = verification.verify(
                _load(subject, declarations),
                target or "numpy",
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


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a schema version.")
def doctor(as_json: bool) -> None:
    """What is here: versions, CUDA device, C++ compiler, NVRTC."""
    import json

    from lstmgen.cli import doctor as examination

    findings = examination.examine()
    if as_json:
        click.echo(json.dumps(examination.as_json(findings), indent=2))
    else:
        click.echo(examination.as_text(findings))


def _load(cell: str, declarations: tuple[str, ...] = ()) -> Cell:
    from lstmgen.library.loading import load

    # A cell file may print; our stdout carries data only.
    with contextlib.redirect_stdout(sys.stderr):
        return load(cell, declarations=declarations)


commands.add_command(jacobian.jacobian)
commands.add_command(flow.flow)
commands.add_command(draw)
commands.add_command(report)
