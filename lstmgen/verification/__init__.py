"""Numerical verification of derived gradients and of modules::

    lstmgen.verify(cell)                       the derivation, and the generated module
    verify_file("generated/lstm_numpy.py")     a module file as it is on disk
    verify_module(module, cell)                a module object
    Verifier(cell)                             many modules of one cell

All of them return a `Report`; `report.ok` is the verdict, `str(report)` the table.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lstmgen import targets
from lstmgen.errors import UsageError
from lstmgen.stages import Stages
from lstmgen.targets.target import Target
from lstmgen.verification.derivation import check_derivation
from lstmgen.verification.files import (
    check_syntax,
    is_module_file,
    load_module_file,
    target_of_file,
)
from lstmgen.verification.report import SCHEMA_VERSION, Check, Report
from lstmgen.verification.runners import Runner, build_runner, file_runner, make_runner
from lstmgen.verification.verifier import Progress, Verifier

__all__ = [
    "SCHEMA_VERSION",
    "Check",
    "Progress",
    "Report",
    "Runner",
    "Verifier",
    "build_runner",
    "check_derivation",
    "file_runner",
    "is_module_file",
    "load_module_file",
    "make_runner",
    "target_of_file",
    "verify",
    "verify_file",
    "verify_module",
]


def verify(
    cell: Stages | str | os.PathLike[str],
    target: str | Target = targets.DEFAULT,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the derivation of a cell and the module that lstmgen generates for it.

    Args:
        cell: a cell, or what `lstmgen.load` takes.
        target: the name of a target, such as "numpy", or a `lstmgen.targets.Target`.
        device: one of the target's devices: "cpu" for numpy; for cupy "cuda", or "cpu", where the
            kernels are compiled for the CPU (this needs a C++ compiler) and CuPy is not needed.
            By default, or with "auto", it is the first that is here.
        progress: called with a text and the part of the work done, 0 to 1.

    Raises:
        UsageError: an unknown target or device.
        UnavailableError: the target or device is not available here.
        VerificationError: the equations cannot be evaluated at any random point.
    """
    found = _cell(cell)
    return Verifier(found, target).verify(build_runner(found, target, device), progress)


def verify_module(
    module: Any,
    cell: Stages | str | os.PathLike[str],
    target: str | Target = targets.DEFAULT,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify a module object (anything with the functions of a generated module) for a cell.

    Arguments and errors are those of `verify`.
    """
    name = getattr(module, "__name__", type(module).__name__)
    runner = make_runner(module, target, device, name)
    return Verifier(_cell(cell), target).verify(runner, progress)


def verify_file(
    path: str | os.PathLike[str],
    cell: Stages | str | os.PathLike[str] | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify a module file as it is on disk, however it was edited.  Loading it runs it.

    Args:
        path: the file.
        cell: its cell; by default the built-in cell that the module's CELL names.
        device: as for `verify`; the file says its target itself.
        progress: as for `verify`.

    Raises:
        UsageError: the file is not a generated module, cannot be read, or is for a cell that is
            not built in and was not given.
        UnavailableError: as for `verify`.
        VerificationError: as for `verify`, or the file does not run.
    """
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}")
    check_syntax(path)
    if not is_module_file(path):
        raise UsageError(f"{path} is not a generated module: it defines no CELL, forward, backward")
    runner = file_runner(path, device)
    found = _cell(cell) if cell is not None else _built_in(runner.module.CELL, path)
    if found.name != runner.module.CELL:
        raise UsageError(
            f"{path} is a module of the cell {runner.module.CELL!r}, not of {found.name!r}"
        )
    return Verifier(found, runner.target).verify(runner, progress)


def _cell(cell: Stages | str | os.PathLike[str]) -> Stages:
    if isinstance(cell, Stages):
        return cell
    from lstmgen.library.loading import load

    return load(cell)


def _built_in(name: Any, path: str | os.PathLike[str]) -> Stages:
    from lstmgen.library.loading import load, names

    if name not in names():
        raise UsageError(
            f"{path} is a module of the cell {name!r}, which is not built in; "
            "give the file that declares it too"
        )
    return load(name)
