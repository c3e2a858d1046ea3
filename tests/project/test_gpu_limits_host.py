"""The host's side of the measuring program, on arrays that only look like a device's.

Nothing here says what a GPU does: kernels are replaced by what they are meant to compute, so that
every call into CuPy and cuBLAS is made with the arguments it would get on a GPU.  cuBLAS's product
is done from raw memory, column-major, as its manual defines it.
"""

from __future__ import annotations

import ctypes
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.limits import (
    bandwidth,
    barriers,
    clusters,
    exchange,
    kernels,
    launch,
    model,
    occupancy,
    step,
)
from benchmarks.limits.device import Device, on_gpu
from benchmarks.limits.results import run


class Array(np.ndarray):
    """NumPy's array with what the program uses of CuPy's."""

    gpu: Gpu

    def get(self) -> Any:
        return np.array(self)

    @property
    def data(self) -> Any:
        def copy_from_device_async(source: Any, size: int) -> None:
            ctypes.memmove(self.ctypes.data, source.ptr, size)
            self.gpu.tick()

        return SimpleNamespace(
            ptr=self.ctypes.data, copy_from_device_async=copy_from_device_async, owner=self
        )


class Gpu:
    """A module `cupy` whose events read a clock that goes on by a microsecond a launch."""

    def __init__(self) -> None:
        self.now = 0.0
        self.held = 0.0
        self.launched: list[str] = []
        self.attributes_set: list[tuple[int, int, int]] = []
        self.asked: list[tuple[int, ...]] = []
        self.status = 0
        self.sharing = 0
        self.capturing = False
        gpu = self

        class Event:
            def record(self) -> None:
                self.at = gpu.now

            def synchronize(self) -> None:
                gpu.held = 0.0

            done = property(lambda self: gpu.held == 0.0)

        class Stream:
            def __init__(self, *, non_blocking: bool) -> None:
                assert non_blocking

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def begin_capture(self) -> None:
                gpu.capturing, gpu.captured = True, 0

            def end_capture(self) -> Any:
                gpu.capturing = False
                count = gpu.captured

                def replay(*, stream: Any) -> None:
                    assert stream is self
                    gpu.now += 1e-6 * count

                return SimpleNamespace(launch=replay)

        attributes = {
            "MultiProcessorCount": 132,
            "ClockRate": 1_980_000,
            "MemoryClockRate": 3_201_000,
            "GlobalMemoryBusWidth": 6144,
            "MaxSharedMemoryPerMultiprocessor": 233_472,
        }
        device = SimpleNamespace(
            id=0, attributes=attributes, compute_capability="90", synchronize=self.synchronize
        )
        runtime = SimpleNamespace(
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda number: {"name": b"NVIDIA H200", "totalGlobalMem": 1 << 37},
            runtimeGetVersion=lambda: 13000,
            driverGetVersion=lambda: 13000,
        )
        self.cuda = ModuleType("cupy.cuda")
        self.cuda.__dict__.update(
            Device=lambda: device,
            Event=Event,
            Stream=Stream,
            get_elapsed_time=lambda start, end: (end.at - start.at) * 1e3,
            runtime=runtime,
            driver=SimpleNamespace(funcSetAttribute=self.set_attribute),
        )
        self.cupy = ModuleType("cupy")
        self.cupy.__dict__.update(
            __version__="14.2.0",
            cuda=self.cuda,
            RawModule=self.module,
            zeros=lambda shape, dtype: np.zeros(shape, dtype).view(Array),
            asarray=lambda values: np.array(values).view(Array),
        )

    def modules(self) -> dict[str, ModuleType]:
        """What an `import` must find."""
        handle = ModuleType("cupy.cuda.device")
        handle.__dict__["get_cublas_handle"] = lambda: 7
        public, raw = ModuleType("cupy.cublas"), ModuleType("cupy_backends.cuda.libs.cublas")
        public.__dict__["gemm"] = self.gemm
        raw.__dict__["gemmEx"] = self.gemm_ex
        self.cupy.__dict__["cublas"] = public
        libs = ModuleType("cupy_backends.cuda.libs")
        libs.__dict__["cublas"] = raw
        return {
            "cupy": self.cupy,
            "cupy.cuda": self.cuda,
            "cupy.cuda.device": handle,
            "cupy.cublas": public,
            "cupy_backends": ModuleType("cupy_backends"),
            "cupy_backends.cuda": ModuleType("cupy_backends.cuda"),
            "cupy_backends.cuda.libs": libs,
            "cupy_backends.cuda.libs.cublas": raw,
        }

    def synchronize(self) -> None:
        self.held = 0.0

    def set_attribute(self, function: int, attribute: int, value: int) -> None:
        self.attributes_set.append((function, attribute, value))

    def tick(self) -> None:
        if self.capturing:
            self.captured += 1
        else:
            self.now += 1e-6

    # -- products ----------------------------------------------------------------------------

    def gemm(
        self, ta: str, tb: str, a: Any, b: Any, *, out: Any, alpha: float, beta: float
    ) -> None:
        assert (ta, tb) == ("N", "T") and not self.capturing
        out[...] = alpha * (a @ b.T) + beta * out
        self.tick()

    def gemm_ex(self, handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int,
                a: int, a_type: int, lda: int, b: int, b_type: int, ldb: int, beta: int,
                c: int, c_type: int, ldc: int, compute: int, algorithm: int) -> None:  # fmt: skip
        """C = alpha op(A) op(B) + beta C, all column-major, as in cublasGemmEx."""
        assert handle == 7 and c_type == 0 and algorithm == -1 and not self.capturing
        assert (a_type, compute) in {(0, 68), (0, 77), (14, 68)} and a_type == b_type
        left = columns(a, a_type, (k, m) if ta else (m, k), lda)
        right = columns(b, b_type, (n, k) if tb else (k, n), ldb)
        product = (left.T if ta else left) @ (right.T if tb else right)
        one, two = (ctypes.c_float.from_address(p).value for p in (alpha, beta))
        out = columns(c, 0, (m, n), ldc)
        out[...] = one * product + two * out
        self.tick()

    # -- kernels -----------------------------------------------------------------------------

    def cuOccupancyMaxActiveClusters(self, count: Any, function: int, config: Any) -> int:
        """What the driver is asked: read from raw memory, as in cuda.h of CUDA 12 and 13."""
        raw = ctypes.string_at(config._obj and ctypes.addressof(config._obj), 56)
        words = np.frombuffer(raw, np.uint32)
        grid, block, shared = tuple(words[0:3]), tuple(words[3:6]), int(words[6])
        attributes, number = np.frombuffer(raw, np.uint64)[5], words[12]
        assert np.frombuffer(raw, np.uint64)[4] == 0 and number == 1  # the default stream
        attribute = np.frombuffer(ctypes.string_at(int(attributes), 72), np.uint32)
        assert attribute[0] == 4 and tuple(attribute[3:5]) == (1, 1)
        size = int(attribute[2])
        assert grid[0] % size == 0 and grid[1:] == (1, 1) and block == (256, 1, 1)
        assert size <= 8 or (function, 14, 1) in self.attributes_set
        self.asked.append((size, shared))
        count._obj.value = model.RESIDENT_CLUSTERS[size] - 1  # not what is predicted
        return self.status

    def module(self, *, code: str, options: Any, enable_cooperative_groups: bool = False) -> Any:
        def get_function(name: str) -> Any:
            return Kernel(self, code, name, enable_cooperative_groups)

        return SimpleNamespace(get_function=get_function)


