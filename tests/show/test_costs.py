"""The cost of a schedule, against counts made by hand from the equations."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmgen import load
from lstmgen.show.costs import Cost, Formula, costs, kept_floats
from lstmgen.show.report.costing import costing
from lstmgen.targets.building import KEPT

SIZES = {"T": 7, "B": 3, "D": 5, "H": 11}


def part(cell: str, name: str, each_step: bool) -> Cost:
    (found,) = (
        c for c in costs(load(cell).schedule) if c.part == name and c.each_step == each_step
    )
    return found


def test_a_formula_adds_multiplies_and_prints() -> None:
    formula = Formula.of(2, "H", "B") + Formula.of(3, "H", "H") + Formula.of(4, "B", "H")
    assert str(formula) == "6·B·H + 3·H^2"
    assert str(formula.times("T")) == "6·B·H·T + 3·H^2·T"
    assert formula.at({"B": 2, "H": 5}) == 60 + 75
    assert str(formula.scaled(2)) == "12·B·H + 6·H^2"
    assert (str(Formula()), str(Formula.of(1)), str(Formula.of(1, "H"))) == ("0", "1", "H")


def test_the_forward_step_of_the_vanilla_network() -> None:
    step = part("rnn", "forward", each_step=True)
    assert str(step.products) == "2·B·H^2"  # W_h·h
    assert str(step.elementwise) == "3·B·H"  # two additions and tanh
    # The product reads W_h and h and writes a vector; the block reads it, W_x·x and b, writes h.
    assert step.floats.at(SIZES) == 11 * 11 + 5 * 3 * 11 + 11


def test_the_backward_step_of_the_vanilla_network() -> None:
    step = part("rnn", "backward", each_step=True)
    assert str(step.products) == "2·B·H^2"  # W_h^T·da
    assert str(step.elementwise) == "4·B·H"  # dy + back; dh * (1 - h^2)
    # The block reads dy, what came back, and h, and writes da; the product reads W_h and da, and
    # writes what goes back.
    assert step.floats.at(SIZES) == 11 * 11 + 6 * 3 * 11


@pytest.mark.parametrize("name", KEPT)
def test_products_of_a_sequence_count_every_weight_once(name: str) -> None:
    """Forward, to the operands, and to the weights: each multiplies every entry once a step."""
    cell = load(name)
    entries = sum(
        SIZES[rows] * sum(SIZES[size] for size in columns.split("+"))
        for rows, columns in (shape for shape in cell.parameters.values() if len(shape) == 2)
    )
    for wanted in ("forward", "backward", "parameters"):
        whole = [c.of_sequence() for c in costs(cell.schedule) if c.part == wanted]
        found = sum(c.products.at(SIZES) for c in whole)
        assert found == 2 * SIZES["T"] * SIZES["B"] * entries


def test_what_the_lstm_keeps() -> None:
    kept, adjoints = kept_floats(load("lstm").schedule)
    assert str(kept) == "6·B·H"  # f, i, C~, C, o and the output h
    assert str(adjoints) == "4·B·H"  # of the four pre-activations


def test_a_part_that_runs_once_is_the_same_for_the_sequence() -> None:
    once = part("lstm", "forward", each_step=False)
    assert once.of_sequence() == once
    step = part("lstm", "forward", each_step=True)
    assert step.of_sequence().elementwise.at(SIZES) == 7 * step.elementwise.at(SIZES)


def test_a_cell_that_computes_nothing_costs_nothing() -> None:
    found = costing(load(Path(__file__).parents[1] / "corpus" / "loop_without_arrays.py"))
    assert found.parts == found.intensities == ()
