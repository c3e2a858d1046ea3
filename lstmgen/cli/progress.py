"""A line on a terminal that shows how far a long piece of work is."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

__all__ = ["ProgressLine"]

_DELAY = 1.0  # seconds: quick work shows nothing
_INTERVAL = 0.1  # seconds between two drawings
_BAR = 24  # characters


class ProgressLine:
    """Draws itself over and over on one line of a terminal, and disappears at the end.

    On anything but a terminal it draws nothing.  Call it with a text and the part of the work that
    is done, from 0 to 1, inside a `with` statement.
    """

    def __init__(self, stream: TextIO, *, delay: float = _DELAY) -> None:
        self._stream = stream
        self._active = stream.isatty()
        self._next = time.monotonic() + delay
        self._drawn = False

    def __call__(self, text: str, done: float) -> None:
        """Show the text and the part that is done."""
        if not self._active or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _INTERVAL
        filled = round(_BAR * min(max(done, 0.0), 1.0))
        line = f"[{'#' * filled}{' ' * (_BAR - filled)}] {done:4.0%} {text}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()
        self._drawn = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
