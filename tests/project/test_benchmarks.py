"""The benchmarks' pieces: contenders compute the same, sums, counts, tables and plots are right."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import tracemalloc
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmgen
from benchmarks import build, cpu, readme, sequences
from benchmarks.cpu_parts import (
    build_report,
    chains,
    clock,
    files,
    floor,
    handwritten,
    machine,
    memory,
    one_thread,
    ours,
    plot,
    report,
    session,
    targets,
    two_threads,
)
from benchmarks.cpu_parts.agreement import Disagreement, deviation, require_agreement
from benchmarks.cpu_parts.contender import Contender, Kind
from benchmarks.cpu_parts.kinds import CELLS, KINDS, USUAL
from benchmarks.cpu_parts.problem import Problem, Results, Unsuitable, make_problem
from benchmarks.cpu_parts.sizes import SIZES, Size
from benchmarks.cpu_parts.summary import page, short
from benchmarks.cpu_parts.svg import COLOURS, marker
from tests.targets.c.many import LEAN

pytestmark = pytest.mark.skipif(ours.no_compiler() is not None, reason=str(ours.no_compiler()))
SMALL = Size("small", 6, 3, 5, 4)
WIDE = Size("wide", 5, 40, 7, 16)
"""So many elements a gate that the activations take their other form."""


@pytest.fixture(autouse=True)
def hastily_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MORE_FLAGS", LEAN)


def problem(cell: str, size: Size = SMALL, dtype: str = "float64") -> Problem:
    return make_problem(cell, lstmgen.load(cell).parameters, size, dtype)


def rivals() -> list[Any]:
    pairs = [(kind, cell) for kind in KINDS.values() for cell in CELLS if kind.computes(cell)]
    return [
        pytest.param(kind, cell, id=f"{kind.name}-{cell}")
        for kind, cell in pairs
        if kind.name != "ours"
    ]


# -- contenders ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=str)
@pytest.mark.parametrize(("kind", "cell"), rivals())
def test_a_contender_computes_what_the_generated_module_computes(
    kind: Kind, cell: str, size: Size
) -> None:
    if (reason := kind.missing()) is not None:
        pytest.skip(reason)
    given = problem(cell, size)
    assert (size.H if cell == "sru" else size.D) == given.size.D  # x is as wide as h
    ours = KINDS["ours"].make(given).results()
    theirs = kind.make(given)
    require_agreement(kind.name, theirs.results(), ours, 1e-12)
    # Workspaces are taken over from call to call.
    require_agreement(kind.name, theirs.results(), ours, 1e-12)
    theirs.infer()
    require_agreement(kind.name, theirs.results(), ours, 1e-12)


def test_the_generated_modules_gradients_are_differences_of_their_outputs() -> None:
    # Agreement above would not notice if all contenders were wrong in the same way.
    given = problem("peephole")
    made = KINDS["numpy"].make(given)
    found = made.results()
    step = 1e-6
    for name, index in (("W_o", (1, 2)), ("b_f", (3,)), ("W_C", (0, 7))):
        values = []
        for sign in (1, -1):
            params = {k: v.copy() for k, v in given.params.items()}
            params[name][index] += sign * step
            moved = Problem(given.cell, given.size, given.dtype, params, given.x, given.dy)
            values.append(np.sum(KINDS["numpy"].make(moved).results()["y"] * given.dy))
        assert found[name][index] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("by_exp", [True, False])
def test_both_forms_of_the_activations_are_sigma_and_tanh(by_exp: bool) -> None:
    form = handwritten.Activation(by_exp)
    a = np.linspace(-30, 30, 61)
    rows = np.stack([a * form.sigma, a * form.tanh])
    form(rows, rows[:1], rows[1:])
    np.testing.assert_allclose(rows, [1 / (1 + np.exp(-a)), np.tanh(a)], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_chunks_cover_every_step_once_and_fit_into_the_cache(steps: int) -> None:
    pieces = handwritten.chunks(steps, handwritten.CACHE // 5)
    assert [t for lo, hi in pieces for t in range(lo, hi)] == list(range(steps))
    assert all(0 < hi - lo <= 5 for lo, hi in pieces)
    assert handwritten.chunks(3, 10 * handwritten.CACHE) == [(0, 1), (1, 2), (2, 3)]


def test_the_inputs_part_of_all_steps_is_made_chunk_by_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handwritten, "CACHE", 2 * 2 * 8 * 3 * 8)  # two steps
    random = np.random.default_rng(1)
    w, b, x = (random.standard_normal(s) for s in ((8, 4), (8,), (5, 3, 4)))
    out = np.empty((5, 8, 3))
    handwritten.input_parts(8, (5, 3, 4), "float64")(w, b, x, out)
    np.testing.assert_allclose(out, np.einsum("rd,tbd->trb", w, x) + b[:, None], rtol=1e-13)


def test_a_cell_with_another_size_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsuitable, match=r"it has the size P \(W: H, P\+D\)"):
        make_problem("it", {"W": ("H", "P+D")}, SMALL, "float64")


def test_a_problem_is_the_same_in_both_dtypes_up_to_rounding() -> None:
    double, single = problem("gru"), problem("gru", dtype="float32")
    assert single.x.dtype == single.params["W_z"].dtype == np.float32
    np.testing.assert_allclose(single.params["W_z"], double.params["W_z"], rtol=1e-6)
    np.testing.assert_allclose(single.dy, double.dy, rtol=1e-6)


# -- agreement -------------------------------------------------------------------------------


def test_one_number_beyond_a_kink_is_no_disagreement_where_the_typical_counts() -> None:
    right = {"dx": np.ones((1000, 1000), np.float32)}
    found = {"dx": right["dx"].copy()}
    found["dx"][3, 5] = 1.1
    assert require_agreement("one", found, right, 1e-3, typical=True) < 1.1e-4
    with pytest.raises(Disagreement):
        require_agreement("one", found, right, 1e-3)
    with pytest.raises(Disagreement):
        require_agreement("all", {"dx": 1.01 * right["dx"]}, right, 1e-3, typical=True)


def test_agreement_is_measured_against_the_largest_value_of_each_array() -> None:
    expected: Results = {"y": np.array([100.0, 1.0]), "dx": np.array([1.0])}
    found: Results = {"y": np.array([100.0, 1.5]), "dx": np.array([1.001])}
    assert deviation(found, expected) == (pytest.approx(0.005), "y")
    with pytest.raises(Disagreement, match=r"theirs: y deviates from ours by 0\.005"):
        require_agreement("theirs", found, expected, 1e-3)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"y": np.array([1.0, np.nan])}, "deviates from ours by nan"),
        ({"y": np.ones(3)}, r"expected shape \(2,\), got \(3,\)"),
        ({"x": np.ones(2)}, "expected y, got x"),
    ],
    ids=["nan", "shape", "names"],
)
def test_what_cannot_agree_is_refused(found: Results, message: str) -> None:
    with pytest.raises(Disagreement, match=f"theirs: .*{message}"):
        require_agreement("theirs", found, {"y": np.ones(2)}, 1e-9)


# -- the clock -------------------------------------------------------------------------------


class FakeClock:
    """Time that passes only in the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self.now)

    def call(self, name: str, *seconds: float) -> Any:
        rest = iter(seconds)

        def run() -> None:
            self.calls.append(name)
            self.now += next(rest, seconds[-1])

        return run


