"""The check of a grid that is too small for its rows, whose blocks go on to further ones.

A device takes 65,535 blocks on top of each other, which is half a million rows.  The module is
loaded again and gets few, so that every kernel goes on with rows that are few enough to be run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstmgen.targets.common.counters import ARRAY, count_statements
from lstmgen.targets.cupy.counting import read, with_reader
from lstmgen.targets.cupy.instead import load_instead
from lstmgen.verification.calls import Calls
from lstmgen.verification.cases import Case
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session

_FEW = 2
_ROUNDS = 3  # times the blocks that there may be is what every kernel must have work for
_CHECK = "grid"
_LOOP = re.compile(rf"\bfor \([^{{}}]*\bblockIdx\b[^{{}}]*\{{[^;]*?{ARRAY}\[(\d+)\]")


def check_grid(session: Session, cases: Sequence[Case]) -> None:
    """The same bits from many blocks and from few; the cases are to have every kernel's rows."""
    ledger, watch = session.ledger, _Watch()
    ledger.merge(_CHECK, f"the same bits with {_FEW} blocks, each of which goes on to further rows")
    label = Label("", "as many blocks as the device takes, or few")
    with ledger.guard(_CHECK, label, None, ""):
        found = load_instead(session.runner.target, session.runner, watch.compiling)
        if found is None:
            text = "left out: the module has no text, or no CuPy, to load it with a smaller grid"
            ledger.verdict("no grid", Label("", text), True, "")
            return
        module, watch.cupy = found
        most = int(watch.cupy.cuda.Device().attributes["MaxGridDimY"])
        blocks = getattr(module, "_BLOCKS", None)
        if not isinstance(blocks, int) or not 0 < blocks <= most:
            detail = f"_BLOCKS is {blocks}, where the device takes 1 to {most}"
            ledger.verdict(_CHECK, label, False, detail)
            return
        old = session.runner
        runner = old.target.runner(module, old.device, old.name)
        again = Session(session.form, session.labels, runner, ledger)
        largest: dict[str, int] = {}
        for case in cases:
            whole, before, often = watch.run(again, case, blocks)
            same, after, oftener = watch.run(again, case, _FEW)
            ledger.verdict(_CHECK, label, same == whole, f"{case}: {_FEW} blocks, other numbers")
            kept = after == [(name, min(count, _FEW)) for name, count in before]
            detail = f"{case}: the grid does not follow _BLOCKS = {_FEW}"
            ledger.verdict(_CHECK, label, kept, detail)
            known = Label("", "a loop over rows is found in the kernels")
            ledger.verdict(_CHECK, known, bool(often), f"{case}: none, so that nothing is counted")
            for place, count in oftener.items():
                detail = f"{case}: {count} rows with {_FEW} blocks, {often[place]} with all"
                known = Label("", f"no row is computed twice: {place}")
                ledger.verdict(_CHECK, known, count == often[place], detail)
            for name, count in before:
                largest[name] = max(count, largest.get(name, 0))
        for name, count in largest.items():
            label = Label("", f"{name} with more rows than its blocks have at once")
            detail = f"{count} blocks at most: no size here makes them go on"
            ledger.verdict(_CHECK, label, count >= _ROUNDS * _FEW, detail)


class _Watch:
    """What a module's kernels do: with which grids they are launched, and how many rows they take.

    Rows are counted where a loop begins with a block's number.
    """

    def __init__(self) -> None:
        self.cupy: Any = None
        self._launches: list[tuple[str, int]] = []
        self._made: list[tuple[Any, int, dict[int, str]]] = []

    def compiling(self, raw_module: Any) -> Callable[..., Any]:
        """CuPy's `RawModule`, but that its kernels tell."""

        def compile_watched(*, code: str, **options: Any) -> Any:
            counted = count_statements(code)
            count = max(1, len(counted.places))
            loops = {int(k): counted.places[int(k)] for k in _LOOP.findall(counted.text)}
            code = with_reader(counted.counting(loops), "unsigned long long", count)
            compiled = raw_module(code=code, **options)
            self._made.append((compiled, count, loops))
            return _Watched(compiled, self._launches)

        return compile_watched

    def run(
        self, session: Session, case: Case, blocks: int
    ) -> tuple[list[bytes], list[tuple[str, int]], dict[str, int]]:
        """All that comes of a case, the launches, and the rows that each loop took."""
        vars(session.runner.module)["_BLOCKS"] = blocks
        self._launches.clear()
        before = self._counts()
        found = bits(session, case)
        launches = [*self._launches]
        return found, launches, {p: n - before.get(p, 0) for p, n in self._counts().items()}

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for compiled, count, loops in self._made:
            numbers = read(self.cupy, compiled, "uint64", count)
            for k, place in loops.items():
                counts[place] = counts.get(place, 0) + int(numbers[k])
        return counts


class _Watched:
    """A `RawModule` whose launches are noted: each kernel, and its blocks on top of each other."""

    def __init__(self, compiled: Any, launches: list[tuple[str, int]]) -> None:
        self._compiled, self._launches = compiled, launches

    def get_function(self, name: str) -> Callable[..., None]:
        function = self._compiled.get_function(name)

        def launch(grid: tuple[int, ...], *given: Any, **options: Any) -> None:
            self._launches.append((name, grid[1]))
            function(grid, *given, **options)

        return launch


def bits(session: Session, case: Case) -> list[bytes]:
    """All that a module gives for a case."""
    s, calls = session, Calls(session, case)
    with np.errstate(all="ignore"):
        y, last, tape = calls.forward(calls.parameters, calls.x, calls.initial)
        dparams, dx, dstate0 = s.module.backward(calls.parameters, tape, calls.dy, calls.dstate)
    groups = (last, dparams, s.by_input(dx), dstate0)
    arrays = [y, *(group[name] for group in groups for name in sorted(group))]
    return [s.runner.to_host(array).tobytes() for array in arrays]
