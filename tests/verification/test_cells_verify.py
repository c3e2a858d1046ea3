"""Every cell of the library: its derivation and its NumPy module, verified at 50 digits.

The cells of the post, and the GRU that libraries compute, are verified in full beside this.  Of the
others the derivation is, and the module at few sizes: what depends on sizes is the same code for
all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmgen import load
from lstmgen.library.loading import names
from lstmgen.targets.building import KEPT
from lstmgen.verification import Verifier, build_runner

CORPUS = Path(__file__).parents[1] / "corpus"


@pytest.mark.parametrize("name", [name for name in names() if name not in KEPT])
def test_the_numpy_module_of_every_other_cell_passes_verification(name: str) -> None:
    cell = load(name)
    report = Verifier(cell, quick=True).verify(build_runner(cell))
    assert report.ok, str(report)
    checks = {check.check for check in report.checks}
    assert {"normal form", "derivation", "forward float64", "backward float32"} <= checks


@pytest.mark.parametrize("name", ["loop_without_arrays", "input_of_one_number_alone"])
def test_a_size_that_only_a_state_tells_is_asked_for(name: str) -> None:
    """Without the state, the module must refuse; any size of the state itself is right."""
    cell = load(CORPUS / f"{name}.py")
    report = Verifier(cell, quick=True).verify(build_runner(cell))
    assert report.ok, str(report)
    assert "a state whose size nothing else tells is asked for" in str(report)
