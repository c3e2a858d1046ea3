"""Runs mutants of a cell's module in processes of their own, as they may crash or never end."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

import lstmgen
from lstmgen import targets
from lstmgen.targets.common.counters import _Counting
from lstmgen.targets.rendering import files
from lstmgen.verification import Verifier, make_runner

from .tokens import TokenMutant, c_mutants, python_mutants

_LIMIT = 300  # seconds
_LIMITS = {True: 60, False: _LIMIT}  # of a quick verification; or what the true module takes times
_TIMES = 10
_SIZES = ((3, 2, 4, 3), (1, 1, 1, 1), (6, 5, 3, 2), (40, 20, 33, 17), (3, 700, 2, 3))


@dataclass(frozen=True)
class Outcome:
    """A mutant, and what became of it: caught, equivalent, or survived."""

    mutant: TokenMutant
    verdict: str


def outcomes(name: str, target: str, count: int, seed: int) -> Iterator[Outcome]:
    """The mutants of a cell's module for a target, one after the other."""
    trial = Trial(name, target)
    for file, mutant in trial.mutants(count, seed):
        yield Outcome(mutant, trial.verdict(file, mutant))


class Trial:
    """What mutants of a cell's module for a target are held against, made once for all of them."""

    def __init__(self, name: str, target: str) -> None:
        self._cell, self._target = lstmgen.load(name), targets.get(target)
        self.texts = dict(files(self._cell, self._target))

    def mutants(self, count: int, seed: int) -> list[tuple[str, TokenMutant]]:
        """Mutants, each with the file that it is of."""
        python, *others = self.texts
        share = count if not others else count // 3
        texts, machine = self.texts, self._target.machine
        made = [(python, m) for m in python_mutants(texts[python], share, seed, machine)]
        for file in others:
            used = used_functions(texts[file])
            made += [(file, m) for m in c_mutants(texts[file], count - share, seed, used)]
        return made

    def verdict(self, file: str, mutant: TokenMutant) -> str:
        """What becomes of a mutant: at few sizes, which catch nearly all, then at all."""
        changed = {**self.texts, file: mutant.text}
        for quick in (True, False):
            verifier, limit = self._verifier(quick)
            if _in_process(partial(self._passes, verifier, changed), limit) is not True:
                return "caught"
        bits = _in_process(partial(self._bits, changed))
        return "equivalent" if bits == self._expected else "survived"

    def _passes(self, verifier: Verifier, texts: dict[str, str]) -> bool:
        return verifier.check(_runner(self._target, texts), stop=True).ok

    def _bits(self, texts: dict[str, str]) -> list[bytes]:
        return _bits(self._cell, _runner(self._target, texts))

    @cache  # noqa: B019 (it ends with the process)
    def _verifier(self, quick: bool) -> tuple[Verifier, float]:
        """A verification that the module as it is passes, and how long a mutant may take in it."""
        verifier = Verifier(self._cell, self._target.name, quick=quick)
        # What the cases are made of is kept for all mutants.
        list(verifier.cases()), verifier._sequences, quick or (verifier._wide, verifier._large)
        start = time.monotonic()
        true = _in_process(lambda: verifier.check(_runner(self._target, self.texts)).ok, limit=3600)
        if true is not True:
            name = f"{self._cell.name} for {self._target.name}"
            raise AssertionError(f"{name}: the module as it is does not pass: {true}")
        return verifier, max(_LIMITS[quick], _TIMES * (time.monotonic() - start))

    @cached_property
    def _expected(self) -> Any:
        return _in_process(partial(self._bits, self.texts))


def used_functions(text: str) -> list[tuple[int, int]]:
    """Where the bodies of those functions of C text lie that something uses."""
    counting = _Counting(text)
    functions = [*counting.functions()]
    used = counting.used(functions)
    return [(f.start, f.end) for f in functions if f.name in used]


def _runner(target: Any, texts: dict[str, str]) -> Any:
    device = target.devices[-1]
    module = target.load(texts, device)
    if hasattr(module, "_FLAGS"):
        vars(module)["_FLAGS"] = (*module._FLAGS, "-O0")
    return make_runner(module, target, device)


def _in_process(work: Callable[[], Any], limit: float = _LIMIT) -> Any:
    """What the work gives, or a text that says how it failed."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def run() -> None:
        os.nice(0)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                there.send(work())
            except BaseException as error:
                there.send(f"{type(error).__name__}: {error}")

    process = context.Process(target=run, daemon=True)
    process.start()
    there.close()
    try:
        found = here.recv() if here.poll(limit) else "it does not end"
    except EOFError:
        found = "it crashes"
    if process.is_alive():
        process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    here.close()
    return found


def _bits(cell: Any, runner: Any) -> list[bytes]:
    """What a module gives for many sizes and calls, to 11 digits of float64 and 4 of float32.

    It shares nothing with the verification.
    """
    found: list[bytes] = []
    with np.errstate(all="ignore"):
        for dtype in ("float64", "float32"):
            for T, B, H, D in _SIZES:
                if B < 100 or dtype == "float64":
                    found += _calls(cell.normal_form, runner, T, B, H, D, dtype)
    return found


def _calls(form: Any, runner: Any, T: int, B: int, H: int, D: int, dtype: str) -> list[bytes]:
    from lstmgen.verification.initial import zeros
    from lstmgen.verification.points import shape_for

    generator = np.random.default_rng(T + 10 * B + 100 * H)
    parameters, inputs, states, output = zeros(form, shape_for(form, T, B, H, D), dtype)

    def draw(array: Any) -> Any:
        made = generator.uniform(0.1, 0.9, array.shape) / max(1, array.shape[-1:] or [1])[0] ** 0.5
        return runner.to_device(made.astype(dtype))

    def all_drawn(arrays: dict[str, Any]) -> dict[str, Any]:
        return {name: draw(array) for name, array in arrays.items()}

    params, x, state = all_drawn(parameters), all_drawn(inputs), all_drawn(states)
    dy, dstate = draw(output), all_drawn(states)
    one = x if len(x) > 1 else next(iter(x.values()))
    module, found = runner.module, []
    options = [{}]
    if runner.target.sequences:
        lengths = generator.integers(0, T + 1, B)
        restart = generator.random((T, B)) < 0.2
        send = runner.to_device
        options += [{"lengths": send(lengths)}, {"restart": send(restart)}]
        options += [{"lengths": send(lengths), "restart": send(restart)}]
    tape = None
    for given in options:
        y, last, tape = module.forward(params, one, state, reuse=tape, **given)
        found += [y, *last.values()]
        for seeds in ({}, {"dstate": dstate}, {"dy": dy, "dstate": dstate}):
            dparams, dx, dstate0 = module.backward(params, tape, **seeds)
            dx = dx if len(x) > 1 else {"x": dx}
            found += [*dparams.values(), *dx.values(), *dstate0.values()]
        found += module.forward(params, one, tape=False, **given)[1].values()
    for t in range(min(T, 3)):
        at_t = {name: array[t] for name, array in x.items()}
        state = module.step(params, at_t if len(x) > 1 else next(iter(at_t.values())), state)
        found += list(state.values())
    return [_rounded(runner.to_host(array)) for array in found]


def _rounded(array: Any) -> bytes:
    """The numbers with the digits that count."""
    digits = 11 if array.dtype == np.float64 else 4
    scale = float(np.max(np.abs(array), initial=0.0)) or 1.0
    whole = np.round(array.astype(np.float64) / scale, digits) + 0.0
    return str((array.shape, array.dtype)).encode() + whole.tobytes()
