"""What differs between two cells: equations, parameters, gradients and schedule.

Everything is compared up to the names and the order of terms and factors, so that a cell and the
same one in another paper's notation differ in nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.show.comparing.correspondence import Correspondence, own_definitions, parameter_blocks
from lstmgen.show.comparing.lines import Item, Lines
from lstmgen.stages import Stages

__all__ = ["SCHEMA", "Comparison", "Section", "compare"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""

_WIDTH = 98


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the comparison.

    Attributes:
        title: "Equations", "Gradients", ...
        same: the names of what is the same, as the first cell calls it.
        first, second: per difference, the lines of the first cell and of the second.
    """

    title: str
    same: tuple[str, ...]
    differences: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def __str__(self) -> str:
        if not self.differences:
            return f"{self.title}: the same"
        lines = [self.title]
        if self.same:
            lines += _wrapped("the same: ", self.same)
        for first, second in self.differences:
            lines += [f"  - {line}" for line in first]
            lines += [f"  + {line}" for line in second]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between the cells `first` and `second`.

    Attributes:
        renamed: what corresponds under different names, as (name in first, name in second).
        sections: the parts that were compared.
    """

    first: str
    second: str
    renamed: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def same(self) -> bool:
        """Whether both compute the same; names, and how blocks form matrices, may differ."""
        return not any(section.differences for section in self.sections[:2])

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "schema": SCHEMA,
            "first": self.first,
            "second": self.second,
            "same": self.same,
            "renamed": [list(pair) for pair in self.renamed],
            "sections": [
                {
                    "title": section.title,
                    "same": list(section.same),
                    "differences": [
                        {"first": list(first), "second": list(second)}
                        for first, second in section.differences
                    ],
                }
                for section in self.sections
            ],
        }

    def __str__(self) -> str:
        head = [f"- {self.first}", f"+ {self.second}"]
        if self.same:
            head.append("They compute the same" + (", but for names." if self.renamed else "."))
        parts = ["\n".join(head)]
        if self.renamed:
            pairs = [f"{first} is {second}" for first, second in self.renamed]
            parts.append("\n".join(["Other names", *_wrapped("", pairs)]))
        return "\n\n".join([*parts, *map(str, self.sections)])


def _wrapped(lead: str, items: Iterable[str]) -> list[str]:
    """A list with commas, in lines that break between its items."""
    lines = [f"    {lead}"]
    for item in items:
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append("    ")
        lines[-1] += f"{item}, "
    return [line.rstrip() for line in [*lines[:-1], lines[-1].removesuffix(", ")]]


def compare(first: Stages, second: Stages) -> Comparison:
    """Compare two cells; the vectors and parameters of one are matched with the other's."""
    match = Correspondence(first, second)
    a = Lines(first, str, str)
    b = Lines(second, match.value_of_b, match.parameter_of_b)
    return Comparison(
        first.name,
        second.name,
        _renamed(match, first, second),
        (
            _paired("States, inputs, output", a.vectors(), b.vectors()),
            _paired("Equations", a.equations(), b.equations()),
            _paired("Parameters", a.parameters(), b.parameters()),
            _paired("Gradients", a.gradients(), b.gradients()),
            _listed("Schedule", a.schedule(), b.schedule()),
        ),
    )


def _renamed(match: Correspondence, first: Stages, second: Stages) -> tuple[tuple[str, str], ...]:
    """Vectors, then parameters and blocks of matrices."""
    form = second.normal_form
    own = {*form.inputs, *(d.name for d in own_definitions(form))}
    pairs = [(a, b) for b, a in match.values.items() if b in own]
    pairs += [(_short(first, a), _short(second, b)) for b, a in match.parameters.items()]
    return tuple((a, b) for a, b in pairs if a != b)


def _short(cell: Stages, parameter: str) -> str:
    """A matrix that has but one block goes by its own name."""
    weight = parameter.partition("[")[0]
    return weight if len(parameter_blocks(cell.normal_form, weight)) == 1 else parameter


def _paired(title: str, first: Iterable[Item], second: Iterable[Item]) -> Section:
    """Lines that are about the same stand together."""
    of_second: dict[str, list[Item]] = {}
    for item in second:
        of_second.setdefault(item.name, []).append(item)
    of_first: dict[str, list[Item]] = {}
    for item in first:
        of_first.setdefault(item.name, []).append(item)
    same, differences = [], []
    for name, items in of_first.items():
        others = of_second.pop(name, [])
        if [i.key for i in items] == [i.key for i in others]:
            same.append(name)
        else:
            differences.append((_lines(items), _lines(others)))
    differences += [((), _lines(others)) for others in of_second.values()]
    return Section(title, tuple(same), tuple(differences))


def _listed(title: str, first: Iterable[Item], second: Iterable[Item]) -> Section:
    """Lines by the part that they belong to; those that both cells have are left out."""
    parts: dict[str, tuple[list[Item], list[Item]]] = {}
    for side, items in enumerate((first, second)):
        for item in items:
            parts.setdefault(item.name, ([], []))[side].append(item)
    differences = []
    for mine, others in parts.values():
        left = list(others)
        only = []
        for item in mine:
            twin = next((other for other in left if other.key == item.key), None)
            if twin is None:
                only.append(item)
            else:
                left.remove(twin)
        if only or left:
            differences.append((_lines(only), _lines(left)))
    return Section(title, (), tuple(differences))


def _lines(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(item.line for item in items)
