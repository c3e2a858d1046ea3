"""The measuring program without a GPU: its kernels compile, its parts run, its sums are right."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
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
    kernels,
    launch,
    loops,
    model,
    occupancy,
    rivals,
    step,
)
from benchmarks.limits.device import COMPILE_OPTIONS, Device
from benchmarks.limits.results import (
    Case,
    MeasurementError,
    NotHereError,
    Outcome,
    Prediction,
    run,
    spread,
    table,
)
from lstmgen.cuda.compiler.nvrtc import Nvrtc
from lstmgen.cuda.on_cpu import find_compiler
from lstmgen.errors import UnavailableError

PARTS = (launch, step, barriers, exchange, clusters, bandwidth, rivals)


# -- kernels ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    """The installed NVRTC; absent, the tests fail on CI and are skipped elsewhere."""
    try:
        return Nvrtc.load()
    except UnavailableError as error:
        missing(error)


@pytest.mark.parametrize("name", kernels.all_sources())
def test_every_kernel_compiles_for_hopper(nvrtc: Nvrtc, name: str) -> None:
    source = kernels.all_sources()[name]
    options = (*COMPILE_OPTIONS, "-ftz=true")  # as CuPy adds
    compiled = nvrtc.compile(source.text, arch="sm_90", options=options)
    row = compiled.kernel(source.kernel)
    assert not row.spills and row.static_shared == 0
    assert compiled.doubles == ()
    assert row.occupancy(kernels.BLOCK).blocks >= 1


LOOPS = [
    kernels.grid_barrier("flags"),
    kernels.grid_exchange(128, 16, 1024),
    kernels.cluster_barrier(8),
    kernels.cluster_exchange(8, 12288),
]


@pytest.mark.parametrize(
    "source", LOOPS, ids=["barrier", "exchange", "cluster", "cluster exchange"]
)
def test_a_loop_has_a_multiprocessor_for_each_block(nvrtc: Nvrtc, source: kernels.Source) -> None:
    """With the shared memory that it is launched with, no second block fits beside one."""
    compiled = nvrtc.compile(source.text, arch="sm_90", options=COMPILE_OPTIONS)
    assert "%smid" in compiled.ptx
    row = compiled.kernel(source.kernel)
    assert row.occupancy(kernels.BLOCK).blocks > 1
    kernel = SimpleNamespace(max_dynamic_shared_size_bytes=48 * 1024)
    shared = loops.alone(hopper(), kernel, 0)
    assert kernel.max_dynamic_shared_size_bytes == shared
    assert row.occupancy(kernels.BLOCK, dynamic_shared=shared).blocks == 1


def test_a_loop_gets_all_the_shared_memory_that_it_needs() -> None:
    kernel = SimpleNamespace()
    assert loops.alone(hopper(), kernel, 200_000) == 200_000
    assert kernel.max_dynamic_shared_size_bytes == 200_000


def test_the_drivers_structures_are_those_of_its_header(nvrtc: Nvrtc) -> None:
    """cuda.h, read by a C++ compiler, agrees with the structures that are handed to the driver."""
    config, attribute = occupancy.LaunchConfig, occupancy.LaunchAttribute
    claims = {
        "sizeof(CUlaunchConfig)": ctypes.sizeof(config),
        "offsetof(CUlaunchConfig, gridDimX)": config.grid.offset,
        "offsetof(CUlaunchConfig, blockDimX)": config.block.offset,
        "offsetof(CUlaunchConfig, sharedMemBytes)": config.shared_bytes.offset,
        "offsetof(CUlaunchConfig, hStream)": config.stream.offset,
        "offsetof(CUlaunchConfig, attrs)": config.attributes.offset,
        "offsetof(CUlaunchConfig, numAttrs)": config.attribute_count.offset,
        "sizeof(CUlaunchAttribute)": ctypes.sizeof(attribute),
        "offsetof(CUlaunchAttribute, id)": attribute.id.offset,
        "offsetof(CUlaunchAttribute, value)": attribute.value.offset,
        "offsetof(CUlaunchAttribute, value.clusterDim.y)": attribute.value.offset
        + occupancy.Dimensions.y.offset,
        "CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION": occupancy.CLUSTER_DIMENSION,
        "CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED": (
            clusters.NON_PORTABLE_CLUSTER_SIZE_ALLOWED
        ),
    }
    text = "#include <cstddef>\n#include <cuda.h>\n"
    text += "".join(f"static_assert({name} == {value});\n" for name, value in claims.items())
    try:
        compiler = find_compiler()
    except UnavailableError as error:
        missing(error)
    folders = [folder for folder in nvrtc.include if (folder / "cuda.h").is_file()]
    if not folders:
        missing(UnavailableError("cuda.h is not among the installed headers"))
    done = subprocess.run(
        [*compiler.command, "-std=c++17", "-fsyntax-only", f"-I{folders[0]}", "-x", "c++", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_exchange_stores_16_bytes_into_the_peer(nvrtc: Nvrtc) -> None:
    ptx = nvrtc.compile(kernels.cluster_exchange(8, 8192).text, arch="sm_90").ptx
    assert "st.shared::cluster.v4.u32" in ptx
    assert ".reqnctapercluster 8, 1, 1" in ptx


def test_copies_and_gates_move_16_bytes(nvrtc: Nvrtc) -> None:
    copied = nvrtc.compile(kernels.copy().text, arch="sm_90").ptx
    assert re.search(r"ld\.global\.cg\.v4\.[fub]32", copied)
    assert re.search(r"st\.global\.v4\.[fub]32", copied)
    exchanged = nvrtc.compile(kernels.grid_exchange(128, 16, 768).text, arch="sm_90").ptx
    assert re.search(r"ld\.global\.cg\.v4\.[fub]32", exchanged)
    assert re.search(r"st\.shared\.v4\.[fub]32", exchanged)
    gates = nvrtc.compile(kernels.gates("float").text, arch="sm_90").ptx
    assert len(re.findall(r"ld\.global[.nc]*\.v4\.[fub]32", gates)) == 5  # four gates, and c
    assert len(re.findall(r"st\.global\.v4\.[fub]32", gates)) == 2  # c and h


# -- what is measured ------------------------------------------------------------------------


def hopper(**changes: Any) -> Device:
    """A Device that says it is an H200, for listing cases; it can compute nothing."""
    attributes = {
        "MultiProcessorCount": 132,
        "MemoryClockRate": 3_201_000,
        "GlobalMemoryBusWidth": 6144,
        "MaxSharedMemoryPerMultiprocessor": 233_472,
        **changes,
    }
    cuda = SimpleNamespace(Device=lambda: SimpleNamespace(attributes=attributes))
    return Device(SimpleNamespace(cuda=cuda), on_gpu=True, quick=False)


def settings(part: Any, **wanted: Any) -> list[dict[str, Any]]:
    """The settings of the part's cases that agree with `wanted`."""
    found = [dict(case.settings) for case in part.cases(hopper())]
    return [s for s in found if wanted.items() <= s.items()]


