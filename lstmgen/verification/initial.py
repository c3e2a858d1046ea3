"""Checks of initial parameters and states: distribution, seed, dtype and defaults."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.cases import Arrays
from lstmgen.verification.points import Shape, shape_for
from lstmgen.verification.session import Session

_DEVIATION = 2.5
"""Of the distribution function, in 1/sqrt(n): more happens once in a hundred thousand times."""


class InitialCheck:
    """What `init_params` and `init_state` give, in one dtype; `problem` says what is wrong."""

    def __init__(self, session: Session, dtype: str) -> None:
        self._s = session
        self._form: NormalForm = session.form
        self._module = session.module
        self._dtype = dtype

    def problem(self) -> str:
        """What is wrong, or nothing."""
        shape = shape_for(self._form, 2, 4, 3, 5)
        found = self._names_and_shapes(shape)
        found = found or self._seeds(shape)
        found = found or self._defaults(shape)
        for units in (9, 100):
            found = found or self._distribution(shape_for(self._form, 1, 1, units, 40))
        return found

    def _names_and_shapes(self, shape: Shape) -> str:
        parameters, _, states, _ = zeros(self._form, shape, self._dtype)
        wrong = misfits(self._parameters(shape, seed=1), parameters, "init_params")
        state = self._state(shape, dtype=self._dtype)
        wrong += misfits(state, states, "init_state", values=True)
        return "; ".join(wrong)

    def _seeds(self, shape: Shape) -> str:
        form = self._form
        first, again, other = (self._parameters(shape, seed=seed) for seed in (1, 1, 2))
        unseeded = [self._parameters(shape, seed=None) for _ in range(2)]
        drawn = [p for p in form.parameters if form.shape(p)]
        if any(first[p].tobytes() != again[p].tobytes() for p in first):
            return "init_params gives other numbers for the same seed"
        pairs = ((first, other, "another seed"), (unseeded[0], unseeded[1], "no seed"))
        for one, two, what in pairs:
            if any(one[p].tobytes() == two[p].tobytes() for p in drawn):
                return f"init_params gives the same numbers for {what}"
        return ""

    def _defaults(self, shape: Shape) -> str:
        default = self._parameters(shape, seed=1, dtype=None)
        state = self._state(shape)
        if any(a.dtype != np.float32 for a in (*default.values(), *state.values())):
            return "the dtype is not float32 where none is given"
        return ""

    def _distribution(self, shape: Shape) -> str:
        """Uniform in ±1/sqrt(H), and scalars 1."""
        bound = shape.H**-0.5
        made = self._parameters(shape, seed=3)
        drawn = {p: a for p, a in made.items() if self._form.shape(p)}
        for name, array in made.items():
            if name not in drawn and array != 1:
                return f"init_params: the scalar {name} is {array}, not 1"
        for name, array in drawn.items():
            values = np.sort(array.astype(np.float64).ravel())
            if not np.all(np.abs(values) <= bound * (1 + 1e-6)):
                return f"init_params: {name} is not within ±1/sqrt(H)"
            # One of so many numbers is nearer to the bound, but for one seed of millions.
            if np.max(np.abs(values)) < bound * (1 - 16 / values.size):
                return f"init_params: {name} does not reach ±1/sqrt(H)"
            part = (values / bound + 1) / 2
            ranks = np.arange(part.size)
            off = max(np.max(part - ranks / part.size), np.max((ranks + 1) / part.size - part))
            if off > _DEVIATION / part.size**0.5:
                return f"init_params: {name} is not uniform in ±1/sqrt(H)"
        for (one, a), (two, b) in itertools.combinations(drawn.items(), 2):
            if np.array_equal(a.ravel()[: b.size], b.ravel()[: a.size]):
                return f"init_params: {one} and {two} have the same numbers"
        return ""

    def _parameters(self, shape: Shape, seed: int | None, dtype: str | None = "") -> Arrays:
        """With the dtype of the check; None for none."""
        options: dict[str, Any] = {} if dtype is None else {"dtype": self._dtype}
        made = self._module.init_params(
            input_size_argument(self._form, shape),
            shape.H,
            seed=seed,
            **options,
            **{name: shape.size(name) for name in self._form.extra_sizes},
        )
        return {name: self._s.runner.to_host(array) for name, array in made.items()}

    def _state(self, shape: Shape, **options: Any) -> Arrays:
        sizes = {name: shape.size(name) for name in self._form.extra_sizes}
        made = self._module.init_state(shape.B, shape.H, **options, **sizes)
        return {name: self._s.runner.to_host(array) for name, array in made.items()}


def zeros(form: NormalForm, shape: Shape, dtype: str) -> tuple[Arrays, Arrays, Arrays, Any]:
    """Parameters, inputs, states and the output of a shape."""
    size = shape.size
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


def misfits(found: Arrays, expected: Arrays, what: str, values: bool = False) -> list[str]:
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
