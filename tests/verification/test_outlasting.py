"""A module that ends its process, or hangs it, is verified all the same: the report says which."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen.apart import EndedError, apart, is_available
from lstmgen.targets.c.page_check import check_pages
from lstmgen.targets.numpy.target import NumpyTarget
from lstmgen.targets.target import Counters, Runner, execute
from lstmgen.verification import Report, Verifier, make_runner, outlasting
from lstmgen.verification.coverage import Coverage
from lstmgen.verification.ledger import Ledger, Place
from lstmgen.verification.never_run import NeverRunCheck
from lstmgen.verification.session import Session

pytestmark = pytest.mark.skipif(not is_available(), reason="needs Linux, where processes fork")


class Native(NumpyTarget):
    """Modules that may end their process."""

    native = frozenset({"cpu"})


@cache
def verifier() -> Verifier:
    return Verifier(lstmgen.load("rnn"), Native(), quick=True)


@cache
def text() -> str:
    return lstmgen.render(lstmgen.load("rnn"), "numpy")


def module(function: str, statement: str, **known: Any) -> ModuleType:
    """The module with a statement in front of what a function does."""
    made = execute({"rnn_numpy.py": text()}, "numpy")
    true = getattr(made, function)

    def call(*arguments: Any, **options: Any) -> Any:
        exec(statement, {"os": os, "time": time, "o": options, **known})
        return true(*arguments, **options)

    setattr(made, function, call)
    return made


def report(function: str, statement: str, stop: bool = False, **known: Any) -> Report:
    runner = make_runner(module(function, statement, **known), Native())
    return verifier().check(runner, stop=stop)


def children() -> set[str]:
    """The processes whose parent is this one, ended ones that nobody has waited for included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, parent, *_ = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it is gone
            continue
        if int(parent) == os.getpid():
            found.add(stat.parent.name)
    return found


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    before = children()  # of other tests
    yield
    assert children() <= before


def test_a_right_module_passes() -> None:
    found = report("step", "pass")
    assert found.ok and found.checks[-1].check == "process"
    assert not any("apart" in text for text in found.left_out)


def test_a_call_that_ends_the_process_fails_its_checks_alone() -> None:
    found = report("backward", "os.kill(os.getpid(), 11) if list(o) == ['dstate'] else 0")
    ended = [c for c in found.failures if "ended the process by SIGSEGV" in c.detail]
    assert ended and ended[0].check == "backward float64" and "dstate alone" in ended[0].detail
    others = {c.check for c in found.checks if c.passed}
    assert {"forward float64", "step float64", "refusals float64", "process"} <= others


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("os.kill(os.getpid(), 6)", "by SIGABRT (abort(), "),
        ("import ctypes; ctypes.CDLL(None).exit(0)", "with exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "by SIGSEGV"),
        ("os._exit(0)", "SystemExit: 0"),
    ],
)
def test_however_it_ends(statement: str, said: str) -> None:
    found = report("forward", statement, stop=True)
    assert not found.ok and any(said in c.detail for c in found.failures), found.failures
    assert any("T=4 B=3" in c.detail for c in found.failures)


def test_what_does_not_answer_is_not_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlasting, "PATIENCE", 1.5)
    start = time.monotonic()
    found = report("step", "while True: time.sleep(0.1)")
    assert time.monotonic() - start < 60
    hung = [c for c in found.failures if "step did not answer within 1.5 seconds" in c.detail]
    assert {"step float64", "step float32"} <= {c.check for c in hung}
    assert {"forward float32", "backward float32"} <= {c.check for c in found.checks if c.passed}


def test_a_module_that_answers_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlasting, "PATIENCE", 1.5)
    monkeypatch.setattr(outlasting, "PATIENCE_AFTER", 0.5)
    made = module("forward", "while True: pass")
    vars(made)["step"] = lambda *_: made.forward()
    found = verifier().check(make_runner(made, Native()))
    details = " ".join(c.detail for c in found.failures)
    assert "forward did not answer within 1.5 " in details
    assert "step did not answer within 0.5 " in details
    assert "all other checks, as no call of the first gave a number" in found.left_out
    more = {"refusals", "lengths, restart", "wrong tape", "forward float32"}
    assert not any(c.check.startswith(tuple(more)) for c in found.checks)


def test_patience_is_for_calls_and_not_for_what_is_computed_between() -> None:
    run = outlasting._Run([], Ledger(np.asarray), print, 0, hung=False)
    assert run.patience() > 600
    run.heard(Place("forward", "T=1", "forward"))
    assert run.patience() == outlasting.PATIENCE == 120
    run.heard(None)
    assert run.patience() > 600
    again = outlasting._Run([], Ledger(np.asarray), print, 0, hung=True)
    again.heard(Place("step", "T=1", "step"))
    assert again.patience() == outlasting.PATIENCE_AFTER == 20