def test_the_parts_are_those_of_the_program() -> None:
    assert [f"benchmarks.limits.{name}" for name in gpu_limits.PARTS] == [p.__name__ for p in PARTS]


def test_the_steps_measured() -> None:
    for size in ((16, 768), (64, 512), (128, 256), (16, 1024)):
        found = settings(step, B=size[0], H=size[1])
        assert {s["arithmetic"] for s in found} == {"fp32", "tf32", "bf16"}
        by_kernel = [(s["kernel"], s.get("call")) for s in found if s["arithmetic"] == "fp32"]
        for kernel in ("by hand", "forward_h", "forward_h_wide"):
            assert by_kernel.count((kernel, "cupy.cublas.gemm")) == 2  # as issued, and queued
            assert by_kernel.count((kernel, None)) == 1  # alone


@pytest.mark.parametrize("blocks", [16, 32, 64, 128, 132])
def test_the_barriers_measured(blocks: int) -> None:
    assert {s["barrier"] for s in settings(barriers, blocks=blocks)} == {
        "cooperative groups",
        "flags",
        "counter",
    }


def test_a_smaller_device_has_each_grid_once() -> None:
    cases = list(barriers.cases(hopper(MultiProcessorCount=108)))
    blocks = [case.settings["blocks"] for case in cases if case.unit == "ns"]
    assert sorted(blocks) == sorted([16, 32, 64, 108] * 3)


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_the_clusters_measured(size: int) -> None:
    names = {case.name for case in clusters.cases(hopper()) if case.settings["cluster"] == size}
    assert {name.split(",")[0] for name in names} == {
        "cluster barrier",
        "exchange through distributed shared memory",
        "clusters resident at a time",
    }


