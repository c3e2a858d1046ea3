"""docs/notations.md says what the reader does: every row of its tables is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lstmgen.errors import EquationError
from lstmgen.library.texts import read_tex

PAGE = (Path(__file__).parents[2] / "docs" / "notations.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+)` \| `(.+)` \|$", PAGE, re.MULTILINE)
OPEN = re.findall(r"^\| (`.+`.*) \| .+ \| (`.+`) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("written", "meant"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_of_the_page_is_read_as_it_says(written: str, meant: str) -> None:
    output = "H output" if written.startswith("Ht") else "h output"
    cell = read_tex(written, name="cell", declarations=[output])
    found = " ; ".join(f"{e.lhs} = {e.rhs}" for e in cell.equations)
    assert found == meant


def test_the_page_has_its_tables() -> None:
    assert len(ROWS) >= 25
    assert len(OPEN) >= 8


@pytest.mark.parametrize(("seen", "settled"), OPEN, ids=[row[0] for row in OPEN])
def test_what_the_page_calls_open_is_not_built(seen: str, settled: str) -> None:
    for formula in re.findall(r"`([^`]*(?:_t|_\{t-1\})[^`]*)`", seen):
        if formula == "h_t":
            continue
        text = formula if "=" in formula else f"h_t = {formula} + U h_{{t-1}} + V x_t"
        if formula.startswith("y_t"):
            text += r" \\ h_t = U h_{t-1} + V x_t"
        with pytest.raises(EquationError) as caught:
            read_tex(text, name="cell")
        kinds = [line.split()[-1] for line in re.findall(r"`([^`]+)`", settled)]
        assert any(kind in str(caught.value) for kind in kinds), (text, str(caught.value))
