"""Check of a module far outside the usual range: nothing may overflow that need not."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmgen.algebra.functions import is_singular, used
from lstmgen.verification.cases import Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session


class LargeCheck:
    """Inputs so large that exp overflows: forward is exact, and no gradient is a NaN.

    Exact is relative to 1 at least: where a gate is closed by its argument, what passes it is
    1e-12 or 1e-270, and the module may have 0.

    The gradients themselves are not compared: where an activation is saturated, 1 - f has lost
    its digits in any arithmetic of the module's precision.
    """

    def __init__(self, session: Session, dtype: str, case: Case | None) -> None:
        self._s = session
        self._case = case
        self._check = f"large inputs {dtype}"
        session.ledger.merge(self._check, "no overflow: the results, and finite gradients")

    def run(self) -> None:
        """The check; where the equations overflow themselves, its line says so."""
        s, case = self._s, self._case
        if case is None:
            label = Label("", "left out: the equations themselves leave the range of numbers")
            s.ledger.verdict(f"no {self._check}", label, True, "")
            return
        where = str(case.shape)
        with (
            np.errstate(all="ignore"),
            s.ledger.guard(self._check, s.output, case.bound, where),
        ):
            parameters = s.send(case.parameters)
            x = s.inputs(s.send(case.inputs))
            y, last, tape = s.module.forward(parameters, x, s.send(case.initial))
            label = s.output
            if all(self._finite(found) for found in (y, *last.values())):
                s.results(self._check, y, last, case, where, floor=1.0)
            else:
                s.ledger.verdict(self._check, label, False, f"{where}: not finite{self._cure()}")
            dy, dstate = s.runner.to_device(case.dy), s.send(case.dstate)
            dparams, dx, dstate0 = s.module.backward(parameters, tape, dy, dstate)
            groups = (
                (dparams, s.labels.parameters),
                (s.by_input(dx), s.labels.inputs),
                (dstate0, s.labels.initial),
            )
            for found, labels in groups:
                for name, label in labels.items():
                    detail = f"{where}: not finite{self._cure()}"
                    s.ledger.verdict(self._check, label, self._finite(found[name]), detail)

    def _finite(self, found: Any) -> bool:
        return bool(np.all(np.isfinite(self._s.runner.to_host(found))))

    def _cure(self) -> str:
        """What to do, where functions that large arguments make infinite are in the equations."""
        definitions = self._s.form.definitions
        for function, (why, cure) in _CURES.items():
            found = {d.equation: None for d in definitions if function in used([d.value])}
            if found:
                equations = ", ".join(f"({equation})" for equation in found)
                return f"; {function} in equation {equations} {why}: {cure}"
        if any(is_singular(d.value) for d in definitions):
            return (
                "; a slope is infinite where a divisor or what is under a power comes out as 0: "
                "keep it away from that, as sqrt(a + 1e-6) does"
            )
        return ""


_EXPONENTIAL = (
    "write it with sigma, softplus or tanh, or subtract the largest exponent with Max first"
)
_CURES = {
    "exp": ("is infinite beyond 709, in float32 beyond 88", _EXPONENTIAL),
    "expm1": ("is infinite beyond 709, in float32 beyond 88", _EXPONENTIAL),
    "sinh": ("is infinite beyond 710, in float32 beyond 89", _EXPONENTIAL),
    "cosh": ("is infinite beyond 710, in float32 beyond 89", _EXPONENTIAL),
    "sqrt": ("has an infinite slope at 0", "keep its argument away from 0, as sqrt(a + 1e-6) does"),
}
"""Functions, why they are not finite, and what to write."""