def test_contenders_take_turns_and_short_calls_are_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeClock(monkeypatch)
    calls = {"a": fake.call("a", 1.0), "b": fake.call("b", 5.0, 0.25)}
    samples = clock.in_turn(calls, clock.Effort(rounds=3, sample=0.5, longest=100.0))
    assert samples == {"a": [1.0] * 3, "b": [0.25] * 3}  # the first, slow call is no sample
    rounds = "".join(fake.calls[4:])
    assert rounds == "abb" + "bba" + "abb"


def test_long_calls_get_fewer_rounds_but_three(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeClock(monkeypatch)
    effort = clock.Effort(rounds=21, sample=0.5, longest=10.0)
    assert len(clock.in_turn({"a": fake.call("a", 2.0)}, effort)["a"]) == 5
    assert len(clock.in_turn({"a": fake.call("a", 9.0)}, effort)["a"]) == 3
    assert clock.in_turn({}, effort) == {}


def test_a_ratio_is_of_rounds_whatever_the_machine_does_between_them() -> None:
    found = clock.ratio([1.5, 1.5, 3.3], [1.0, 1.0, 2.0])
    assert found["median"] == 1.5
    assert (found["smallest"], found["largest"]) == (1.5, 1.65)
    slower = clock.ratio([1.5, 3.0, 3.0], [1.0, 2.0, 2.0])  # from the second round on
    assert slower["median"] == slower["largest"] == 1.5


# -- the floor -------------------------------------------------------------------------------


def test_products_are_counted_as_by_hand() -> None:
    size = SIZES["b"]
    T, B, D, H = size.T, size.B, size.D, size.H
    found = {(g.part, g.shape): g.flops for g in floor.groups("lstm", size)}
    assert found == {
        ("forward", (4 * H, D, T * B)): 8 * T * B * D * H,
        ("forward", (4 * H, H, B)): 8 * T * B * H * H,
        ("backward", (D, 4 * H, T * B)): 8 * T * B * D * H,
        ("backward", (H, 4 * H, B)): 8 * T * B * H * H,
        ("parameters", (4 * H, T * B, H + D)): 8 * T * B * H * (H + D),
    }
    alone = floor.groups("lstm", size, training=False)
    assert [g.part for g in alone] == ["forward", "forward"]


def test_the_floor_is_flops_over_rates_never_above_the_peak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = {"small": 1e9, "large": 8e9}

    def rate(shape: tuple[int, int, int], dtype: str, seconds: float = 0.0) -> float:
        return rates["small" if shape[2] == SMALL.B else "large"]

    monkeypatch.setattr(floor, "rate", rate)
    found = floor.floor("rnn", SMALL, "float32", 4e9)
    T, B, D, H = SMALL.T, SMALL.B, SMALL.D, SMALL.H
    steps, rest = 2 * 2 * T * B * H * H, 2 * 2 * T * B * D * H + 2 * T * B * H * (H + D)
    assert found.flops == steps + rest
    assert found.seconds == pytest.approx(steps / 1e9 + rest / 4e9)
    assert found.seconds_at_peak == pytest.approx((steps + rest) / 4e9)


def test_the_rate_of_a_product_is_its_flops_over_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(floor.time, "perf_counter", lambda: next(now))  # a second at each look
    assert floor.rate((3, 4, 5), "float32") == 2 * 3 * 4 * 5


# -- targets, machine, pinning ---------------------------------------------------------------


def test_targets_belong_to_contenders_that_are_timed() -> None:
    assert targets.target("lstm", "torch", "float32", "g") == 1.35
    assert targets.target("peephole", "torch-loop", "float32", "e") is None
    assert targets.target("lstm", "torch", "float32", "g", training=False) == 1
    assert targets.share_of_peak("lstm", "float32", "b") == 0.8
    assert targets.share_of_peak("lstm", "float32", "a") is None
    assert targets.share_of_peak("sru", "float32", "b") is None
    for (cell, contender, dtype), of_size in targets._RATIOS.items():
        for size in of_size:
            assert KINDS[contender].computes(cell)
            assert dtype in KINDS[contender].dtypes(cell, size)
            assert size in SIZES


def test_a_file_name_holds_the_machine_and_no_odd_characters() -> None:
    found = machine.file_name({"processor": "AMD EPYC 7R13 (x)", "cores": 2}, "cpu")
    assert found == "cpu-amd-epyc-7r13-x-2-cores"
    described = machine.describe(None)
    assert described["cores"] >= 1 and described["pinned_to_core"] is None
    assert machine.versions()["numpy"] == np.__version__


def test_variables_are_set_before_the_libraries_are_imported() -> None:
    # In a process of its own: the benchmark's start must not import NumPy.
    code = (
        "import benchmarks.build, benchmarks.cpu; from benchmarks.cpu_parts import one_thread;"
        "assert one_thread.too_late() == [], one_thread.too_late();"
        "core = one_thread.pin(); import numpy, os;"
        "assert one_thread.too_late() == ['numpy'];"
        "assert os.environ['OPENBLAS_NUM_THREADS'] == '1';"
        "assert core is None or os.sched_getaffinity(0) == {core}"
    )
    root = Path(cpu.__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


# -- memory ----------------------------------------------------------------------------------


def test_memory_of_the_generated_module_is_what_its_tape_holds() -> None:
    if (reason := memory.available()) is not None:
        pytest.skip(reason)
    size = SIZES["c"]
    found = memory.measure_apart("lstm", "c", "ours")
    given = problem("lstm", size, "float32")
    made = KINDS["ours"].make(given)
    tracemalloc.start()
    held = made.keep()
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held is not None
    unit = 4 * size.T * size.B * size.H
    # Resident pages against what was asked for, y aside: within a quarter of an array of y's size.
    assert abs(found["kept"] - (traced - unit)) < unit
    assert abs(found["allocated"] - (traced - unit)) < unit / 4
    assert found["peak"] > found["kept"]


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"memory of ours, nothing d: .*nothing"):
        memory.measure_apart("nothing", "d", "ours")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_what_autograd_saves_is_counted_once_without_what_was_there() -> None:
    import torch

    from benchmarks.cpu_parts.torch_memory import saved_bytes

    x = torch.ones(10, requires_grad=True)

    def forward() -> tuple[Any, ...]:
        a = torch.exp(x)  # saves its result
        b = a * a  # saves the same again, twice
        return (torch.exp(b),)  # saves its result, which is y

    assert saved_bytes(forward, [x]) == 40


# -- the plan and the command line -----------------------------------------------------------


def plan(*arguments: str) -> session.Plan:
    return cpu._plan(cpu._parser().parse_args(arguments))


def test_options_choose_cells_sizes_and_contenders_and_ours_always_runs() -> None:
    found = plan("--cells", "gru,lstm", "--sizes", "ba", "--contenders", "torch")
    assert found.cells == ("gru", "lstm")
    assert found.sizes == ("b", "a")
    assert found.contenders == ("ours", "torch")
    assert not found.quick
    full, quick = plan(), plan("--quick")
    assert full.sizes == tuple(SIZES) and full.contenders == USUAL
    assert quick.effort.rounds < full.effort.rounds
    assert plan("--contenders", "all").contenders == tuple(KINDS)
    assert quick.memory_cells == ("lstm",) and full.memory_cells == CELLS[:2]
    assert full.thread_sizes == ("c", "d", "e", "f") and not quick.thread_sizes
    assert plan("--cells", "rnn", "--quick").memory_cells == ("rnn",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "az"], "there is no size 'z'; there are a, b, c"),
        (["--contenders", "cudnn"], "there is no contender 'cudnn'; there are ours"),
        (["--cells", "no_such_cell"], "no_such_cell"),
    ],
    ids=["size", "contender", "cell"],
)
def test_what_there_is_not_is_a_usage_error(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_thread, "pin", lambda: None)
    assert cpu.main(arguments) == 2
    assert message in capsys.readouterr().err


