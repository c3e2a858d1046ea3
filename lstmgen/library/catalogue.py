"""What cells' files say about them: family, year, paper, what confirms it.

The facts stand in the docstring of each file, one field a line, `Family: LSTM`, continued on the
lines below it.  They are read without loading the cell.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from lstmgen.errors import EquationError, UsageError
from lstmgen.library.files import built_in_names
from lstmgen.library.packages import Offer

__all__ = ["Entry", "described", "entry", "families", "of_packages"]

_ORDER = ("RNN", "LSTM", "GRU", "Parallel", "Differential")
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

    @property
    def citation(self) -> str:
        """The paper in short, by authors and year: "Gers et al. 2000"."""
        papers = self.source.split("; ")
        paper = next((p for p in papers if str(self.year) in p), papers[0])
        authors, quote, _ = paper.removeprefix("after ").partition(', "')
        if not quote:
            authors = authors.partition(", arXiv")[0]
        people = [re.sub(r"^(?:\w\. )+", "", name) for name in authors.split(", ")]
        if len(people) > 2:
            people = [f"{people[0]} et al."]
        return " ".join([" & ".join(people), str(self.year) if self.year else ""]).strip()


@cache
def entry(name: str) -> Entry:
    """The description of a built-in cell.

    Raises:
        UsageError: there is no built-in cell of that name.
    """
    if name not in built_in_names():
        raise UsageError(f"there is no built-in cell {name!r}; see lstmgen list")
    code = pkgutil.get_data("lstmgen.library.cells", f"{name}.py")
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
    return _by_family(map(entry, built_in_names()))


def described() -> tuple[dict[str, tuple[Entry, ...]], tuple[str, ...]]:
    """`families`, but a file that cannot be read is a line of the second result, and no error."""
    found, problems = [], []
    for name in built_in_names():
        try:
            found.append(entry(name))
        except (SyntaxError, KeyError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
            problems.append(f"the built-in cell {name} is not described as it should be: {problem}")
    return _by_family(found), tuple(problems)


def of_packages(
    offers: Mapping[str, Offer],
) -> tuple[dict[str, tuple[Entry, ...]], tuple[str, ...]]:
    """The cells of packages, by package, and what is wrong with those that cannot be loaded."""
    found: dict[str, list[Entry]] = {}
    problems = []
    for offer in offers.values():
        try:
            cell = offer.load()
        except EquationError as error:
            problems.append(str(error))
            continue
        fields = _fields(cell.source)
        year = fields.get("Year", "")
        described = Entry(
            name=cell.name,
            summary=cell.source.partition("\n")[0],
            family=fields.get("Family", ""),
            year=int(year) if year.isdecimal() else 0,
            source=fields.get("Source", ""),
            status=fields.get("Status", ""),
            disagreement=fields.get("Disagreement", ""),
        )
        found.setdefault(offer.package, []).append(described)
    return {package: tuple(found[package]) for package in sorted(found)}, tuple(problems)


def _by_family(entries: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    ordered = sorted(entries, key=lambda e: (e.year, e.name))
    return {family: tuple(e for e in ordered if e.family == family) for family in _ORDER}


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