def test_modules_in_python_are_apart_where_the_copy_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlasting, "PATIENCE", 1.5)
    monkeypatch.setattr("lstmgen.verification.verifier.is_whole", lambda: True)
    runner = make_runner(module("backward", "while True: pass"), NumpyTarget())
    found = verifier().check(runner, stop=True)
    assert "backward did not answer within 1.5 seconds" in found.verdict()


def test_the_command_is_a_process_whose_copy_is_whole() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--help']; from lstmgen.cli.root import main; main()\n"
        "import numpy as np; np.ones((300, 300)) @ np.ones((300, 300))\n"
        "from lstmgen.apart import is_whole; print(is_whole())\n"
    )
    others = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    done = subprocess.run([sys.executable, "-c", code], env=others, capture_output=True, text=True)
    assert done.stdout.endswith("\nTrue\n"), done.stderr


def test_text_that_does_not_compile_with_counters_fails_that_check() -> None:
    class Counting(Native):
        def counters(self, runner: Runner) -> Counters:
            def never() -> list[str]:
                raise RuntimeError("the C compiler failed")

            return Counters(runner, never)

    found = Ledger(np.asarray)
    made = verifier()
    session = Session(
        made.cell.normal_form, made._labels, make_runner(module("step", "pass"), Counting()), found
    )
    coverage = Coverage(session.runner.module)
    NeverRunCheck(session, coverage, list(made.cases()), (), lambda _: None).run()
    details = [c.detail for c in found.checks() if c.what == "compiled text" and not c.passed]
    assert details == ["RuntimeError: the C compiler failed"]


def test_pages_are_not_tried_with_what_did_not_answer() -> None:
    found = Ledger(np.asarray)
    found.ended["", "step"] = "did not answer"
    made = verifier()
    runner = make_runner(module("forward", "1 / 0"), Native())
    check_pages(Session(made.cell.normal_form, made._labels, runner, found), [*made.cases()])
    assert [c.detail for c in found.checks()] == ["step did not answer"] * 2


def test_numbers_that_are_compared_with_are_looked_after() -> None:
    # As a stray store would, which this stands for: late, when the case is not needed any more.
    case = verifier()._cases[0]
    before = case.y.copy()
    found = report("init_params", "case.y.fill(2) if o.get('seed') == 3 else 0", case=case)
    assert [c.check for c in found.failures] == ["process"]
    assert (case.y == before).all()  # in this process


def test_what_the_work_says_and_raises_arrives() -> None:
    heard: list[Any] = []

    def work(say: Any) -> None:
        say({"a": 1})
        raise KeyError("b")

    with pytest.raises(KeyError, match="b") as raised:
        apart(work, heard.append, lambda: 60)
    assert heard == [{"a": 1}]
    assert "in work" in "".join(raised.value.__notes__)


def test_an_interrupt_ends_the_other_process_too() -> None:
    def work(say: Any) -> None:
        say(os.getpid())
        while True:
            time.sleep(0.01)

    heard: list[int] = []

    def interrupt(told: int) -> None:
        heard.append(told)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        apart(work, interrupt, lambda: 60)
    with pytest.raises(ProcessLookupError):
        os.kill(heard[0], 0)


def test_what_the_work_has_started_ends_with_it() -> None:
    def work(say: Any) -> None:
        say(subprocess.Popen(["sleep", "1000"]).pid)
        time.sleep(1000)

    heard: list[int] = []
    with pytest.raises(EndedError, match=r"within 0\.5 seconds"):
        apart(work, heard.append, lambda: 0.5 if heard else 60)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{heard[0]}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{heard[0]}/cmdline").read_bytes():
            break  # a zombie that is somebody else's
        time.sleep(0.01)
    assert time.monotonic() < deadline


def test_a_copy_that_the_work_makes_of_itself_says_nothing() -> None:
    def work(say: Any) -> None:
        say(os.getpid())
        if not os.fork():
            say("the copy")
        os.wait()
        say("the work")

    heard: list[Any] = []
    apart(work, heard.append, lambda: 60)
    assert heard[1:] == ["the work"]


def test_what_is_no_message_is_an_end() -> None:
    def work(say: Any) -> None:
        os.closerange(3, 1000)
        time.sleep(60)

    with pytest.raises(EndedError, match="SIGKILL"):
        apart(work, print, lambda: 60)
