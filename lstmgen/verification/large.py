"""Check of a module far outside the usual range: nothing may overflow that need not."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmgen.algebra.functions import is_singular, used
from lstmgen.verification.cases import SEEDS, Array, Arrays, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session, least_scale


class LargeCheck:
    """Inputs so large that exp overflows: forward is exact, and gradients are what can be had.

    Exact is relative to 1 at least: where a gate is closed by its argument, what passes it is
    1e-12 or 1e-270, and the module may have 0.

    Where an activation is saturated, 1 - f of a rounded f has few digits or none: a gradient may
    be off by what rounding each value moves it, which may be more than it is.
    """

    def __init__(self, session: Session, dtype: str, case: Case | None) -> None:
        self._s = session
        self._case = case
        self._check = f"large inputs {dtype}"
        what = "no overflow: the results, and gradients as rounding leaves them"
        session.ledger.merge(self._check, what)

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
                ("parameters", dparams, s.labels.parameters),
                ("inputs", s.by_input(dx), s.labels.inputs),
                ("initial", dstate0, s.labels.initial),
            )
            for group, found, labels in groups:
                for name, label in labels.items():
                    problem = self._problem(case, group, name, s.runner.to_host(found[name]))
                    s.ledger.verdict(self._check, label, not problem, f"{where}: {problem}")

    def _problem(self, case: Case, group: str, name: str, found: Array) -> str:
        """What is wrong with a gradient, or nothing."""
        if not np.all(np.isfinite(found)):
            return f"not finite{self._cure()}"
        if not case.gradients:
            return ""
        gradient = case.gradients[SEEDS[-1]]
        arrays: Arrays = getattr(gradient, group)
        error = float(np.max(np.abs(found - arrays[name]), initial=0.0))
        size = float(np.max(np.abs(arrays[name]), initial=0.0))
        if error <= case.bound * max(size, least_scale(case, arrays.values())):
            return ""
        moved = case.moved(group, name, gradient) * size
        return "" if error <= moved else f"off by {error:.1e}, where rounding moves it {moved:.1e}"

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
