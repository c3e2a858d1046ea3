"""The result of a comparison with somebody's implementation: a report, and what explains it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from lstmgen.verification.labels import Label
from lstmgen.verification.report import Report

__all__ = ["Agreement", "Comparison"]

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Agreement:
    """A variant of the cell that gives what the implementation gives.

    Attributes:
        what: what is done otherwise.
        equations: the equations concerned.
        error: how far the two are apart, relative to the largest number of each array.
        parts: what was compared: "outputs and states", or gradients too.
    """

    what: str
    equations: tuple[Label, ...]
    error: float
    parts: str


@dataclass(frozen=True)
class Comparison(Report):
    """A report on somebody's implementation.

    Attributes:
        what: what it is, for example "a function on NumPy arrays", and how it was compared.
        origins: the equations that a difference can come from.
        tried: how many variants were tried.
        agreements: those that agree, the likeliest first.
    """

    what: str = ""
    origins: tuple[Label, ...] = ()
    tried: int = 0
    agreements: tuple[Agreement, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, with what explains it under "against"."""

        def labels(of: tuple[Label, ...]) -> list[dict[str, str]]:
            return [{"label": label.label, "equation": label.text} for label in of]

        return {
            **super().to_dict(),
            "against": {
                "name": self.module,
                "what": self.what,
                "origins": labels(self.origins),
                "variants_tried": self.tried,
                "agreements": [
                    {
                        "what": found.what,
                        "equations": labels(found.equations),
                        "error": found.error,
                        "parts": found.parts,
                    }
                    for found in self.agreements
                ],
            },
        }

    def title(self) -> str:
        """What was compared, in a line."""
        return f"{self.cell}: against {self.module}, {self.what}"

    def verdict(self) -> str:
        """How many checks passed, and where they did not, what explains it."""
        if self.ok:
            return super().verdict()
        summary, *lines = super().verdict().splitlines()
        values = [check for check in self.failures if check.check in ("output", "state")]
        if values:  # that the gradients differ too says nothing more
            lines = [f"  {check}" for check in values]
        return "\n".join([summary, *lines, *self._explanation()])

    def _explanation(self) -> list[str]:
        lines = [""]
        if self.origins:
            lines.append("A single mistake that explains every difference is in one of")
            lines += [f"  ({label.label}) {label.text}" for label in self.origins]
        if not self.agreements:
            lines += textwrap.wrap(
                f"None of the {self.tried} mistakes that were tried gives these numbers: gates "
                "swapped, complemented or stacked in another order, reset before or after the "
                "product, a state of another step, biases, transposes, concatenations, "
                "activations, detached paths.",
                _WIDTH,
            )
            return lines
        first, *others = self.agreements
        lines.append(f"The same {first.parts}, to {first.error:.1e}, come from this mistake:")
        lines.append(f"  {first.what}")
        lines += [f"    ({label.label}) {label.text}" for label in first.equations]
        if others:
            lines.append("or, which is the same in numbers, from")
            lines += [f"  {other.what}" for other in others]
        return lines
