"""Gathers comparisons into the lines of a report: one per check and equation, the worst of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.verification.labels import Label, spans
from lstmgen.verification.report import Check


class Stopped(Exception):
    """Raised at the first failure by a ledger that stops there."""


@dataclass
class _Line:
    label: Label
    bound: float | None
    error: float | None
    passed: bool
    detail: str


class Ledger:
    """The lines of a report, as they are found.

    Args:
        to_host: how an array of the module becomes a NumPy array.
        stop: whether to raise `Stopped` at the first failure.
    """

    def __init__(self, to_host: Callable[[Any], npt.NDArray[Any]], stop: bool = False) -> None:
        self._to_host = to_host
        self._stop = stop
        self._lines: dict[str, dict[str, _Line]] = {}
        self._merged: dict[str, str] = {}

    def merge(self, check: str, what: str) -> None:
        """Show a check as one line where all of it passed; what failed has its own line anyway."""
        self._merged.setdefault(check, what)

    def compare(
        self,
        check: str,
        label: Label,
        got: Any,
        expected: npt.NDArray[Any],
        dtype: str,
        bound: float,
        where: str,
        floor: float = 0.0,
    ) -> None:
        """Compare an array that the module returned with the expected one.

        The bound is relative to the largest expected value, or to `floor` where that is larger.
        """
        try:
            found = self._to_host(got)
        except Exception as refused:  # whatever the module returned
            self._note(check, label, inf, bound, False, f"{where}: {refused}")
            return
        if found.shape != expected.shape:
            problem = f"{where}: the shape is {found.shape}, not {expected.shape}"
        elif found.dtype != np.dtype(dtype):
            problem = f"{where}: the dtype is {found.dtype}, not {dtype}"
        else:
            error, detail = _difference(found.astype(np.float64), expected, floor)
            self._note(check, label, error, bound, error <= bound, f"{where}{detail}")
            return
        self._note(check, label, inf, bound, False, problem)

    def verdict(self, check: str, label: Label, passed: bool, detail: str) -> None:
        """A check of yes or no; `detail` says what was wrong, and is kept if it failed."""
        self._note(check, label, None, None, passed, "" if passed else detail)

    def fault(self, check: str, label: Label, bound: float | None, detail: str) -> None:
        """There is nothing to compare."""
        self._note(check, label, None if bound is None else inf, bound, False, detail)

    @contextmanager
    def guard(self, check: str, label: Label, bound: float | None, where: str) -> Iterator[None]:
        """An exception of the module becomes a failed line."""
        try:
            yield
        except Stopped:
            raise
        except (Exception, SystemExit) as error:
            text = f"{where}: {type(error).__name__}: {error}"
            self.fault(check, label, bound, text)

    def checks(self) -> Iterator[Check]:
        """The lines, in the order in which their checks and equations first came."""
        for check, lines in self._lines.items():
            passed = [line for line in lines.values() if line.passed]
            if check in self._merged and passed:
                worst = max(passed, key=lambda line: line.error or 0.0)
                labels = spans([x.label.label for x in passed if x.label.label])
                yield Check(
                    check,
                    labels,
                    self._merged[check],
                    worst.error,
                    worst.bound,
                    True,
                    worst.detail,
                )
            for line in lines.values():
                if line.passed and check in self._merged:
                    continue
                yield Check(
                    check,
                    line.label.label,
                    line.label.text,
                    line.error,
                    line.bound,
                    line.passed,
                    line.detail,
                )

    def _note(
        self,
        check: str,
        label: Label,
        error: float | None,
        bound: float | None,
        passed: bool,
        detail: str,
    ) -> None:
        lines = self._lines.setdefault(check, {})
        line = lines.get(label.text)
        if line is None:
            lines[label.text] = _Line(label, bound, error, passed, detail)
        else:
            worse = (error or 0.0) > (line.error or 0.0)
            if (line.passed and not passed) or (worse and passed == line.passed):
                line.error, line.detail, line.passed = error, detail, passed
        if self._stop and not passed:
            raise Stopped


def _difference(
    found: npt.NDArray[Any], expected: npt.NDArray[Any], floor: float
) -> tuple[float, str]:
    """The largest difference relative to the largest expected value, and where it is."""
    if not expected.size:
        return 0.0, ""
    difference = np.asarray(np.where(np.isfinite(found), np.abs(found - expected), inf))
    index = np.unravel_index(int(np.argmax(difference)), difference.shape)
    scale = max(float(np.max(np.abs(expected))), floor)
    worst = float(difference[index])
    place = f", at [{', '.join(str(int(k)) for k in index)}]" if index else ""
    detail = f"{place}: {found[index]:.9g} where {expected[index]:.9g} was expected"
    return (worst / scale if scale else worst), detail