class Wrong(Contender):
    """A contender whose y is off by a millionth."""

    def results(self) -> Results:
        found = KINDS["ours"].make(self.problem).results()
        return {**found, "y": found["y"] * (1 + 1e-6)}


def test_nothing_is_timed_if_a_contender_computes_something_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(one_thread, "pin", lambda: None)
    monkeypatch.setitem(KINDS, "numpy", Kind("numpy", "wrong", "numpy", ("lstm",), lambda: Wrong))
    monkeypatch.setattr(session, "in_turn", lambda *_: pytest.fail("timed"))
    options = ["--cells", "lstm", "--sizes", "a", "--contenders", "numpy"]
    assert cpu.main([*options, "--output", str(tmp_path)]) == 1
    assert "numpy, lstm at a (100,1,32,32), float64: y deviates" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_contender_that_is_not_installed_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, small_run: session.Plan
) -> None:
    absent = Kind("torch", "torch.nn layer", "no_such_package", ("lstm",), lambda: Contender)
    monkeypatch.setitem(KINDS, "torch", absent)
    document = session.run(small_run, None)
    line = "torch is left out: the package no_such_package is not installed"
    assert document["left_out"] == [line]
    assert line in report.text(document)
    assert {r["contender"] for r in document["training"]} == {"ours", "ours-numpy"}


