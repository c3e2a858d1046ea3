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
from lstmgen.verification.rounding import MOST


class Stopped(Exception):
    """Raised at the first failure by a ledger that stops there."""


class NotCalledError(Exception):
    """Raised in place of a call that ended its process, or did not answer, when it was made."""


@dataclass(frozen=True)
class Place:
    """What is done: a check, of what, and the function of the module that is called."""

    check: str = ""
    where: str = ""
    function: str = ""


@dataclass
class _Line:
    label: Label
    bound: float | None
    error: float | None
    passed: bool
    detail: str


@dataclass
class _Left:
    label: Label
    rounding: float
    where: str


class Ledger:
    """The lines of a report, as they are found.

    Args:
        to_host: how an array of the module becomes a NumPy array.
        stop: whether to raise `Stopped` at the first failure.

    Attributes:
        stop: as above.
        watch: told of every call of the module before it is made, and None when it has answered;
            it is None where nobody listens.
        ended: by check and function, how a call of it ended; the check is empty for all of them.
    """

    def __init__(self, to_host: Callable[[Any], npt.NDArray[Any]], stop: bool = False) -> None:
        self._to_host = to_host
        self.stop = stop
        self.watch: Callable[[Place | None], None] | None = None
        self.ended: dict[tuple[str, str], str] = {}
        self._check, self._where = "", ""
        self._lines: dict[str, dict[str, _Line]] = {}
        self._merged: dict[str, str] = {}
        self._left: dict[str, dict[str, _Left]] = {}
        self._notes: list[str] = []

    def state(self) -> Any:
        """All that was found so far, which `restore` takes."""
        return self._lines, self._merged, self._left, self._notes

    def restore(self, state: Any) -> None:
        """What another ledger found takes the place of what this one did."""
        self._lines, self._merged, self._left, self._notes = state

    @contextmanager
    def calling(self, function: str) -> Iterator[None]:
        """Within it a function of the module is called."""
        for check in (self._check, ""):
            if (check, function) in self.ended:
                raise NotCalledError(f"{function} {self.ended[check, function]}")
        if self.watch:
            self.watch(Place(self._check, self._where, function))
        try:
            yield
        finally:
            if self.watch:
                self.watch(None)

    def never_called(self, *functions: str) -> str:
        """How a call of one of them ended, after which no check calls it; empty if none did."""
        known = (f"{name} {self.ended['', name]}" for name in functions if ("", name) in self.ended)
        return next(known, "")

    def note(self, text: str) -> None:
        """What is left out."""
        self._notes.append(text)

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
        moved: Callable[[], float] | None = None,
    ) -> None:
        """Compare an array that the module returned with the expected one.

        The bound is relative to the largest expected value, or to `floor` where that is larger.
        `moved` says what rounding alone may move the array by, relative to its largest value.  It
        is asked where the bound is not met: the error may be that.  If that is too much to tell
        right from wrong, the array is left out here, and must be compared elsewhere.
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
            if bound < error < inf and moved is not None:
                rounding = moved()
                largest = float(np.max(np.abs(expected)))
                bound = max(bound, rounding * min(1.0, largest / floor if floor else 1.0))
                if not rounding <= MOST and not error > bound:
                    self._leave_out(check, label, rounding, where)
                    return
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
        before = self._check, self._where
        self._check, self._where = check, where
        try:
            yield
        except Stopped:
            raise
        except NotCalledError as error:
            self.fault(check, label, bound, _joined(where, error))
        except (Exception, SystemExit) as error:
            self.fault(check, label, bound, _joined(where, f"{type(error).__name__}: {error}"))
        finally:
            self._check, self._where = before

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

        yield from self._never_compared()

    def compared_any(self) -> bool:
        """Whether the module has given a number so far, right or wrong."""
        every = (line.error for lines in self._lines.values() for line in lines.values())
        return any(error is not None and error < inf for error in every)

    def left_out(self) -> Iterator[str]:
        """What was not looked at; not compared, say, as rounding would hide what is wrong."""
        yield from self._notes
        for check, those in self._left.items():
            worst = max(those.values(), key=lambda left: left.rounding)
            labels = spans([left.label.label for left in those.values()])
            yield f"{check}: {_unknown(labels, worst)}"

    def _leave_out(self, check: str, label: Label, rounding: float, where: str) -> None:
        those = self._left.setdefault(check, {})
        if label.text not in those or rounding > those[label.text].rounding:
            those[label.text] = _Left(label, rounding, where)

    def _never_compared(self) -> Iterator[Check]:
        """A failed line for what was left out everywhere, in every dtype."""

        def compared(check: str, text: str) -> bool:
            kind = check.rpartition(" ")[0]
            return any(
                text in lines
                for other, lines in self._lines.items()
                if other.rpartition(" ")[0] == kind
            )

        for check, those in self._left.items():
            for text, left in those.items():
                if not compared(check, text):
                    detail = f"nothing was compared: {_unknown(left.label.label, left)}"
                    yield Check(check, left.label.label, text, None, None, False, detail)

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
                line.bound = bound
        if self.stop and not passed:
            raise Stopped


def _joined(where: str, what: object) -> str:
    return f"{where}: {what}" if where else str(what)


def _unknown(labels: str, left: _Left) -> str:
    part = f"{left.rounding:.0%} of its largest value" if left.rounding < 1 else "as much as it is"
    return f"({labels}) at {left.where}: rounding alone, whatever the module, moves this by {part}"


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
