"""Modules are right with each pass of the planning switched off."""

from __future__ import annotations

import contextlib
import random
from dataclasses import fields, replace
from types import ModuleType

import pytest

import lstmgen
from lstmgen import Cell
from lstmgen.errors import EquationError
from lstmgen.targets.common.templates import set_into
from lstmgen.targets.numpy.module import NumpyModule
from lstmgen.targets.numpy.passes import ALL, Passes
from lstmgen.verification import make_runner
from tests.random_cells.checking import check
from tests.random_cells.making import random_cell

PASSES = [field.name for field in fields(Passes)]
CELLS = 3
"""Random ones for each pass, beside one of the library."""


def without(name: str) -> Passes:
    return replace(ALL, **{name: False})


def text(cell: Cell, passes: Passes) -> str:
    return set_into("numpy.py.j2", NumpyModule(cell, passes=passes))


def module(source: str) -> ModuleType:
    made = ModuleType("generated")
    exec(compile(source, "generated.py", "exec"), vars(made))
    return made


def random_cells(draw: random.Random) -> list[Cell]:
    """Cells that lstmgen does not refuse."""
    found: list[Cell] = []
    while len(found) < CELLS:
        with contextlib.suppress(EquationError):
            cell = random_cell(draw).cell()
            found += [cell] if cell.normal_form else []
    return found


@pytest.mark.parametrize("name", PASSES)
def test_cells_are_right_without_a_pass(name: str) -> None:
    draw = random.Random(PASSES.index(name))
    cells = [lstmgen.load("slstm"), *random_cells(draw)]
    for k, cell in enumerate(cells):
        runner = make_runner(module(text(cell, without(name))), "numpy", "cpu")
        assert check(cell, runner, k, dtypes=("float64",)).comparisons


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_changes_modules(name: str) -> None:
    cell = lstmgen.load("lstm")
    assert text(cell, without(name)) != text(cell, ALL) == lstmgen.render(cell, "numpy")


def test_passes_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ALL.stacked = False  # type: ignore[misc]
