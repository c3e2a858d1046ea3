"""What nobody wrote, what lies outside, what is not aligned; and faults that end a launch."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.cuda.on_cpu import KernelError
from lstmgen.errors import UnavailableError

TEXT = r"""
extern "C" __global__ void unwritten(float* y, int dynamic) {
  __shared__ float fixed[64];
  extern __shared__ float asked[];
  fixed[(threadIdx.x + 1) % 64] = threadIdx.x == 63 ? 1.0f : fixed[(threadIdx.x + 1) % 64];
  __syncthreads();
  y[threadIdx.x] = dynamic ? asked[threadIdx.x] : fixed[threadIdx.x];
}
extern "C" __global__ void kept(float* y) {   // shared memory must not survive a block
  __shared__ float s[32];
  y[blockIdx.x * 32 + threadIdx.x] = s[threadIdx.x];
  __syncthreads();
  s[threadIdx.x] = 1.0f;
  __syncthreads();
  if (s[31 - threadIdx.x] != 1.0f) y[0] = 0.0f;
}
extern "C" __global__ void store(float* y, int at) { if (threadIdx.x == 0) y[at] = 1.0f; }
extern "C" __global__ void load(const float* x, float* y, int at) { y[0] = x[at]; }
extern "C" __global__ void wild(float* y, long long at) { if (threadIdx.x == 2) y[at] = 1.0f; }
extern "C" __global__ void null(float* y) { y[threadIdx.x] = 1.0f; }
extern "C" __global__ void past_shared(float* y, int at) {
  __shared__ float s[16];
  s[threadIdx.x] = 0.0f;
  __syncthreads();
  s[at] = 1.0f;
  __syncthreads();
  y[0] = s[0];
}
extern "C" __global__ void past_local(float* y, int at) {
  float acc[4] = {1, 2, 3, 4};
  y[0] = acc[at];
}
extern "C" __global__ void past_dynamic(float* y, int at) {
  extern __shared__ float asked[];
  if (threadIdx.x == 0) asked[at] = 1.0f;
  __syncthreads();
  y[0] = asked[at];
}
extern "C" __global__ void misaligned(const float* x, float* y, int at) {
  *reinterpret_cast<float4*>(y) = *reinterpret_cast<const float4*>(x + at);
}
extern "C" __global__ void divide(int* y, int by) { y[0] = 7 / by; }
extern "C" __global__ void trap(float* y) { if (threadIdx.x == 5 && blockIdx.x == 1) __trap(); }
extern "C" __global__ void checked(float* y, int n) {
  assert(threadIdx.x < n);
  y[0] = 1.0f;
}
__device__ float deep(float* y, int n) {
  volatile float hold[64];
  hold[n % 64] = y[0];
  return n == 0 ? hold[0] : deep(y, n - 1) + hold[n % 64];
}
extern "C" __global__ void overflow(float* y, int n) { y[1] = deep(y, n); }
"""


@pytest.fixture
def module(cupy):
    return cupy.RawModule(code=TEXT)


@pytest.mark.parametrize("dynamic", [0, 1])
def test_unwritten_shared_memory_is_nan(cupy, module, dynamic):
    y = cupy.empty(64, np.float32)
    for _ in range(4):
        module.get_function("unwritten")((1,), (64,), (y, np.int32(dynamic)), shared_mem=256)
        assert np.isnan(y.get()[1:]).all()
        assert np.isnan(y.get()[0]) == bool(dynamic)


def test_shared_memory_does_not_survive_a_block(cupy, module):
    y = cupy.zeros(4 * 32, np.float32)
    for _ in range(4):
        module.get_function("kept")((4,), (32,), (y,))
        assert np.isnan(y.get()).all()


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (10, "0 bytes past its end"),
        (12, "8 bytes past its end"),
        (4000, "15960 bytes past its end"),
        (-1, "4 bytes before its start"),
        (-4000, "16000 bytes before its start"),
    ],
)
def test_a_write_beside_an_array(cupy, module, at, message):
    y = cupy.zeros(10, np.float32)
    with pytest.raises(KernelError, match=rf"argument 0 \(shape \(10,\), float32\).*{message}"):
        module.get_function("store")((1,), (32,), (y, np.int32(at)))
    module.get_function("store")((1,), (32,), (y, np.int32(9)))
    assert y.get()[9] == 1


def test_a_write_a_row_past_a_large_array(cupy, module):
    rows, units = 3, 20000
    y = cupy.zeros((rows, units), np.float32)
    for at in (rows * units + units - 1, -units):
        with pytest.raises(KernelError, match="argument 0"):
            module.get_function("store")((1,), (32,), (y, np.int32(at)))


def test_an_array_of_another_device_is_refused(module):
    y = cuda_on_cpu.emulated_cupy().zeros(10, np.float32)
    with pytest.raises(ValueError, match="argument 0 is an array of another emulated device"):
        module.get_function("store")((1,), (32,), (y, np.int32(0)))


def test_a_read_beside_an_array_gives_nan(cupy, module):
    x, y = cupy.ones(10, np.float32), cupy.zeros(1, np.float32)
    module.get_function("load")((1,), (32,), (x, y, np.int32(10)))
    assert np.isnan(y.get()[0])


def test_a_wild_address_and_a_null_pointer(cupy, module):
    with pytest.raises(KernelError, match=r"illegal memory access: .*cannot be") as caught:
        module.get_function("wild")((1,), (32,), (cupy.zeros(1, np.float32), 1 << 50))
    with pytest.raises(KernelError, match="illegal memory access at address 0x") as caught:
        module.get_function("wild")((1,), (32,), (cupy.zeros(1, np.float32), 1 << 41))
    assert (caught.value.kind, caught.value.thread) == ("fault", (2, 0, 0))
    with pytest.raises(KernelError, match=r"address 0x[0-9a-f]{1,3}\b|null pointer"):
        module.get_function("null")((1,), (32,), (None,))


@pytest.mark.parametrize("at", [16, -1])
def test_an_index_past_static_shared_memory(cupy, module, at):
    y = cupy.zeros(1, np.float32)
    with pytest.raises(
        KernelError, match=rf"index {at} is out of the bounds of 'float ?\[16\]'"
    ) as e:
        module.get_function("past_shared")((1,), (16,), (y, np.int32(at)))
    assert "s[at]" in TEXT.split("\n")[e.value.line - 1]


def test_an_index_past_a_local_array(cupy, module):
    with pytest.raises(KernelError, match=r"index 4 is out of the bounds"):
        module.get_function("past_local")((1,), (1,), (cupy.zeros(1, np.float32), np.int32(4)))


def test_a_write_past_dynamic_shared_memory(cupy, module):
    past = module.get_function("past_dynamic")
    y = cupy.zeros(1, np.float32)
    past((1,), (32,), (y, np.int32(31)), shared_mem=128)
    with pytest.raises(KernelError, match="dynamic shared memory was written 0 bytes past its end"):
        past((1,), (32,), (y, np.int32(32)), shared_mem=128)


def test_a_misaligned_vector_load(compiler, cupy, module):
    x, y = cupy.ones(16, np.float32), cupy.zeros(4, np.float32)
    module.get_function("misaligned")((1,), (1,), (x, y, np.int32(4)))
    assert y.get().tolist() == [1, 1, 1, 1]
    with pytest.raises(KernelError, match="misaligned address") as caught:
        module.get_function("misaligned")((1,), (1,), (x, y, np.int32(3)))
    if not compiler.clang:  # clang leaves it to the processor, which does not say where
        assert re.search("float4.*must be a multiple of 16", str(caught.value))
        assert "x + at" in TEXT.split("\n")[caught.value.line - 1]


def test_division_by_zero_trap_assert_and_stack(cupy, module):
    with pytest.raises(KernelError, match="integer division by zero"):
        module.get_function("divide")((1,), (1,), (cupy.zeros(1, np.int32), np.int32(0)))
    y = cupy.zeros(4, np.float32)
    with pytest.raises(KernelError, match="__trap") as caught:
        module.get_function("trap")((3,), (32,), (y,))
    assert (caught.value.block, caught.value.thread) == ((1, 0, 0), (5, 0, 0))
    with pytest.raises(KernelError, match=r"assertion failed: threadIdx\.x < n") as caught:
        module.get_function("checked")((1,), (32,), (y, np.int32(31)))
    assert caught.value.thread == (31, 0, 0)
    with pytest.raises(KernelError):
        module.get_function("overflow")((1,), (1,), (y, np.int32(400)))
    # All of that, and the process works on.
    module.get_function("checked")((1,), (32,), (y, np.int32(32)))
    assert y.get()[0] == 1


CHECK = r"""
import sys
import numpy as np
from lstmgen.cuda import on_cpu as cuda_on_cpu

