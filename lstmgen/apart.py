"""Work in a process of its own, which the work may end or hang without harm to this one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn

__all__ = ["EndedError", "apart", "is_available", "is_whole"]

Say = Callable[[Any], None]
"""Tells the parent something that can be pickled."""

_GRACE = 2.0  # seconds in which a process that is interrupted tidies up
_POLL = 0.01
_PDEATHSIG = 1  # of prctl
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")
_MEANINGS = {
    "SIGSEGV": "memory that is not there, or no stack left",
    "SIGBUS": "memory that is not there",
    "SIGFPE": "such as a whole number divided by 0",
    "SIGILL": "no instruction: code that must not be reached",
    "SIGABRT": "abort(), which the C library calls too when it finds memory damaged",
    "SIGKILL": "such as for want of memory",
}


class EndedError(Exception):
    """The process ended before its work was done, or did not answer.

    Attributes:
        hung: whether it did not answer.
    """

    def __init__(self, how: str, hung: bool = False) -> None:
        super().__init__(how)
        self.hung = hung


def is_available() -> bool:
    """Whether this system has such processes: elsewhere one that forks may not go on."""
    return sys.platform.startswith("linux")


def is_whole() -> bool:
    """Whether a copy has all that this process has: of its threads it gets one."""
    return is_available() and len(os.listdir("/proc/self/task")) == 1


def apart(work: Callable[[Say], None], heard: Say, patience: Callable[[], float]) -> None:
    """Do the work in a copy of this process; nothing of it is left but what it says.

    Args:
        work: gets a function that tells this process something.
        heard: called with what was told, in order.
        patience: asked before each word for the seconds after which, without one, the process is
            ended, with all that it has started.

    Raises:
        EndedError: what ended it, in words.
        whatever the work raises.
    """
    here, there = Pipe(duplex=False)
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, or JAX's, of other threads: none is needed here
        child = os.fork()
    if not child:
        here.close()
        _do(work, there, parent)
    there.close()
    status, grace = None, _GRACE
    try:
        while True:
            seconds = patience()
            if not here.poll(seconds):
                grace = 0.0
                raise EndedError(f"did not answer within {seconds:g} seconds", hung=True)
            try:
                kind, told = here.recv()
            except Exception:  # it ended, or what it says is no message
                break
            if kind == "told":
                heard(told)
            elif kind == "raised":
                raise told
            else:
                return
        status = _ended(child, grace)
        raise EndedError(_how(status))
    except KeyboardInterrupt:
        os.kill(child, signal.SIGINT)
        raise
    finally:
        here.close()
        if status is None:
            _ended(child, grace)
        with suppress(ProcessLookupError):  # what it has started and left
            os.killpg(child, signal.SIGKILL)


def _do(work: Callable[[Say], None], there: Connection, parent: int) -> NoReturn:
    """In the child: the work, and how it ended."""
    import resource  # which not every system has

    this = os.getpid()

    def tell(kind: str, told: Any) -> None:
        if os.getpid() != this:  # a copy that the work has made of itself
            os._exit(1)
        there.send((kind, told))

    try:
        # No child outlives its parent, and none leaves a file of its memory.  It has a group of its
        # own, with all that it starts.
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in _FAULTS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        if os.getppid() == parent:
            work(partial(tell, "told"))
            tell("done", None)
    except BaseException as error:
        error.add_note("".join(traceback.format_exception(error)))
        tell("raised", error)
    finally:
        os._exit(1)


def _ended(child: int, grace: float) -> int:
    """The status of the process, which is ended if it does not end in so many seconds."""
    last = time.monotonic() + grace
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > last:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(_POLL)


def _how(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ended the process with exit code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    meaning = f" ({_MEANINGS[name]})" if name in _MEANINGS else ""
    return f"ended the process by {name}{meaning}"
