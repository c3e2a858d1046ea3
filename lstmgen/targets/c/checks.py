"""Checks of what only C modules have: threads that share the rows, and sizes of 32 bits."""

from __future__ import annotations

import ctypes
from typing import Any

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
    for thread in (0, 2):
        label = Label("", f"an error in call {thread} of three reaches the caller")
        with session.ledger.guard("threads", label, None, ""):
            session.ledger.verdict("threads", label, _reaches(module, thread), "it is lost")
    for what, (name, call) in wrong.items():
        problem = refused(call, (name,))
        session.ledger.verdict("threads", Label("", f"{what} is an error"), not problem, problem)


def _reaches(module: Any, thread: int) -> bool:
    """Whether an error in one of the threads that share the rows is the caller's, and they end."""
    done = []

    def run(number: int) -> None:
        if number == thread:
            raise ArithmeticError(str(number))
        done.append(number)

    try:
        module._share(run, [(number,) for number in range(3)])
    except ArithmeticError as error:
        return str(error) == str(thread) and len(done) == 2
    return False


def _many_steps(bench: Bench) -> None:
    """Of no rows, so that they take no memory."""
    session, case = bench.session, bench.cases[0]
    none = {
        name: np.empty((2**31, 0, *array.shape[2:]), array.dtype)
        for name, array in case.inputs.items()
    }
    session.module.forward(session.send(case.parameters), session.inputs(none))
