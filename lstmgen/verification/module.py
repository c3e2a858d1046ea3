"""Checks of a module's numbers on one case: forward, backward, step, tapes, inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.verification.calls import Calls, refused
from lstmgen.verification.cases import SEEDS, Array, Arrays, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.layouts import LAYOUTS, laid_out
from lstmgen.verification.session import Session

MERGED = {
    "step": "step by step: the states of every step",
    "results kept": "later calls leave what was returned as it was",
    "tape twice": "a second backward from the same tape gives the same gradients",
    "step again": "steps with the same dict of parameters, and other arguments or numbers",
    "no tape": "forward(..., tape=False): the same results",
    "scalar inputs": "as (T, B): the same results and gradients",
    "layout": "strided, reversed and offset views: the same results and gradients",
    "numbers": "scalars as numbers: the same results and gradients",
}
"""Checks that are shown as one line if they pass, and what they are then called."""

_STEPS = 20  # from which on not all are made one by one


class ModuleCheck:
    """The checks of one case; every failure becomes a line of the session's ledger."""

    def __init__(self, session: Session, case: Case) -> None:
        self._s = session
        self._case = case
        self._ledger = session.ledger
        self._module = session.module
        if not self._sequential:
            what = "rows of different lengths, NaN behind them; states that start again"
            self._ledger.merge(self._called(""), what)
        for name, what in MERGED.items():
            self._ledger.merge(self._called(name), what)
        self._calls = calls = Calls(session, case)
        self._forward = calls.forward
        self._parameters, self._inputs, self._initial = (
            calls.parameters,
            calls.inputs,
            calls.initial,
        )
        self._dy, self._dstate, self._x = calls.dy, calls.dstate, calls.x

    def run(self, layouts: Sequence[str] = LAYOUTS) -> None:
        """All checks; of views those in the layouts that are named."""
        with np.errstate(all="ignore"):
            self._forward_and_backward()
            if self._sequential:
                self._step()
                self._step_again()
            self._without_tape()
            for layout in layouts:
                self._layout(layout)
            self._without_the_axis_of_one()
            self._numbers()
            self._defaults()
            self._untouched()

    def run_large(self, seeds: Sequence[str] = SEEDS) -> None:
        """What is worth its time where the case is large."""
        with np.errstate(all="ignore"):
            self._forward_and_backward(seeds, again=False)
            if self._sequential and self._case.shape.T < _STEPS:
                self._step()
            self._without_tape()

    def _called(self, check: str) -> str:
        if not self._sequential:
            check = "lengths, restart"
        return f"{check} {self._case.dtype}"

    def _where(self, *more: str) -> str:
        return ", ".join([self._case.where, *more])

    @property
    def _sequential(self) -> bool:
        """Whether steps one by one give the same."""
        return self._case.lengths is None and self._case.restart is None

    def _seeds(self, seed: str) -> dict[str, Any]:
        given = {"dy": self._dy, "dstate": self._dstate}
        return {name: given[name] for name in given if name in seed.split(" and ")}

    def _forward_and_backward(self, seeds: Sequence[str] = SEEDS, again: bool = True) -> None:
        s, case = self._s, self._case
        check = self._called("forward")
        tape = None
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            y, last, tape = self._forward(self._parameters, self._x, self._initial)
            s.results(check, y, last, case, self._where())
        if tape is None:
            return
        kept = self._backward("backward", tape, "", seeds)
        if not again:
            return
        # dy alone once more, now that dstate was there: what is left of it must not count.
        self._backward("tape twice", tape, " again")
        check = self._called("results kept")
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            s.results(check, y, last, case, self._where("after backward"))
        for seed, found in kept.items():
            where = self._where(f"{seed}, after another backward")
            s.gradients(check, found, case.gradients[seed], case, where)

    def _backward(
        self, name: str, tape: Any, how: str, seeds: Sequence[str] = SEEDS
    ) -> dict[str, Any]:
        """backward with each of the seeds, and what it returned."""
        check, case = self._called(name), self._case
        returned = {}
        for seed in seeds:
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

    def _step_again(self) -> None:
        """What was found out about arguments at one step is looked at again at the next."""
        s, case, send = self._s, self._case, self._s.runner.to_device
        check = self._called("step again")

        def step(*arguments: Any) -> Any:
            return self._module.step(*arguments)

        params = s.send(case.parameters)
        inputs = {name: array[0] for name, array in case.inputs.items()}
        x, state = s.send(inputs), s.send(case.initial)
        expected = {name: array[0] for name, array in case.states.items()}
        half = slice(0, max(1, case.shape.B // 2))

        def some(arrays: Arrays) -> dict[str, Any]:
            return s.send({name: array[half] for name, array in arrays.items()})

        def spread(arrays: Arrays) -> dict[str, Any]:
            return {name: laid_out(array, "spread", send) for name, array in arrays.items()}

        ways: list[tuple[str, Any, Any, bool]] = [
            ("at first", x, state, False),
            ("again", x, state, False),
            ("fewer rows", some(inputs), some(case.initial), True),
            ("all rows", x, state, False),
            ("a view as x", spread(inputs), state, False),
            ("views as states", x, spread(case.initial), False),
            ("states in another order", x, _backwards(state), False),
            ("inputs in another order", _backwards(x), state, False),
        ]
        for what, given, before, fewer in ways:
            with self._ledger.guard(check, s.output, case.bound, self._where(what)):
                found = step(params, s.inputs(given), before)
                wanted = {n: a[half] if fewer else a for n, a in expected.items()}
                s.states(check, found, wanted, case, self._where(what), whole=expected)
        wrong: dict[str, tuple[str, Any]] = {
            "x that is a list": ("x", lambda: step(params, [1.0], state)),
            "state None": ("state", lambda: step(params, s.inputs(x), None)),
            "a state that is a list": (
                "state",
                lambda: step(params, s.inputs(x), {n: [1.0] for n in state}),
            ),
            "states of fewer rows": (
                "state",
                lambda: step(params, s.inputs(x), {n: a[:0] for n, a in state.items()}),
            ),
        }
        for what, (name, call) in wrong.items():
            with self._ledger.guard(check, s.output, case.bound, self._where(what)):
                step(params, s.inputs(x), state)
                problem = refused(call, (name,))
                label = Label("", f"{what} is an error")
                self._ledger.verdict(check, label, not problem, self._where(problem))
        with self._ledger.guard(check, s.output, case.bound, self._where("a dict of another kind")):
            found = step(OrderedDict(params), s.inputs(x), state)
            s.states(check, found, expected, case, self._where("a dict of another kind"))
        other = {name: array * array.dtype.type(0.5) for name, array in case.parameters.items()}
        with self._ledger.guard(check, s.output, case.bound, self._where("other numbers")):
            fresh = step(s.send(other), s.inputs(x), state)
            wanted = {name: s.runner.to_host(array).copy() for name, array in fresh.items()}
            step(params, s.inputs(x), state)
            for array, numbers in zip(params.values(), s.send(other).values(), strict=True):
                array[...] = numbers
            found = step(params, s.inputs(x), state)
            s.states(check, found, wanted, case, self._where("other numbers, in place"))
            params |= s.send(case.parameters)
            found = step(params, s.inputs(x), state)
            s.states(check, found, expected, case, self._where("other arrays"))

    def _without_tape(self) -> None:
        s, case = self._s, self._case
        check = self._called("no tape")
        with self._ledger.guard(check, s.output, case.bound, self._where()):
            y, last, tape = self._forward(self._parameters, self._x, self._initial, tape=False)
            s.results(check, y, last, case, self._where())
            if tape is not None:
                raise TypeError("with tape=False forward must return None for the tape")

    def _layout(self, layout: str) -> None:
        """Every argument as a view; dicts backwards too."""
        s, case, send = self._s, self._case, self._s.runner.to_device
        check, where = self._called("layout"), self._where(layout)

        def views(arrays: Arrays) -> dict[str, Any]:
            names = reversed(arrays) if layout == "reversed" else iter(arrays)
            return {name: laid_out(arrays[name], layout, send) for name in names}

        given = {"lengths": case.lengths, "restart": case.restart}
        options = views({n: a for n, a in given.items() if a is not None})
        parameters = views(case.parameters)
        x, initial = s.inputs(views(case.inputs)), views(case.initial)
        tape = None
        with self._ledger.guard(check, s.output, case.bound, where):
            y, last, tape = self._module.forward(parameters, x, initial, **options)
            s.results(check, y, last, case, where)
        if tape is not None:
            with self._ledger.guard(check, s.labels.all_derived, case.bound, where):
                dy, dstate = laid_out(case.dy, layout, send), views(case.dstate)
                found = self._module.backward(parameters, tape, dy, dstate)
                s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)
        if self._sequential:
            with self._ledger.guard(check, s.output, case.bound, where):
                x = s.inputs(views({name: array[0] for name, array in case.inputs.items()}))
                state = self._module.step(parameters, x, initial)
                expected = {name: array[0] for name, array in case.states.items()}
                s.states(check, state, expected, case, f"{where}, step 1")

    def _numbers(self) -> None:
        """A scalar may be a number of Python's or NumPy's, and its gradient is taken from it."""
        s, case = self._s, self._case
        scalars = [n for n in s.form.parameters if not s.form.shape(n)]
        check = self._called("numbers")
        for kind, convert in (("Python", float), ("NumPy", np.dtype(case.dtype).type)):
            if not scalars:
                return
            where = self._where(f"scalars of {kind}")
            given = self._parameters | {n: convert(case.parameters[n]) for n in scalars}
            with self._ledger.guard(check, s.output, case.bound, where):
                y, last, tape = self._forward(given, self._x, self._initial)
                s.results(check, y, last, case, where)
                found = self._module.backward(given, tape, self._dy, self._dstate)
                s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)
                if self._sequential:
                    x = s.inputs({name: array[0] for name, array in self._inputs.items()})
                    state = self._module.step(given, x, self._initial)
                    expected = {name: array[0] for name, array in case.states.items()}
                    s.states(check, state, expected, case, f"{where}, step 1")

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
        if self._tells_every_size():
            self._same(check, "a state that is left out is zero", self._without_state)
        else:
            self._same(check, "a state whose size nothing else tells is asked for", self._asked_for)
        self._same(check, "without dy and dstate every gradient is zero", self._without_seeds)

    def _same(self, check: str, what: str, differs: Any) -> None:
        label = Label("", what)
        with self._ledger.guard(check, label, None, self._where()):
            problem = differs()
            self._ledger.verdict(check, label, not problem, self._where(problem))

    def _tells_every_size(self) -> bool:
        """Whether parameters and inputs tell the size of every state."""
        form = self._s.form
        return all(set(form.telling(form.sizes[s])) - set(form.states) for s in form.states)

    def _asked_for(self) -> str:
        return refused(lambda: self._forward(self._parameters, self._x), ("state",))

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
            *((n, self._calls.options[n], getattr(case, n)) for n in self._calls.options),
            *((f"dstate[{n!r}]", self._dstate[n], a) for n, a in case.dstate.items()),
        ]
        changed = [name for name, now, was in pairs if host(now).tobytes() != was.tobytes()]
        self._ledger.verdict(
            self._called("inputs untouched"),
            Label("", "every argument is as it was, bit for bit"),
            not changed,
            self._where(f"changed: {', '.join(changed)}"),
        )


def _backwards(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: arrays[name] for name in reversed(arrays)}


def _close(found: Array, expected: Array, bound: float) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return bool(np.allclose(found, expected, rtol=0, atol=bound * scale, equal_nan=True))
