"""Generated modules as files: which cell and target a file is for, and loading it as it is."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from types import ModuleType

from lstmgen import targets
from lstmgen.errors import LstmgenError, UnavailableError, UsageError, VerificationError
from lstmgen.targets.common.header import read_header
from lstmgen.targets.target import Target
from lstmgen.verification.exits import exits_raise

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
    """The target that a module file is written for.

    It is the one whose packages the file imports, else the one that its first line names.
    """
    content = Path(path).read_bytes()
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(content))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    found, _ = targets.available()
    for name, target in found.items():
        if target.imports & imported:
            return name
    header = read_header(content)
    return header.target if header else targets.DEFAULT


def load_module_file(
    path: str | os.PathLike[str],
    target: str | Target | None = None,
    device: str | None = None,
) -> ModuleType:
    """Run the file as it is on disk and return its module.

    Nothing is taken from a cache, and no bytecode is written.  Target and device are by default
    those that the file is written for.

    Raises:
        UsageError: the file cannot be read.
        VerificationError: it does not run, with the reason.
        UnavailableError: the device cannot be used here.
    """
    file = Path(path)
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    found = targets.get(target or target_of_file(file))
    try:
        chosen = device or found.choose_device()
        with exits_raise():
            return found.load({file.name: source}, chosen, file.parent)
    except UnavailableError as error:
        raise VerificationError(f"{file} cannot be imported: {error}") from error
    except LstmgenError:
        raise
    except SystemExit as error:
        raise VerificationError(f"{file} exits ({error.code}) instead of being a module") from None
    except Exception as error:
        raise VerificationError(
            f"{file} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _assigned(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names.update(t.id for t in targets if isinstance(t, ast.Name))
    return names
