"""Modules that keep little for backward, and forward passes that keep nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen.cli.root import main

SIZES = ((64, 3, 4, 5), (65, 2, 3, 4), (3, 2, 3, 4), (1, 1, 1, 1), (0, 2, 3, 4), (5, 0, 3, 4))
"""(T, B, D, H): segments that fill the sequence, that leave a rest, that are single steps."""


def module(name: str, recompute: str) -> ModuleType:
    return lstmgen.compile(lstmgen.load(name), "numpy", recompute=recompute)


def data(made: ModuleType, T: int, B: int, D: int, H: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(T)
    sizes = {"x": D}
    params = made.init_params(D, H, seed=1, dtype="float64")
    xs = {name: draw.normal(size=(T, B, sizes.get(name, H))) for name in made.INPUTS}
    zero = made.init_state(B, H, dtype="float64")
    state = {name: draw.normal(size=value.shape) for name, value in zero.items()}
    dstate = {name: draw.normal(size=value.shape) for name, value in zero.items()}
    x = xs if len(xs) > 1 else xs["x"]
    return params, x, state, draw.normal(size=(T, B, H)), dstate


def flat(value: Any) -> list[np.ndarray]:
    if isinstance(value, dict):
        return [array for name in sorted(value) for array in flat(value[name])]
    if isinstance(value, tuple):
        return [array for part in value for array in flat(part)]
    return [value]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["lstm", "gru", "peephole", "zoneout_lstm"])
def test_what_is_computed_again_is_what_is_kept(name: str, size: tuple[int, ...]) -> None:
    results = []
    for recompute in ("none", "all"):
        made = module(name, recompute)
        params, x, state, dy, dstate = data(made, *size)
        y, last, tape = made.forward(params, x, state)
        first = made.backward(params, tape, dy, dstate)
        again = made.backward(params, tape, dy, dstate)
        assert all(np.array_equal(a, b) for a, b in zip(flat(first), flat(again), strict=True))
        y2, last2, tape = made.forward(params, x, state, reuse=tape)
        reused = made.backward(params, tape, dy, dstate)
        assert all(np.array_equal(a, b) for a, b in zip(flat(first), flat(reused), strict=True))
        assert np.array_equal(y, y2) and set(last) == set(last2)
        results.append(flat((y, last, first)))
    for kept, computed in zip(*results, strict=True):
        scale = float(np.max(np.abs(kept), initial=1.0))
        np.testing.assert_allclose(computed, kept, rtol=0, atol=1e-13 * scale)


def test_the_state_may_change_after_forward() -> None:
    made = module("lstm", "all")
    params, x, state, dy, _ = data(made, 20, 2, 3, 4)
    _, _, tape = made.forward(params, x, state)
    expected = flat(made.backward(params, tape, dy))
    for array in state.values():
        array += 1
    found = flat(made.backward(params, tape, dy))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize(("recompute", "most"), [("none", 7.2), ("all", 2.2)])
def test_what_a_tape_keeps(recompute: str, most: float) -> None:
    # Floats for each step, unit and row of the batch, as the interpreter counts them.
    made = module("lstm", recompute)
    T, B, D, H = 128, 16, 8, 64
    params = made.init_params(D, H, seed=0)
    x = np.ones((T, B, D), "float32")
    made.forward(params, x)
    tracemalloc.start()
    try:
        y, last, tape = made.forward(params, x)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert tape is not None
    # The tape also keeps y, to hand it out again, and Python's objects.
    assert kept / (T * B * H * 4) < most + 1 + len(last) / T + 0.5
    assert kept > y.nbytes


@pytest.mark.parametrize("recompute", ["none", "all"])
def test_without_a_tape_little_memory_is_needed(recompute: str) -> None:
    made = module("lstm", recompute)
    T, B, D, H = 400, 16, 8, 64
    params, x = made.init_params(D, H, seed=0), np.ones((T, B, D), "float32")
    state = {name: array + 1 for name, array in made.init_state(B, H).items()}
    expected, last, _ = made.forward(params, x, state)
    tracemalloc.start()
    try:
        y, found, tape = made.forward(params, x, state, tape=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tape is None
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
    for name, array in last.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-6)
    assert peak < y.nbytes + 1.5e6  # a tape would hold seven times y


def test_the_command_builds_checks_and_verifies_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--target", "numpy", "-o", str(tmp_path)]
    assert main(["build", "rnn", *folder, "--recompute", "all"]) == 0
    text = (tmp_path / "rnn_numpy.py").read_text(encoding="utf-8")
    assert text.startswith('"""rnn for numpy, generated by lstmgen ')
    assert "with --recompute all.\n" in text
    assert main(["build", "rnn", *folder, "--check"]) == 0
    assert main(["build", "rnn", *folder, "--check", "--recompute", "none"]) == 1
    assert main(["verify", str(tmp_path / "rnn_numpy.py")]) == 0
    assert main(["build", "rnn", *folder]) == 0
    assert "recompute" not in (tmp_path / "rnn_numpy.py").read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnn", "--target", "cupy", "--recompute", "all"],
        ["--check", "--recompute", "all"],
        ["rnn", "--target", "numpy", "--recompute", "some"],
    ],
)
def test_what_cannot_be_is_a_usage_error(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", *arguments, "-o", str(tmp_path / "new")]) == 2
    assert "recompute" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
