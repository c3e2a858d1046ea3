"""A module held against the reference: everything that section 2 of its docstrings promises."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmgen import Cell
from lstmgen.verification.runners import Runner, build_runner

from .points import SEEDS, Case, find_case, sizes_for
from .reference import Array, Arrays


class Wrong(AssertionError):
    """A module that does not do what its cell's equations say."""


@dataclass(frozen=True)
class Checked:
    """What came of a cell whose module is right: how many comparisons, and what had no point."""

    comparisons: int
    without_a_point: tuple[str, ...]


def check(
    cell: Cell,
    target: str | Runner,
    seed: int = 0,
    *,
    dtypes: tuple[str, ...] = ("float64", "float32"),
) -> Checked:
    """Hold a cell's module against the reference; raises `Wrong`, or whatever the module raises.

    The module is made for the target and run on the CPU, or it is the runner's.

    Sizes are drawn from `seed`; float64 is compared at two sizes, float32 at the larger one.
    """
    runner = build_runner(cell, target, "cpu") if isinstance(target, str) else target
    checker = _Checker(cell, runner, seed)
    checker.run(dtypes)
    return Checked(checker.comparisons, tuple(checker.without))


class _Checker:
    def __init__(self, cell: Cell, runner: Runner, seed: int) -> None:
        self._cell, self._runner, self._seed = cell, runner, seed
        self._module = runner.module
        self.comparisons = 0
        self.without: list[str] = []
        names = inspect.signature(self._module.forward).parameters
        self._sequences = {"lengths", "restart"} <= set(names)
        self._where = ""

    def run(self, dtypes: tuple[str, ...]) -> None:
        rng = random.Random(self._seed)
        T, B = rng.choice(((3, 2), (4, 3), (5, 2), (3, 4)))
        H, D = rng.choice(((4, 3), (3, 5), (5, 2), (2, 4), (6, 3)))
        main = self._case("general", T, B, H, D)
        small = self._case("small", *rng.choice(((1, 1, 1, 1), (2, 1, 1, 3), (1, 3, 3, 2))))
        if main is not None:
            for dtype in dtypes:
                self._whole(main, dtype)
        if small is not None and "float64" in dtypes:
            self._forward_and_backward(small, "float64")
        if main is not None:
            self._empty(main, dtypes[0])
            if self._sequences:
                self._ragged(T, B, H, D, dtypes)

    def _case(self, name: str, T: int, B: int, H: int, D: int, **how: bool) -> Case | None:
        case = find_case(self._cell, sizes_for(self._cell, T, B, H, D), self._seed, **how)
        if case is None:
            self.without.append(name)
        return case

    # The checks of one case

    def _whole(self, case: Case, dtype: str) -> None:
        given = self._arguments(case, dtype)
        before = [a.tobytes() for a in self._hosts(given)]
        tape, first = self._forward_and_backward(case, dtype, given)
        m, (params, x, state, dy, dstate), options = self._module, given, self._options(case)
        self._where = f"{case.sizes} {dtype}, tape used again"
        self._gradients(case, dtype, "dy", m.backward(params, tape, dy), "dy")
        self._where = f"{case.sizes} {dtype}, no dy and no dstate"
        for name, array in self._returned(m.backward(params, tape)).items():
            if np.any(array):
                raise Wrong(f"{self._where}: {name} is not zero")
        self._where = f"{case.sizes} {dtype}, tape=False"
        y, last, none = m.forward(params, x, state, tape=False, **options)
        if none is not None:
            raise Wrong(f"{self._where}: a tape came back")
        self._compare(case, dtype, "", self._results(y, last))
        self._where = f"{case.sizes} {dtype}, reuse"
        y, last, again = m.forward(params, x, state, reuse=tape, **options)
        second = self._results(y, last)
        second |= self._returned(m.backward(params, again, dy, dstate))
        for name, array in first.items():
            if second[name].tobytes() != array.tobytes():
                raise Wrong(f"{self._where}: {name} has other bits than at first")
        self._where = f"{case.sizes} {dtype}, the spent tape"
        self._raises((ValueError,), lambda: m.backward(params, tape, dy))
        self._where = f"{case.sizes} {dtype}"
        if not options:
            self._step(case, dtype, given)
            self._default_state(case, dtype, given)
        if [a.tobytes() for a in self._hosts(given)] != before:
            raise Wrong(f"{self._where}: an argument was written to")

    def _forward_and_backward(
        self, case: Case, dtype: str, given: Any = None
    ) -> tuple[Any, Arrays]:
        params, x, state, dy, dstate = given or self._arguments(case, dtype)
        self._where = f"{case.sizes} {dtype}"
        y, last, tape = self._module.forward(params, x, state, **self._options(case))
        found = self._results(y, last)
        self._compare(case, dtype, "", found)
        gradients: Arrays = {}
        for seeds, (has_dy, has_dstate) in SEEDS.items():
            self._where = f"{case.sizes} {dtype}, with {seeds}"
            got = self._module.backward(
                params, tape, dy if has_dy else None, dstate if has_dstate else None
            )
            gradients = self._gradients(case, dtype, seeds, got, seeds)
        return tape, found | gradients

    def _step(self, case: Case, dtype: str, given: Any) -> None:
        params, _, state, _, _ = given
        for t, expected in enumerate(case.true.steps):
            self._where = f"{case.sizes} {dtype}, step {t + 1}"
            x = {n: self._send(a[t], dtype) for n, a in case.point.inputs.items()}
            state = self._module.step(params, self._packed(x), state)
            self._names("state", state, expected)
            for name, array in expected.items():
                lost = _lost(array, case.rough.steps[t][name], 0)
                self._close(name, self._host(state[name]), array, dtype, lost, 0)

    def _default_state(self, case: Case, dtype: str, given: Any) -> None:
        """Without a state it is zero; the same call gives the same bits."""
        params, x, _, _, _ = given
        if not self._sizes_are_told():
            return  # it must be given; tests of the interface see to the error
        of = dict(case.sizes.of)
        sizes = {n: of[n] for n in self._cell.normal_form.extra_sizes}
        zeros = self._module.init_state(case.sizes.B, of["H"], dtype=dtype, **sizes)
        with np.errstate(all="ignore"):
            one = self._results(*self._module.forward(params, x)[:2])
            two = self._results(*self._module.forward(params, x, zeros)[:2])
        for name, array in one.items():
            if two[name].tobytes() != array.tobytes():
                raise Wrong(f"{self._where}: {name} without a state is not that from zeros")

    def _sizes_are_told(self) -> bool:
        """Whether a parameter or an input alone tells every state's size."""
        form = self._cell.normal_form
        told = {*form.input_extents.values(), *form.vectors.values()}
        told |= {weight.rows for weight in form.weights.values()}
        return {form.sizes[s] for s in form.states} <= told

    def _empty(self, case: Case, dtype: str) -> None:
        """No steps, or no rows."""
        of = dict(case.sizes.of)
        for T, B in ((0, case.sizes.B), (case.sizes.T, 0)):
            self._where = f"T={T} B={B} {dtype}"
            point = case.point
            params = {n: self._send(a, dtype) for n, a in point.parameters.items()}
            x = {n: self._send(a[:T, :B], dtype) for n, a in point.inputs.items()}
            state = {n: self._send(a[:B], dtype) for n, a in point.initial.items()}
            dy = self._send(case.dy[:T, :B], dtype)
            dstate = {n: self._send(a[:B], dtype) for n, a in case.dstate.items()}
            y, last, tape = self._module.forward(params, self._packed(x), state)
            got = self._results(y, last)
            got |= self._returned(self._module.backward(params, tape, dy, dstate))
            out = of[self._cell.normal_form.sizes[self._cell.output]]
            expected = {
                "y": np.zeros((T, B, out)),
                **{f"last {n}": a[:B] for n, a in point.initial.items()},
                **{f"dparams {n}": np.zeros(a.shape) for n, a in point.parameters.items()},
                **{f"dx {n}": np.zeros((T, B, a.shape[2])) for n, a in point.inputs.items()},
                **{f"dstate0 {n}": a[:B] for n, a in case.dstate.items()},
            }
            self._names("results", got, expected)
            for name, exact in expected.items():
                array = exact.astype(dtype)
                if got[name].shape != array.shape or not np.array_equal(got[name], array):
                    raise Wrong(f"{self._where}: {name} is {got[name]}, not {array}")

    def _ragged(self, T: int, B: int, H: int, D: int, dtypes: tuple[str, ...]) -> None:
        """Rows of different lengths, with NaN behind them; states that start anew."""
        for name, how in (
            ("lengths", {"ragged": True}),
            ("restart", {"restarts": True}),
            ("lengths and restart", {"ragged": True, "restarts": True}),
        ):
            case = self._case(name, T, B, H, D, **how)
            if case is not None:
                both = name == "lengths and restart"
                for dtype in dtypes if both else dtypes[:1]:
                    self._whole(case, dtype)

    # Arguments and results

    def _arguments(self, case: Case, dtype: str) -> Any:
        point = case.point
        inputs = dict(point.inputs)
        if point.lengths is not None:  # what is there does not matter
            behind = np.arange(case.sizes.T)[:, None] >= point.lengths
            inputs = {n: np.where(behind[:, :, None], np.nan, a) for n, a in inputs.items()}
        return (
            {n: self._send(a, dtype) for n, a in point.parameters.items()},
            self._packed({n: self._send(a, dtype) for n, a in inputs.items()}),
            {n: self._send(a, dtype) for n, a in point.initial.items()},
            self._send(case.dy, dtype),
            {n: self._send(a, dtype) for n, a in case.dstate.items()},
        )

    def _options(self, case: Case) -> dict[str, Any]:
        options = {}
        if case.point.lengths is not None:
            options["lengths"] = self._runner.to_device(case.point.lengths)
        if case.point.restart is not None:
            options["restart"] = self._runner.to_device(case.point.restart)
        return options

    def _send(self, array: Array, dtype: str) -> Any:
        return self._runner.to_device(np.asarray(array).astype(dtype))

    def _host(self, array: Any) -> Array:
        return np.asarray(self._runner.to_host(array))

    def _hosts(self, given: Any) -> Iterator[Array]:
        for part in given:
            for array in part.values() if isinstance(part, dict) else [part]:
                yield self._host(array)

    def _packed(self, inputs: dict[str, Any]) -> Any:
        return inputs if len(inputs) > 1 else next(iter(inputs.values()))

    def _results(self, y: Any, last: Any) -> Arrays:
        return {"y": self._host(y), **{f"last {n}": self._host(a) for n, a in last.items()}}

    def _returned(self, gradients: Any) -> Arrays:
        dparams, dx, dstate0 = gradients
        if len(self._cell.inputs) == 1:
            dx = {self._cell.inputs[0]: dx}
        groups = {"dparams": dparams, "dx": dx, "dstate0": dstate0}
        return {
            f"{group} {name}": self._host(array)
            for group, arrays in groups.items()
            for name, array in arrays.items()
        }

    # Comparisons

    def _gradients(self, case: Case, dtype: str, seeds: str, got: Any, about: str) -> Arrays:
        found = self._returned(got)
        self._compare(case, dtype, seeds, found)
        return found

    def _compare(self, case: Case, dtype: str, seeds: str, found: Arrays) -> None:
        true, rough = case.expected(seeds)
        wanted = {
            n: a for n, a in true.items() if (n[0] == "d") is bool(seeds)
        }  # y and last, or dparams, dx, dstate0
        self._names("results", found, wanted)
        largest = max((float(np.max(np.abs(a), initial=0)) for a in wanted.values()), default=0)
        # What float32 loses in one array says little where that has few numbers.
        lost = max((_lost(a, rough[n], largest) for n, a in wanted.items()), default=0)
        for name, array in wanted.items():
            self._close(name, found[name], array, dtype, lost, largest)

    def _close(
        self, name: str, found: Array, true: Array, dtype: str, lost: float, largest: float
    ) -> None:
        if found.shape != true.shape or found.dtype != dtype:
            raise Wrong(
                f"{self._where}: {name} has shape {found.shape} and dtype {found.dtype}, "
                f"not {true.shape} and {dtype}"
            )
        self.comparisons += 1
        off = np.abs(found - true)
        scale = _scale(true, largest)
        bound = (1e-12 + 1e-7 * lost if dtype == "float64" else 5e-5 + 20 * lost) * scale
        if not np.all(off <= bound):
            if not np.all(np.isfinite(found)):
                raise Wrong(f"{self._where}: {name} is off, it has numbers that are not finite")
            worst = float(np.max(off)) / scale
            raise Wrong(f"{self._where}: {name} is off by {worst:.1e} of {scale:.2g}")

    def _names(self, what: str, found: Any, expected: Any) -> None:
        if set(found) != set(expected):
            raise Wrong(f"{self._where}: {what} {sorted(found)}, not {sorted(expected)}")

    def _raises(self, kinds: tuple[type[Exception], ...], call: Callable[[], Any]) -> None:
        try:
            call()
        except kinds:
            return
        raise Wrong(f"{self._where}: no error")


def _scale(true: Array, largest: float) -> float:
    """What errors of an array are relative to: a hundredth of the largest of its kind counts."""
    return max(float(np.max(np.abs(true), initial=0)), 1e-2 * largest, 1e-6)


def _lost(true: Array, rough: Array, largest: float) -> float:
    """What float32 loses in an array, relative to its scale."""
    return float(np.max(np.abs(rough - true), initial=0)) / _scale(true, largest)
