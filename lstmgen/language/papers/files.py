"""Files and standard input that hold equations."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from lstmgen.errors import EquationError, UsageError
from lstmgen.language.names import objection
from lstmgen.language.papers.reader import Reading, read_equations
from lstmgen.language.papers.source import MAX_CHARACTERS

MAX_BYTES = 4 * MAX_CHARACTERS  # of UTF-8


def read_file(path: Path, declarations: Iterable[str] = (), *, strict: bool = False) -> Reading:
    """The equations that stand in a file; their cell has the file's name.

    Raises:
        UsageError: the file cannot be read.
        EquationError: it holds no equations that can be read and built.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    text = _decoded(content, str(path))
    return read_equations(
        text, name=_name(path.stem), declarations=declarations, label=str(path), strict=strict
    )


def read_standard_input(declarations: Iterable[str] = (), *, strict: bool = False) -> Reading:
    """The equations that come on standard input; their cell is called `cell`.

    Raises:
        EquationError: the text holds no equations that can be read and built.
    """
    label = "standard input"
    text = _decoded(sys.stdin.buffer.read(MAX_BYTES + 1), label)
    return read_equations(text, name="cell", declarations=declarations, label=label, strict=strict)


def _decoded(content: bytes, label: str) -> str:
    if len(content) > MAX_BYTES:
        raise EquationError(
            f"{label}: more than {MAX_BYTES} bytes are not read; give the equations alone"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EquationError(f"{label}:{line}: this is no UTF-8; save the file as UTF-8") from None


def _name(stem: str) -> str:
    """An identifier like the file's name: my-cell.tex declares my_cell."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", stem)
    return name if objection(name) is None else f"cell_{name}"
