"""Read the file that declares a cell.

A `.py` cell file is a Python program, and reading it runs it.  Read only files that you would also
run.  Files of equations are not run.
"""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from lstmgen.errors import EquationError, LstmgenError, UsageError

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["built_in_names", "declared", "is_text", "read_cell_file", "read_text"]


@cache
def built_in_names() -> tuple[str, ...]:
    """The names of the built-in cells, sorted."""
    folder = Path(__file__).with_name("cells")
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


def is_text(given: str) -> bool:
    """Whether a cell is given as equations in a text: standard input, or a .tex, .txt, .md file."""
    return given == "-" or Path(given).suffix.lower() in _TEXT_SUFFIXES


def read_cell_file(path: Path) -> Cell:
    """The cell that a file declares; errors are those of `load`."""
    if is_text(str(path)):
        return read_text(str(path), (), False)
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


def read_text(given: str, declarations: tuple[str, ...], strict: bool) -> Cell:
    """The cell whose equations stand in a text; errors are those of `load`."""
    from lstmgen.library.texts import read_file, read_standard_input

    if given == "-":
        return read_standard_input(declarations, strict=strict)
    path = Path(given)
    if not path.exists():
        raise UsageError(_missing(path))
    if not path.is_file():
        raise UsageError(f"{given} is not a file; give a file that holds equations")
    return read_file(path, declarations, strict=strict)


def _missing(path: Path) -> str:
    if path.stem in built_in_names() and path.parent == Path():
        return f"there is no file {path}; the built-in cell is named without a suffix: {path.stem}"
    return f"there is no file {path}"


def _from_python(path: Path) -> Cell:
    return declared(_run(path), path.stem, str(path))


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
