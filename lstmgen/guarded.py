"""Memory between pages that cannot be touched: what is read or written beside it is a fault."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EDGES", "guarded", "is_available"]

EDGES = ("start", "end")
"""At which of its ends memory meets a page that cannot be touched."""


def is_available() -> bool:
    """Whether this system has such pages."""
    return sys.platform.startswith(("linux", "darwin"))


def guarded(size: int, edge: str) -> npt.NDArray[np.uint8]:
    """New memory of so many bytes, flush with a page that cannot be touched, at one of `EDGES`.

    At the other end a page may begin later, as pages are larger than most arrays.  Raises OSError
    where the system does not let it.
    """
    page = mmap.PAGESIZE
    room = max(1, -(-size // page)) * page
    memory = mmap.mmap(-1, room + 2 * page)
    whole = np.frombuffer(memory, np.uint8)
    for first in (0, page + room):
        if _protect()(whole.ctypes.data + first, page, 0):
            raise OSError(ctypes.get_errno(), "a page cannot be guarded")
    first = page if edge == "start" else page + room - size
    return whole[first : first + size]


@cache
def _protect() -> Any:
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return protect
