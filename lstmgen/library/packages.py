"""Cells that installed packages offer, through entry points of the group `lstmgen.cells`.

    [project.entry-points."lstmgen.cells"]
    my_cell = "my_package.cells:my_cell"

What the entry point names is a Cell, the path of a file that declares one (relative to the
module), a module that does, or a function without arguments that returns any of these.  The entry
point has the cell's name.  Loading it imports the package.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lstmgen.errors import EquationError, LstmgenError
from lstmgen.library.files import built_in_names, declared, read_cell_file

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["GROUP", "Found", "Offer", "find"]

GROUP = "lstmgen.cells"


@dataclass(frozen=True, slots=True)
class Offer:
    """A cell that a package offers; it is not loaded yet."""

    name: str
    package: str
    entry: metadata.EntryPoint

    def load(self) -> Cell:
        """The cell.

        Raises:
            EquationError: whatever goes wrong; the message names the package.
        """
        where = f"the cell {self.name} of the package {self.package} ({self.entry.value})"
        try:
            cell = self._cell(where)
        except LstmgenError as error:
            text = str(error)
            raise EquationError(text if where in text else f"{where}: {text}") from None
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
            raise EquationError(f"{where} cannot be loaded: {problem}") from error
        if cell.name != self.name:
            raise EquationError(
                f"{where} is called {cell.name}; the entry point must have the same name"
            )
        return cell

    def _cell(self, where: str) -> Cell:
        from lstmgen.cell import Cell

        value = self.entry.load()
        if callable(value):
            value = value()
        if isinstance(value, ModuleType):
            return declared(value, self.name, where)
        if isinstance(value, (str, os.PathLike)):
            folder = Path(getattr(sys.modules[self.entry.module], "__file__", None) or "").parent
            return read_cell_file(folder / value)
        if isinstance(value, Cell):
            return value
        raise EquationError(f"{where} is no cell, module or path, but {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Found:
    """What the installed packages offer: cells by name, and what is wrong with the rest."""

    offers: dict[str, Offer]
    problems: tuple[str, ...]


def find() -> Found:
    """The cells of the packages that can be imported now; nothing of them is imported."""
    offered: dict[str, dict[str, Offer]] = {}
    problems = []
    for distribution in metadata.distributions():
        package = "?"
        try:
            # One by one: in a broken package even reading its entry points may fail.
            entries = [e for e in distribution.entry_points if e.group == GROUP]
            if entries:
                package = str(distribution.name)
        except Exception as error:
            if _mentions_the_group(distribution):
                problems.append(
                    f"the entry points of a package cannot be read ({_place(distribution)}): "
                    f"{type(error).__name__}: {error}"
                )
            continue
        for entry in entries:
            # A package that is found twice is imported from where it is found first.
            offered.setdefault(entry.name, {}).setdefault(
                package, Offer(entry.name, package, entry)
            )
    built_in = built_in_names()
    offers = {}
    for name in sorted(offered):
        by_package = offered[name]
        who = " and ".join(sorted(by_package))
        if name in built_in:
            problems.append(f"the cell {name} of the package {who} is left out: {name} is built in")
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            problems.append(f"the cell {name!r} of the package {who} is left out: it is no name")
        elif len(by_package) > 1:
            problems.append(f"the cell {name} is left out: the packages {who} both offer one")
        else:
            (offers[name],) = by_package.values()
    return Found(offers, tuple(problems))


def _mentions_the_group(distribution: metadata.Distribution) -> bool:
    try:
        return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")
    except Exception:
        return False


def _place(distribution: metadata.Distribution) -> str:
    return str(getattr(distribution, "_path", "unknown place"))
