"""input_size of init_params: one number, or a dict where a cell has several inputs."""

from __future__ import annotations

from types import ModuleType

import pytest

import lstmgen
from lstmgen import Cell, Eq, sigma, symbols, t, tanh

h, x, u, m, W, V = symbols("h x u m W V")

MASKED = Cell("masked", Eq(h[t], m[t] * h[t - 1] + (1 - m[t]) * tanh(W @ [h[t - 1], x[t]])))
TWO = Cell("two", Eq(h[t], m[t] * tanh(W @ [h[t - 1], x[t], u[t]])))
TWINS = Cell("twins", Eq(h[t], tanh(W @ x[t] + sigma(W @ u[t]) * (V @ h[t - 1]))))
TIED = Cell("tied", Eq(h[t], x[t] * h[t - 1] + m[t]))


def module(cell: Cell) -> ModuleType:
    return lstmgen.compile(cell, "numpy")


def columns(cell: Cell, input_size: object) -> int:
    """Of W, with four units."""
    return int(module(cell).init_params(input_size, 4)["W"].shape[1])


def test_a_number_is_the_size_of_the_free_inputs_alone() -> None:
    assert columns(MASKED, 7) == 4 + 7
    assert columns(TWO, 7) == 4 + 7 + 7
    assert columns(TWINS, 7) == 7


def test_inputs_of_known_size_may_be_left_out_of_a_dict() -> None:
    assert columns(MASKED, {"x": 7}) == columns(MASKED, {"m": 4, "x": 7}) == 4 + 7
    assert columns(TWO, {"u": 3, "x": 7}) == 4 + 7 + 3
    assert columns(TWINS, {"x": 7}) == columns(TWINS, {"u": 7, "x": 7}) == 7


@pytest.mark.parametrize(
    ("cell", "given", "message"),
    [
        (MASKED, {"x": 7, "m": 7}, r"input_size\['m'\]: m is .* size H, so expected 4, got 7"),
        (TWINS, {"x": 7, "u": 6}, r"input_size\['u'\]: u is .* size D, so expected 7, got 6"),
        (MASKED, {"m": 4}, "input_size: x is missing"),
        (TWO, {"x": 4}, "input_size: u is missing"),
        (TWINS, {"u": 4}, "input_size: x is missing"),
        (MASKED, {"x": 4, "y": 4}, "input_size: 'y' is unknown; expected m, x"),
        (MASKED, 0, r"input_size\['x'\]: expected at least 1, got 0"),
        (TIED, 5, r"input_size\['x'\]: x is combined with vectors of size H, so expected 4, got 5"),
    ],
)
def test_what_does_not_fit_is_refused(cell: Cell, given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module(cell).init_params(given, 4)


def test_inputs_that_are_all_tied_take_the_hidden_size_or_nothing() -> None:
    assert module(TIED).init_params(4, 4) == module(TIED).init_params({}, 4) == {}


def test_the_docstring_says_which_inputs_are_meant() -> None:
    text = " ".join(str(module(TWO).init_params.__doc__).split())
    assert "the size of x and of u, or a dict" in text
    assert "in which m may be left out" in text
    text = " ".join(str(module(TIED).init_params.__doc__).split())
    assert "may be left out" in text
