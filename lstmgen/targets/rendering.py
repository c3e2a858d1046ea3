"""From a cell to the source of a module, and to the module in memory, for any target."""

from __future__ import annotations

import os
import types
from typing import TYPE_CHECKING

from lstmgen.targets import registry

if TYPE_CHECKING:
    from lstmgen.stages import Stages
    from lstmgen.targets.target import Files, Target

__all__ = ["compile", "files", "render"]


def render(
    cell: Stages | str | os.PathLike[str], target: str | Target, **options: str | None
) -> str:
    """The source of the module that computes a cell on a target.

    The same cell, target and options give the same text everywhere.

    Args:
        cell: a cell, or what `lstmgen.load` takes.
        target: the name of a target, such as "numpy", or a `lstmgen.targets.Target`.
        options: those of the target, as `recompute="all"`; `lstmgen build --help` lists them.

    Raises:
        UsageError: there is no such target, or it has no such option.
        EquationError: the target has not all the functions that the cell needs.
        UnavailableError: the target cannot be loaded.
    """
    return next(iter(files(cell, target, **options).values()))


def files(
    cell: Stages | str | os.PathLike[str], target: str | Target, **options: str | None
) -> Files:
    """The text of all files that `lstmgen build` writes, by name, the module first.

    Arguments and errors are those of `render`.
    """
    found = registry.get(target)
    settled = found.settle(options)
    loaded = as_cell(cell)
    found.check_functions(loaded)
    return found.files(loaded, settled)


def compile(
    cell: Stages | str | os.PathLike[str], target: str | Target, **options: str | None
) -> types.ModuleType:
    """The module that computes a cell on a target, in memory.

    Args: as in `render`.

    Raises:
        UsageError, EquationError: as `render`.
        UnavailableError: the target's array library cannot be imported here.
    """
    found = registry.get(target)
    return found.load(files(cell, found, **options), found.devices[0])


def as_cell(cell: Stages | str | os.PathLike[str]) -> Stages:
    """A cell as it is; a name or a path is loaded."""
    if isinstance(cell, (str, os.PathLike)):
        from lstmgen.library.loading import load

        return load(cell)
    return cell
