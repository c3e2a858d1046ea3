"""Reading a text of equations as a cell, and telling how each symbol was read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.cell import Cell
from lstmgen.errors import EquationError
from lstmgen.language import notation
from lstmgen.language.papers.building import Builder
from lstmgen.language.papers.declarations import declared
from lstmgen.language.papers.roles import Roles, left_side
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.spelling import time_letter
from lstmgen.language.papers.syntax import parse


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """How one symbol was read.

    Attributes:
        written: as it stands in the text where it first occurs.
        name: what the cell calls it.
        role: "state", "input", "value", "matrix", "vector parameter", "scalar parameter",
            "function" or "number".
        shape: its symbolic shape, as ("H", "H+D"); empty for a scalar, a function or a number.
        line: where it first occurs.
    """

    written: str
    name: str
    role: str
    shape: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        shape = f" ({', '.join(self.shape)})" if self.shape else ""
        return f"line {self.line}: {self.written} is {self.name}, {self.role}{shape}"


class TextCell(Cell):
    """A cell that was read from a text; `symbols` tells how each of its symbols was read."""

    symbols: tuple[ReadSymbol, ...] = ()


def read_tex(
    text: str, *, name: str, declarations: Iterable[str] = (), label: str = ""
) -> TextCell:
    """The cell whose equations stand in `text`, as LaTeX or as plain text with Unicode.

    Args:
        text: the equations, alone or within a document.
        name: the name of the cell, an identifier.
        declarations: as in the lines `% lstmgen: alpha scalar` of a text, `"alpha scalar"`; these
            win over those in the text.
        label: what messages call the text; its name unless given.

    Raises:
        EquationError: the text cannot be read, or its equations cannot be built; the message
            gives the line, and a caret under the place.
    """
    source = Source(text, label or name)
    try:
        return _read(source, name, declarations)
    except RecursionError:
        raise EquationError(
            f"{source.name}: an equation is nested too deeply; name parts of it in equations of "
            "their own"
        ) from None


def _read(source: Source, name: str, extra: Iterable[str]) -> TextCell:
    chunks = source.chunks()
    if not chunks:
        raise EquationError(
            f"{source.name}: no equations found; write them as $$ f_t = ... $$, in an align "
            "environment, or one a line"
        )
    declarations = declared(source, extra)
    parsed = [parse(source, chunk) for chunk in chunks]
    letter = time_letter(source, [n for e in parsed for n in (e.left, e.right)])
    roles = Roles(source, parsed, declarations, letter)
    builder = Builder(source, roles, declarations, letter)
    equations = []
    for equation in roles.equations:
        left = left_side(source, equation, letter)
        right = builder.build(equation.right)
        equations.append(notation.Eq(builder.vector(left), right.expression))
    output = declarations.output or _output(source, roles, letter)
    lines = [source.line(e.left.position) for e in roles.equations]
    try:
        cell = TextCell(name, *equations, output=output, sizes=declarations.sizes)
    except EquationError as error:
        match = re.search(r"equation \((\d+)\)", str(error))
        line = f":{lines[int(match[1]) - 1]}" if match else ""
        raise EquationError(f"{source.name}{line}: {error}") from None
    cell.symbols = _symbols(cell, source, roles)
    return cell


def _output(source: Source, roles: Roles, letter: str) -> str:
    defined = [left_side(source, e, letter).identifier for e in roles.equations]
    if "h" in defined or not defined:
        return "h"
    raise EquationError(
        f"{source.name}: no equation defines h, so which vector the cell returns is not said; "
        f"declare it: % lstmgen: {defined[-1]} output (defined are {', '.join(defined)})"
    )


def _symbols(cell: Cell, source: Source, roles: Roles) -> tuple[ReadSymbol, ...]:
    form = cell.normal_form
    found = []
    for name, seen in roles.seen.items():
        shape: tuple[str, ...] = ()
        if name in form.sizes:
            shape = (form.sizes[name],)
            role = "state" if name in form.states else "value"
            role = "input" if name in form.inputs else role
            if name in form.scalar_inputs:
                shape, role = ("1",), "scalar input"
            role += " and output" if name == form.output else ""
        elif name in form.parameters:
            shape = form.shape(name)
            role = "matrix" if name in form.weights else "vector parameter"
            role = "scalar parameter" if name in form.scalars else role
        elif name in roles.functions:
            role = "function"
        else:
            continue
        found.append(ReadSymbol(seen.written, name, role, shape, source.line(seen.position)))
    return tuple(found)
