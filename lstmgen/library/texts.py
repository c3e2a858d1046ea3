"""Cells that are read from a text: a paper's equations in LaTeX, or plain text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lstmgen.cell import Cell
from lstmgen.language import papers

__all__ = ["read_file", "read_standard_input", "read_tex"]


def read_tex(
    text: str,
    *,
    name: str,
    declarations: Iterable[str] = (),
    label: str = "",
    strict: bool = False,
) -> Cell:
    """The cell whose equations stand in `text`, as LaTeX or as plain text with Unicode.

    Arguments and errors are those of `lstmgen.language.papers.read_equations`; what that finds is
    the cell's `reading`.
    """
    return _cell(
        papers.read_equations(
            text, name=name, declarations=declarations, label=label, strict=strict
        )
    )


def read_file(path: Path, declarations: Iterable[str] = (), *, strict: bool = False) -> Cell:
    """The cell whose equations stand in a file; it has the file's name.

    Raises:
        UsageError: the file cannot be read.
        EquationError: it holds no equations that can be read and built.
    """
    return _cell(papers.read_file(path, declarations, strict=strict))


def read_standard_input(declarations: Iterable[str] = (), *, strict: bool = False) -> Cell:
    """The cell whose equations come on standard input; it is called `cell`.

    Raises:
        EquationError: the text holds no equations that can be read and built.
    """
    return _cell(papers.read_standard_input(declarations, strict=strict))


def _cell(reading: papers.Reading) -> Cell:
    cell = Cell(reading.name, *reading.equations, output=reading.output, sizes=reading.sizes)
    cell.reading = reading
    return cell
