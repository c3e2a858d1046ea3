"""The report: verdicts, table, JSON and HTML."""

from __future__ import annotations

import dataclasses
import json
from math import inf

import pytest

from lstmgen.verification import SCHEMA_VERSION, Check, Report

GOOD = Check("forward float64", "6", "h_t = o_t * tanh(C_t)", 1.5e-16, 1e-12, True, "T=1")
BAD = Check("backward float64", "δ11", "d_W_f = <sum>", 3e-2, 1e-12, False, "T=4, at [0, 1]")
NAN = Check("step float32", "4", "C_t = f_t", inf, 1e-4, False, "not finite")
YES = Check("spent tape", "", "it is refused", None, None, True)


def report(*checks: Check) -> Report:
    return Report("lstm", "numpy", "cpu", "generated", checks)


def test_ok_only_if_every_check_passed_and_there_was_one():
    assert report(GOOD, YES).ok
    assert not report(GOOD, BAD).ok
    assert not report().ok
    assert report(GOOD, BAD, NAN).failures == (BAD, NAN)


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        report(GOOD).checks = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        GOOD.passed = False


def test_the_table_has_every_column_and_the_failing_lines_name_the_equation():
    text = str(report(GOOD, BAD, NAN, YES))
    lines = text.splitlines()
    assert lines[0] == "lstm: generated module for numpy on cpu"
    assert lines[2].split() == ["check", "label", "equation", "error", "bound", "verdict"]
    assert lines[4].split() == [
        *("forward", "float64", "(6)", "h_t", "=", "o_t", "*", "tanh(C_t)"),
        *("1.5e-16", "1e-12", "ok"),
    ]
    assert "2 of 4 checks failed" in text
    assert "backward float64: (δ11) d_W_f = <sum>: FAILED, error 3.0e-02, bound 1e-12" in text
    assert "inf" in text
    assert text.count("FAILED") == 4
    assert "all 2 checks passed" in str(report(GOOD, YES))


def test_a_long_equation_is_cut_in_the_table_but_not_in_the_failing_line():
    long = dataclasses.replace(BAD, what="d = " + " + ".join(f"a_{k}" for k in range(40)))
    text = str(report(long))
    assert text.count(long.what) == 1
    assert max(len(line) for line in text.splitlines()[:6]) < 120


def test_json_has_a_schema_version_and_all_fields_and_is_strict():
    data = json.loads(report(GOOD, BAD, NAN, YES).to_json(), parse_constant=pytest.fail)
    assert data["schema"] == SCHEMA_VERSION == 1
    assert data["ok"] is False
    assert (data["cell"], data["target"], data["device"]) == ("lstm", "numpy", "cpu")
    assert data["checks"][1] == {
        "check": "backward float64",
        "label": "δ11",
        "what": "d_W_f = <sum>",
        "error": 3e-2,
        "bound": 1e-12,
        "passed": False,
        "detail": "T=4, at [0, 1]",
    }
    assert data["checks"][2]["error"] == "inf"
    assert data["checks"][3]["error"] is None


def test_html_is_escaped_and_marks_failures():
    page = report(GOOD, BAD)._repr_html_()
    assert "d_W_f = &lt;sum&gt;" in page
    assert page.count("<tr style") == 1
