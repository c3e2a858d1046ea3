"""The result of a verification: one line per check and equation, readable and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from lstmgen.notebook import plain_text
from lstmgen.verification.report_html import Row, report_html

SCHEMA_VERSION = 1
"""Of `Report.to_json`: raised when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a report.

    Attributes:
        check: what was compared with what, for example "forward float64".
        label: the label of the equation concerned, "4" or "δ7"; a range where the line stands for
            several, and empty where no equation is concerned.
        what: the equation as text, or what was done.
        error: the worst error found, relative to the largest value of the array it was found in;
            infinite where there was nothing to compare (an exception, a wrong shape, a NaN), None
            where the check is one of yes or no.
        bound: what the error may be; None where the check is one of yes or no.
        passed: the verdict.
        detail: where the worst error was found; why the check failed.
    """

    check: str
    label: str
    what: str
    error: float | None
    bound: float | None
    passed: bool
    detail: str = ""

    def __str__(self) -> str:
        label = f"({self.label}) " if self.label else ""
        text = f"{self.check}: {label}{self.what}: {'ok' if self.passed else 'FAILED'}"
        if self.error is not None and self.bound is not None:
            text += f", error {self.error:.1e}, bound {self.bound:.0e}"
        return text + (f" ({self.detail})" if self.detail and not self.passed else "")


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found, in the order in which it was done.

    Attributes:
        cell: the cell's name.
        target: the target's name; empty where no module was checked.
        device: where the module ran, such as "cpu" or "cuda".
        module: what was checked: "generated", a file's name, or a module's.
        checks: the lines.
        kernels: what each function of a module that is compiled takes of a device, if it is known.
        unchecked: what could not be checked here, why, and how to get what is missing.
        left_out: what this verification does not look at anywhere, and why.
        kernel_lines: `kernels` as text.
        note: what is to be said of the device.
    """

    cell: str
    target: str
    device: str
    module: str
    checks: tuple[Check, ...]
    kernels: tuple[Mapping[str, object], ...] = ()
    unchecked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    kernel_lines: tuple[str, ...] = ()
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether every check that was made passed; a report without any is not ok."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The lines that failed, in order."""
        return tuple(check for check in self.checks if not check.passed)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data; an infinite error is the text "inf", as JSON has no number."""
        return {
            "schema": SCHEMA_VERSION,
            "cell": self.cell,
            "target": self.target,
            "device": self.device,
            "module": self.module,
            "ok": self.ok,
            "checks": [
                {k: ("inf" if v == math.inf else v) for k, v in asdict(check).items()}
                for check in self.checks
            ],
            "kernels": [dict(use) for use in self.kernels],
            "unchecked": list(self.unchecked),
            "left_out": list(self.left_out),
        }

    def to_json(self) -> str:
        """The report as one JSON object; `schema` is the version of its fields."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        kernels = [*self.kernel_lines, ""] if self.kernel_lines else []
        lines = [self.title(), "", *_table(self.checks), "", *kernels, self._summary()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        verdict, *failures = self.verdict().splitlines()
        notes = [*(line.strip() for line in failures), *self.notes()]
        every: list[Row] = [(_row(check), check.passed) for check in self.checks]
        tables = ((_KINDS, _kinds(self.checks)), (_HEAD, every)) if every else ()
        return report_html(f"{self.title()}: {verdict}", notes, tables, self.kernel_lines)

    def title(self) -> str:
        """What was verified, in a line."""
        if not self.target:
            return f"{self.cell}: derivation"
        return f"{self.cell}: {self.module} module for {self.target} on {self.device}{self.note}"

    def _summary(self) -> str:
        return "\n".join([self.verdict(), *self.notes()])

    def notes(self) -> list[str]:
        """What was not checked, a line each."""
        return [
            *(f"not checked: {text}" for text in self.unchecked),
            *(f"left out: {text}" for text in self.left_out),
        ]

    def verdict(self) -> str:
        """How many checks passed; of those that failed a line each."""
        if not self.checks:
            return "nothing was checked"
        if self.ok:
            return f"all {len(self.checks)} checks passed"
        failures = self.failures
        lines = [f"{len(failures)} of {len(self.checks)} checks failed"]
        return "\n".join(lines + [f"  {check}" for check in failures])


_KINDS = ("check", "lines", "worst error", "bound", "verdict")
_HEAD = ("check", "label", "equation", "error", "bound", "verdict")
_WIDEST = 56  # of an equation; the failing lines have it in full


def _row(check: Check) -> tuple[str, ...]:
    label = f"({check.label})" if check.label else ""
    return (check.check, label, check.what, *_figures(check.error, check.bound, check.passed))


def _figures(error: float | None, bound: float | None, passed: bool) -> tuple[str, str, str]:
    return (
        "" if error is None else f"{error:.1e}",
        "" if bound is None else f"{bound:.0e}",
        "ok" if passed else "FAILED",
    )


def _kinds(checks: Iterable[Check]) -> list[Row]:
    """One line for all checks of a name: how many, the worst error, the verdict."""
    kinds: dict[str, list[Check]] = {}
    for check in checks:
        kinds.setdefault(check.check, []).append(check)
    rows: list[Row] = []
    for name, those in kinds.items():
        # The worst is what comes nearest to its bound, or lies farthest beyond it.
        measured = [(c.error, c.bound) for c in those if c.error is not None and c.bound]
        error, bound = max(measured, key=lambda m: m[0] / m[1], default=(None, None))
        good = all(check.passed for check in those)
        rows.append(((name, str(len(those)), *_figures(error, bound, good)), good))
    return rows


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _table(checks: Iterable[Check]) -> list[str]:
    rows = [_HEAD, *(tuple(map(_short, _row(check))) for check in checks)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
