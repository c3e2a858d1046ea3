"""What neither CuPy nor the device checks at a launch: each check is shown to fire."""

from __future__ import annotations

import os
import signal
import time
import warnings

import numpy as np
import pytest

TEXT = r"""
#include <cuda_bf16.h>
#define THREADS 128
extern "C" __global__ void __launch_bounds__(THREADS)
copy(const float* __restrict__ x, float* __restrict__ y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}
extern "C" __global__ void kinds(double d, float f, long long l, unsigned u, bool b, double* out) {
  out[0] = d; out[1] = f; out[2] = (double)l; out[3] = u; out[4] = b;
}
extern "C" __global__ void any_size(int* out) {
  if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) atomicAdd(out, 1);
}
extern "C" __global__ void wide(const float4* x, float4* y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void half_word(const __nv_bfloat16* x, float* y) {
  y[threadIdx.x] = __bfloat162float(x[threadIdx.x]);
}
extern "C" __global__ void optional(const float* x, int* out) { out[0] = x == nullptr; }
extern "C" __global__ void dynamic(int* out, int n) {
  extern __shared__ int words[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) words[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) { int s = 0; for (int i = 0; i < n; ++i) s += words[i]; out[0] = s; }
}
extern "C" __global__ void static_and_dynamic(int* out, int n) {
  __shared__ int fixed[10000];
  extern __shared__ int words[];
  fixed[threadIdx.x] = n; words[0] = 1; __syncthreads(); out[0] = fixed[threadIdx.x];
}
extern "C" __global__ void __cluster_dims__(2, 1, 1) pairs(int* out) { out[blockIdx.x] = 1; }
"""


@pytest.fixture
def module(cupy):
    return cupy.RawModule(code=TEXT)


def arrays(cupy, n=200, dtype=np.float32):
    return cupy.asarray(np.arange(n).astype(dtype)), cupy.empty(n, dtype)


def test_a_right_launch_runs(cupy, module):
    x, y = arrays(cupy)
    module.get_function("copy")((2,), (128,), (x, y, np.int32(200)))
    assert np.array_equal(y.get(), x.get())
    assert cupy.counters.launches == 1


def test_a_forked_process_launches_too(cupy, module):
    """Though the thread that watches launches slept when it forked: once it woke nobody.

    A launch wakes that thread, which sleeps again a tenth of a second later.  In a copy of what it
    slept on, the third launch waited for ever.
    """
    x, y = arrays(cupy)
    copy = module.get_function("copy")
    copy((2,), (128,), (x, y, np.int32(200)))
    time.sleep(0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other tests have threads
        child = os.fork()
    if not child:
        signal.alarm(20)
        right = True
        for _ in range(4):
            y.fill(0)
            copy((2,), (128,), (x, y, np.int32(200)))
            right = right and np.array_equal(y.get(), x.get())
            time.sleep(0.3)
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_scalars_of_every_kind_arrive(cupy, module):
    out = cupy.empty(5)
    kinds = module.get_function("kinds")
    kinds((1,), (1,), (1.5, np.float32(2.5), 2**40, np.uint32(2**31), True, out))
    assert out.get().tolist() == [1.5, 2.5, 2.0**40, 2.0**31, 1.0]
    kinds((1,), (1,), (np.float64(-1), np.float32(0), np.int64(-5), np.uint32(7), np.bool_(0), out))
    assert out.get().tolist() == [-1.0, 0.0, -5.0, 7.0, 0.0]


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 1, "given int64"),
        (0, np.float32(1), "given float32 of 4 bytes"),
        (1, 2.5, r"double; pass numpy\.float32"),
        (1, np.float64(2.5), "given float64"),
        (1, np.int32(2), "given int32"),
        (2, np.int32(2), "given int32 of 4 bytes"),
        (2, 2**70, "does not fit 8 bytes"),
        (3, 7, "8 bytes"),
        (3, np.int32(7), "given int32"),
        (4, 1, "given int64"),
        (4, np.int32(1), "given int32"),
        (5, 0, "pass the array itself"),
        (5, np.empty(5), "an array that is not CuPy's"),
        (0, np.ones(1), "an array that is not CuPy's"),
        (0, None, "null pointer"),
        (0, "1", "Unsupported type"),
        (5, [1.0], "Unsupported type"),
    ],
)
def test_an_argument_of_the_wrong_kind_or_size(cupy, module, position, value, message):
    arguments = [1.5, np.float32(2.5), 1, np.uint32(1), True, cupy.empty(5)]
    arguments[position] = value
    with pytest.raises(TypeError, match=rf"kinds: argument {position} .*{message}"):
        module.get_function("kinds")((1,), (1,), tuple(arguments))
    assert cupy.counters.launches == 0