def test_the_sequences_measured() -> None:
    sizes = ((1024, 16, 768), (512, 64, 512), (1024, 16, 1024), (256, 128, 256))
    for steps, batch, hidden in sizes:
        for direction in ("forward", "forward+backward"):
            wanted = {"T": steps, "B": batch, "H": hidden, "pass": direction}
            cases = [
                c for c in rivals.cases(hopper()) if wanted.items() <= dict(c.settings).items()
            ]
            kinds = {(c.name, c.settings["arithmetic"]) for c in cases}
            for layer, ours in (("LSTM", "lstm_cupy"), ("GRU", "gru_reset_after_cupy")):
                for kind in ("fp16", "bf16", "fp32"):
                    assert (f"PyTorch nn.{layer}", kind) in kinds
                assert (f"generated {ours}", "fp32") in kinds


@pytest.mark.parametrize("part", PARTS)
def test_every_case_has_a_prediction_and_its_source(part: Any) -> None:
    for case in part.cases(hopper()):
        assert case.prediction is not None, case.name
        assert 0 < case.prediction.value < 1e6, case.name
        assert case.prediction.source, case.name


def test_predictions_by_hand() -> None:
    exchange = model.cluster_exchange(8, 8192)
    assert exchange.value == 210 + 210 + 8192 * 7 / 8 / 16
    assert model.grid_exchange(128, 8, 768).value == 1300 + 8 * 768 * 4 * 128 / 2900
    assert model.grid_exchange(32, 4, 768).value == 1300 + 4 * 768 * 4 / 48
    assert model.grid_barrier("counter", 16).value == 1000 + 300 + 16
    assert [model.resident_clusters(n).value for n in (2, 4, 8, 16)] == [66, 30, 15, 7]
    moved = 11 * 16 * 768 * 4 / (2900 * 1755)
    assert model.fused_kernel(16, 768, 11).value == pytest.approx(1 + moved)
    assert model.in_nanoseconds(Prediction(1755, "")).value == pytest.approx(1000)
    assert model.copy_from_memory(3_201_000, 6144).value == pytest.approx(4425, rel=1e-3)
    # 4 x 768 x 768 weights of 4 bytes at 2900 bytes a cycle, and two gaps between kernels
    expected = 4 * 768 * 768 * 4 / (2900 * 1755) + 2
    assert model.step_on_device(16, 768, "tf32").value == pytest.approx(expected)
    # at the size of the public figure, the step is the public figure
    without_inputs = 1024 * 1.96e-3
    public = model.sequence("fp16", 16, 1024, 768, 4, backward=False).value
    assert without_inputs < public < 1.15 * without_inputs


@pytest.mark.parametrize("told", [None, 0])
def test_a_device_that_does_not_tell_has_no_prediction_for_memory(told: int | None) -> None:
    cases = list(bandwidth.cases(hopper(MemoryClockRate=told)))
    assert [case.prediction is None for case in cases] == [True, True, False, False]


# -- timing ----------------------------------------------------------------------------------


class FakeCuda:
    """Events on a clock that only the work and the spin kernel advance."""

    def __init__(self, host_seconds: float = 0.0) -> None:
        self.now = 0.0
        self.held_until = 0.0
        self.host_seconds = host_seconds
        fake = self

        class Event:
            def record(self) -> None:
                self.at = max(fake.now, fake.held_until)

            def synchronize(self) -> None:
                fake.host = max(fake.host, self.at)

            @property
            def done(self) -> bool:
                return fake.host >= self.at

        self.host = 0.0
        device = SimpleNamespace(synchronize=self.synchronize)
        cuda = SimpleNamespace(
            Event=Event,
            Device=lambda: device,
            get_elapsed_time=lambda start, end: (end.at - start.at) * 1e3,
        )
        self.cupy = SimpleNamespace(cuda=cuda, RawModule=self.module)

    def synchronize(self) -> None:
        self.host = max(self.host, self.now)

    def module(self, *, code: str, options: Any, enable_cooperative_groups: bool) -> Any:
        def spin(grid: Any, block: Any, arguments: Any) -> None:
            self.held_until = max(self.host, self.now) + float(arguments[0]) / 2.2e9

        return SimpleNamespace(get_function=lambda name: spin)

    def work(self) -> None:
        self.host += self.host_seconds
        start = max(self.now, self.held_until)
        self.now = start + 0.25


def test_time_is_per_call_and_leaves_out_what_comes_before() -> None:
    fake = FakeCuda()
    device = Device(fake.cupy, on_gpu=True, quick=True)

    def before() -> None:
        fake.now += 10.0

    seen: list[float] = []

    def after() -> None:
        seen.append(fake.now)
        fake.now += 10.0

    outcome = device.time(fake.work, 4, before=before, after=after)
    assert outcome.values == pytest.approx([0.25] * device.samples)
    assert len(seen) == device.samples  # and none for the calls that warm up
    assert outcome.scaled(1e3).values == pytest.approx([250.0] * device.samples)


