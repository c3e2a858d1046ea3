"""The measured gradient flow against differences, and what it must show."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

import lstmgen
from lstmgen import UsageError, load
from lstmgen.cli.flow import flow as command
from lstmgen.library.files import built_in_names
from lstmgen.show.flow import SCHEMA, Curve, Settings, measure
from lstmgen.show.flow_rules import forget_biases

SMALL = Settings(hidden_size=4, input_size=3, steps=5, seeds=2)


def curve(curves: tuple[Curve, ...], cell: str, state: str) -> Curve:
    (found,) = [c for c in curves if (c.cell, c.state) == (cell, state)]
    return found


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_norms_against_differences(name: str) -> None:
    cell = load(name)
    measured = measure([cell], SMALL, forget_bias=(1.5,))
    module = lstmgen.compile(cell, "numpy")
    for seed in range(SMALL.seeds):
        params = module.init_params(3, 4, seed=seed, dtype="float64")
        if "b_f" in params:
            params["b_f"][...] = 1.5
        x = np.random.default_rng((seed, 1)).standard_normal((5, 1, 1, 3))[:, 0]
        for state in cell.states:
            wanted = [differenced(module, params, x, state, k) for k in range(1, 6)]
            found = curve(measured.curves, name, state).norms[seed]
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def differenced(
    module: ModuleType, params: dict[str, np.ndarray], x: np.ndarray, state: str, k: int
) -> float:
    """The norm for the state k steps before the end, by central differences."""
    start = module.init_state(1, 4, dtype="float64")
    for one in x[: len(x) - k]:
        start = module.step(params, one, start)
    columns = []
    for unit in range(4):
        ends = []
        for sign in (1, -1):
            moved = {name: value.copy() for name, value in start.items()}
            moved[state][0, unit] += sign * 1e-5
            for one in x[len(x) - k :]:
                moved = module.step(params, one, moved)
            ends.append(moved[module.OUTPUT][0])
        columns.append((ends[0] - ends[1]) / 2e-5)
    return float(np.sqrt(np.sum(np.square(columns)) / len(columns[0])))


def test_the_rnn_forgets_and_the_lstm_with_a_forget_bias_does_not() -> None:
    settings = Settings(hidden_size=32, steps=50, seeds=3)
    measured = measure([load(n) for n in ("rnn", "lstm", "gru")], settings)
    rnn = curve(measured.curves, "rnn", "h").median
    lstm = curve(measured.curves, "lstm", "C").median
    without = measure([load("lstm")], settings, forget_bias=(0.0,))
    assert rnn[-1] < 1e-10 < 1e-6 < lstm[-1]
    assert curve(without.curves, "lstm", "C").median[-1] < 1e-3 * lstm[-1]


def test_cells_of_every_kind_can_be_measured() -> None:
    # Sizes of their own, several inputs, an input of the state's size, an output that is no state.
    kinds = ["lstmp", "fast_grnn_low_rank", "zoneout_lstm", "mut2", "intersection_rnn", "slstm"]
    settings = Settings(hidden_size=4, input_size=3, steps=2, seeds=1)
    measured = measure([load(name) for name in kinds], settings)
    assert {c.cell for c in measured.curves} == set(kinds)
    for c in measured.curves:
        assert np.isfinite(c.norms).all() and np.shape(c.norms) == (1, 2), c


def test_forget_biases_are_read_from_the_direct_path() -> None:
    assert forget_biases(load("lstm")) == {"b_f": 1}
    assert forget_biases(load("gru_reset_after")) == {"b_z": 1}
    assert forget_biases(load("mgu")) == {"b_f": -1}
    assert forget_biases(load("ugrnn")) == {"b_g": 1, "b_fg": 0}
    assert forget_biases(load("gru")) == {}
    assert forget_biases(load("rnn")) == {}
    # Beside a peephole's path, a factor that is no gate, through a name, a quotient, softplus.
    assert forget_biases(load("peephole_diagonal")) == {"b_f": 1}
    assert forget_biases(load("zoneout_lstm")) == {"b_f": 1}
    assert forget_biases(load("lem")) == {"b_2": -1, "b_1": -1}
    assert forget_biases(load("janet")) == {"b_f": 1}
    assert forget_biases(load("slstm")) == {"b_f": 1}
    assert forget_biases(load("min_lstm")) == {"b_f": 1, "b_i": 0}


def test_the_same_rule_holds_for_every_cell_that_has_a_gate_with_a_bias_on_its_path() -> None:
    """Those without: no gate on the path, or a gate without a bias."""
    without = [name for name in built_in_names() if not forget_biases(load(name))]
    no_gate = "antisymmetric antisymmetric_gated cornn fast_rnn indrnn lipschitz lstm_1997 lstm_nfg"
    assert without == sorted([*no_gate.split(), "gru", "qrnn_fo", "rnn", "unicornn"])


def test_the_output_says_which_cells_have_no_such_bias_and_how_masks_are_drawn() -> None:
    cells = [load(name) for name in ("rnn", "lstm", "zoneout_lstm")]
    settings = Settings(hidden_size=4, input_size=3, steps=3, seeds=1, inputs={"d_c": "mask:0.25"})
    text = str(measure(cells, settings, forget_bias=(1.0, 2.0)))
    assert "start with a bias of 1 or 2 that keeps the state; without one: rnn\n" in text
    assert "input d_c is 1 with probability 0.25, else 0\n" in text
    assert "input d_h of zoneout_lstm is 1 with probability 0.5, else 0\n" in text
    assert "bias" not in str(measure(cells[:1], SMALL, forget_bias=())).splitlines()[2]
    found = measure(cells, settings).as_json()
    assert found["without_forget_bias"] == ["rnn"]
    assert found["masks"] == [{"cell": "zoneout_lstm", "input": "d_h"}]


def test_an_input_of_a_given_value() -> None:
    """With d_h = d_c = 0 zoneout does nothing: the LSTM's numbers, in its own order of draws."""
    cell = load("zoneout_lstm")
    settings = Settings(4, 3, 4, 1, inputs={"d_h": "1", "d_c": "1"})
    kept = measure([cell], settings, forget_bias=())
    assert curve(kept.curves, "zoneout_lstm", "h").median == (1.0,) * 4  # the state stays
    for how in ("mask:1.5", "mask:x", "often", ""):
        with pytest.raises(UsageError, match=r"input d_c: expected a number, or mask:P with P"):
            Settings(inputs={"d_c": how})
    with pytest.raises(UsageError, match="no cell here has an input m; there are "):
        measure([cell], Settings(4, 3, 4, 1, inputs={"m": "1"}))


