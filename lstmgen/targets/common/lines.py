"""Lines of generated code, with the equations that they compute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line of code and the labels of the equations that it computes."""

    code: str
    labels: tuple[str, ...] = ()

    @property
    def comment(self) -> str:
        """The labels as they stand in the equations: (1) (2)."""
        return " ".join(f"({label})" for label in sorted(set(self.labels), key=_by_number))


def _by_number(label: str) -> tuple[bool, int, str]:
    """Equations in order, then the derived ones: 1a, 1, 2, ..., δ1, δ2."""
    digits = "".join(filter(str.isdigit, label))
    return label.startswith("δ"), int(digits), label.strip(digits) or "~"
