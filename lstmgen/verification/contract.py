"""Checks of a module's interface: its constants, its initial values, and empty sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.cases import Arrays
from lstmgen.verification.labels import Label
from lstmgen.verification.points import Shape, shape_for
from lstmgen.verification.session import Session


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
                    lambda dtype=dtype: self._initial_values(dtype),
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

    def _initial_values(self, dtype: str) -> str:
        shape = shape_for(self._form, 2, 4, 3, 5)
        first, again, other = (self._init_params(shape, seed, dtype) for seed in (1, 1, 2))
        state = self._init_state(shape, dtype)
        wrong = _misfits(first, self._zeros(shape, dtype)[0], "init_params")
        wrong += _misfits(state, self._zeros(shape, dtype)[2], "init_state")
        if wrong:
            return "; ".join(wrong)
        if any(np.any(array) for array in state.values()):
            return "init_state is not zero"
        if any(not np.all(np.isfinite(array)) for array in first.values()):
            return "init_params has numbers that are not finite"
        if any(first[p].tobytes() != again[p].tobytes() for p in first):
            return "init_params gives other numbers for the same seed"
        weights = self._form.weights
        if weights and all(first[p].tobytes() == other[p].tobytes() for p in weights):
            return "init_params gives the same numbers for another seed"
        return ""

    def _empty(self, shape: Shape, dtype: str) -> str:
        """Nothing in, nothing out: the state as it was, no gradient of a parameter."""
        s, host = self._s, self._s.runner.to_host
        parameters, inputs, zeros, output = self._zeros(shape, dtype)
        given = {name: np.full_like(array, 0.5) for name, array in zeros.items()}
        dstate = {name: np.full_like(array, 0.25) for name, array in zeros.items()}
        params = s.send({n: np.full_like(a, 0.125) for n, a in parameters.items()})
        x, state = s.inputs(s.send(inputs)), s.send(given)
        y, last, tape = self._module.forward(params, x, state)
        dparams, dx, dstate0 = self._module.backward(
            params, tape, s.runner.to_device(output), s.send(dstate)
        )
        found = {
            "y": {"y": host(y)},
            "state": {n: host(a) for n, a in last.items()},
            "dparams": {n: host(a) for n, a in dparams.items()},
            "dx": {n: host(a) for n, a in s.by_input(dx).items()},
            "dstate0": {n: host(a) for n, a in dstate0.items()},
        }
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
            for problem in _misfits(found[part], arrays, part, values=True)
        )

    def _zeros(self, shape: Shape, dtype: str) -> tuple[Arrays, Arrays, Arrays, Any]:
        """Parameters, inputs, states and the output of a shape."""
        form, size = self._form, shape.size
        parameters = {}
        for name in form.parameters:
            if name in form.weights:
                weight = form.weights[name]
                of: tuple[int, ...] = (size(weight.rows), sum(map(size, weight.columns)))
            else:
                of = tuple(size(symbol) for symbol in form.shape(name))
            parameters[name] = np.zeros(of, dtype)
        steps, rows, sizes = shape.T, shape.B, form.sizes
        return (
            parameters,
            {x: np.zeros((steps, rows, size(n)), dtype) for x, n in form.input_extents.items()},
            {s: np.zeros((rows, size(sizes[s])), dtype) for s in form.states},
            np.zeros((steps, rows, size(sizes[form.output])), dtype),
        )

    def _init_params(self, shape: Shape, seed: int, dtype: str) -> Arrays:
        made = self._module.init_params(
            input_size_argument(self._form, shape),
            shape.H,
            seed=seed,
            dtype=dtype,
            **{name: shape.size(name) for name in self._form.extra_sizes},
        )
        return {name: self._s.runner.to_host(array) for name, array in made.items()}

    def _init_state(self, shape: Shape, dtype: str) -> Arrays:
        made = self._module.init_state(
            shape.B,
            shape.H,
            dtype=dtype,
            **{name: shape.size(name) for name in self._form.extra_sizes},
        )
        return {name: self._s.runner.to_host(array) for name, array in made.items()}


def input_size_argument(form: NormalForm, shape: Shape) -> int | dict[str, int]:
    """What init_params takes: the one size, or a dict of the inputs whose sizes are free.

    With a single free size among several inputs, a number stands for it.
    """
    if len(form.inputs) == 1:
        return shape.size(form.input_extents[form.inputs[0]])
    if len(form.input_sizes) == 1:
        return shape.size(form.input_sizes[0])
    free = [x for x in form.inputs if form.sizes[x] in form.input_sizes]
    return {x: shape.size(form.sizes[x]) for x in free}


def _misfits(found: Arrays, expected: Arrays, what: str, values: bool = False) -> list[str]:
    """What is wrong with names, shapes and dtypes, and with the values if they matter."""
    if set(found) != set(expected):
        return [f"{what} has the names {sorted(found)}, not {sorted(expected)}"]
    wrong = []
    for name, array in expected.items():
        got = found[name]
        if got.shape != array.shape or got.dtype != array.dtype:
            wrong.append(
                f"{what}[{name!r}] has shape {got.shape} and dtype {got.dtype}, "
                f"not {array.shape} and {array.dtype}"
            )
        elif values and not np.array_equal(got, array):
            wrong.append(f"{what}[{name!r}] has other numbers")
    return wrong
