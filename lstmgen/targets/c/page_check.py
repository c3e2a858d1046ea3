"""The check that C reads and writes nothing beside arrays, even if its value does not count.

Every array that a call gets, and each that the module makes, lies beside a page that cannot be
touched.  What touches it ends the process, so that it happens in a child.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.guarded import EDGES, guarded
from lstmgen.verification.cases import SEEDS, Case
from lstmgen.verification.labels import Label
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.session import Session

_CHECK = "pages"
_ALIGNED = 16  # bytes, as every allocator aligns memory for anything
_LONGEST = 60  # seconds


def check_pages(session: Session, cases: Sequence[Case]) -> None:
    """Forward, backward and steps of all cases, at both ends of arrays."""
    session.ledger.merge(
        _CHECK, "arrays beside pages that cannot be touched: nothing is read or written there"
    )
    if not sys.platform.startswith("linux"):  # elsewhere a process that forks may not go on
        label = Label("", f"left out on {sys.platform}")
        session.ledger.verdict(f"no {_CHECK}", label, True, "")
        return
    for edge in EDGES:
        label = Label("", f"at the {edge} of each array")
        problem = _in_child(partial(_run, session, cases, edge))
        session.ledger.verdict(_CHECK, label, not problem, problem)


def _run(session: Session, cases: Sequence[Case], edge: str, said: Callable[[str], None]) -> None:
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


def _in_child(work: Callable[[Callable[[str], None]], None]) -> str:
    """How the work ended in a process that may be killed; nothing if it came to its end."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, or JAX's, of other threads: none is needed here
        child = os.fork()
    if not child:
        try:
            signal.alarm(_LONGEST)
            for number in (signal.SIGSEGV, signal.SIGBUS):
                signal.signal(number, signal.SIG_DFL)
            with os.fdopen(writing, "w") as out:
                work(partial(print, file=out, flush=True))
                print(file=out)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode().split("\n")
    _, status = os.waitpid(child, 0)
    last = next((text for text in reversed(said) if text), "the start")
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) in (signal.SIGSEGV, signal.SIGBUS):
            return f"{last}: memory beside an array is touched"
        return f"{last}: ended by signal {os.WTERMSIG(status)}"
    return "" if said[-2:] == ["", ""] else f"{last}: it did not come to its end"
