"""Runners: a module where its target runs it, made from a cell, a file or a module object."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lstmgen import targets
from lstmgen.stages import Stages
from lstmgen.targets import rendering
from lstmgen.targets.target import Runner, Target
from lstmgen.verification.files import load_module_file, target_of_file

__all__ = ["Runner", "build_runner", "file_runner", "make_runner"]


def make_runner(
    module: Any,
    target: str | Target = targets.DEFAULT,
    device: str | None = None,
    name: str = "generated",
) -> Runner:
    """A runner for a module that is loaded; `device` may be left out, and must not say otherwise.

    Raises:
        UsageError: no such target or device, or not the module's.
        UnavailableError: the target or the device is not available here.
    """
    return targets.get(target).runner(module, device, name)


def build_runner(
    cell: Stages, target: str | Target = targets.DEFAULT, device: str | None = None
) -> Runner:
    """A runner for the module that lstmgen generates for the cell, made in memory.

    `device` is one of the target's; by default, or with "auto", the first of them that is here.
    Errors are those of `make_runner`.
    """
    found = targets.get(target)
    chosen = found.choose_device(device)
    found.check_available(chosen)
    return found.runner(found.load(rendering.files(cell, found), chosen), chosen)


def file_runner(path: str | os.PathLike[str], device: str | None = None) -> Runner:
    """A runner for a module file as it is on disk; `device` as for `build_runner`.

    Raises:
        UsageError, UnavailableError: as `make_runner`, and where the file cannot be read.
        VerificationError: the file does not run.
    """
    found = targets.get(target_of_file(path))
    chosen = found.choose_device(device)
    found.check_available(chosen)
    return found.runner(load_module_file(path, found, chosen), chosen, Path(path).name)
