"""Random whole cells, and every cell that ever failed, as CuPy modules on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

import lstmgen
from tests.random_cells.checking import check
from tests.random_cells.property import hold_cells_against_the_reference

CORPUS = sorted((Path(__file__).parents[2] / "corpus").glob("*.py"))

pytestmark = pytest.mark.usefixtures("cuda_on_the_cpu")


@pytest.mark.parametrize("part", range(5))
def test_random_cells_are_right(part: int) -> None:
    """`python -m tests.random_cells --target cupy --cells 1000 --seed 7` takes more of them."""
    hold_cells_against_the_reference("cupy", cells=8, examples=10, part=part, float32=3)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_cells_that_once_failed_are_right(path: Path) -> None:
    assert check(lstmgen.load(path), "cupy", dtypes=("float64",)).comparisons
