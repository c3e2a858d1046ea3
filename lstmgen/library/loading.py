"""Find a cell: a built-in one or one of an installed package by its name, or one from a file.

A `.py` cell file is a Python program, and loading it runs it.  Load only files that you would
also run.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from lstmgen.errors import EquationError, LstmgenError, UsageError

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["built_in_names", "declared", "is_text", "load", "names", "read_cell_file", "summary"]

_CELLS = "lstmgen.library.cells"


def names() -> tuple[str, ...]:
    """The names of the built-in cells and of those that installed packages offer, sorted.

    Nothing is loaded, so that a cell of a package may turn out to be broken.
    """
    from lstmgen.library.packages import find

    return tuple(sorted({*built_in_names(), *find().offers}))


@cache
def built_in_names() -> tuple[str, ...]:
    """The names of the built-in cells, sorted."""
    folder = Path(__file__).with_name("cells")
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


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
        return _from_text(given, tuple(declarations), strict)
    if tuple(declarations):
        raise UsageError(f"declarations are for equations in a text, and {given} is none")
    if given in built_in_names():
        return declared(importlib.import_module(f"{_CELLS}.{given}"), given, given)
    path = Path(given)
    if not path.suffix and not path.exists() and path.name == given:
        from lstmgen.library.packages import find

        offer = find().offers.get(given)
        if offer is None:
            raise _unknown(given)
        return offer.load()
    return read_cell_file(path)


def is_text(given: str) -> bool:
    """Whether a cell is given as equations in a text: standard input, or a .tex, .txt, .md file."""
    return given == "-" or Path(given).suffix.lower() in _TEXT_SUFFIXES


def read_cell_file(path: Path) -> Cell:
    """The cell that a file declares; errors are those of `load`."""
    if is_text(str(path)):
        return _from_text(str(path), (), False)
    read = _READERS.get(path.suffix.lower())
    if not path.exists():
        raise UsageError(_missing(path))
    if not path.is_file():
        raise UsageError(f"{path} is not a file; give a file that declares a cell")
    if read is None:
        raise UsageError(
            f"{path}: lstmgen cannot tell how to read this file; "
            f"a cell file is named {' or '.join('*' + s for s in (*_READERS, *_TEXT_SUFFIXES))}"
        )
    return read(path)


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


def _missing(path: Path) -> str:
    if path.stem in built_in_names() and path.parent == Path():
        return f"there is no file {path}; the built-in cell is named without a suffix: {path.stem}"
    return f"there is no file {path}"


def _from_python(path: Path) -> Cell:
    return declared(_run(path), path.stem, str(path))


def _from_text(given: str, declarations: tuple[str, ...], strict: bool) -> Cell:
    from lstmgen.language.papers import read_file, read_standard_input

    if given == "-":
        return read_standard_input(declarations, strict=strict)
    path = Path(given)
    if not path.exists():
        raise UsageError(_missing(path))
    if not path.is_file():
        raise UsageError(f"{given} is not a file; give a file that holds equations")
    return read_file(path, declarations, strict=strict)


_TEXT_SUFFIXES = (".tex", ".txt", ".md", ".rst")

_READERS: Mapping[str, Callable[[Path], Cell]] = {".py": _from_python}
"""How a file is read, by its suffix."""


def _run(path: Path) -> ModuleType:
    """Run a cell file in a namespace of its own; nothing is cached and no bytecode is written."""
    name = f"lstmgen_cell_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(
        name, path, loader=SourceFileLoader(name, str(path))
    )
    assert spec is not None, "a spec is always made when the loader is given"
    module = importlib.util.module_from_spec(spec)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    folder = str(path.resolve().parent)
    sys.modules[name] = module  # a class body looks its module up here
    importable = folder in sys.path
    if not importable:
        sys.path.append(folder)  # a cell file may import its neighbours
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        raise EquationError(_syntax_message(error, path)) from None
    except (Exception, SystemExit) as error:
        raise EquationError(_failure(error, path)) from None
    finally:
        if not importable and folder in sys.path:
            sys.path.remove(folder)
        sys.modules.pop(name, None)
    return module


def _syntax_message(error: SyntaxError, path: Path) -> str:
    where = f"{error.filename or path}:{error.lineno}" if error.lineno else str(path)
    message = f"{where}: {error.msg}"
    if not error.text:
        return message
    line = error.text.rstrip("\n")
    column = len(line[: max((error.offset or 1) - 1, 0)])
    kept = line.lstrip()
    return f"{message}\n    {kept}\n    {' ' * max(column - (len(line) - len(kept)), 0)}^"


def _failure(error: BaseException, path: Path) -> str:
    where = f"{path}:{_line(error.__traceback__, str(path))}"
    if isinstance(error, LstmgenError):
        return f"{where}: {error}"
    if isinstance(error, SystemExit):
        return f"{where}: the file exits instead of declaring a cell"
    return f"{where}: {type(error).__name__}: {error}".rstrip(": ")


def _line(traceback: TracebackType | None, file: str) -> int:
    """The line of the user's file at which the error left it."""
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def declared(module: ModuleType, own_name: str, where: str) -> Cell:
    """The one cell of a module; its docstring becomes the cell's source where there is none."""
    from lstmgen.cell import Cell

    # By identity: two names for one cell are one cell.
    found = {id(v): v for v in vars(module).values() if isinstance(v, Cell)}
    cells = list(found.values())
    if not cells:
        raise EquationError(
            f"{where} declares no cell; write for example my_cell = Cell('my_cell', Eq(...), ...)"
        )
    if len(cells) > 1:
        preferred = [
            *(v for v in [getattr(module, "cell", None)] if isinstance(v, Cell)),
            *(v for v in [getattr(module, own_name, None)] if isinstance(v, Cell)),
            *(c for c in cells if c.name == own_name),
        ]
        if not preferred:
            raise EquationError(
                f"{where} declares {len(cells)} cells ({', '.join(c.name for c in cells)}) and "
                "none is marked; assign the one that is meant to the variable `cell`"
            )
        cells = preferred
    if not cells[0].source:
        cells[0].source = inspect.cleandoc(module.__doc__ or "")
    return cells[0]
