"""Checks of a module's numbers on one case: forward, backward, step, tapes, inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.verification.cases import SEEDS, Array, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session

MERGED = {
    "step": "step by step: the states of every step",
    "results kept": "later calls leave what was returned as it was",
    "tape twice": "a second backward from the same tape gives the same gradients",
    "reuse": "with another tape's memory: the same results and gradients",
    "no tape": "forward(..., tape=False): the same results",
    "scalar inputs": "as (T, B): the same results and gradients",
    "layout": "arrays in another order in memory: the same results and gradients",
}
"""Checks that are shown as one line if they pass, and what they are then called."""


class ModuleCheck:
    """The checks of one case; every failure becomes a line of the session's ledger."""

    def __init__(self, session: Session, case: Case) -> None:
        self._s = session
        self._case = case
        self._ledger = session.ledger
        self._module = session.module
        for name, what in MERGED.items():
            self._ledger.merge(self._called(name), what)
        self._parameters = session.send(case.parameters)
        self._inputs = session.send(case.inputs)
        self._initial = session.send(case.initial)
        self._dy = session.runner.to_device(case.dy)
        self._dstate = session.send(case.dstate)
        self._x = session.inputs(self._inputs)

    def run(self) -> None:
        """All checks."""
        with np.errstate(all="ignore"):
            self._forward_and_backward()
            self._step()
            self._reuse()
            self._without_tape()
            self._layout()
            self._without_the_axis_of_one()
            self._defaults()
            self._untouched()

    def run_forward_and_backward(self) -> None:
        """The first of the checks alone."""
        with np.errstate(all="ignore"):
            self._forward_and_backward()

    def _called(self, check: str) -> str:
        return f"{check} {self._case.dtype}"

    def _where(self, *more: str) -> str:
        return ", ".join([str(self._case.shape), *more])

    def _forward(self, *arguments: Any, **options: Any) -> tuple[Any, Any, Any]:
        result = self._module.forward(*arguments, **options)
        if not isinstance(result, tuple) or len(result) != 3:
            raise TypeError("forward must return (y, state, tape)")
        return result

    def _seeds(self, seed: str) -> dict[str, Any]:
        given = {"dy": self._dy, "dstate": self._dstate}
        return {name: given[name] for name in given if name in seed.split(" and ")}

    def _forward_and_backward(self) -> None:
        s, case = self._s, self._case
        check = self._called("forward")
        tape = None
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            y, last, tape = self._forward(self._parameters, self._x, self._initial)
            s.results(check, y, last, case, self._where())
        if tape is None:
            return
        kept = self._backward("backward", tape, "")
        # dy alone once more, now that dstate was there: what is left of it must not count.
        self._backward("tape twice", tape, " again")
        check = self._called("results kept")
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            s.results(check, y, last, case, self._where("after backward"))
        for seed, found in kept.items():
            where = self._where(f"{seed}, after another backward")
            s.gradients(check, found, case.gradients[seed], case, where)

    def _backward(self, name: str, tape: Any, how: str) -> dict[str, Any]:
        """backward with each of the seeds, and what it returned."""
        check, case = self._called(name), self._case
        returned = {}
        for seed in SEEDS:
            where = self._where((seed if seed == SEEDS[-1] else f"{seed} alone") + how)
            with self._ledger.guard(check, self._s.labels.all_derived, case.bound, where):
                found = self._module.backward(self._parameters, tape, **self._seeds(seed))
                returned[seed] = found
                self._s.gradients(check, found, case.gradients[seed], case, where)
        return returned

    def _both(self, name: str, tape: Any, where: str) -> None:
        """backward with dy and dstate from this tape."""
        check, case = self._called(name), self._case
        with self._ledger.guard(check, self._s.labels.all_derived, case.bound, where):
            found = self._module.backward(self._parameters, tape, self._dy, self._dstate)
            self._s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)

    def _step(self) -> None:
        s, case = self._s, self._case
        check = self._called("step")
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            state: Any = self._initial
            for t in range(case.shape.T):
                x = s.inputs({name: array[t] for name, array in self._inputs.items()})
                state = self._module.step(self._parameters, x, state)
                expected = {name: array[t] for name, array in case.states.items()}
                s.states(check, state, expected, case, self._where(f"step {t + 1}"))

    def _reuse(self) -> None:
        """A tape of other numbers gives its memory away, and cannot be used after that."""
        s, case = self._s, self._case
        check = self._called("reuse")
        tape = None
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            others = s.inputs(s.send({n: _moved(a) for n, a in case.inputs.items()}))
            states = s.send({n: _moved(a) for n, a in case.initial.items()})
            other, _, spent = self._forward(self._parameters, others, states)
            before = s.runner.to_host(other).copy()
            y, last, tape = self._forward(self._parameters, self._x, self._initial, reuse=spent)
            s.results(check, y, last, case, self._where())
            if s.runner.to_host(other).tobytes() != before.tobytes():
                raise ValueError("reuse overwrites the y that the earlier forward returned")
        if tape is None:
            return
        self._both("reuse", tape, self._where())
        check = self._called("spent tape")
        self._refused(
            check,
            "backward from a tape that was given to reuse is an error",
            lambda: self._module.backward(self._parameters, spent, self._dy, self._dstate),
        )
        self._refused(
            check,
            "a tape cannot be given to reuse twice",
            lambda: self._forward(self._parameters, self._x, self._initial, reuse=spent),
        )

    def _refused(self, check: str, what: str, call: Any) -> None:
        try:
            call()
        except (TypeError, ValueError, RuntimeError) as error:
            clear, problem = bool(str(error)), "the error has no message"
        except Exception as error:
            clear, problem = False, f"{type(error).__name__} is no clear error: {error}"
        else:
            clear, problem = False, "it was accepted"
        self._ledger.verdict(check, Label("", what), clear, self._where(problem))

    def _without_tape(self) -> None:
        s, case = self._s, self._case
        check = self._called("no tape")
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            y, last, tape = self._forward(self._parameters, self._x, self._initial, tape=False)
            s.results(check, y, last, case, self._where())
            if tape is not None:
                raise TypeError("with tape=False forward must return None for the tape")

    def _layout(self) -> None:
        s, case = self._s, self._case
        check = self._called("layout")
        parameters = s.strided(case.parameters)
        tape = None
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            x = s.inputs(s.strided(case.inputs))
            y, last, tape = self._forward(parameters, x, s.strided(case.initial))
            s.results(check, y, last, case, self._where())
        if tape is not None:
            with self._ledger.guard(check, s.labels.all_derived, case.bound, self._where()):
                dy, dstate = s.strided_array(case.dy), s.strided(case.dstate)
                found = self._module.backward(parameters, tape, dy, dstate)
                s.gradients(check, found, case.gradients[SEEDS[-1]], case, self._where())

    def _without_the_axis_of_one(self) -> None:
        """What is one number for each row may be (T, B) too, and so is its gradient then."""
        s, case, scalars = self._s, self._case, self._s.form.scalar_inputs
        if not scalars:
            return
        check = self._called("scalar inputs")
        narrow = {n: a[..., 0] if n in scalars else a for n, a in self._inputs.items()}
        gradient = case.gradients[SEEDS[-1]]
        flat = {n: a[..., 0] if n in scalars else a for n, a in gradient.inputs.items()}
        with self._ledger.guard(check, s.output, case.bound, self._where("(T, B)")):
            y, last, tape = self._forward(self._parameters, s.inputs(narrow), self._initial)
            s.results(check, y, last, case, self._where("(T, B)"))
            found = self._module.backward(self._parameters, tape, self._dy, self._dstate)
            expected = replace(gradient, inputs=flat)
            s.gradients(check, found, expected, case, self._where("(T, B)"))

    def _defaults(self) -> None:
        """A state that is left out is zero; without dy and dstate every gradient is zero."""
        check = self._called("defaults")
        self._same(check, "a state that is left out is zero", self._without_state)
        self._same(check, "without dy and dstate every gradient is zero", self._without_seeds)

    def _same(self, check: str, what: str, differs: Any) -> None:
        label = Label("", what)
        with self._ledger.guard(check, label, None, self._where()):
            problem = differs()
            self._ledger.verdict(check, label, not problem, self._where(problem))

    def _without_state(self) -> str:
        s, host = self._s, self._s.runner.to_host
        zeros = s.send({name: np.zeros_like(array) for name, array in self._case.initial.items()})
        y, last, _ = self._forward(self._parameters, self._x, zeros)
        expected = {"y": host(y).copy(), **{n: host(a).copy() for n, a in last.items()}}
        y, last, _ = self._forward(self._parameters, self._x)
        found = {"y": host(y), **{n: host(a) for n, a in last.items()}}
        different = [n for n in expected if not _close(found[n], expected[n], self._case.bound)]
        return f"different: {', '.join(different)}" if different else ""

    def _without_seeds(self) -> str:
        s, host = self._s, self._s.runner.to_host
        _, _, tape = self._forward(self._parameters, self._x, self._initial)
        dparams, dx, dstate0 = self._module.backward(self._parameters, tape)
        found = {**dparams, **s.by_input(dx), **dstate0}
        different = [name for name, array in found.items() if np.any(host(array) != 0)]
        return f"not zero: {', '.join(different)}" if different else ""

    def _untouched(self) -> None:
        """Bit for bit, after all of the above."""
        case, host = self._case, self._s.runner.to_host
        pairs = [
            *((f"params[{n!r}]", self._parameters[n], a) for n, a in case.parameters.items()),
            *((f"x {n!r}", self._inputs[n], a) for n, a in case.inputs.items()),
            *((f"state[{n!r}]", self._initial[n], a) for n, a in case.initial.items()),
            ("dy", self._dy, case.dy),
            *((f"dstate[{n!r}]", self._dstate[n], a) for n, a in case.dstate.items()),
        ]
        changed = [name for name, now, was in pairs if host(now).tobytes() != was.tobytes()]
        self._ledger.verdict(
            self._called("inputs untouched"),
            Label("", "params, x, state, dy and dstate are as they were, bit for bit"),
            not changed,
            self._where(f"changed: {', '.join(changed)}"),
        )


def _moved(array: Array) -> Array:
    """Other numbers of the same kind: every axis but the last, turned by one."""
    moved: Array = np.roll(array, 1, axis=tuple(range(array.ndim - 1)))
    moved *= array.dtype.type(0.75)
    return moved


def _close(found: Array, expected: Array, bound: float) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return bool(np.allclose(found, expected, rtol=0, atol=bound * scale, equal_nan=True))