def test_the_host_has_no_lead_over_what_comes_before() -> None:
    fake = FakeCuda()
    device = Device(fake.cupy, on_gpu=True, quick=True)
    behind: list[bool] = []

    def before() -> None:
        fake.now += 10.0

    def work() -> None:
        behind.append(fake.host < fake.now)
        fake.work()

    device.time(work, 1, before=before)
    assert not any(behind[3:])


def test_queued_work_starts_after_what_comes_before() -> None:
    fake = FakeCuda()
    device = Device(fake.cupy, on_gpu=True, quick=True)
    ran = 0

    def before() -> None:
        nonlocal ran
        ran += 1
        fake.now += 1.0

    outcome = device.time_queued(fake.work, 1, before=before)
    assert outcome.values == pytest.approx([0.25] * device.samples)
    assert ran >= device.samples


def test_queued_work_that_starts_too_early_is_not_taken() -> None:
    fake = FakeCuda(host_seconds=2e-3)
    device = Device(fake.cupy, on_gpu=True, quick=True)
    outcome = device.time_queued(fake.work, 4)
    assert outcome.values == pytest.approx([0.25] * device.samples)
    # 4 calls keep the host for 8 ms, and the first guess was less: the spin has grown past it.
    assert outcome.notes["held_back_ms"] > 8.0

    fake.host_seconds = 10.0
    with pytest.raises(MeasurementError, match="ahead of the device"):
        device.time_queued(fake.work, 4)


def test_kernels_that_lack_a_header_are_tried_with_the_toolkits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "cooperative_groups.h").touch()
    monkeypatch.setenv("CUDA_PATH", str(tmp_path))
    tried = []

    def module(*, code: str, options: tuple[str, ...], enable_cooperative_groups: bool) -> Any:
        tried.append(options)

        def get_function(name: str) -> str:
            if f"-I{tmp_path / 'include'}" not in options:
                raise RuntimeError('cannot open source file "cooperative_groups.h"')
            return name

        return SimpleNamespace(get_function=get_function)

    device = Device(SimpleNamespace(RawModule=module), on_gpu=True, quick=True)
    assert device.kernel(kernels.spin()) == "spin"
    assert tried[0] == COMPILE_OPTIONS and len(tried) > 1


# -- records, table, files -------------------------------------------------------------------


def test_a_failure_stays_in_its_case() -> None:
    def broken() -> Outcome:
        raise ZeroDivisionError("no such thing")

    def absent() -> Outcome:
        raise NotHereError("needs a GPU")

    fine = Outcome((3.0, 1.0, 2.0, 10.0), {"steps": 4})
    prediction = Prediction(2.5, "a guess")
    cases = [
        Case("one", "us", {"B": 16}, prediction, broken),
        Case("two", "us", {"B": 16}, prediction, absent),
        Case("three", "us", {"B": 16}, prediction, lambda: fine),
    ]
    one, two, three = (run(case) for case in cases)
    assert one["error"] == "ZeroDivisionError: no such thing" and one["measured"] is None
    assert two["error"] is None and two["not_here"] == "needs a GPU"
    assert three["measured"]["median"] == 2.5 and three["error"] is None
    assert three["predicted"] == {"value": 2.5, "source": "a guess"}
    lines = table([one, two, three]).splitlines()
    assert "FAILED" in lines[1] and "no such thing" in lines[1]
    assert "not here" in lines[2]
    assert lines[3].split()[:5] == ["three", "B=16", "2.5", "2.5", "1.75..4.75"]
    assert json.loads(json.dumps([one, two, three])) == [one, two, three]


def test_the_spread_is_numpys() -> None:
    values = np.random.default_rng(3).exponential(size=17).tolist()
    got = spread(values)
    assert got["quartile_1"] == pytest.approx(np.percentile(values, 25))
    assert got["median"] == pytest.approx(np.percentile(values, 50))
    assert got["quartile_3"] == pytest.approx(np.percentile(values, 75))
    assert (got["smallest"], got["largest"], got["samples"]) == (min(values), max(values), 17)
    assert spread([2.0])["quartile_3"] == 2.0


