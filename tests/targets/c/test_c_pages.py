"""What is read beside an array is found, though its value changes nothing."""

from __future__ import annotations

from functools import cache

import pytest

import lstmgen
from lstmgen import targets
from lstmgen.targets.c.page_check import check_pages
from lstmgen.targets.rendering import files
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.report import Check
from lstmgen.verification.session import Session

FORWARD = "    memory all = memory_of(s, 0), *const m = &all;\n"
BACKWARD = "    memory all = memory_of(s, 1), *const m = &all;\n"
STRAY = {
    "a parameter's end": (FORWARD, "p->b[s->H]"),
    "a parameter's start": (FORWARD, "p->b[-1]"),
    "dy's end": (BACKWARD, "dy[s->T * s->B * s->H]"),
    "y's end": (FORWARD, "last->h[s->B * s->H]"),
    "the start of the tape": (BACKWARD, "((const real *)tape)[-1]"),
}


@cache
def verifier() -> Verifier:
    return Verifier(lstmgen.load("rnn"), "c", quick=True)


def checks(place: str = "", stray: str = "") -> list[Check]:
    """The check of the module, with a read at this place."""
    target, whole = targets.get("c"), verifier()
    texts = dict(files(whole.cell, target))
    name = next(name for name in texts if name.endswith(".c"))
    assert place in texts[name]
    read = f"{place}    (void)*(volatile const real *)&{stray};\n" if stray else place
    texts[name] = texts[name].replace(place, read) if stray else texts[name]
    module = target.load(texts, "cpu")
    vars(module)["_FLAGS"] = (*module._FLAGS, "-O0")
    runner = make_runner(module, target)
    ledger = Ledger(runner.to_host)
    session = Session(whole.cell.normal_form, whole._labels, runner, ledger)
    bench = whole._bench(session)
    check_pages(session, [bench.cases[0], bench.sequences[0]])
    return list(ledger.checks())


def test_a_module_touches_nothing_beside_its_arrays() -> None:
    (found,) = checks()
    assert found.check == "pages" and found.passed


@pytest.mark.parametrize("what", STRAY)
def test_a_stray_read_is_found(what: str) -> None:
    found = [check for check in checks(*STRAY[what]) if not check.passed]
    assert found and "memory beside an array is touched" in found[0].detail
