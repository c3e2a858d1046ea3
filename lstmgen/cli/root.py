"""The command line.  Nothing but click is imported before a command runs, so help is quick.

Data goes to stdout, messages to stderr.  Exit codes: 0 fine; 1 verification failed, or `--check`
found a difference; 2 usage; 3 the equations were refused; 4 a target or device is not available.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from lstmgen import __version__
from lstmgen.cli import flow, jacobian
from lstmgen.cli.build import build
from lstmgen.cli.cells import complete_cell, declare, load_cell
from lstmgen.cli.diff import diff
from lstmgen.cli.draw import draw
from lstmgen.cli.list import list_cells
from lstmgen.cli.output import as_json, echo_json
from lstmgen.cli.report import report
from lstmgen.cli.targets import TargetCommand, TargetName
from lstmgen.cli.verify import verify
from lstmgen.cli.weights import weights
from lstmgen.errors import LstmgenError, UsageError

__all__ = ["main"]

_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
_PIPE_CLOSED = 141  # and for one whose reader went away
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors for the user become one message."""
    if arguments is None:
        # A process of our own: importing SymPy makes many objects and hardly any garbage, and
        # looking through them each time that 700 are new takes a tenth of a short command.
        gc.set_threshold(100_000)
        # Before NumPy is imported.  The matrices of a verification are small: the threads of
        # OpenBLAS would wait for each other, at twice the processor time and no gain.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="lstmgen")
def commands() -> None:
    """From the equations of a recurrent cell to verified modules, for NumPy, CuPy and others.

    CELL is the name of a built-in cell, or the path of a file that declares one: a .py file is
    run, a .tex or .txt file holds equations and is only read, and - reads them from standard input.
    """


commands.add_command(list_cells)


@commands.command()
@click.argument("cell", shell_complete=complete_cell)
@as_json
@declare
def show(cell: str, as_json: bool, declarations: tuple[str, ...]) -> None:
    """Equations, states, parameters with shapes, and source."""
    from lstmgen.show import describe

    loaded = load_cell(cell, declarations)
    if as_json:
        echo_json(describe.as_json(loaded))
    else:
        click.echo(describe.describe(loaded))


@commands.command()
@click.argument("cell", shell_complete=complete_cell)
@click.option("--forward", is_flag=True, help="The cell's own equations.  [default: both]")
@click.option("--gradients", is_flag=True, help="The derived gradients.  [default: both]")
@click.option("--standalone", is_flag=True, help="A whole document, ready for pdflatex.")
@declare
def latex(
    cell: str, forward: bool, gradients: bool, standalone: bool, declarations: tuple[str, ...]
) -> None:
    """The equations and their gradients as LaTeX."""
    from lstmgen import latex as printer

    write = printer.standalone if standalone else printer.document_body
    loaded = load_cell(cell, declarations)
    both = forward == gradients
    text = write(loaded, forward=forward or both, gradients=gradients or both)
    click.echo(text.rstrip("\n"))


@commands.command(
    cls=TargetCommand,
    short_help="Normal form, products, fused blocks, what is saved, FLOPs, bytes.",
)
@click.argument("cell", shell_complete=complete_cell)
@click.option("--target", type=TargetName(), help="Also how the target's module works.")
@as_json
@declare
def explain(cell: str, target: str | None, as_json: bool, declarations: tuple[str, ...]) -> None:
    """Normal form, matrix products, fused blocks, what is saved, FLOPs and bytes."""
    from lstmgen.show import explaining

    loaded = load_cell(cell, declarations)
    if as_json:
        echo_json(explaining.as_json(loaded, target))
    else:
        click.echo(explaining.explain(loaded, target))


commands.add_command(diff)


commands.add_command(build)
commands.add_command(verify)
commands.add_command(weights)


@commands.command()
@as_json
def doctor(as_json: bool) -> None:
    """What is here: versions, CUDA device, C++ compiler, NVRTC."""
    from lstmgen.cli import doctor as examination

    findings = examination.examine()
    if as_json:
        echo_json(examination.as_json(findings))
    else:
        click.echo(examination.as_text(findings))


commands.add_command(jacobian.jacobian)
commands.add_command(flow.flow)
commands.add_command(draw)
commands.add_command(report)