@pytest.fixture
def small_run(monkeypatch: pytest.MonkeyPatch) -> session.Plan:
    """A plan at a tiny size whose products' rates are not measured."""
    monkeypatch.setitem(SIZES, "a", replace(SMALL, name="a"))
    monkeypatch.setattr(session, "peak_rate", lambda dtype: 1e9)
    monkeypatch.setattr(session, "multiply_add_rate", lambda dtype: 2e9)
    monkeypatch.setattr(floor, "rate", lambda shape, dtype: 1e8)
    effort = clock.Effort(3, 1e-4, 1.0)
    return session.Plan(("lstm",), ("a",), ("ours", "ours-numpy", "torch"), effort, (), (), True)


def test_a_run_gives_every_measurement_beside_target_and_floor(
    small_run: session.Plan, tmp_path: Path
) -> None:
    document = session.run(small_run, 1)
    names = {r["contender"] for r in document["training"]}
    assert names == {r["contender"] for r in document["forward"]} >= {"ours", "ours-numpy"}
    assert max(r["deviation"] for r in document["agreement"]) < 1e-9
    by_name = {r["contender"]: r for r in document["training"] if r["dtype"] == "float32"}
    ours, other = by_name["ours"], by_name["ours-numpy"]
    assert ours["ratio"] is None and "target" not in ours
    least = other["seconds"]["smallest"] / ours["seconds"]["largest"]
    most = other["seconds"]["largest"] / ours["seconds"]["smallest"]
    assert least <= other["ratio"]["median"] <= most
    if (layer := by_name.get("torch")) is not None:
        assert layer["target"] == 4
        assert layer["reached"] == (layer["ratio"]["median"] >= 4)
    T, B, D, H = SMALL.T, SMALL.B, SMALL.D, SMALL.H
    assert ours["flops"] == 24 * T * B * H * (H + D)
    assert ours["share_of_floor"] == pytest.approx(ours["flops"] / 1e8 / ours["seconds"]["median"])
    assert ours["share_of_peak"] == pytest.approx(ours["flops"] / 2e9 / ours["seconds"]["median"])
    (compiled,) = document["compiling"]
    assert 0.02 < compiled["seconds"]["median"] < 100
    assert compiled["reached"] == (compiled["seconds"]["median"] <= 2)
    step = next(r for r in document["step"] if r["contender"] == "ours")
    assert step["reached"] == (step["seconds"]["median"] <= 5e-6)
    paths = cpu.write(document, tmp_path)
    assert [p.suffix for p in paths] == [".json", ".txt", ".svg"]
    assert all(p.stem.endswith("-quick") for p in paths)
    assert json.loads(paths[0].read_text()) == json.loads(json.dumps(document))
    assert len(list(tmp_path.iterdir())) == 3


