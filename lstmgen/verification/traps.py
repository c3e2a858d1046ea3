"""Check that a caller who has NumPy raise at floating-point errors hears of none from a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lstmgen.verification.cases import Array, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session

__all__ = ["TrapCheck"]

Change = Callable[[Array], Array]
_LARGE = {"float64": 3000.0, "float32": 300.0}
_SMALL = {"float64": 1e-200, "float32": 1e-30}


class TrapCheck:
    """Numbers that overflow, that underflow and that are none, with `np.errstate(all="raise")`.

    What a module gives must be the same, bit for bit, as with all errors ignored.
    """

    def __init__(self, session: Session, case: Case) -> None:
        self._s, self._case = session, case
        self._check = f"no trap {case.dtype}"
        session.ledger.merge(self._check, "under np.errstate(all='raise') the same, bit for bit")

    def run(self) -> None:
        """All checks."""
        for what, (changed, of_parameters) in _changes(self._case.dtype).items():
            for call, made in self._calls(changed, of_parameters):
                label = Label("", f"{call}, {what}")
                with self._s.ledger.guard(self._check, label, None, self._case.where):
                    with np.errstate(all="ignore"):
                        expected = self._bytes(made())
                    with np.errstate(all="raise"):
                        found = made()
                    same = self._bytes(found) == expected
                    self._s.ledger.verdict(self._check, label, same, "other numbers")

    def _calls(
        self, changed: Change, of_parameters: Change
    ) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Calls of each function, and what they return as one list."""
        s, module = self._s, self._s.module

        def sent(arrays: Any, change: Change = changed) -> Any:
            return s.send({name: change(array) for name, array in arrays.items()})

        inputs, state = sent(self._case.inputs), sent(self._case.initial)
        dy, dstate = s.runner.to_device(changed(self._case.dy)), sent(self._case.dstate)
        parameters, x = sent(self._case.parameters, of_parameters), s.inputs(inputs)
        at_first = s.inputs({name: array[0] for name, array in inputs.items()})

        def forward() -> list[Any]:
            y, last, _ = module.forward(parameters, x, state)
            return [y, *last.values()]

        def backward() -> list[Any]:
            with np.errstate(all="ignore"):
                tape = module.forward(parameters, x, state)[2]
            dparams, dx, dstate0 = module.backward(parameters, tape, dy, dstate)
            return [*dparams.values(), *s.by_input(dx).values(), *dstate0.values()]

        yield "forward", forward
        yield "step", lambda: [*module.step(parameters, at_first, state).values()]
        yield "backward", backward

    def _bytes(self, arrays: list[Any]) -> list[bytes]:
        return [self._s.runner.to_host(array).tobytes() for array in arrays]


def _changes(dtype: str) -> dict[str, tuple[Change, Change]]:
    """What is done to inputs, states and the gradients of the loss, and to parameters."""

    def times(factor: float) -> Change:
        return lambda array: array * array.dtype.type(factor)

    def with_one(value: float) -> Change:
        def changed(array: Array) -> Array:
            array = array.copy()
            array.reshape(-1)[:1] = value
            return array

        return changed

    same, small = times(1.0), times(_SMALL[dtype])
    return {
        "large": (times(_LARGE[dtype]), same),
        "small": (small, same),
        "all small": (small, small),
        "with an infinite number": (with_one(float("inf")), same),
        "with a NaN": (with_one(float("nan")), same),
    }
