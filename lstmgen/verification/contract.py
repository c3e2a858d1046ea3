"""Checks of a module's interface: its constants, its initial values, and empty sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.initial import InitialCheck, input_size_argument, misfits, zeros
from lstmgen.verification.labels import Label
from lstmgen.verification.points import Shape, shape_for
from lstmgen.verification.session import Session

__all__ = ["ContractCheck", "input_size_argument"]


class ContractCheck:
    """What does not need a reference."""

    def __init__(self, session: Session) -> None:
        self._s = session
        self._form: NormalForm = session.form
        self._module = session.module
        self._dtypes = session.runner.target.dtypes

    def run(self) -> None:
        """All checks."""
        with np.errstate(all="ignore"):
            for dtype in self._dtypes:
                what = "T = 0, B = 0: empty arrays, zero gradients, the initial state"
                self._s.ledger.merge(f"empty {dtype}", what)
            self._verdict("interface", "CELL, STATES, OUTPUT and PARAMETERS", self._constants)
            for dtype in self._dtypes:
                self._verdict(
                    "interface",
                    f"init_params and init_state in {dtype}",
                    lambda dtype=dtype: InitialCheck(self._s, dtype).problem(),
                )
                for steps, rows in ((0, 2), (3, 0), (0, 0)):
                    shape = shape_for(self._form, steps, rows, 3, 2)
                    self._verdict(
                        f"empty {dtype}",
                        f"T={steps} B={rows}",
                        lambda shape=shape, dtype=dtype: self._empty(shape, dtype),
                    )

    def _verdict(self, check: str, what: str, problem_of: Any) -> None:
        label = Label("", what)
        ledger = self._s.ledger
        with ledger.guard(check, label, None, ""):
            problem = problem_of()
            ledger.verdict(check, label, not problem, problem)

    def _constants(self) -> str:
        form = self._form
        expected = {
            "CELL": form.name,
            "STATES": form.states,
            "OUTPUT": form.output,
            "PARAMETERS": {p: form.shape(p) for p in form.parameters},
        }
        wrong = [
            f"{name} is {getattr(self._module, name, None)!r}, not {value!r}"
            for name, value in expected.items()
            if getattr(self._module, name, None) != value
        ]
        return "; ".join(wrong)

    def _empty(self, shape: Shape, dtype: str) -> str:
        """Nothing in, nothing out: the state as it was, no gradient of a parameter."""
        s, host = self._s, self._s.runner.to_host
        parameters, inputs, states, output = zeros(self._form, shape, dtype)
        given = {name: np.full_like(array, 0.5) for name, array in states.items()}
        dstate = {name: np.full_like(array, 0.25) for name, array in states.items()}
        params = s.send({n: np.full_like(a, 0.125) for n, a in parameters.items()})
        x, state = s.inputs(s.send(inputs)), s.send(given)
        y, last, tape = self._module.forward(params, x, state)
        seeds = s.runner.to_device(output), s.send(dstate)
        gradients = self._module.backward(params, tape, *seeds)
        found = {
            "y": {"y": host(y)},
            "state": {n: host(a) for n, a in last.items()},
            **self._gradients(gradients),
        }
        none = self._gradients(self._module.backward(params, tape))
        if any(np.any(array) for arrays in none.values() for array in arrays.values()):
            return "without dy and dstate a gradient is not zero"
        expected = {
            "y": {"y": output},
            "state": given,
            "dparams": parameters,
            "dx": inputs,
            "dstate0": dstate,
        }
        return "; ".join(
            problem
            for part, arrays in expected.items()
            for problem in misfits(found[part], arrays, part, values=True)
        )

    def _gradients(self, found: Any) -> dict[str, Any]:
        host, (dparams, dx, dstate0) = self._s.runner.to_host, found
        return {
            "dparams": {n: host(a) for n, a in dparams.items()},
            "dx": {n: host(a) for n, a in self._s.by_input(dx).items()},
            "dstate0": {n: host(a) for n, a in dstate0.items()},
        }
