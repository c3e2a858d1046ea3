"""`lstmgen verify CELL --against`: what is right passes; of what is wrong the mistake is named."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wrong_cells

import lstmgen
from lstmgen import Cell, Eq, symbols, t, tanh
from lstmgen.cli.root import main
from lstmgen.errors import UsageError, VerificationError
from lstmgen.verification.against import Comparison, compare, compare_with

h, c, x, W = symbols("h c x W")
COUPLED_STATES = Cell(
    "coupled_states",
    Eq(h[t], tanh(W @ [h[t - 1], c[t - 1], x[t]])),
    Eq(c[t], h[t - 1] * c[t - 1]),
)


def against(name: str, mistake: str = "") -> Comparison:
    cell = COUPLED_STATES if name == "coupled_states" else lstmgen.load(name)
    return compare_with(cell, partial(getattr(wrong_cells, name), mistake=mistake), "mine")


@pytest.mark.parametrize(
    "name", ["lstm", "gru", "gru_reset_after", "peephole_diagonal", "lem", "coupled_states"]
)
def test_an_implementation_by_hand_passes(name: str) -> None:
    report = against(name)
    assert report.ok, str(report)
    assert report.title() == f"{name}: against mine, a function on NumPy arrays, in float64"
    checks = {check.check for check in report.checks}
    assert checks == {"output", "state", "gradient by differences"}
    assert max(check.error or 0.0 for check in report.checks) < 1e-9


@pytest.mark.parametrize("name", ["peephole", "unicornn", "lipschitz"])
def test_a_generated_module_passes(name: str) -> None:
    """Cells with full peepholes, sizes of their own, scalars, several states."""
    module = lstmgen.compile(lstmgen.load(name), "numpy")
    report = compare_with(lstmgen.load(name), module.forward, "generated")
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("name", "mistake", "equations", "what"),
    [
        ("lstm", "f and i swapped", "4", r"f\[t\] and i\[t\] are swapped"),
        (
            "lstm",
            "gates in another order",
            "1235",
            "the stacked parameters of f, i, C_tilde, o are taken in the order i, f, o, C_tilde",
        ),
        ("lstm", "no bias", "1235", "all biases are missing"),
        ("lstm", "double bias", "1235", "all biases are added twice"),
        ("lstm", "one bias less", "5", "the bias b_o is missing"),
        ("lstm", "old C in the output", "6", r"in h\[t\], the old C\[t-1\] is used where C\[t\]"),
        ("lstm", "x before h", "1235", r"multiply the concatenation as \[x\[t\], h\[t-1\]\]"),
        ("lstm", "hard sigmoid", "125", r"in place of every sigma there is the hard sigmoid 0\.2"),
        ("lstm", "forget bias added", "1", r"1 is added to the pre-activation of f\[t\]"),
        ("lstm", "no tanh in the output", "6", r"in place of the tanh tanh\(C_t\) .* nothing"),
        ("lstm", "y one step late", "6", r"h\[t-1\] is returned where h\[t\] should be"),
        ("gru", "z complemented", "1", r"z\[t\] and 1 - z\[t\] are swapped"),
        ("gru", "reset after", "3", r"r\[t\] multiplies after the product with h_\{t-1\}, not bef"),
        ("gru_reset_after", "reset before", "3", r"r\[t\] multiplies h_\{t-1\} before the product"),
        ("gru_reset_after", "bias outside", "3", r"r\[t\] does not multiply c_n"),
        ("gru_reset_after", "transposed", "3", "U_n is transposed"),
        ("peephole_diagonal", "transposed", "1234", "all that multiplies h|recurrent weights are"),
        ("peephole_diagonal", "peephole on the old state", "4", r"in o\[t\], the old c\[t-1\] is"),
        ("lem", "old z", "4", r"in y\[t\], the old z\[t-1\] is used where z\[t\] should be"),
        ("coupled_states", "new h a step early", "2", r"in c\[t\], the new h\[t\] is used where h"),
    ],
)
def test_the_mistake_is_named(name: str, mistake: str, equations: str, what: str) -> None:
    report = against(name, mistake)
    assert not report.ok
    first = report.agreements[0]
    assert re.search(what, first.what), first.what
    assert "".join(label.label for label in first.equations) == equations
    assert first.error < 1e-7
    assert first.parts == "outputs and states"
    if len(equations) == 1:
        assert equations in [origin.label for origin in report.origins]
    assert first.what in str(report)


def test_what_is_no_known_mistake_is_narrowed_down_all_the_same() -> None:
    report = against("lstm", "something else")
    assert not report.ok and not report.agreements
    # C is right, so that only what h alone depends on can be wrong.
    assert [origin.label for origin in report.origins] == ["5", "6"]
    assert report.tried > 50
    assert f"None of the {report.tried} mistakes" in str(report)


def test_a_state_that_is_handed_on_wrongly_is_found_between_the_steps() -> None:
    def forgets(p: Any, x: Any, state: Any) -> Any:
        outputs = []
        for x_t in x:
            y, state = wrong_cells.lstm(p, x_t[None], state)
            outputs.append(y[0])
            state = {**state, "C": 0.9 * state["C"]} if len(outputs) < len(x) else state
        return np.array(outputs), state

    report = compare_with(lstmgen.load("lstm"), forgets)
    assert not report.ok
    one_step = [check for check in report.checks if check.check == "output"]
    assert "T=4" in one_step[0].detail
    assert [origin.label for origin in report.origins] == ["6", "4"]


def test_states_may_come_as_a_tuple_and_arrays_as_lists() -> None:
    def listed(p: Any, x: Any, state: Any) -> Any:
        y, state = wrong_cells.lstm(p, x, state)
        return [list(row) for row in y], (state["h"], state["C"])

    assert compare_with(lstmgen.load("lstm"), listed).ok


def test_what_computes_in_float32_is_compared_in_float32_and_says_what_is_missing() -> None:
    def single(p: Any, x: Any, state: Any) -> Any:
        y, state = wrong_cells.lstm(p, x, state)
        return y.astype("float32"), {k: v.astype("float32") for k, v in state.items()}

    report = compare_with(lstmgen.load("lstm"), single)
    assert report.ok and report.title().endswith("in float32")
    assert "gradients" in report.unchecked[0]


def test_arguments_are_copies() -> None:
    def spoils(p: Any, x: Any, state: Any) -> Any:
        result = wrong_cells.lstm(p, x, state)
        for array in (*p.values(), x, *state.values()):
            array[...] = np.nan
        return result

    assert compare_with(lstmgen.load("lstm"), spoils).ok


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        (lambda p, x, state: 1 / 0, "mine failed when called with NumPy arrays: ZeroDivisionError"),
        (lambda p, x, state: x, r"it must return \(y, state\), and returned ndarray of shape"),
        (lambda p, x, state: (x, x), "the state must be a dict or a tuple of h, C"),
        (lambda p, x, state: (x, (x,)), "it returned 1 states, and the cell has h, C"),
        (lambda p, x, state: (x, {"h": x}), "the state that it returned lacks C"),
    ],
)
def test_what_cannot_be_compared_is_said(implementation: Any, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        compare_with(lstmgen.load("lstm"), implementation, "mine")


def test_a_wrong_shape_or_nan_fails_and_does_not_stop() -> None:
    def reshaped(p: Any, x: Any, state: Any) -> Any:
        y, state = wrong_cells.lstm(p, x, state)
        return y[:, :, :1], state

    report = compare_with(lstmgen.load("lstm"), reshaped)
    assert not report.ok and "shape" in str(report)

    def undefined(p: Any, x: Any, state: Any) -> Any:
        y, state = wrong_cells.lstm(p, x, state)
        return y * np.nan, state

    assert not compare_with(lstmgen.load("lstm"), undefined).ok


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong_cells", "expected PACKAGE.MODULE:NAME"),
        ("wrong_cells:nothing", "wrong_cells has no nothing; it has "),
        ("no_such_module_here:cell", "there is no module no_such_module_here"),
        ("nowhere.py:cell", "there is no file nowhere.py"),
        ("wrong_cells:np", "expected a function .* got module"),
        ("wrong_cells:Any.x", "has no Any.x|expected a function"),
    ],
)
def test_what_is_not_there_is_said(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare(lstmgen.load("lstm"), name)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_cells_for_against.py").write_text(
        "print('loading')\n"
        "from wrong_cells import lstm as right\n"
        "def wrong(p, x, state):\n"
        "    return right(p, x, state, 'f and i swapped')\n"
    )
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "lstm", "--against", "my_cells_for_against:right"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("lstm: against my_cells_for_against:right")
    assert "loading" in shown.err
    assert main(["verify", "lstm", "--against", "my_cells_for_against.py:wrong", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["against"]["agreements"][0]["what"] == "f[t] and i[t] are swapped"
    assert [origin["label"] for origin in found["against"]["origins"]] == ["1", "2", "3", "4"]
    assert main(["verify", "lstm", "--against", "exits:x"]) == 2
    assert "importing exits failed: SystemExit" in capsys.readouterr().err
    assert main(["verify", "lstm", "--target", "numpy", "--against", "a:b"]) == 2
    assert "--against takes a CELL" in capsys.readouterr().err


def test_a_module_of_another_cell_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "module.py"
    module.write_text(lstmgen.render(lstmgen.load("rnn"), "numpy"))
    assert main(["verify", str(module), "--cell", "gru"]) == 2
    assert capsys.readouterr().err.endswith("is a module of the cell 'rnn', not of 'gru'\n")
