"""Importing a generated module with cupy bound to the stand-in; threads, caches, no compiler."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.errors import UnavailableError, UsageError

MODULE = '''
"""A module as lstmgen might generate it."""
import numpy as np
import cupy
import cupy as cp
import cupy.cublas
from cupy import cublas
from cupy.cuda import Device
import cupy.cuda.runtime as runtime

_KERNELS = cupy.RawModule(code=r"""
extern "C" __global__ void scale(float* x, float by, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = x[i] * by + OFFSET;
}
""", options=("-std=c++17", "-DOFFSET=%s"))


def run(values, by):
    import cupy as late
    x = late.asarray(values)
    arguments = (x, np.float32(by), np.int32(x.size))
    _KERNELS.get_function("scale")((-(-x.size // 64),), (64,), arguments)
    return x


def gemm(a, b):
    return cupy.cublas.gemm("N", "N", a, b)


assert cublas is cupy.cublas and cp is cupy
assert runtime.getDeviceCount() == 1
'''


def text(offset):
    return MODULE % f"{offset}.0f"


def test_sys_modules_is_not_changed(compiler, monkeypatch):
    marker = type(sys)("cupy")
    monkeypatch.setitem(sys.modules, "cupy", marker)
    cupy = cuda_on_cpu.emulated_cupy()
    module = cuda_on_cpu.load_module(text(1), "made_up", cupy=cupy)
    x = np.arange(100, dtype=np.float32)
    assert np.array_equal(module.run(x, 2.0).get(), 2 * x + 1)
    assert sys.modules["cupy"] is marker
    assert "made_up" not in sys.modules and "cupy.cublas" not in sys.modules
    assert module.__name__ == "made_up"
    assert module.cupy is cupy
    assert cupy.counters.launches == 1


def test_a_file_on_disk(compiler, tmp_path):
    path = tmp_path / "cell_cupy.py"
    path.write_text(text(3))
    for source in (path, str(path)):
        module = cuda_on_cpu.load_module(source)
        assert (module.__name__, module.__file__) == ("cell_cupy", str(path))
        a = module.cupy.asarray(np.eye(3, dtype=np.float32))
        assert np.array_equal(module.gemm(a, a).get(), np.eye(3))


def test_what_the_stand_in_lacks(compiler):
    with pytest.raises(ModuleNotFoundError, match=r"cupyx|no module cupy\.fft"):
        cuda_on_cpu.load_module("import cupy.fft\n")
    with pytest.raises(ImportError, match="linalg"):
        cuda_on_cpu.load_module("from cupy import linalg\n")


def test_two_modules_at_once(compiler):
    x = np.arange(70, dtype=np.float32)
    modules = [cuda_on_cpu.load_module(text(offset), f"m{offset}") for offset in (1, 2, 1)]
    results = [module.run(x, 3.0).get() for module in (*modules, *modules[::-1])]
    for result, offset in zip(results, (1, 2, 1, 1, 2, 1), strict=True):
        assert np.array_equal(result, 3 * x + offset)
    assert len({id(module.cupy) for module in modules}) == 3


def test_two_threads_use_one_module(compiler):
    module = cuda_on_cpu.load_module(text(5))
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            x = rng.standard_normal(3000).astype(np.float32)
            if not np.array_equal(module.run(x, 2.0).get(), x * np.float32(2) + np.float32(5)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert module.cupy.counters.launches == 100


def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    cupy = cuda_on_cpu.emulated_cupy(sanitize=False)
    module = cupy.RawModule(code='extern "C" __global__ void k(int* x) { x[0] = 1; }')
    with pytest.raises(UnavailableError, match="apt install g") as caught:
        module.compile()
    assert caught.value.exit_code == 4
    monkeypatch.setenv("CXX", "no-such-compiler-here")
    with pytest.raises(UnavailableError, match="no-such-compiler-here"):
        cuda_on_cpu.find_compiler()


def test_libraries_are_cached(compiler, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_ON_CPU_CACHE", str(tmp_path / "cache"))
    arguments = ('extern "C" __global__ void k(int* x) { x[0] = CACHED; }', "k", ("-DCACHED=3",))
    for _ in range(2):
        cupy = cuda_on_cpu.emulated_cupy(sanitize=False)
        x = cupy.zeros(1, np.int32)
        cupy.RawKernel(*arguments)((1,), (1,), (x,))
        assert x.get()[0] == 3
        built = sorted(path.name for path in (tmp_path / "cache").iterdir())
        header = [] if cuda_on_cpu.find_compiler().clang else ["header"]
        assert [name.split("-")[0] for name in built] == [*header, "kernels", "libcuda_on_cpu"]
        times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert times == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(PermissionError, match="can be written by others"):
        cuda_on_cpu.cache_folder()


def test_the_cache_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_ON_CPU_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cuda_on_cpu.cache_folder() == tmp_path / "lstmgen" / "cuda_on_cpu"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CUDA_ON_CPU_ORDER", "reverse")
    monkeypatch.setenv("CUDA_ON_CPU_SEED", "9")
    monkeypatch.setenv("CUDA_ON_CPU_TIMEOUT", "1.5")
    monkeypatch.setenv("CUDA_ON_CPU_SANITIZE", "0")
    settings = cuda_on_cpu.emulated_cupy(multiprocessors=4).emulator.settings()
    assert {k: settings[k] for k in ("order", "seed", "timeout", "sanitize")} == {
        "order": "reverse", "seed": 9, "timeout": 1.5, "sanitize": False,
    }  # fmt: skip
    assert cuda_on_cpu.emulated_cupy(order="starve").emulator.order == "starve"
    with pytest.raises(UsageError, match="forward, reverse, shuffle, starve, rotate"):
        cuda_on_cpu.emulated_cupy(order="sideways")


def test_the_order_rotates_from_launch_to_launch(compiler):
    code = """extern "C" __global__ void arrive(int* next, int* place) {
      place[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(next, 1);
    }"""
    cupy = cuda_on_cpu.emulated_cupy(order="rotate", seed=4, sanitize=False)
    arrive = cupy.RawModule(code=code).get_function("arrive")

    def order():
        next_place, place = cupy.zeros(1, np.int32), cupy.empty(40, np.int32)
        arrive((5,), (8,), (next_place, place))
        return tuple(place.get().tolist())

    orders = [order() for _ in range(8)]
    assert orders[0] == tuple(range(40)) == orders[4]
    assert orders[1] == tuple(reversed(range(40))) == orders[5]
    assert sorted(orders[2]) == list(range(40)) == sorted(orders[6])
    assert len({orders[0], orders[1], orders[2], orders[6]}) == 4
    again = cuda_on_cpu.emulated_cupy(order="rotate", seed=4, sanitize=False)
    cupy, arrive = again, again.RawModule(code=code).get_function("arrive")
    assert [order() for _ in range(8)] == orders


def test_the_time_loop_of_a_module_can_be_checked(compiler):
    """What verification asks for: nothing allocated, nothing waited for, launches counted."""
    module = cuda_on_cpu.load_module(text(0))
    x = module.cupy.zeros(64, np.float32)
    with module.cupy.counters.during() as counts:
        for _ in range(3):
            module._KERNELS.get_function("scale")((1,), (64,), (x, np.float32(1), np.int32(64)))
    assert counts == {
        "launches": 3, "products": 0, "operations": 0, "allocations": 0, "uploads": 0,
        "synchronisations": 0,
    }  # fmt: skip
