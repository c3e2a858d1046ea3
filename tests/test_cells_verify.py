"""Every cell of the library: its derivation and its NumPy module, verified at 50 digits."""

from __future__ import annotations

import pytest

from lstmgen import load, verify
from lstmgen.library import names


@pytest.mark.parametrize("name", names())
def test_the_numpy_module_of_every_cell_passes_verification(name: str) -> None:
    report = verify(load(name), "numpy")
    assert report.ok, str(report)
