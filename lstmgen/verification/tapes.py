"""Checks of tapes: their memory is taken over, and those that do not fit are refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lstmgen.verification.calls import Calls, refused
from lstmgen.verification.cases import SEEDS, Array, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session

_COPIES: dict[str, Callable[[Any], Any]] = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda tape: pickle.loads(pickle.dumps(tape)),
}


class TapeCheck:
    """The checks of one case.

    Args:
        session: the module.
        case: the case.
        others: cases of other sizes or dtypes, whose tapes do not fit.
    """

    def __init__(self, session: Session, case: Case, others: tuple[Case, ...]) -> None:
        self._s = session
        self._case, self._others = case, others
        self._ledger = session.ledger
        self._calls = Calls(session, case)
        name = f"reuse {case.dtype}"
        self._ledger.merge(name, "with another tape's memory: the same results and gradients")
        self._ledger.merge(self._wrong, "a tape that is spent, copied or of other sizes is refused")

    @property
    def _wrong(self) -> str:
        return f"wrong tape {self._case.dtype}"

    def run(self) -> None:
        """All checks."""
        with np.errstate(all="ignore"):
            spent = self._reuse()
            if spent is not None:
                self._refusals(spent)
                self._copies()

    def _reuse(self) -> Any:
        """A tape of other numbers gives its memory away; it is what comes back."""
        s, case, calls = self._s, self._case, self._calls
        check, where = f"reuse {case.dtype}", case.where
        spent = None
        with self._ledger.guard(check, s.output, case.bound, where):
            others = s.inputs(s.send({n: _moved(a) for n, a in case.inputs.items()}))
            states = s.send({n: _moved(a) for n, a in case.initial.items()})
            other, _, given = calls.forward(calls.parameters, others, states)
            before = s.runner.to_host(other).copy()
            # Its backward pass leaves memory behind, which is taken over too.
            s.module.backward(calls.parameters, given, calls.dy, calls.dstate)
            y, last, tape = calls.forward(calls.parameters, calls.x, calls.initial, reuse=given)
            spent = given
            s.results(check, y, last, case, where)
            if s.runner.to_host(other).tobytes() != before.tobytes():
                raise ValueError("reuse overwrites the y that the earlier forward returned")
            del other
            for _ in range(3):  # what nobody holds any more may be written to
                found = s.module.backward(calls.parameters, tape, calls.dy, calls.dstate)
                s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)
                del y, last, found
                y, last, tape = calls.forward(calls.parameters, calls.x, calls.initial, reuse=tape)
                s.results(check, y, last, case, where)
            for other_lengths in self._other_sequences():
                given = s.module.forward(calls.parameters, calls.x, calls.initial, **other_lengths)
                y, last, tape = calls.forward(
                    calls.parameters, calls.x, calls.initial, reuse=given[2]
                )
                s.results(check, y, last, case, where)
                found = s.module.backward(calls.parameters, tape, calls.dy, calls.dstate)
                s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)
        return spent

    def _other_sequences(self) -> list[dict[str, Any]]:
        """No lengths and restarts, and those of other rows; what comes of them is full of NaN."""
        case, send = self._case, self._s.runner.to_device
        if not self._calls.options:
            return []
        given = {"lengths": (case.lengths, 0), "restart": (case.restart, 1)}
        others = {n: send(np.roll(a, 1, axis)) for n, (a, axis) in given.items() if a is not None}
        return [{}, others]

    def _refusals(self, spent: Any) -> None:
        calls, module = self._calls, self._s.module
        with self._ledger.guard(self._wrong, Label("", "tapes"), None, self._case.where):
            _, _, good = calls.forward(calls.parameters, calls.x, calls.initial)
            likeness = _likeness(good)
            wrong = {
                "a tape that was given to reuse": spent,
                "a tape of another module": likeness,
                "no tape": None,
                "a dict": {},
            }
            for what, tape in wrong.items():
                self._refused(
                    f"backward from {what}",
                    ("tape",),
                    partial(module.backward, calls.parameters, tape, calls.dy),
                )
            del wrong["no tape"]
            for case in self._others:
                other = Calls(self._s, case)
                _, _, found = other.forward(other.parameters, other.x, other.initial)
                wrong[f"the tape of {case}"] = found
                if _parameter_shapes(case) != _parameter_shapes(self._case):
                    self._refused(
                        f"backward with the parameters of {case}",
                        ("tape", "params"),
                        partial(module.backward, other.parameters, good),
                    )
            for what, tape in wrong.items():
                self._refused(
                    f"{what} given to reuse",
                    ("reuse",),
                    partial(calls.forward, calls.parameters, calls.x, calls.initial, reuse=tape),
                )
            # What was refused is as good as before.
            found = module.backward(calls.parameters, good, calls.dy, calls.dstate)
            expected = self._case.gradients[SEEDS[-1]]
            self._s.gradients(self._wrong, found, expected, self._case, self._case.where)

    def _refused(self, what: str, names: tuple[str, ...], call: Callable[[], Any]) -> None:
        problem = refused(call, names)
        label = Label("", f"{what} is an error")
        self._ledger.verdict(self._wrong, label, not problem, f"{self._case.where}: {problem}")

    def _copies(self) -> None:
        """A copy gives the same gradients, whatever becomes of the tape, or is refused."""
        s, case, calls = self._s, self._case, self._calls
        for how, copied in _COPIES.items():
            label = Label("", f"a tape copied by {how} is refused, or as good")
            with self._ledger.guard(self._wrong, label, None, case.where):
                _, _, tape = calls.forward(calls.parameters, calls.x, calls.initial)
                try:
                    with s.recording():
                        other = copied(tape)
                    others = s.inputs(s.send({n: _moved(a) for n, a in case.inputs.items()}))
                    calls.forward(calls.parameters, others, calls.initial, reuse=tape)
                    found = s.module.backward(calls.parameters, other, calls.dy, calls.dstate)
                except (TypeError, ValueError, RuntimeError, pickle.PicklingError) as error:
                    self._ledger.verdict(self._wrong, label, bool(str(error)), "no message")
                    continue
                where = f"{case.where}: by {how}"
                s.gradients(self._wrong, found, case.gradients[SEEDS[-1]], case, where)


def _likeness(tape: Any) -> Any:
    """What has all that the tape has, and is of another class of the same name."""
    made = type(type(tape).__name__, (), {})()
    names = [*getattr(tape, "__dict__", ()), *getattr(type(tape), "__slots__", ())]
    vars(made).update({name: getattr(tape, name) for name in names if hasattr(tape, name)})
    return made


def _parameter_shapes(case: Case) -> dict[str, Any]:
    return {name: (array.shape, array.dtype) for name, array in case.parameters.items()}


def _moved(array: Array) -> Array:
    """Other numbers of the same kind: every axis but the last, turned by one."""
    moved: Array = np.roll(array, 1, axis=tuple(range(array.ndim - 1)))
    moved *= array.dtype.type(0.75)
    return moved
