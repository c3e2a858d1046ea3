"""Check of a module far outside the usual range: nothing may overflow that need not."""

from __future__ import annotations

import numpy as np

from lstmgen.algebra.functions import used
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
            s.results(self._check, y, last, case, where, floor=1.0)
            dy, dstate = s.runner.to_device(case.dy), s.send(case.dstate)
            dparams, dx, dstate0 = s.module.backward(parameters, tape, dy, dstate)
            groups = (
                (dparams, s.labels.parameters),
                (s.by_input(dx), s.labels.inputs),
                (dstate0, s.labels.initial),
            )
            for found, labels in groups:
                for name, label in labels.items():
                    finite = bool(np.all(np.isfinite(s.runner.to_host(found[name]))))
                    detail = f"{where}: not finite{self._cure()}"
                    s.ledger.verdict(self._check, label, finite, detail)

    def _cure(self) -> str:
        """What to do where exp is infinite, for its equations."""
        definitions = self._s.form.definitions
        found = {d.equation: None for d in definitions if "exp" in used([d.value])}
        if not found:
            return ""
        equations = ", ".join(f"({equation})" for equation in found)
        return (
            f"; exp in equation {equations} is infinite beyond 709, in float32 beyond 88: write "
            "it with sigma, softplus or tanh, or subtract the largest exponent with Max first"
        )
