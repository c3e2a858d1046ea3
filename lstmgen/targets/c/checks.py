"""Checks of what only C modules have: threads that share the rows, and sizes of 32 bits."""

from __future__ import annotations

import ctypes

import numpy as np

from lstmgen.verification.calls import refused
from lstmgen.verification.labels import Label
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.verifier import Bench

_THREADS = (2, 3, 64)


def check_threads(bench: Bench) -> None:
    """The first case in each dtype, by as many threads as there are rows and by fewer."""
    session, module = bench.session, bench.session.module
    first = bench.cases[0].shape
    session.ledger.merge("threads", "as many threads as rows; sizes that cannot be addressed")
    with session.ledger.guard("threads", Label("", "set_threads"), None, ""):
        try:
            for threads in _THREADS:
                module.set_threads(threads)
                for case in bench.cases:
                    if case.shape == first:
                        ModuleCheck(session, case).run()
                for case in bench.sequences:
                    ModuleCheck(session, case).run_large()
        finally:
            module.set_threads(1)
    wrong = {
        "set_threads(0)": ("n", lambda: module.set_threads(0)),
        "set_threads(1.5)": ("n", lambda: module.set_threads(1.5)),
        "2**31 steps": ("T", lambda: _many_steps(bench)),
    }
    with session.ledger.guard("threads", Label("", "memory"), None, ""):
        for letter in "fd":
            count = 3 + len(session.module.SIZES)
            sizes = (ctypes.c_int64 * count)(*[2**31 - 1] * count)
            found = session.runner.module._library(letter).tape_bytes(sizes, None, 0)
            what = "memory beyond 2**63 bytes is a negative number"
            session.ledger.verdict("threads", Label("", what), found < 0, f"{found}")
    for what, (name, call) in wrong.items():
        problem = refused(call, (name,))
        session.ledger.verdict("threads", Label("", f"{what} is an error"), not problem, problem)


def _many_steps(bench: Bench) -> None:
    """Of no rows, so that they take no memory."""
    session, case = bench.session, bench.cases[0]
    none = {
        name: np.empty((2**31, 0, *array.shape[2:]), array.dtype)
        for name, array in case.inputs.items()
    }
    session.module.forward(session.send(case.parameters), session.inputs(none))
