"""Which statements of a module the checks have run; what they have not run, nobody has checked."""

from __future__ import annotations

import inspect
import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

__all__ = ["Coverage"]


class Coverage:
    """The lines of a module's functions that are executed within `recording`.

    `sys.settrace` tells them, as it does in every version of Python; a tracer that is there already
    is put back.

    Args:
        module: a module, or anything that has functions.
        apart: functions and classes that are not asked about.
    """

    def __init__(self, module: Any, apart: frozenset[str] = frozenset()) -> None:
        self._left: dict[CodeType, set[int]] = {}
        self._apart: dict[CodeType, str] = {}
        self._ran: set[int] = set()
        functions = dict(_functions(module))
        forward = functions.get("forward")
        self.known = forward is not None
        for name, function in functions.items():
            code = function.__code__
            here = forward is not None and code.co_filename == forward.__code__.co_filename
            if here:
                outer = name.partition(".")[0]
                for part in _codes(code):
                    if outer in apart:
                        self._apart[part] = outer
                    self._left[part] = {n for _, _, n in part.co_lines() if n}
        for value in vars(module).values() if hasattr(module, "__dict__") else ():
            # What is kept from calls before would hide what is run.
            clear = getattr(value, "cache_clear", None)
            if clear is not None:
                clear()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """What is executed in this block counts."""
        before, of_threads = sys.gettrace(), threading.gettrace()
        threading.settrace(self._enter)  # of those that begin in the block
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(of_threads)

    def never(self) -> Iterator[str]:
        """The lines that were not executed, in the order of the module."""
        found = {}
        for code, lines in self._left.items():
            if code in self._apart:
                continue
            inside = lines - {code.co_firstlineno}  # where the function itself begins
            for line in (inside or lines) - self._ran:  # a comprehension may be in a line that ran
                found[code.co_filename, line] = code.co_qualname
        for file, line in sorted(found):
            text = linecache.getline(file, line).strip()
            yield f"{found[file, line]}, line {line}" + (f": {text}" if text else "")

    def apart(self) -> list[str]:
        """Of the functions that are not asked about, those of which not all was executed."""
        return sorted({name for code, name in self._apart.items() if self._left[code]})

    def _enter(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        left = self._left.get(frame.f_code)
        if not left:  # all of it is known to be run, or it is not the module's
            return None
        left.discard(frame.f_code.co_firstlineno)
        return self._line

    def _line(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if event == "line":
            self._left[frame.f_code].discard(frame.f_lineno)
            self._ran.add(frame.f_lineno)
        return self._line


def recorded(function: Callable[..., Any], coverage: Coverage) -> Callable[..., Any]:
    """The function, whose execution counts."""

    def call(*arguments: Any, **options: Any) -> Any:
        with coverage.recording():
            return function(*arguments, **options)

    return call


class Recorded:
    """A module, all of whose functions count when they are called."""

    def __init__(self, module: Any, coverage: Coverage) -> None:
        self._module, self._coverage = module, coverage

    def __getattr__(self, name: str) -> Any:
        """The module's own; a function records."""
        value = getattr(self._module, name)
        if callable(value) and not isinstance(value, type):
            return recorded(value, self._coverage)
        return value


def _functions(module: Any) -> Iterator[tuple[str, FunctionType]]:
    """The functions of a module and the methods of its classes, by name."""
    for name, value in sorted(getattr(module, "__dict__", {}).items()):
        if isinstance(value, type):
            for method, inner in vars(value).items():
                found = inspect.unwrap(getattr(inner, "__func__", getattr(inner, "fget", inner)))
                if isinstance(found, FunctionType):
                    yield f"{name}.{method}", found
        elif callable(value):
            found = inspect.unwrap(value)
            if isinstance(found, FunctionType):
                yield name, found


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