# -- tables and plots ------------------------------------------------------------------------


def invented() -> dict[str, Any]:
    """A document with two ratios, one on each side of its target."""

    def record(contender: str, size: str, ratio: float | None) -> dict[str, Any]:
        values = {"median": 0.25, "quartile_1": 0.25, "quartile_3": 0.5}
        found: dict[str, Any] = {
            "cell": "lstm",
            "size": size,
            "dtype": "float32",
            "contender": contender,
            "seconds": values,
            "ratio": None,
            "share_of_floor": 0.5,
            "share_of_peak": 0.25,
        }
        if ratio is not None:
            found["ratio"] = {k: ratio * f for k, f in zip(values, (1, 0.9, 1.1), strict=True)}
            found |= {"target": 1.0, "reached": ratio >= 1.0}
        return found

    return {
        "schema": 1,
        "date": "2026-01-02",
        "machine": machine.describe(None) | {"processor": "A & B <1>"},
        "versions": {"python": "3.11"},
        "quick": False,
        "left_out": ["jax is left out: the package jax is not installed"],
        "contenders": {"ours": "ours", "torch": "torch.nn layer"},
        "sizes": {name: SIZES[name].symbols() for name in "ab"},
        "agreement": [{"deviation": 2e-12}],
        "gemm_flops_per_second": {"float32": 5e10},
        "training": [
            record("ours", "a", None),
            record("torch", "a", 4.0),
            record("ours", "b", None),
            record("torch", "b", 0.5),
        ],
        "forward": [],
        "step": [
            {
                "cell": "lstm",
                "contender": "ours",
                "seconds": {"median": 3e-5, "quartile_1": 3e-5, "quartile_3": 3e-5},
                "target_seconds": 2.5e-5,
                "reached": False,
            }
        ],
        "memory": [],
        "activations": [
            {
                "function": "sigma",
                "dtype": "float64",
                "seconds": {"median": 1.5e-9},
                "target_seconds": 1e-9,
                "reached": False,
            }
        ],
        "compiling": [
            {"cell": "lstm", "seconds": {"median": 1.9}, "target_seconds": 2, "reached": True},
            {"cell": "rnn", "seconds": {"median": 2.25}, "target_seconds": 2, "reached": False},
        ],
    }


