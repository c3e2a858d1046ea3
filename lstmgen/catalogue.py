"""What the built-in cells' files say about them: family, year, paper, what confirms it.

The facts stand in the docstring of each file, one field a line, `Family: LSTM`, continued on the
lines below it.  They are read without loading the cell.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from dataclasses import dataclass
from functools import cache

from lstmgen.errors import UsageError
from lstmgen.library import names

__all__ = ["Entry", "entry", "families"]

_FIELD = re.compile(r"^([A-Z][a-z]+): (.*)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """A built-in cell as its file describes it.

    Attributes:
        name: the cell's name.
        summary: one line on what makes it different.
        family: "RNN", "LSTM", "GRU", "Parallel" or "Differential".
        year: of the paper.
        source: the paper, with the numbers of the equations.
        status: what confirms the equations: PAPER (the paper's text was read), AUTHORS (their
            code), IMPL (independent implementations), RUN (one was executed); empty if not said.
        disagreement: where sources disagree; empty if nowhere.
    """

    name: str
    summary: str
    family: str
    year: int
    source: str
    status: str = ""
    disagreement: str = ""


@cache
def entry(name: str) -> Entry:
    """The description of a built-in cell.

    Raises:
        UsageError: there is no built-in cell of that name.
    """
    if name not in names():
        raise UsageError(f"there is no built-in cell {name!r}; see lstmgen list")
    code = pkgutil.get_data("lstmgen.cells", f"{name}.py")
    assert code is not None, "built-in cells are files of the package"
    docstring = ast.get_docstring(ast.parse(code)) or ""
    fields = _fields(docstring)
    return Entry(
        name=name,
        summary=docstring.partition("\n")[0],
        family=fields["Family"],
        year=int(fields["Year"]),
        source=fields["Source"],
        status=fields.get("Status", ""),
        disagreement=fields.get("Disagreement", ""),
    )


def families() -> dict[str, tuple[Entry, ...]]:
    """All built-in cells by family, the oldest first within each, families in a fixed order."""
    entries = sorted(map(entry, names()), key=lambda e: (e.year, e.name))
    order = ("RNN", "LSTM", "GRU", "Parallel", "Differential")
    return {family: tuple(e for e in entries if e.family == family) for family in order}


def _fields(docstring: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    current = None
    for line in docstring.splitlines()[1:]:
        if match := _FIELD.match(line):
            current = match[1]
            fields[current] = match[2]
        elif not line.strip():
            current = None
        elif current is not None:
            fields[current] += " " + line.strip()
    return fields
