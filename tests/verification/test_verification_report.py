"""The report: verdicts, table, JSON and HTML."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
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


def parsed(html: str) -> tuple[str, list[str], list[list[list[str]]]]:
    """Of a report as HTML: the first paragraph, the notes, and the rows of the two tables."""
    page = ET.fromstring(html)
    tables = [
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in page.iter("table")
    ]
    notes = ["".join(note.itertext()) for note in page.iter("li")]
    return "".join(page.find("p").itertext()), notes, tables


def test_html_is_escaped_and_has_every_line_and_its_verdict():
    html = report(GOOD, BAD, YES)._repr_html_()
    assert "d_W_f = &lt;sum&gt;" in html
    title, notes, (kinds, lines) = parsed(html)
    assert title == "lstm: generated module for numpy on cpu: 1 of 3 checks failed"
    assert notes == [str(BAD)]
    assert lines[0] == ["check", "label", "equation", "error", "bound", "verdict"]
    assert lines[2] == ["backward float64", "(δ11)", BAD.what, "3.0e-02", "1e-12", "FAILED"]
    assert kinds[1:] == [
        ["forward float64", "1", "1.5e-16", "1e-12", "ok"],
        ["backward float64", "1", "3.0e-02", "1e-12", "FAILED"],
        ["spent tape", "1", "", "", "ok"],
    ]


def test_html_is_read_without_colour_and_style_sheet():
    html = report(GOOD, BAD)._repr_html_()
    assert "color" not in html and "class=" not in html and "<style" not in html
    assert html.count("<b>FAILED</b>") == 2  # in either table, and nothing else is bold but its row
    assert "<b>ok</b>" not in html


def test_html_of_a_kind_tells_the_worst_of_its_lines():
    worse = dataclasses.replace(GOOD, error=4e-13)
    looser = dataclasses.replace(GOOD, error=1e-5, bound=1e-2)
    _, _, (kinds, lines) = parsed(report(GOOD, worse, looser)._repr_html_())
    assert kinds[1:] == [["forward float64", "3", "4.0e-13", "1e-12", "ok"]]
    assert len(lines) == 4
    nothing = dataclasses.replace(NAN, check=GOOD.check)
    _, _, (kinds, _) = parsed(report(GOOD, nothing)._repr_html_())
    assert kinds[1:] == [["forward float64", "2", "inf", "1e-04", "FAILED"]]


def test_html_tells_what_was_not_checked():
    some = dataclasses.replace(report(GOOD), unchecked=("a < b",))
    title, notes, _ = parsed(some._repr_html_())
    assert title.endswith("all 1 checks passed") and notes == ["not checked: a < b"]
    title, _, tables = parsed(report()._repr_html_())
    assert title.endswith("nothing was checked") and not tables
