"""What a measurement is: a case with a prediction, its outcome, and the table that shows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Scalar = int | float | str | bool


class MeasurementError(Exception):
    """A case could not be measured, or what it computed was wrong; the message says which."""


class NotHereError(MeasurementError):
    """A case that cannot run in this place, such as one that needs a GPU on the stand-in."""


@dataclass(frozen=True)
class Prediction:
    """A value expected before the measurement, in the case's unit, and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Outcome:
    """What a case gave: one value per sample in the case's unit, or None where nothing is timed.

    `notes` holds what else was seen (counts, checks, second readings).
    """

    values: tuple[float, ...] | None
    notes: Mapping[str, Scalar] = field(default_factory=dict)

    def scaled(self, factor: float) -> Outcome:
        """The same outcome with every value multiplied, e.g. from seconds to microseconds."""
        values = None if self.values is None else tuple(v * factor for v in self.values)
        return Outcome(values, self.notes)

    def noted(self, **notes: Scalar) -> Outcome:
        """The same outcome with more notes."""
        return Outcome(self.values, {**self.notes, **notes})


@dataclass(frozen=True)
class Case:
    """One line of the table: what is measured, its unit, what is expected, and how to do it."""

    name: str
    unit: str
    settings: Mapping[str, Scalar]
    prediction: Prediction | None
    measure: Callable[[], Outcome]


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Median, quartiles, extremes and number of the samples; quartiles by linear interpolation."""
    ordered = sorted(values)
    last = len(ordered) - 1

    def at(fraction: float) -> float:
        low = int(fraction * last)
        high = min(low + 1, last)
        return ordered[low] + (ordered[high] - ordered[low]) * (fraction * last - low)

    return {
        "median": median(ordered),
        "quartile_1": at(0.25),
        "quartile_3": at(0.75),
        "smallest": ordered[0],
        "largest": ordered[-1],
        "samples": len(ordered),
    }


def run(case: Case) -> dict[str, Any]:
    """Measure one case; a failure becomes part of the record and goes no further."""
    record: dict[str, Any] = {
        "case": case.name,
        "settings": dict(case.settings),
        "unit": case.unit,
        "predicted": None,
        "measured": None,
        "notes": {},
        "error": None,
        "not_here": None,
    }
    if case.prediction is not None:
        record["predicted"] = {
            "value": case.prediction.value,
            "source": case.prediction.source,
        }
    try:
        outcome = case.measure()
    except NotHereError as error:
        record["not_here"] = str(error)
    except Exception as error:  # whatever one case does, the next one is measured
        record["error"] = f"{type(error).__name__}: {error}".strip()[:2000]
    else:
        record["notes"] = dict(outcome.notes)
        if outcome.values:
            record["measured"] = spread(outcome.values)
    return record


def failed(part: str, reason: str) -> dict[str, Any]:
    """The record of a part that could not even list its cases, or that was ended."""
    return {
        "case": f"({part})",
        "settings": {},
        "unit": "",
        "predicted": None,
        "measured": None,
        "notes": {},
        "error": reason,
        "not_here": None,
    }


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """The records as text, a line each: prediction beside result, with the quartiles."""
    head = ("case", "settings", "predicted", "measured", "quartiles", "unit", "remarks")
    rows = [head, *(_line(record) for record in records)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def _line(record: Mapping[str, Any]) -> tuple[str, ...]:
    measured, predicted = record["measured"], record["predicted"]
    settings = " ".join(f"{key}={value}" for key, value in record["settings"].items())
    if record["error"] is not None:
        result, quartiles = "FAILED", ""
        remarks = record["error"].splitlines()[0]
    elif record["not_here"] is not None:
        result, quartiles, remarks = "not here", "", record["not_here"]
    else:
        result = _short(measured["median"]) if measured else "ran, not timed"
        quartiles = (
            f"{_short(measured['quartile_1'])}..{_short(measured['quartile_3'])}"
            if measured
            else ""
        )
        remarks = " ".join(f"{key}={_short(value)}" for key, value in record["notes"].items())
    return (
        record["case"],
        settings,
        _short(predicted["value"]) if predicted else "-",
        result,
        quartiles,
        record["unit"],
        remarks,
    )


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