def test_an_array_for_a_value_and_the_number_of_arguments(cupy, module):
    x, y = arrays(cupy)
    copy = module.get_function("copy")
    with pytest.raises(TypeError, match=r"argument 2 .*given an array"):
        copy((2,), (128,), (x, y, x))
    with pytest.raises(TypeError, match="2 arguments, the kernel has 3"):
        copy((2,), (128,), (x, y))
    with pytest.raises(TypeError, match="4 arguments, the kernel has 3"):
        copy((2,), (128,), (x, y, np.int32(1), np.int32(1)))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.float16])
def test_an_array_of_another_dtype_than_the_pointer(cupy, module, dtype):
    x, y = arrays(cupy, dtype=dtype)
    with pytest.raises(TypeError, match=rf"copy: argument 0 \(float \*\).*{np.dtype(dtype)}"):
        module.get_function("copy")((2,), (128,), (x, y, np.int32(200)))


def test_an_array_that_is_not_contiguous(cupy, module):
    x, y = arrays(cupy, 400)
    with pytest.raises(ValueError, match=r"argument 1 .*strides \(8,\).*not C-contiguous"):
        module.get_function("copy")((1,), (128,), (x, y[::2], np.int32(100)))
    with pytest.raises(ValueError, match="not C-contiguous"):
        module.get_function("copy")((1,), (128,), (x.reshape(20, 20).T, y, np.int32(100)))


def test_vector_pointers_want_aligned_arrays(cupy, module):
    x, y = arrays(cupy, 64)
    wide = module.get_function("wide")
    wide((1,), (16,), (x, y))
    assert np.array_equal(y.get(), x.get())
    with pytest.raises(ValueError, match="not a multiple of 16 bytes"):
        wide((1,), (8,), (x[1:], y))
    with pytest.raises(TypeError, match=r"float4 \*"):
        wide((1,), (8,), (x.astype(np.float64), y))


def test_bfloat16_travels_as_16_bit_integers(cupy, module):
    y = cupy.empty(2, np.float32)
    bits = cupy.asarray(np.array([0x3F80, 0xC000], np.uint16))
    module.get_function("half_word")((1,), (2,), (bits, y))
    assert y.get().tolist() == [1.0, -2.0]
    with pytest.raises(TypeError, match="__nv_bfloat16"):
        module.get_function("half_word")((1,), (2,), (y, y))


def test_none_is_a_null_pointer(cupy, module):
    out = cupy.empty(1, np.int32)
    module.get_function("optional")((1,), (1,), (None, out))
    assert out.get()[0] == 1


@pytest.mark.parametrize(
    ("grid", "block"),
    [
        ((0,), (1,)),
        ((1,), (0,)),
        ((2**31,), (1,)),
        ((1, 65536), (1,)),
        ((1, 1, 65536), (1,)),
        ((1,), (1025,)),
        ((1,), (32, 33)),
        ((1,), (1, 1, 65)),
        ((1, 1, 1, 1), (1,)),
        ((), (1,)),
        ((-1,), (1,)),
    ],
)
def test_grids_and_blocks_out_of_bounds(cupy, module, grid, block):
    with pytest.raises(ValueError, match="any_size"):
        module.get_function("any_size")(grid, block, (cupy.zeros(1, np.int32),))


def test_grids_and_blocks_of_the_wrong_type(cupy, module):
    counter = cupy.zeros(1, np.int32)
    any_size = module.get_function("any_size")
    for grid, block in (((1.0,), (1,)), ([1], (1,)), (1, (1,)), ((True,), (1,)), ((1,), 32)):
        with pytest.raises(TypeError, match="any_size"):
            any_size(grid, block, (counter,))
    any_size((np.int64(3), 2), (8, 4, 2), (counter,))
    assert counter.get()[0] == 6


def test_launch_bounds_hold(cupy, module):
    x, y = arrays(cupy)
    copy = module.get_function("copy")
    assert copy.max_threads_per_block == 128
    with pytest.raises(ValueError, match="__launch_bounds__ promises at most 128"):
        copy((1,), (256,), (x, y, np.int32(200)))


