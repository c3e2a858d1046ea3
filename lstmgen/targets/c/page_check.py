"""The check that C reads and writes nothing beside arrays, even if its value does not count.

Every array that a call gets, and each that the module makes, lies beside a page that cannot be
touched.  What touches it ends the process, so that it happens in a child.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.apart import EndedError, apart, is_available
from lstmgen.guarded import EDGES, guarded
from lstmgen.verification.cases import SEEDS, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.session import Session

_CHECK = "pages"
_ALIGNED = 16  # bytes, as every allocator aligns memory for anything
_LONGEST = 60.0  # seconds that a case may take


def check_pages(session: Session, cases: Sequence[Case]) -> None:
    """Forward, backward and steps of all cases, at both ends of arrays."""
    session.ledger.merge(
        _CHECK, "arrays beside pages that cannot be touched: nothing is read or written there"
    )
    if not is_available():
        label = Label("", f"left out on {sys.platform}")
        session.ledger.verdict(f"no {_CHECK}", label, True, "")
        return
    for edge in EDGES:
        label = Label("", f"at the {edge} of each array")
        last = ["the start"]
        problem = session.ledger.never_called("forward", "backward", "step")
        try:
            if not problem:
                apart(partial(_run, session, cases, edge), last.append, lambda: _LONGEST)
        except EndedError as end:
            problem = f"{last[-1]}: memory beside an array is touched, or the module {end}"
        session.ledger.verdict(_CHECK, label, not problem, problem)


def _run(session: Session, cases: Sequence[Case], edge: str, said: Callable[[Any], None]) -> None:
    """In a process of its own, whose module is its own."""

    def made(shape: Any, dtype: Any = float) -> npt.NDArray[Any]:
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        whole = -(-size // _ALIGNED) * _ALIGNED if kind == np.uint8 else size
        found: npt.NDArray[Any] = guarded(whole, edge)[:size].view(kind).reshape(shape)
        return found

    def copied(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found = made(array.shape, array.dtype)
        found[...] = array
        return found

    module = session.runner.module
    there = vars(module)
    there["np"] = _Guarding(np, made)
    there.update({name: made for name, value in there.items() if value is np.empty})
    runner = replace(session.runner, to_device=copied)
    again = Session(session.form, session.labels, runner, Ledger(runner.to_host))
    for case in cases:
        said(str(case))
        ModuleCheck(again, case).run_large(SEEDS[-1:])


class _Guarding:
    """NumPy, but for where memory comes from."""

    def __init__(self, numpy: Any, made: Callable[..., npt.NDArray[Any]]) -> None:
        self._numpy, self.empty = numpy, made

    def empty_like(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self.empty(array.shape, array.dtype)

    def __getattr__(self, name: str) -> Any:
        """NumPy's own."""
        return getattr(self._numpy, name)
