"""The measuring program's parts and kernels, executed by the stand-in for CUDA on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from needs import missing

from benchmarks import gpu_limits
from benchmarks.limits import (
    bandwidth,
    barriers,
    clusters,
    exchange,
    generated,
    kernels,
    launch,
    rivals,
    step,
)
from benchmarks.limits.device import Device, no_stand_in, on_cpu
from benchmarks.limits.results import run
from lstmgen.errors import UnavailableError


@pytest.fixture(scope="module")
def device() -> Device:
    """The stand-in; without a C++ compiler the tests fail on CI and are skipped elsewhere."""
    if reason := no_stand_in():
        missing(UnavailableError(reason))
    return on_cpu(quick=True)


GPU_ONLY = {
    launch: {"launches replayed from a graph", *launch.SCALARS[1:]},
    step: set(),
    barriers: set(),
    exchange: set(),
    bandwidth: {"memcpy"},
    clusters: {16, "clusters resident at a time"},
}
"""By part: the name, or the `by`, `cluster` or `scalars`, of what only a GPU can do."""


@pytest.mark.parametrize("part", GPU_ONLY, ids=lambda part: part.__name__.rpartition(".")[2])
def test_every_part_runs_and_times_nothing(device: Device, part: ModuleType) -> None:
    ran = 0
    for case in part.cases(device):
        record = run(case)
        assert record["error"] is None, record
        assert record["measured"] is None, "a time from the CPU must never be taken"
        marks = {case.name, *(case.settings.get(key) for key in ("by", "cluster", "scalars"))}
        assert bool(record["not_here"]) == bool(marks & GPU_ONLY[part]), record
        ran += not record["not_here"]
    assert ran >= 2


def test_a_dry_run_writes_nothing(
    device: Device, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = gpu_limits.main(
        ["--dry-run-on-cpu", "--part", "launch", "--part", "step", "--output", str(tmp_path)]
    )
    out, err = capfd.readouterr()
    assert status == 0
    assert out.count("ran, not timed") >= 10 and "FAILED" not in out
    assert "nothing is written" in err
    assert list(tmp_path.iterdir()) == []


# -- the checks in the kernels can fail ------------------------------------------------------


def broken(source: kernels.Source, old: str, new: str) -> kernels.Source:
    """The source with one piece replaced."""
    assert source.text.count(old) >= 1, old
    return kernels.Source(source.text.replace(old, new), source.kernel)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("flags", "(int)(load_acquire(flags + b) - epoch) < 0", "false"),
        ("flags", "load_acquire(flags + b) - epoch", "load_acquire(flags) - epoch"),
        ("counter", "epoch * gridDim.x", "epoch * (gridDim.x - 1)"),
        ("cooperative groups", "cooperative_groups::this_grid().sync();", "__syncthreads();"),
    ],
)
def test_a_grid_barrier_that_does_not_hold_is_found(
    device: Device, monkeypatch: pytest.MonkeyPatch, kind: str, old: str, new: str
) -> None:
    source = broken(kernels.grid_barrier(kind), old, new)
    monkeypatch.setattr(kernels, "grid_barrier", lambda _: source)
    (case,) = (
        case
        for case in barriers.cases(device)
        if case.settings["barrier"] == kind and case.unit == "ns"
    )
    # The thread orders take turns; a fault has to show in one of them.
    errors = [run(case)["error"] for _ in range(6)]
    assert any(error and "older than it allows" in error for error in errors), errors


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(int)(load_acquire(flags + b) - epoch) < 0", "false"),
        ("(i & 1) * count", "0"),  # overwritten while others read
        ("q / own * 64 + unit", "q / own * 64 + q % own"),  # all write the first block's units
        ("q < 2 * own", "q < own"),  # half of the batch is not written
        ("q < count / 4", "q + 1 < count / 4"),  # the end is not read
    ],
)
def test_an_exchange_through_l2_that_loses_data_is_found(
    device: Device, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    source = broken(kernels.grid_exchange(4, 2, 64), old, new)
    monkeypatch.setattr(kernels, "grid_exchange", lambda *_: source)
    case = next(exchange.cases(device))
    errors = [run(case)["error"] for _ in range(6)]
    assert any(errors), "six launches in different orders saw nothing wrong"


@pytest.mark.parametrize("part", [barriers, exchange, clusters])
def test_blocks_on_one_multiprocessor_are_found(
    device: Device, monkeypatch: pytest.MonkeyPatch, part: ModuleType
) -> None:
    compiled = device.kernel

    def crowded(source: kernels.Source, **options: bool) -> Any:
        return compiled(broken(source, "blockIdx.x % 132u", "blockIdx.x % 1u"), **options)

    monkeypatch.setattr(device, "kernel", crowded)
    records = [run(case) for case in part.cases(device)]
    assert any("on 1 multiprocessors" in (record["error"] or "") for record in records)
    assert all(record["error"] or record["not_here"] for record in records)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("peer >= 4", "peer > 4"),  # a peer that does not exist
        ("unsigned peer = rank + 1 + q / slice", "unsigned peer = rank + 1"),
        ("(4 - 1) * slice", "(4 - 2) * slice"),
        ("of_peer(own, peer)[q % slice] =", "own[q % slice] ="),
        ("__cluster_barrier_wait();", ""),
    ],
)
def test_an_exchange_that_loses_data_is_found(
    device: Device, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    source = broken(kernels.cluster_exchange(4, 4096), old, new)
    monkeypatch.setattr(kernels, "cluster_exchange", lambda size, size_in_bytes: source)
    case = next(
        case
        for case in clusters.cases(device)
        if case.settings["cluster"] == 4 and case.settings.get("bytes") == 4096
    )
    errors = [run(case)["error"] for _ in range(6)]
    assert any(errors), "six launches in different orders saw nothing wrong"


@pytest.mark.parametrize("kind", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gate[0][u]", "gate[1][u]"),
        ("4LL * (i / hidden) * hidden", "3LL * (i / hidden) * hidden"),
        ("store4(h + i, out);", ""),
    ],
)
def test_gates_that_are_wrong_are_found(
    device: Device, monkeypatch: pytest.MonkeyPatch, kind: str, old: str, new: str
) -> None:
    operand = "bf16" if kind == "bf16" else "float"
    source = broken(kernels.gates(operand), old, new)
    monkeypatch.setattr(kernels, "gates", lambda _: source)
    case = next(c for c in step.cases(device) if c.settings["arithmetic"] == kind)
    assert "wrong by" in run(case)["error"]


def test_a_copy_that_misses_its_tail_is_found(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = broken(kernels.copy(), "i < count", "i + 1 < count")
    monkeypatch.setattr(kernels, "copy", lambda: source)
    assert "differs from its source" in run(next(bandwidth.cases(device)))["error"]


def test_the_spin_ends(device: Device) -> None:
    device.kernel(kernels.spin())((1,), (1,), (np.int64(100_000),))


@pytest.mark.parametrize("kernel", step.GENERATED)
def test_a_generated_kernel_that_is_wrong_is_found(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    text = (generated.FOLDER / "lstm_cupy.py").read_text()
    right = "const real C_t = f_t * C_prev.at[v] + i_t * C_tilde_t;"
    assert text.count(right) == 1
    wrong = text.replace(right, right.replace("i_t * C_tilde_t", "f_t * C_tilde_t"))
    (tmp_path / "lstm_cupy.py").write_text(wrong)
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    found = [run(c)["error"] for c in step.cases(device) if c.settings["kernel"] == kernel]
    assert len(found) == 2 * 3 and all("wrong by" in error for error in found)


@pytest.mark.parametrize(
    ("rows", "size"), [(16, 768), (64, 512), (128, 256), (16, 1024), (3, 8), (1, 1), (512, 1024)]
)
def test_generated_kernels_are_launched_as_their_module_does(
    device: Device, rows: int, size: int
) -> None:
    module = generated.load(device, "lstm_cupy")
    function, grid, block = module._Runner(np.dtype(np.float32)).kernel("forward_h", rows, size)
    wide = function.name.endswith("_wide")
    assert wide == (rows * size >= 512 * 1024)  # one of the sizes shows the wide kernel
    assert step.module_launch(rows, size, 132, wide=wide) == (grid, block)


# -- generated modules -----------------------------------------------------------------------

CONTRACT = """
import cupy