class Kernel:
    """Stands for a kernel: checks its launch, and writes what it is meant to write."""

    def __init__(self, gpu: Gpu, code: str, name: str, cooperative: bool) -> None:
        self.gpu, self.code, self.name, self.cooperative = gpu, code, name, cooperative
        self.kernel = SimpleNamespace(ptr=id(self))
        self.max_dynamic_shared_size_bytes = 48 * 1024
        start = code.index(name, code.index('extern "C"'))
        self.parameters = code[code.index("(", start) + 1 : code.index(")", start)].split(",")

    def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int = 0) -> None:
        assert isinstance(grid, tuple) and isinstance(block, tuple)
        assert len(arguments) == len(self.parameters)
        for value, parameter in zip(arguments, self.parameters, strict=True):
            if "*" in parameter:
                assert isinstance(value, Array), parameter
            else:
                kind = {"int": np.int32, "long long": np.int64}
                assert type(value) is kind[parameter.strip().rsplit(" ", 1)[0]], parameter
        assert self.cooperative == self.name.startswith("grid_")
        assert shared_mem <= self.max_dynamic_shared_size_bytes <= 232_448
        assert len(grid) == len(block)
        getattr(self, self.name)(grid[0], block[0], arguments, shared_mem)
        self.gpu.launched.append(self.name)
        if self.name != "spin":
            self.gpu.tick()

    def empty(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        pass

    def spin(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        self.gpu.held = float(arguments[0])

    def copy(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        source, target, count, turns = arguments
        assert count * 16 == source.nbytes and turns >= 1
        target[...] = source

    def gates(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        z, c, h, count, hidden = arguments
        assert hidden % 4 == 0 and 4 * grid * block >= count == c.size and z.size == 4 * count
        f, i, _, o = (1 / (1 + np.exp(-z[:, k])) for k in range(4))
        c[...] = f * c + i * np.tanh(z[:, 2])
        out = (o * np.tanh(c)).astype(np.float32)
        if h.dtype == np.uint16:
            bits = np.asarray(out).view(np.uint32)
            h[...] = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        else:
            h[...] = out

    def forward_h(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        z, c_prev, c, h, b_f, b_i, b_c, b_o, rows, hidden = arguments
        assert z.shape == (rows, 4, hidden) and c_prev.shape == (rows, hidden)
        for gate, bias in enumerate((b_f, b_i, b_c, b_o)):
            a = z[:, gate] + bias
            z[:, gate] = np.tanh(a) if gate == 2 else 1 / (1 + np.exp(-a))
        c[...] = z[:, 0] * c_prev + z[:, 1] * z[:, 2]
        h[...] = z[:, 3] * np.tanh(c)

    forward_h_wide = forward_h

    def _report(self, grid: int, shared: int, arguments: Any, cycles_each: int) -> None:
        """Ends a loop: more than half of the SM's memory was asked for, so each has its own."""
        *_, cycles, places, wrong, n, _ = arguments
        assert cycles.size == places.size == grid and wrong.size == 1
        assert shared > 233_472 // 2 - 1024
        cycles.fill(cycles_each * int(n))
        places[...] = np.random.default_rng(grid).permutation(132)[:grid]
        if self.gpu.sharing:
            places[: self.gpu.sharing + 1] = places[0]

    def grid_barrier(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        flags, seen, *_, n, _ = arguments
        assert grid == flags.size == seen.size <= 132 and block == 256
        if "cooperative_groups" not in self.code:
            assert not flags.any(), "the barrier starts from flags that an earlier launch raised"
            flags.fill(n + 1)
        self._report(grid, shared, arguments, 1000)

    def grid_exchange(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        flags, vectors, *_, n, _ = arguments
        assert not flags.any(), "the barrier starts from flags that an earlier launch raised"
        flags.fill(n + 1)
        assert n * 1024 + 1023 < 1 << 24, "marks are no longer exact in float"
        assert grid == flags.size <= 132 and shared >= vectors.nbytes // 2
        self._report(grid, shared, arguments, 3000)

    def cluster_loop(self, grid: int, block: int, arguments: Any, shared: int) -> None:
        size = int(re.search(r"__cluster_dims__\((\d+), 1, 1\)", self.code)[1])  # type: ignore[index]
        assert grid % size == 0 and grid <= 132
        exchanged = re.search(r"pieces = (\d+)", self.code)
        assert shared >= (2 * 16 * int(exchanged[1]) if exchanged else 0)
        allowed = (self.kernel.ptr, 14, 1) in self.gpu.attributes_set
        assert size <= 8 or allowed, "a cluster of 16 must be allowed first"
        self._report(grid, shared, arguments, 200)


def columns(pointer: int, kind: int, shape: tuple[int, int], leading: int) -> Any:
    """A column-major matrix in raw memory: float32 itself, or a float32 copy of bf16."""
    rows, count = shape
    assert leading >= rows
    element = ctypes.c_float if kind == 0 else ctypes.c_uint16
    flat = np.ctypeslib.as_array((element * (leading * count)).from_address(pointer))
    if kind == 14:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(count, leading).T[:rows]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """`import cupy` gives the Gpu; sizes are small."""
    gpu = Gpu()
    monkeypatch.setattr(Array, "gpu", gpu, raising=False)
    for name, module in gpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(step, "SIZES", ((3, 8), (5, 12)))
    monkeypatch.setattr(bandwidth, "MIB", 4096)
    monkeypatch.setattr(occupancy, "libcuda", lambda: driver(gpu))
    return gpu


def driver(gpu: Gpu) -> Any:
    """The driver's library, with the one function of it that is called past CuPy."""

    def ask(*arguments: Any) -> int:
        return gpu.cuOccupancyMaxActiveClusters(*arguments)

    return SimpleNamespace(cuOccupancyMaxActiveClusters=ask)


@pytest.mark.parametrize("part", [launch, step, barriers, exchange, clusters, bandwidth])
def test_every_case_measures(gpu: Gpu, part: Any) -> None:
    device = on_gpu(quick=True)
    assert device.on_gpu and device.sms == 132
    records = [run(case) for case in part.cases(device)]
    assert records
    for record in records:
        assert record["error"] is None, record
        assert record["not_here"] is None, record
        measured = record["measured"]
        told = record["unit"] == "clusters"  # not timed: the driver says it
        assert measured["samples"] >= (1 if told else 5) and measured["median"] >= 0, record
        assert record["predicted"]["value"] > 0


def test_the_figures_are_in_their_units(gpu: Gpu) -> None:
    """The clock goes on by 1 us a launch, and the kernels report 1000 and 200 cycles a turn."""
    device = on_gpu(quick=True)
    by_case: dict[str, set[float]] = {}
    for part in (launch, step, barriers, exchange, clusters):
        for case in part.cases(device):
            if case.unit == "clusters":
                continue
            median = run(case)["measured"]["median"]
            by_case.setdefault(case.name, set()).add(round(median, 6))
    for name in ("host time of a launch", "host time of an accumulating product"):
        by_case.pop(name)  # real time
    assert by_case == {
        "launches as they are issued": {1.0},
        "queued launches, kernel to kernel": {1.0},
        "launches replayed from a graph": {1.0},
        "step as it is issued": {2.0},
        "queued step, device alone": {2.0},
        "queued fused kernel, device alone": {1.0},
        "exchange through L2, by the SM clock": {3000.0},
        "exchange through L2, by events": {0.5},
        "grid barrier, by the SM clock": {1000.0},
        "grid barrier, by events": {0.5},  # 1 us for 2000 barriers
        "cluster barrier, by the SM clock": {200.0},
        "cluster barrier, by events": {0.1},
        "exchange through distributed shared memory, by the SM clock": {200.0},
        "exchange through distributed shared memory, by events": {0.1},
    }


def test_the_device_describes_itself(gpu: Gpu) -> None:
    description = on_gpu(quick=False).describe()
    assert description["name"] == "NVIDIA H200" and description["cupy"] == "14.2.0"
    assert description["MultiProcessorCount"] == 132 and description["cuda_driver"] == 13000


@pytest.mark.parametrize("kind", ["fp32", "tf32", "bf16"])
def test_a_wrong_step_is_no_measurement(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    good = gpu.gemm_ex

    def transposed(*arguments: Any) -> None:
        wrong = list(arguments)
        wrong[1], wrong[9] = 0, wrong[3]  # op(A) = A, so lda = m
        good(*wrong)

    library = sys.modules["cupy_backends.cuda.libs.cublas"]
    device = Device(gpu.cupy, on_gpu=True, quick=True)
    cases = [
        case
        for case in step.cases(device)
        if case.settings["arithmetic"] == kind and case.settings.get("call") == "gemmEx"
    ]
    assert all(run(case)["error"] is None for case in cases)
    monkeypatch.setattr(library, "gemmEx", transposed, raising=False)
    assert all("wrong by" in run(case)["error"] for case in cases)


def test_a_barrier_that_does_not_hold_is_no_measurement(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaky(self: Kernel, grid: int, block: int, arguments: Any, shared: int) -> None:
        *_, cycles, _places, wrong, _, _ = arguments
        wrong[0] += 3
        cycles.fill(1)

    monkeypatch.setattr(Kernel, "cluster_loop", leaky)
    cases = (c for c in clusters.cases(on_gpu(quick=True)) if c.unit != "clusters")
    record = run(next(cases))
    assert "3 reads after a barrier were older" in record["error"]
    assert record["measured"] is None


# -- a multiprocessor for each block -----------------------------------------------------------


@pytest.mark.parametrize("part", [barriers, exchange, clusters])
def test_blocks_that_share_a_multiprocessor_are_no_measurement(gpu: Gpu, part: Any) -> None:
    gpu.sharing = 1
    records = [run(c) for c in part.cases(on_gpu(quick=True)) if c.unit != "clusters"]
    for record in records:
        assert re.search(r"(\d+) blocks ran on \d+ multiprocessors", record["error"]), record
        assert record["measured"] is None


def test_blocks_that_share_a_multiprocessor_later_are_found(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Kernel._report

    def crowded(self: Kernel, *arguments: Any) -> None:
        self.gpu.sharing = self.gpu.launched.count(self.name) >= 6
        report(self, *arguments)

    monkeypatch.setattr(Kernel, "_report", crowded)
    record = run(next(iter(barriers.cases(on_gpu(quick=True)))))
    assert "16 blocks ran on 15 multiprocessors" in record["error"]


@pytest.mark.parametrize("part", [barriers, exchange, clusters])
def test_the_record_says_how_many_multiprocessors_and_their_clock(gpu: Gpu, part: Any) -> None:
    for case in part.cases(on_gpu(quick=True)):
        record = run(case)
        notes = record["notes"]
        if case.unit == "clusters":
            continue
        assert notes["multiprocessors"] == notes["blocks"]
        if case.unit == "cycles":
            # The fake's launches last 1 us, whatever cycles they report.
            cycles = record["measured"]["median"] * notes["iterations"]
            assert notes["cycles_per_ns"] == pytest.approx(cycles / 1000)
        else:
            assert "cycles_per_ns" not in notes


@pytest.mark.parametrize("size", kernels.CLUSTER_SIZES)
def test_the_driver_says_how_many_clusters_are_resident(gpu: Gpu, size: int) -> None:
    cases = [c for c in clusters.cases(on_gpu(quick=True)) if c.settings["cluster"] == size]
    resident = run(cases[0])
    count = model.RESIDENT_CLUSTERS[size] - 1
    assert resident["measured"]["median"] == count
    assert resident["predicted"]["value"] == count + 1
    assert gpu.asked == [(size, 233_472 // 2 + 1024)]
    full = [run(c) for c in cases if c.settings.get("clusters") == "full"]
    assert [(r["notes"]["blocks"], r["notes"]["resident"]) for r in full] == [
        (size * count, count)
    ] * 4


def no_library() -> Any:
    """As where there is no driver."""
    raise OSError("libcuda.so.1: cannot open shared object file")


@pytest.mark.parametrize("library", [no_library, lambda: SimpleNamespace()])
def test_a_driver_that_cannot_be_asked_costs_a_note(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    monkeypatch.setattr(occupancy, "libcuda", library)
    records = [run(c) for c in clusters.cases(on_gpu(quick=True)) if c.settings["cluster"] == 8]
    assert "cannot be asked" in records[0]["not_here"]
    full = [r for r in records if r["settings"].get("clusters") == "full"]
    assert len(full) == 4
    for record in full:
        assert "the model's 15" in record["notes"]["resident"]
        assert record["measured"] is not None and record["notes"]["blocks"] == 120


def test_an_error_of_the_driver_is_reported(gpu: Gpu) -> None:
    gpu.status = 912
    record = run(next(iter(clusters.cases(on_gpu(quick=True)))))
    assert "CUDA error 912" in record["error"]


# -- what accumulates --------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["by hand", "forward_h"])
@pytest.mark.parametrize("name", ["step as it is issued", "queued step, device alone"])
def test_each_sample_starts_from_the_same_z(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, kernel: str, name: str
) -> None:
    """Products add to z; without a refill, the gates would saturate over the samples."""
    library, good = sys.modules["cupy.cublas"], gpu.gemm
    given: list[Any] = []

    def gemm(*arguments: Any, out: Any, **scales: float) -> None:
        given.append(np.array(out))
        good(*arguments, out=out, **scales)

    monkeypatch.setattr(library, "gemm", gemm)
    device = on_gpu(quick=True)
    case = next(
        c
        for c in step.cases(device)
        if c.name == name
        and c.settings["kernel"] == kernel
        and c.settings["call"] == "cupy.cublas.gemm"
    )
    record = run(case)
    assert record["error"] is None
    steps = record["notes"]["steps"]
    first = given[-steps:]
    for sample in range(2, device.samples):
        again = given[-sample * steps : (1 - sample) * steps]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