def test_what_is_only_rounding_is_zero() -> None:
    """c_0 and n_0 of sLSTM are 0, and so is the gradient by m_0: 1e-38 by rounding."""
    found = measure([load("slstm")], Settings(32, 16, 40, 2))
    assert curve(found.curves, "slstm", "m").median[-1] == 0.0
    assert curve(found.curves, "slstm", "m").median[-2] > 1e-20
    assert "nan" not in found.svg()


def test_each_forget_bias_has_its_curves() -> None:
    measured = measure([load("rnn"), load("coupled")], SMALL, forget_bias=(0.0, 2.0))
    assert [(c.label, c.state) for c in measured.curves] == [
        ("rnn", "h"),
        *(("coupled, b_f = 0", s) for s in ("h", "C")),
        *(("coupled, b_f = 2", s) for s in ("h", "C")),
    ]
    explicit = Settings(hidden_size=4, input_size=3, steps=5, seeds=2, biases={"b_f": 2.0})
    again = measure([load("coupled")], explicit, forget_bias=())
    assert again.curves == measured.curves[3:]


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(UsageError, match="steps: expected at least 1, got 0"):
        Settings(steps=0)
    with pytest.raises(UsageError, match="no cell here has a parameter b_q"):
        measure([load("lstm")], Settings(biases={"b_q": 1.0}))


def test_the_scale_of_the_matrices_counts() -> None:
    one, half = (
        curve(measure([load("rnn")], Settings(8, 3, 6, 2, scale)).curves, "rnn", "h").median
        for scale in (1.0, 0.5)
    )
    assert half[-1] < 0.1 * one[-1]


def test_command_prints_a_table_and_writes_the_plot(tmp_path: Path) -> None:
    plot = tmp_path / "flow.svg"
    options = ["-H", "4", "-D", "3", "-T", "12", "--seeds", "2"]
    done = CliRunner().invoke(command, ["rnn", "lstm", "-o", str(plot), *options])
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    measured = measure([load("rnn"), load("lstm")], Settings(4, 3, 12, 2))
    first = curve(measured.curves, "rnn", "h").median
    assert ["rnn", "h", *(f"{first[k - 1]:.1e}" for k in (1, 2, 5, 10, 12))] in [
        row[:7] for row in rows
    ]
    assert plot.read_text(encoding="utf-8") == measured.svg()
    again = CliRunner().invoke(command, ["rnn", "lstm", "--json", *options])
    assert json.loads(again.stdout) == measured.as_json()
    assert measured.as_json()["schema"] == SCHEMA


def test_command_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    for arguments in (["rnn", "-o", "flow.pdf"], ["rnn", "--bias", "b"], ["rnn", "--bias", "b=x"]):
        done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 2 or isinstance(done.exception, UsageError), arguments


def test_a_cell_in_which_only_a_state_has_its_size() -> None:
    cell = load(Path(__file__).parents[1] / "corpus" / "loop_without_arrays.py")
    found = measure([cell], Settings(hidden_size=3, input_size=2, steps=2, seeds=1))
    assert [(curve.state, curve.median) for curve in found.curves] == [("v", (0.0, 0.0))]
