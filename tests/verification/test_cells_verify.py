"""Every cell of the library: its derivation and its NumPy module, verified at 50 digits.

The cells of the post, and the GRU that libraries compute, are verified in full beside this.  Of the
others the derivation is, and the module at few sizes: what depends on sizes is the same code for
all.
"""

from __future__ import annotations

import pytest

from lstmgen import load
from lstmgen.library.loading import names
from lstmgen.targets.building import KEPT
from lstmgen.verification import Verifier, build_runner


@pytest.mark.parametrize("name", [name for name in names() if name not in KEPT])
def test_the_numpy_module_of_every_other_cell_passes_verification(name: str) -> None:
    cell = load(name)
    report = Verifier(cell, quick=True).verify(build_runner(cell))
    assert report.ok, str(report)
    checks = {check.check for check in report.checks}
    assert {"normal form", "derivation", "forward float64", "backward float32"} <= checks