cupy = cuda_on_cpu.emulated_cupy(order="forward")
assert cupy.emulator.sanitize
text = open(sys.argv[1]).read()
module = cupy.RawModule(code=text)
x, y = cupy.ones(10, np.float32), cupy.zeros(10, np.float32)
module.get_function("load")((1,), (32,), (x, y, np.int32(9)))
assert y.get()[0] == 1
y64 = cupy.empty(64, np.float32)
module.get_function("unwritten")((1,), (8,), (y64, np.int32(1)), shared_mem=32)
for name, arguments, shared in (
    ("load", (x, y, np.int32(10)), 0),
    ("load", (x, y, np.int32(-1)), 0),
    ("load", (x[2:5], y, np.int32(8)), 0),
    ("store", (y, np.int32(11)), 0),
    ("past_dynamic", (y, np.int32(32)), 128),
    ("past_shared", (y, np.int32(16)), 0),
):
    try:
        module.get_function(name)((1,), (16,), arguments, shared_mem=shared)
    except cuda_on_cpu.KernelError as error:
        print(name, error)
    else:
        print(name, "was not caught")
del x, y
for _ in range(50):
    cupy.zeros(1000, np.float32)
print("end")
"""


def test_address_sanitizer_names_the_line(sanitizer, tmp_path):
    (tmp_path / "kernels.cu").write_text(TEXT)
    (tmp_path / "check.py").write_text(CHECK)
    done = cuda_on_cpu.run_sanitized(
        [str(tmp_path / "check.py"), str(tmp_path / "kernels.cu")], timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, end = done.stdout.strip().split("\n")
    assert end == "end", done.stdout + done.stderr
    assert len(lines) == 6
    assert "was not caught" not in done.stdout
    source = TEXT.split("\n")
    for line, access, place in zip(
        lines,
        ["read of 4 bytes"] * 3 + ["write of 4 bytes"] * 2,
        [
            "0 bytes from the memory of argument 0",
            "4 bytes from",
            "0 bytes from",
            "4 bytes from",
            "",
        ],
        strict=False,
    ):
        name = line.split()[0]
        number = (
            1
            + next(i for i, text in enumerate(source) if f"void {name}(" in text)
            + (2 if name == "past_dynamic" else 0)
        )
        for part in ("AddressSanitizer: use-after-poison", access, place, f", line {number}:"):
            assert part in line, (part, line)
    assert "index 16 is out of the bounds" in lines[5]


SHRINKING = """
import numpy as np
from lstmgen.cuda.on_cpu import emulated_cupy

TEXT = '''
extern "C" __global__ void turned(float* y) {
  __shared__ float all[512];
  all[threadIdx.x] = y[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}
'''
for order in ("forward", "reverse", "shuffle", "starve"):
    cupy = emulated_cupy(order=order, seed=0)
    kernel = cupy.RawKernel(TEXT, "turned")
    for threads in (512, 3, 256, 1, 33):
        y = cupy.asarray(np.arange(threads, dtype=np.float32))
        kernel((1,), (threads,), (y,))
        assert (cupy.asnumpy(y) == np.arange(threads)[::-1]).all(), (order, threads)
print("end")
"""


def test_a_small_block_after_a_large_one_reads_no_foreign_memory(sanitizer, tmp_path):
    (tmp_path / "check.py").write_text(SHRINKING)
    done = cuda_on_cpu.run_sanitized([str(tmp_path / "check.py")], timeout=120)
    assert done.stdout == "end\n", done.stdout + done.stderr


def test_sanitized_kernels_need_the_sanitized_process(compiler):
    cupy = cuda_on_cpu.emulated_cupy(sanitize=True)
    with pytest.raises(UnavailableError, match="run_sanitized"):
        cupy.zeros(3)
