"""The modules that lstmgen generates pass verification: built-in cells and every other notation."""

from __future__ import annotations

import pytest
import verification_cells

import lstmgen

CELLS = verification_cells.cells()


@pytest.mark.parametrize(
    "name", ["rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after", *CELLS]
)
def test_the_generated_numpy_module_passes(name):
    report = lstmgen.verify(CELLS.get(name, name), "numpy")
    assert report.ok, str(report)
    assert (report.cell, report.target, report.device) == (name, "numpy", "cpu")
