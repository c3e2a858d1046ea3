"""Generated modules as files: which cell and target a file is for, and loading it as it is."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from lstmgen.errors import LstmgenError, UsageError, VerificationError

_NEEDED = ("forward", "backward")


def is_module_file(path: str | os.PathLike[str]) -> bool:
    """Whether the file is a generated module (it defines CELL, forward and backward), not a cell.

    The file is parsed, not run.  A file that cannot be parsed is not one.
    """
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return all(name in defined for name in _NEEDED) and "CELL" in _assigned(tree)


def check_syntax(path: str | os.PathLike[str]) -> None:
    """Raise `VerificationError` if the file is no Python, with the line."""
    try:
        ast.parse(Path(path).read_bytes())
    except SyntaxError as error:
        raise VerificationError(f"{path}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise VerificationError(f"{path}: {error}") from None


def target_of_file(path: str | os.PathLike[str]) -> str:
    """The target that a module file is written for: "cupy" if it imports CuPy, else "numpy"."""
    tree = ast.parse(Path(path).read_bytes())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    return "cupy" if "cupy" in imported else "numpy"


def load_module_file(
    path: str | os.PathLike[str], load: Callable[[str, str], ModuleType] | None = None
) -> ModuleType:
    """Run the file as it is on disk and return its module.

    `load` makes a module from a source and a name, by default as an import would.  Nothing is
    taken from a cache, and no bytecode is written.  Raises `UsageError` when the file cannot be
    read, and `VerificationError` when it does not run, with the reason.
    """
    file = Path(path)
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    try:
        return load(source, file.stem) if load else _load(source, file)
    except LstmgenError:
        raise
    except Exception as error:
        raise VerificationError(
            f"{file} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _load(source: str, file: Path) -> ModuleType:
    module = ModuleType(f"lstmgen_module_file_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # a dataclass looks its module up while it is made
    try:
        exec(compile(source, str(file), "exec", dont_inherit=True), module.__dict__)
    finally:
        sys.modules.pop(module.__name__, None)
    return module


def _assigned(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names.update(t.id for t in targets if isinstance(t, ast.Name))
    return names