def test_a_new_run_replaces_its_parts_and_keeps_the_others(tmp_path: Path) -> None:
    device = {"name": "NVIDIA H200", "cupy": "14.2.0", "cuda_driver": 13000}
    record = run(Case("c", "us", {}, None, lambda: Outcome((1.0,))))
    old = {"device": device, "records": [record]}
    new = {"device": device, "records": [record, record]}
    gpu_limits.write(device, {"launch": old, "step": old}, tmp_path, quick=False)
    (path, text), said = gpu_limits.write(device, {"step": new}, tmp_path, quick=False)
    assert said == []
    assert path.name == "gpu_limits-nvidia-h200.json"
    parts = json.loads(path.read_text())["parts"]
    assert {name: len(section["records"]) for name, section in parts.items()} == {
        "launch": 1,
        "step": 2,
    }
    assert "== launch" in text.read_text() and "== step" in text.read_text()
    (quick, _), _ = gpu_limits.write(device, {"step": new}, tmp_path, quick=True)
    assert quick.name == "gpu_limits-nvidia-h200-quick.json"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json", ".txt", ".txt"]


def section(day: str, outcomes: str) -> dict[str, Any]:
    """A section of cases that were measured (m), failed (f) or could not run there (n)."""

    def measure(outcome: str) -> Outcome:
        if outcome == "f":
            raise MeasurementError("no")
        if outcome == "n":
            raise NotHereError("no")
        return Outcome((1.0,))

    cases = [
        Case(f"case {n}", "us", {}, None, lambda o=o: measure(o)) for n, o in enumerate(outcomes)
    ]
    return {"device": None, "measured_on": day, "records": [run(case) for case in cases]}


@pytest.mark.parametrize(
    ("old", "new", "stands"),
    [
        ("mm", "mm", False),
        ("mmm", "mm", False),  # cases may go
        ("mm", "ff", True),
        ("mm", "mf", True),
        ("mm", "mmf", True),
        ("mm", "", True),
        ("mm", "nn", True),
        ("mf", "mf", False),
        ("mf", "ff", True),
        ("mf", "mmf", False),
        ("ff", "f", False),
        ("ff", "mm", False),
        ("", "f", False),
    ],
)
def test_a_failed_run_does_not_replace_better_results(
    tmp_path: Path, old: str, new: str, stands: bool
) -> None:
    device = {"name": "NVIDIA H200", "cupy": "14.2.0", "cuda_driver": 13000}
    before, after = section("2026-01-01", old), section("2026-02-02", new)
    gpu_limits.write(device, {"step": before}, tmp_path, quick=False)
    (path, text), said = gpu_limits.write(device, {"step": after}, tmp_path, quick=False)
    found = json.loads(path.read_text())["parts"]["step"]
    assert found["measured_on"] == ("2026-01-01" if stands else "2026-02-02")
    assert found["records"] == (before if stands else after)["records"]
    assert len(said) == stands
    if stands:
        assert f"2026-02-02 failed in {new.count('f')} of {len(new)} cases" in said[0]
        assert found["kept"] in said[0] and found["kept"] in text.read_text()
    # A good run replaces it, and the remark goes.
    good = section("2026-03-03", "mm")
    gpu_limits.write(device, {"step": good}, tmp_path, quick=False)
    assert json.loads(path.read_text())["parts"]["step"] == good


def test_the_commands_in_the_docstring_can_be_given() -> None:
    lines = re.findall(
        r"^    python -m benchmarks\.gpu_limits(.*)$", gpu_limits.__doc__ or "", re.M
    )
    assert len(lines) == 4
    given = [gpu_limits._parser().parse_args(line.split("  ")[0].split()) for line in lines]
    assert [options.part for options in given] == [None, ["clusters"], None, None]
    assert [options.quick for options in given] == [False, False, True, False]
    assert given[3].dry_run_on_cpu


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user would, with no GPU to be seen."""
    return subprocess.run(
        [sys.executable, str(Path(gpu_limits.__file__)), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    done = program("--part", "launch", "--part", "bandwidth", "--output", str(tmp_path))
    assert done.returncode == 4
    assert done.stdout.count("FAILED") == 2  # each part says it of itself
    assert "CuPy is not installed" in done.stdout or "no usable CUDA device" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    done = program("--part", "launch", "--timeout", "0.001", "--output", str(tmp_path))
    assert done.returncode == 4
    assert "ended after 0.001 s" in done.stdout and "it was at: the start" in done.stdout


def test_an_unknown_part_is_a_usage_error() -> None:
    done = program("--part", "everything")
    assert done.returncode == 2 and "bandwidth" in done.stderr