def test_the_table_shows_ratios_targets_and_what_was_missed() -> None:
    document = invented()
    assert report.missed(document) == [
        "lstm b against torch (float32): 0.50, wanted 1",
        "lstm step: 30.0 us, wanted 25 us",
        "sigma in float64: 1.50 ns, wanted 1 ns",
        "rnn compiled: 2.25 s, wanted 2 s",
    ]
    text = report.text(document)
    document["training"][2] |= {"target_share": 0.8, "reached": False}
    assert "lstm b: 25% of the peak, wanted 80%" in report.missed(document)
    (line,) = (x for x in text.splitlines() if "b (100,32,64,64)" in x and "torch" in x)
    assert line.split()[5:] == "250 250..500 0.50 0.45..0.55 1 missed 50% 25%".split()
    for part in (
        "2 of 6 targets reached; not reached:",
        "50.0 GFLOP/s float32",
        "jax is left out",
        "the same in float64, to 2e-12",
        "2026-01-02",
    ):
        assert part in text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("name", "ms"), ("a", "1.5"), ("longer", "10.25")]
    assert report.columns(rows) == "name       ms\na         1.5\nlonger  10.25"


SVG = "{http://www.w3.org/2000/svg}"


def test_every_series_of_the_plot_has_a_colour_and_a_shape_of_its_own() -> None:
    # A line for each contender but ours, and for float64 too where a rival is timed in it.
    rivals = [kind for kind in KINDS.values() if kind.name != "ours"]
    series = len(rivals) + sum(1 for kind in rivals if kind.doubles)
    assert series <= len({*COLOURS})
    assert len({marker(k, 0, 0, "").replace(" ", "") for k in range(series)}) == series


