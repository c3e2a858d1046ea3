"""A module that lets NumPy raise where its caller asks for it fails its verification."""

from __future__ import annotations

import re

import pytest

import lstmgen
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.labels import Labels
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.session import Session
from lstmgen.verification.traps import TrapCheck

IGNORED = 'np.errstate(all="ignore")'


@pytest.mark.parametrize("name", ["lstm", "rnn", "indrnn", "min_lstm"])
def test_each_of_a_modules_three_guards_is_needed(name: str) -> None:
    cell, text = lstmgen.load(name), lstmgen.render(name, "numpy")
    (_, case, *_) = Verifier(cell, quick=True).cases()
    guards = [match.span() for match in re.finditer(re.escape(IGNORED), text)]
    assert len(guards) == 3
    calls = (None, "forward", "backward", "step")
    for called, (start, end) in zip(calls, ((0, 0), *guards), strict=True):
        module = lstmgen.compile(cell, "numpy")
        if called:
            changed = f"{text[:start]}np.errstate(all=None){text[end:]}"
            exec(compile(changed, str(module.__file__), "exec"), vars(module))
        ledger = Ledger(lambda array: array)
        labels, runner = Labels(cell, cell.gradients), make_runner(module)
        TrapCheck(Session(cell.normal_form, labels, runner, ledger), case).run()
        failed = [check for check in ledger.checks() if not check.passed]
        assert all("FloatingPointError" in check.detail for check in failed)
        assert {check.what.partition(",")[0] for check in failed} == ({called} if called else set())