def test_shared_memory_is_limited(cupy, module):
    dynamic, out = module.get_function("dynamic"), cupy.empty(1, np.int32)
    dynamic((1,), (64,), (out, np.int32(100)), shared_mem=400)
    assert out.get()[0] == 4950
    with pytest.raises(ValueError, match="max_dynamic_shared_size_bytes is 49152"):
        dynamic((1,), (64,), (out, np.int32(100)), shared_mem=49153)
    dynamic.max_dynamic_shared_size_bytes = 227 * 1024
    dynamic((1,), (64,), (out, np.int32(58112)), shared_mem=227 * 1024)
    assert out.get()[0] == 58112 * 58111 // 2
    with pytest.raises(ValueError, match="a block has at most 232448"):
        dynamic.max_dynamic_shared_size_bytes = 227 * 1024 + 1
    with pytest.raises(TypeError, match="shared_mem must be an int"):
        dynamic((1,), (64,), (out, np.int32(100)), shared_mem=4.0)


def test_static_shared_memory_counts(cupy, module):
    both, out = module.get_function("static_and_dynamic"), cupy.empty(1, np.int32)
    assert both.shared_size_bytes == 40000
    assert module.get_function("dynamic").shared_size_bytes == 0
    both((1,), (1,), (out, np.int32(5)), shared_mem=9152)
    assert out.get()[0] == 5
    with pytest.raises(ValueError, match="is 9152"):
        both((1,), (1,), (out, np.int32(5)), shared_mem=9153)
    with pytest.raises(ValueError, match="at most 192448"):
        both.max_dynamic_shared_size_bytes = 227 * 1024


def test_more_static_shared_memory_than_a_block_has(cupy):
    text = 'extern "C" __global__ void big(float* x) { __shared__ float s[12289]; s[threadIdx.x] = x[0]; __syncthreads(); x[0] = s[0]; }'  # noqa: E501
    with pytest.raises(cupy.cuda.compiler.CompileException, match="49156 bytes of static shared"):
        cupy.RawModule(code=text).get_function("big")


def test_a_cluster_must_divide_the_grid(cupy, module):
    out = cupy.zeros(4, np.int32)
    module.get_function("pairs")((4,), (1,), (out,))
    assert out.get().tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="no multiple of the cluster"):
        module.get_function("pairs")((3,), (1,), (out,))


def test_a_cooperative_grid_must_be_resident(cupy):
    module = cupy.RawModule(
        code='extern "C" __global__ void nothing(int* x) { x[0] = 0; }',
        enable_cooperative_groups=True,
    )
    x = cupy.zeros(1, np.int32)
    module.get_function("nothing")((132 * 2,), (1024,), (x,))
    with pytest.raises(ValueError, match="only 264 can be resident"):
        module.get_function("nothing")((132 * 2 + 1,), (1024,), (x,))


def test_options_and_names(cupy):
    text = "template <class T> __global__ void fill(T* x, T v) { x[threadIdx.x] = v * (T)FACTOR; }"
    module = cupy.RawModule(
        code=text,
        options=("-std=c++14", "-DFACTOR=3", "--use_fast_math"),
        name_expressions=["fill<float>", "fill<double>"],
    )
    for dtype, name in ((np.float32, "fill<float>"), (np.float64, "fill<double>")):
        x = cupy.empty(4, dtype)
        module.get_function(name)((1,), (4,), (x, dtype(2)))
        assert x.get().tolist() == [6.0] * 4
    with pytest.raises(ValueError, match=r"CUDA_ERROR_NOT_FOUND.*fill<float>"):
        module.get_function("fill")
    with pytest.raises(ValueError, match="-std"):
        cupy.RawModule(code=text, name_expressions=["fill<float>"])
    with pytest.raises(ValueError, match="--no-such-option"):
        cupy.RawModule(code=text, options=("--no-such-option",))
    with pytest.raises(cupy.cuda.compiler.CompileException, match=r"kernel\.cu:1.*FACTOR"):
        cupy.RawModule(
            code=text, options=("-std=c++17",), name_expressions=["fill<float>"]
        ).compile()


def test_raw_kernel(cupy):
    kernel = cupy.RawKernel(
        'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2; }', "twice"
    )
    x = cupy.ones(3, np.float32)
    kernel((1,), (3,), (x,))
    assert x.get().tolist() == [2.0] * 3