def test_the_plot_puts_ratios_on_a_scale_of_powers_of_two() -> None:
    root = ElementTree.fromstring(plot.draw(invented()))
    texts = {e.text: e for e in root.iter(f"{SVG}text")}
    assert {"lstm", "a", "b", "torch.nn layer", "target"} <= texts.keys()
    assert any("A & B <1>" in (t or "") for t in texts)
    (line,) = root.iter(f"{SVG}polyline")
    ys = [float(point.split(",")[1]) for point in line.get("points", "").split()]
    one, four, half = (float(texts[name].get("y", "nan")) for name in ("1", "4", "1/2"))
    # Labels stand a constant below their lines.
    assert ys[0] - ys[1] == pytest.approx(four - half, abs=0.2)
    assert four < one < half


def test_a_plot_without_rivals_says_so() -> None:
    document = invented()
    document["training"] = document["training"][:1]
    assert "No other contender was measured." in plot.draw(document)


def test_the_readme_gets_all_figures_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = invented()
    document["multiply_add_flops_per_second"] = {"float32": 1e11}
    document["threads"] = [
        {"size": "c", "contender": who, "threads": n, "seconds": {"median": seconds}}
        for who, n, seconds in (("ours", 1, 2.0), ("ours", 2, 1.0), ("torch", 2, 1.5))
    ]
    document["activations"] = [
        {"function": "tanh", "dtype": "float32", "seconds": {"median": 2.5e-10}}
    ]
    said = page(document)
    for part in (
        "| lstm | torch.nn layer | 4.00 | 0.50 |",
        "| lstm | 25 % | 25 % |",
        "c 2.00 times one, 1.50 times torch with two",
        "tanh 0.25 ns (float32)",
        "A & B <1>",
    ):
        assert part in said.replace("\n", " ")
    assert "| lstm | torch.nn layer | 4.00 | 0.50 |" in short(document)
    document["contenders"]["ours-numpy"] = "generated NumPy module"
    for cell in ("lstm", "sru"):  # which PyTorch does not compute
        record = document["training"][1] | {"cell": cell, "contender": "ours-numpy"}
        document["training"].append(record)
    assert "| lstm | generated NumPy module | 4.00 |  |" in short(document)
    assert "sru" not in short(document)
    (tmp_path / "docs").mkdir()
    for name in readme.PLACES:
        (tmp_path / name).write_text(
            "before\n<!-- figures: old.json -->\nold\n<!-- figures end -->\nafter\n"
        )
    whole = next((readme.ROOT / "benchmarks" / "results").glob("cpu-*[!k].json"))
    assert readme.main([str(whole), "--root", str(tmp_path)]) == 0
    for name, text_of in readme.PLACES.items():
        text = (tmp_path / name).read_text()
        assert text.startswith("before\n<!-- figures: benchmarks/results/cpu-")
        assert text.endswith("<!-- figures end -->\nafter\n")
        assert readme.figures(text)[1] == text_of(json.loads(whole.read_text()))
    assert readme.main([str(whole), "--root", str(tmp_path / "none")]) == 2
    assert "README.md" in capsys.readouterr().err


def test_one_thread_and_two_are_timed_in_a_process_that_may_use_both() -> None:
    records = two_threads.measure_apart("rnn", "a", 1)
    assert {(r["contender"], r["threads"]) for r in records} >= {("ours", 1), ("ours", 2)}
    assert all(r["seconds"]["median"] > 0 for r in records)


# -- build times -----------------------------------------------------------------------------


@pytest.mark.parametrize("equations", [2, 7, 30])
def test_a_chain_has_its_number_of_equations_each_needing_the_one_before(equations: int) -> None:
    cell = chains.chain(equations)
    assert len(cell.equations) == equations
    for before, equation in zip(cell.equations, cell.equations[1:], strict=False):
        assert equation.rhs.has(before.lhs)
    assert cell.states == ("h",)
    assert cell.inputs == ("x",)


def test_a_chain_of_one_equation_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        chains.chain(1)


def test_a_chains_module_is_right() -> None:
    found = lstmgen.verify(chains.chain(6), "numpy")
    assert found.ok, str(found)


