"""What each label stands for: the lines of a report name equations as the cell has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.gradients.derivation import Gradients
from lstmgen.stages import Stages


@dataclass(frozen=True, slots=True)
class Label:
    """An equation's label and its text."""

    label: str
    text: str


class Labels:
    """The labels of a cell's equations, by what they define."""

    def __init__(self, cell: Stages, gradients: Gradients) -> None:
        form = gradients.form
        written = {
            str(k): f"{equation.lhs} = {equation.rhs}"
            for k, equation in enumerate(cell.equations, start=1)
        }
        self.values = {
            d.name: Label(d.label, written.get(d.label) or _without_label(str(d)))
            for d in form.definitions
        }
        derived: dict[str, str] = {}
        for line in str(gradients).splitlines():
            label = line[1 : line.index(")")]
            text = _without_label(line)
            derived[label] = f"{derived[label]}; {text}" if label in derived else text
        self.adjoints = {a.of: Label(a.label, derived[a.label]) for a in gradients.adjoints}
        self.parameters = {
            p.parameter: Label(p.label, derived[p.label]) for p in gradients.parameters
        }
        self.inputs = {i.of: Label(i.label, derived[i.label]) for i in gradients.inputs}
        self.initial = {i.state: Label(i.label, derived[i.label]) for i in gradients.initial}
        count = len(written)
        self.all_values = "equation (1)" if count == 1 else f"equations (1) to ({count})"
        self.all_derived = Label(spans(list(derived)), "all gradients, solved from t = T to 1")


def _without_label(line: str) -> str:
    return line[line.index(")") + 1 :].strip()


def spans(labels: Iterable[str]) -> str:
    """Labels in short: 4, 6, δ11, δ12, δ13 are "4, 6, δ11-δ13"."""
    runs: list[list[str]] = []
    for label in dict.fromkeys(labels):
        if runs and label == _following(runs[-1][-1]):
            runs[-1].append(label)
        else:
            runs.append([label])
    return ", ".join(r[0] if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _following(label: str) -> str:
    digits = label.removeprefix("δ")
    return "δ" * (digits != label) + str(int(digits) + 1) if digits.isdigit() else ""
