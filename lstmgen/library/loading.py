"""Find a cell: a built-in one or one of an installed package by its name, or one from a file.

A `.py` cell file is a Python program, and loading it runs it.  Load only files that you would
also run.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import os
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.errors import UsageError
from lstmgen.library.files import built_in_names, declared, is_text, read_cell_file, read_text
from lstmgen.library.packages import find

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["load", "names", "summary"]

_CELLS = "lstmgen.library.cells"


def names() -> tuple[str, ...]:
    """The names of the built-in cells and of those that installed packages offer, sorted.

    Nothing is loaded, so that a cell of a package may turn out to be broken.
    """
    return tuple(sorted({*built_in_names(), *find().offers}))


def summary(name: str) -> str:
    """The first line of a built-in cell's docstring; the cell itself is not loaded.

    Raises:
        UsageError: there is no built-in cell of that name.
    """
    if name not in built_in_names():
        raise _unknown(name)
    source = pkgutil.get_data(_CELLS, f"{name}.py")
    assert source is not None, "built-in cells are files of the package"
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def load(
    name_or_path: str | os.PathLike[str],
    *,
    declarations: Iterable[str] = (),
    strict: bool = False,
) -> Cell:
    """The cell of that name, or the cell that the file at that path declares.

    A name is that of a built-in cell, or of one that an installed package offers
    (`lstmgen.library.packages`); the package is then imported.

    A `.py` file is run; a `.tex`, `.txt`, `.md` or `.rst` file holds equations and is only read,
    and so is standard input, `-`.  For these, declarations such as "alpha scalar" settle what the
    equations leave open, and `strict` asks about everything that was inferred from them.

    A file must declare one cell.  Where it holds several, the one in the variable `cell`, or of
    the file's own name, is taken.  A file's docstring is the cell's source where it gives none.

    Raises:
        UsageError: there is no such cell or file, or no reader for such files, or declarations
            are given for a cell that takes none.
        EquationError: the file declares no cell, stops with an error, or its equations cannot be
            built; the message has the file and the line.  So for a package's cell.
    """
    given = os.fspath(name_or_path)
    if is_text(given):
        return read_text(given, tuple(declarations), strict)
    if tuple(declarations):
        raise UsageError(f"declarations are for equations in a text, and {given} is none")
    if given in built_in_names():
        return declared(importlib.import_module(f"{_CELLS}.{given}"), given, given)
    path = Path(given)
    if not path.suffix and not path.exists() and path.name == given:
        offer = find().offers.get(given)
        if offer is None:
            raise _unknown(given)
        return offer.load()
    return read_cell_file(path)


def _unknown(name: str) -> UsageError:
    known = names()
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    built_in = built_in_names()
    others = [n for n in known if n not in built_in]
    return UsageError(
        f"there is no cell {name!r}"
        + (f"; did you mean {close[0]}?" if close else ".")
        + f" Built in are {', '.join(built_in)}; "
        + (f"packages offer {', '.join(others)}; " if others else "")
        + "a cell of your own is given as the path of its file, like ./my_cell.py"
    )