calls = []


def init_params(input_size, hidden_size, *, seed=None, dtype="float32"):
    return {"b": cupy.zeros(hidden_size, dtype=dtype)}


def forward(params, x, state=None, *, reuse=None):
    if reuse is not None:
        assert not reuse["spent"], "a tape was reused twice"
        reuse["spent"] = True
    calls.append("forward" if reuse is None else "forward, reuse")
    return cupy.zeros_like(x), {}, {"spent": False}


def backward(params, tape, dy=None, dstate=None):
    assert not tape["spent"] and dy is not None
    calls.append("backward")
    return {}, cupy.zeros_like(dy), {}
"""


@pytest.mark.parametrize("passes", ["forward", "forward+backward"])
def test_a_generated_module_is_driven_by_its_contract(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: str
) -> None:
    (tmp_path / "lstm_cupy.py").write_text(CONTRACT)
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    monkeypatch.setattr(rivals, "_agreement", lambda *_: {"compared": "no"})
    loaded: list[Any] = []
    load = generated.load
    monkeypatch.setattr(generated, "load", lambda *a: loaded.append(load(*a)) or loaded[-1])
    (case,) = (
        case
        for case in rivals.cases(device)
        if case.name == "generated lstm_cupy" and case.settings["pass"] == passes
    )
    record = run(case)
    assert record["error"] is None and record["measured"] is None
    expected = ["forward", "backward", "forward, reuse"]
    assert loaded[0].calls == expected + (["backward"] if "backward" in passes else [])
