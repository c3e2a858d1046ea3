"""Checks of a module that may end the process, or hang it: they are made in a process apart.

Where a call does, it is known which check made it.  The same stage is begun anew in another
process, in which that check does not make this call, and everything else is checked as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from lstmgen.apart import EndedError, apart
from lstmgen.verification.cases import Case
from lstmgen.verification.exits import exits_raise
from lstmgen.verification.labels import Label
from lstmgen.verification.ledger import Ledger, Place, Stopped

__all__ = ["PATIENCE", "Stage", "checksum", "outlast"]

PATIENCE = 120.0
"""Seconds that a call may take.  The longest is the first, in which a module may compile itself:
2 to 10 of a processor's own, and on one that others use too as many times as there are others."""

PATIENCE_AFTER = 20.0
"""The same when one has not answered: what the other functions take is not worth as long a wait."""

_BETWEEN = 900.0  # seconds between calls, in which all work is the verification's own


@dataclass(frozen=True)
class Stage:
    """A part of a verification.

    Attributes:
        text: what is done.
        done: the part of the work that is done when it begins, from 0 to 1.
        run: does it.
    """

    text: str
    done: float
    run: Callable[[], None]


def outlast(stages: Sequence[Stage], ledger: Ledger, began: Callable[[Stage], None]) -> None:
    """Run the stages apart, one after the other; what they find is in the ledger then.

    `began` is called with each of them.  Raises `Stopped` if they do.
    """
    first, hung = 0, False
    while first < len(stages):
        run = _Run(stages, ledger, began, first, hung)
        try:
            apart(run.work, run.heard, run.patience)
        except EndedError as end:
            hung = hung or end.hung
            first = _after(end, run, ledger)
            if ledger.stop:
                raise Stopped from end
        else:
            return


class _Run:
    """The stages from one on, in a process of their own."""

    def __init__(
        self,
        stages: Sequence[Stage],
        ledger: Ledger,
        began: Callable[[Stage], None],
        first: int,
        hung: bool,
    ) -> None:
        self._stages, self._ledger, self._began = stages, ledger, began
        self._first, self._hung = first, hung
        self.stage, self.place, self._called = first, Place(), False

    def work(self, say: Callable[[Any], None]) -> None:
        """In that process."""
        self._ledger.watch = say
        with exits_raise():
            for number in range(self._first, len(self._stages)):
                say(number)
                try:
                    self._stages[number].run()
                finally:
                    say(self._ledger.state())

    def heard(self, told: Any) -> None:
        """In this one: a stage begins, a call is made or has answered, or a stage is done."""
        self._called = isinstance(told, Place)
        if isinstance(told, int):
            self.stage = told
            self._began(self._stages[told])
        elif isinstance(told, Place):
            self.place = told
        elif told is not None:
            self._ledger.restore(told)

    def patience(self) -> float:
        """Seconds until the next word."""
        if not self._called:
            return _BETWEEN
        return PATIENCE_AFTER if self._hung else PATIENCE


def checksum(cases: Iterable[Case]) -> int:
    """Of all numbers in the cases."""
    total = 0
    for case in cases:
        groups: list[Any] = [vars(case)]
        groups += [vars(gradient) for gradient in case.gradients.values()]
        for value in (value for group in groups for value in group.values()):
            arrays = value.values() if isinstance(value, dict) else [value]
            for array in arrays:
                if isinstance(array, np.ndarray):
                    total = crc32(array.tobytes(), total)
    return total


def _after(end: EndedError, run: _Run, ledger: Ledger) -> int:
    """Note what ended the process; the stage to go on with."""
    place = run.place
    key = ("" if end.hung else place.check, place.function)
    if place.function and key not in ledger.ended:
        again = "it is not called again" + " in this check" * (not end.hung)
        ledger.ended[key] = f"{end}, at {place.where or place.check}; {again}"
        if not ledger.stop:
            return run.stage
    ledger.ended["process", ""] = str(end)
    where = ", ".join(text for text in (place.check, place.where) if text)
    with suppress(Stopped):
        ledger.verdict(
            "process",
            Label("", "the module leaves the process as it is"),
            False,
            f"{where or 'at the start'}: {place.function or 'it'} {end}",
        )
    return run.stage + 1