def test_growth_is_the_exponent() -> None:
    assert chains.growth([10, 20, 40], [3.0, 6.0, 12.0]) == pytest.approx(1)
    assert chains.growth([10, 20, 40], [1.0, 4.0, 16.0]) == pytest.approx(2)


def test_twice_the_equations_give_gradients_twice_as_long() -> None:
    lengths = [len(str(chains.chain(n).gradients).split()) for n in (30, 60)]
    assert 1.8 < lengths[1] / lengths[0] < 2.2


def test_stages_come_in_order_and_a_limit_keeps_those_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [name for name, _ in chains.stage_seconds(2)] == list(chains.STAGES)
    calls: list[tuple[int, int]] = []

    def fake(count: int, limit: float, reach: int) -> tuple[dict[str, float], str | None]:
        calls.append((count, reach))
        if count == 20 and reach > 3:
            return {"read": 1.0, "derive": 1.0, "schedule": 1.0}, "render was ended"
        return dict.fromkeys(list(chains.STAGES)[:reach], 0.5), None

    monkeypatch.setattr(build, "_build", fake)
    found = build.measure([10, 20, 40], 1, 9.0)
    assert calls == [(10, 5), (20, 5), (40, 3)]
    assert found["failures"] == ["20 equations: render was ended"]
    assert found["seconds"]["render"] == {10: 0.5}
    assert found["seconds"]["schedule"] == {10: 0.5, 20: 1.0, 40: 0.5}


def test_a_build_in_its_own_process_gives_its_stages_or_what_failed() -> None:
    stages, failure = build._build(3, 60.0, 3)
    assert failure is None
    assert list(stages) == ["read", "derive", "schedule"]
    stages, failure = build._build(3, 0.001, 5)
    assert (stages, failure) == ({}, "read was ended, 0.001 s after the start")


def test_the_build_table_shows_growth_and_the_derivation_beside_what_is_wanted() -> None:
    seconds = {stage: {50: 0.1, 100: 0.2, 200: 0.4} for stage in chains.STAGES}
    seconds["render"] = {50: 1.0}
    run = invented() | {
        "seconds": seconds,
        "failures": ["100 equations: render was ended"],
        "derivation": build.derivation(seconds),
    }
    assert run["derivation"] == {"equations": 200, "seconds": 0.8, "target": 2.0, "reached": True}
    text = build_report.text(run)
    lines = {line.split()[0]: line.split() for line in text.splitlines()}
    assert lines["derive"][1:5] == ["0.1000", "0.2000", "0.4000", "1.00"]
    assert "read and derive 200 equations: 0.800 s, wanted less than 2 s: reached" in text
    assert "100 equations: render was ended" in text
    root = ElementTree.fromstring(build_report.draw(run))
    assert len(list(root.iter(f"{SVG}polyline"))) == len(chains.STAGES)
    assert build.derivation({"read": {}, "derive": {}}) is None


def test_results_are_replaced_whole(tmp_path: Path) -> None:
    document = invented()
    first = files.write(document, tmp_path, "cpu", "one", "<svg/>")
    assert files.write(document, tmp_path, "cpu", "two", "<svg/>") == first
    assert [p.read_text() for p in first[1:]] == ["two", "<svg/>"]
    assert json.loads(first[0].read_text())["date"] == "2026-01-02"
    assert math.isfinite(json.loads(first[0].read_text())["gemm_flops_per_second"]["float32"])


def test_lengths_and_restarts_are_timed_over_the_padded_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "CELLS", ("rnn",))
    monkeypatch.setattr(sequences, "TARGETS", ("numpy",))
    document = sequences._run(True, None)
    assert [race["with"] for race in document["races"]] == ["lengths", "restart"]
    assert all(race["ratio"]["median"] > 0 for race in document["races"])
    *_, line = sequences.text(document).splitlines()
    name, target, *ratios = line.split()
    assert (name, target) == ("rnn", "numpy") and len(ratios) == 2
