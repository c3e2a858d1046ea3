"""A module that ends the process would end its verification too, with the exit code it likes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["exits_raise"]


@contextmanager
def exits_raise() -> Iterator[None]:
    """Within this `os._exit` raises `SystemExit`, as `sys.exit` does; a forked child it ends."""
    process, leave = os.getpid(), os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(status)

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave
