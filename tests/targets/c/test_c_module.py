"""C modules: right for odd cells and sizes, and careful with the compiler and its cache."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, softplus, symbols, t
from lstmgen.targets import get
from lstmgen.targets.c import compiler
from lstmgen.targets.rendering import files
from tests.random_cells.checking import check
from tests.random_cells.making import random_cell

pytestmark = pytest.mark.skipif(
    compiler.command() is None, reason="no C compiler; " + compiler.CURE
)

QUICK = ("-O1", "-DCOLUMNS=1", "-DVECTOR_BYTES=32")
"""Compiles in a third of the time; tiles have one row."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One folder for all tests of the session: what was compiled once is compiled."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "lstmgen"


def module_of(cell: Cell | str, *flags: str, **options: str) -> ModuleType:
    found = get("c").load(
        files(lstmgen.load(cell) if isinstance(cell, str) else cell, "c", **options), "cpu"
    )
    vars(found)["_FLAGS"] = (*found._FLAGS, *flags)
    return found


@pytest.mark.parametrize("seed", range(3_000_000, 3_000_004))
def test_random_cells(seed: int) -> None:
    cell = random_cell(random.Random(seed)).cell()
    runner = get("c").runner(module_of(cell, *QUICK))
    assert check(cell, runner, seed).comparisons > 0


@pytest.mark.parametrize("seed", [7])
@pytest.mark.parametrize("bytes_of_vectors", [16, 64])
def test_other_vectors(seed: int, bytes_of_vectors: int) -> None:
    """Also those that this processor lacks: the compiler makes them of smaller ones."""
    cell = random_cell(random.Random(seed)).cell()
    flags = ("-O1", "-DCOLUMNS=2", f"-DVECTOR_BYTES={bytes_of_vectors}", "-Wno-psabi")
    assert check(cell, get("c").runner(module_of(cell, *flags)), seed).comparisons > 0


def test_tiles_of_every_shape_chunks_and_long_sums() -> None:
    """More terms than a sum has at a time, more rows than a chunk, units that fill no vector."""
    fast, slow = module_of("lstm"), lstmgen.compile("lstm", "numpy")
    for T, B, D, H in ((9, 3, 5, 37), (3, 67, 530, 19), (40, 7, 3, 150)):
        params = fast.init_params(D, H, seed=1, dtype="float64")
        rng = np.random.default_rng(0)
        x = rng.standard_normal((T, B, D))
        dy = rng.standard_normal((T, B, H))
        for module in (fast, slow):
            y, state, tape = module.forward(params, x)
            found = [y, *state.values()]
            dparams, dx, dstate0 = module.backward(params, tape, dy)
            found += [*dparams.values(), dx, *dstate0.values()]
            if module is fast:
                first = found
        for a, b in zip(first, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * np.abs(b).max())


def test_threads_give_what_one_gives() -> None:
    module = module_of("gru", *QUICK)
    params = module.init_params(3, 5, seed=0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 7, 3)).astype("f4")
    dy = rng.standard_normal((6, 7, 5)).astype("f4")
    how = {"lengths": rng.integers(0, 7, 7), "restart": rng.random((6, 7)) < 0.3}

    def everything() -> list[Any]:
        y, state, tape = module.forward(params, x, **how)
        dparams, dx, dstate0 = module.backward(params, tape, dy, state)
        return [y, *state.values(), *dparams.values(), dx, *dstate0.values()]

    one = everything()
    module.set_threads(3)
    for a, b in zip(one, everything(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="n: expected at least 1"):
        module.set_threads(0)


def test_a_tape_is_not_copied() -> None:
    module = module_of("gru", *QUICK)
    tape = module.forward(module.init_params(3, 5), np.zeros((2, 2, 3), "f4"))[2]
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(tape)


def ulps(found: np.ndarray[Any, Any], exact: np.ndarray[Any, Any]) -> float:
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(found.dtype))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_are_right_to_three_units_in_the_last_place(dtype: str) -> None:
    """By a cell that is the function; the reference has more digits."""
    from lstmgen import exp, sigma, tanh

    h, x = symbols("h x")
    rng = np.random.default_rng(1)
    largest = 85.0 if dtype == "float32" else 700.0
    points = np.concatenate(
        [
            rng.uniform(-largest, largest, 4000),
            rng.standard_normal(4000),
            10 ** rng.uniform(-30, 0, 4000),
        ]
    ).astype(dtype)
    wide = points.astype(np.longdouble)
    for function, exact in (
        (sigma, np.where(wide < 0, np.exp(wide), 1) / (1 + np.exp(-np.abs(wide)))),
        (tanh, np.tanh(wide)),
        (exp, np.exp(wide)),
    ):
        module = module_of(Cell("one", Eq(h[t], function(x[t]) + h[t - 1])), "-O1")
        found = module.forward({}, points[None, None], {"h": np.zeros((1, points.size), dtype)})[0]
        assert ulps(found[0, 0], exact) < 3, function
        edges = np.array([np.inf, -np.inf, np.nan, 0.0], dtype)
        found = module.forward({}, edges[None, None], {"h": np.zeros((1, 4), dtype)})[0][0, 0]
        assert np.isnan(found[2])
        limits = {sigma: (1, 0, 0.5), tanh: (1, -1, 0), exp: (np.inf, 0, 1)}[function]
        np.testing.assert_array_equal(found[[0, 1, 3]], limits)


# The compiler and its cache


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    module = module_of("rnn")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install ziglang"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


def test_a_compiler_that_fails_is_shown_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = module_of("rnn", "-no-such-flag")
    with pytest.raises(RuntimeError, match="no-such-flag"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))
    assert list((tmp_path / "lstmgen").iterdir()) == []


def test_a_cache_that_others_can_write_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "lstmgen").mkdir()
    (tmp_path / "lstmgen").chmod(0o777)
    module = module_of("rnn")
    with pytest.raises(RuntimeError, match="others can write there"):
        module.forward(module.init_params(2, 3), np.zeros((1, 1, 2), "f4"))


def test_many_processes_at_once_end_with_one_file(tmp_path: Path) -> None:
    lstmgen_files = files(lstmgen.load("rnn"), "c")
    for name, text in lstmgen_files.items():
        (tmp_path / name).write_text(text)
    code = (
        "import numpy as np, rnn_c as m; m._FLAGS += ('-O0',); "
        "m.forward(m.init_params(2, 3), np.zeros((1, 1, 2), 'f4'))"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert len(list((tmp_path / "lstmgen").iterdir())) == 1
    assert (tmp_path / "lstmgen").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_text_has_no_warnings(tmp_path: Path) -> None:
    h, x, W = symbols("h x W")
    cell = Cell("warned", Eq(h[t], softplus(W @ [h[t - 1], x[t]])))
    for name, text in files(cell, "c").items():
        (tmp_path / name).write_text(text)
    for flags in ([], ["-DLSTMGEN_DOUBLE"], ["-DLSTMGEN_DECLARATIONS"]):
        subprocess.run(
            ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-c", *flags, "warned_c.c"],
            cwd=tmp_path,
            check=True,
        )


@pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="no zig; the extra compiler"
)
@pytest.mark.parametrize("target", ["aarch64-linux-musl", "x86_64-linux-musl"])
def test_zig_compiles_it_for_other_machines(tmp_path: Path, target: str) -> None:
    for name, text in files(lstmgen.load("rnn"), "c").items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-std=c11", "-O1"]
    subprocess.run([*command, "-Wall", "-Werror", "-c", "rnn_c.c"], cwd=tmp_path, check=True)
