"""The progress line: on a terminal only, only for long work, and gone at the end."""

from __future__ import annotations

import io

import pytest

from lstmgen.cli.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with ProgressLine(stream, delay=0) as progress:
        progress("half", 0.5)
    assert stream.getvalue() == ""


def test_quick_work_draws_nothing() -> None:
    stream = Terminal()
    with ProgressLine(stream, delay=1000) as progress:
        progress("half", 0.5)
    assert stream.getvalue() == ""


def test_the_line_is_drawn_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    stream = Terminal()
    with ProgressLine(stream, delay=0) as progress:
        progress("half of it " * 20, 0.5)
    drawn, end = stream.getvalue().removeprefix("\r\x1b[K").split("\r\x1b[K")
    assert drawn.startswith(f"[{'#' * 12}{' ' * 12}]  50% half of it")
    assert len(drawn) == 49
    assert end == ""


def test_drawings_are_not_too_frequent() -> None:
    stream = Terminal()
    with ProgressLine(stream, delay=0) as progress:
        for step in range(1000):
            progress("work", step / 1000)
    assert stream.getvalue().count("[") < 100


def test_it_is_erased_after_an_error() -> None:
    stream = Terminal()

    def work() -> None:
        with ProgressLine(stream, delay=0) as progress:
            progress("work", 0.1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert stream.getvalue().endswith("\r\x1b[K")
