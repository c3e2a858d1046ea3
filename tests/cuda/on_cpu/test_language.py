"""The CUDA language on the CPU, each feature against an expectation from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

TEXT = r"""
#include <cuda_bf16.h>

template <class A, class B> struct same { static constexpr bool value = false; };
template <class A> struct same<A, A> { static constexpr bool value = true; };
#define RETURNS(T, CALL) static_assert(same<T, decltype(CALL)>::value, #CALL)
#define BOTH(NAME) RETURNS(float, NAME(1.0f)); RETURNS(double, NAME(1.0))
#define BOTH2(NAME) RETURNS(float, NAME(1.0f, 2.0f)); RETURNS(double, NAME(1.0, 2.0))
BOTH(exp); BOTH(exp2); BOTH(log); BOTH(log2); BOTH(log1p); BOTH(expm1); BOTH(tanh); BOTH(sinh);
BOTH(cosh); BOTH(sin); BOTH(cos); BOTH(sqrt); BOTH(rsqrt); BOTH(fabs); BOTH(abs); BOTH(floor);
BOTH(ceil); BOTH(erf); BOTH(cbrt);
BOTH2(fmax); BOTH2(fmin); BOTH2(pow); BOTH2(copysign); BOTH2(max); BOTH2(min);
RETURNS(float, fma(1.0f, 2.0f, 3.0f)); RETURNS(double, fma(1.0, 2.0, 3.0));
RETURNS(double, max(1.0f, 2.0)); RETURNS(int, abs(-1));
RETURNS(unsigned, max(1, 2u)); RETURNS(double, pow(1.0, 2)); RETURNS(float, pow(1.0f, 2));
RETURNS(float, expf(1.0f)); RETURNS(float, __expf(1.0f)); RETURNS(float, rsqrtf(4.0f));

// ---- where a thread is
extern "C" __global__ void places(int* out) {
  int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  int threads = blockDim.x * blockDim.y * blockDim.z;
  atomicAdd(out + block * threads + thread, 1 + block * 1000 + thread);
}

// ---- functions of every kind
__constant__ float scale[2] = {2.0f, 3.0f};
__device__ int calls = 0;
static __device__ __forceinline__ float twice(float x) { return scale[0] * x; }
__host__ __device__ constexpr int up(int a, int m) { return (a + m - 1) / m * m; }
template <int N, class T> __device__ __noinline__ T times(const T& x) { return x * N; }
struct Adder { float by; __device__ float operator()(float x) const { return x + by; } };
extern "C" __global__ void functions(const float* __restrict__ x, float* __restrict__ y, int n) {
  Adder add{1.0f};
  auto square = [=] (float v) { return v * v; };
  #pragma unroll 4
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    y[i] = times<up(3, 2)>(add(twice(x[i]))) + square(scale[1]);
  if (threadIdx.x == 0) atomicAdd(&calls, 1);
}
extern "C" __global__ void how_often(int* out) { out[0] = calls; }

// ---- mathematics
extern "C" __global__ void mathematics(const float* x, float* y, const double* u, double* v) {
  int i = threadIdx.x;
  float a = x[i];
  double b = u[i];
#define EACH(T, A, OUT) \
  OUT[0 * 32 + i] = exp(A); OUT[1 * 32 + i] = log(A + (T)4); OUT[2 * 32 + i] = tanh(A); \
  OUT[3 * 32 + i] = sqrt(fabs(A)); OUT[4 * 32 + i] = fmax(A, (T)0.25); \
  OUT[5 * 32 + i] = fmin(A, (T)0.25); OUT[6 * 32 + i] = log1p(exp(A)); \
  OUT[7 * 32 + i] = expm1(A); OUT[8 * 32 + i] = pow(A, (T)2); OUT[9 * 32 + i] = abs(A); \
  OUT[10 * 32 + i] = copysign((T)3, A); OUT[11 * 32 + i] = rsqrt(fabs(A) + (T)1); \
  OUT[12 * 32 + i] = fma(A, A, (T)1); OUT[13 * 32 + i] = isnan((A - A) / (A - A)) ? (T)1 : (T)0; \
  OUT[14 * 32 + i] = max(A, (T)nan("")); OUT[15 * 32 + i] = min((T)nan(""), A);
  EACH(float, a, y)
  EACH(double, b, v)
}
extern "C" __global__ void contraction(const float* x, float* y) { y[0] = x[0] * x[1] + x[2]; }

// ---- vector types
extern "C" __global__ void vectors(const float* x, float* y, const int* k, unsigned* m, double* d) {
  const float4 v = reinterpret_cast<const float4*>(x)[threadIdx.x];
  reinterpret_cast<float4*>(y)[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
  const int4 q = *reinterpret_cast<const int4*>(k + 4 * threadIdx.x);
  *reinterpret_cast<uint4*>(m + 4 * threadIdx.x) =
      make_uint4((unsigned)q.x, (unsigned)q.y, (unsigned)q.z, (unsigned)q.w);
  const float2 f = make_float2(v.x, v.y);
  *reinterpret_cast<double2*>(d + 2 * threadIdx.x) = make_double2(f.x, f.y);
  static_assert(sizeof(float4) == 16 && alignof(float4) == 16 && sizeof(float3) == 12, "");
  static_assert(alignof(double2) == 16 && alignof(float2) == 8 && alignof(int4) == 16, "");
}

// ---- atomics
typedef unsigned long long wide;
extern "C" __global__ void atomics(int* i, unsigned* u, wide* l, float* f, double* d) {
  int t = threadIdx.x + blockIdx.x * blockDim.x;
  atomicAdd(i + 0, 1); atomicMax(i + 1, t); atomicMin(i + 2, -t); atomicExch(i + 3, 7);
  if (atomicCAS(i + 4, 0, 5) == 0) atomicAdd(i + 5, 1);
  atomicSub(i + 6, 2);
  atomicOr(u + 0, 1u << (t % 32)); atomicAnd(u + 1, ~(1u << (t % 7))); atomicXor(u + 2, 3u);
  atomicInc(u + 3, 9u); atomicAdd(l, 1ull << 33);
  atomicAdd(f, 0.5f); atomicAdd(d, 0.25);
}

// ---- loads past the caches, fences, clock
extern "C" __global__ void loads(const float* x, float* y, long long* t) {
  long long start = clock64();
  y[threadIdx.x] = __ldg(x + threadIdx.x) + __ldcg(&x[threadIdx.x]) + __ldcs(x + threadIdx.x);
  float4 v = __ldg((const float4*)x);
  __threadfence(); __threadfence_block(); __threadfence_system(); __nanosleep(10);
  if (threadIdx.x == 0) { t[0] = clock64() - start; y[0] += v.w; }
  printf("");
}

// ---- bfloat16
extern "C" __global__ void bfloat(const float* x, unsigned short* bits, float* back, float* sum) {
  int i = threadIdx.x;
  __nv_bfloat16 b = __float2bfloat16(x[i]);
  bits[i] = __bfloat16_as_ushort(b);
  back[i] = __bfloat162float(b);
  __nv_bfloat162 pair = __floats2bfloat162_rn(x[i], 1.0f);
  float2 two = __bfloat1622float2(pair);
  sum[i] = __bfloat162float(b + __float2bfloat16_rn(1.0f)) - two.y + two.x * 0.0f;
}

// ---- one tensor core instruction, tile by tile
__device__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef CUDA_ON_CPU
  cuda_on_cpu::mma_m16n8k16_bf16(d, a, b, d);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
extern "C" __global__ void product(const unsigned short* A, const unsigned short* B, float* C,
                                   int N, int K) {  // C = A B^T; one warp a tile of 16 by 8
  const int l = threadIdx.x % 32, row = blockIdx.y * 16 + l / 4, column = blockIdx.x * 8;
  float d[4] = {0, 0, 0, 0};
  for (int k = 0; k < K; k += 16) {
    unsigned a[4], b[2];
    for (int i = 0; i < 4; ++i)
      a[i] = *(const unsigned*)&A[(row + 8 * (i & 1)) * K + k + l % 4 * 2 + 8 * (i >> 1)];
    for (int i = 0; i < 2; ++i)
      b[i] = *(const unsigned*)&B[(column + l / 4) * K + k + l % 4 * 2 + 8 * i];
    mma(d, a, b);
  }
  for (int i = 0; i < 4; ++i) C[(row + 8 * (i / 2)) * N + column + l % 4 * 2 + i % 2] = d[i];
}
"""


@pytest.fixture
def module(cupy):
    return cupy.RawModule(code=TEXT, options=("-std=c++17",))


def bfloat16_bits(values):
    """Round to nearest even, computed in integers by NumPy."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bits(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def test_every_thread_of_every_block_runs_once(ordered):
    out = ordered.zeros(2 * 3 * 2 * 5 * 4 * 3, np.int32)
    ordered.RawModule(code=TEXT, options=("-std=c++17",)).get_function("places")(
        (2, 3, 2), (5, 4, 3), (out,)
    )
    blocks, threads = np.divmod(np.arange(out.size), 60)
    assert np.array_equal(out.get(), 1 + 1000 * blocks + threads)


def test_the_texts_of_these_tests_are_cuda(nvrtc):
    """NVRTC compiles them, static assertions on overloads included."""
    folder = Path(__file__).parent
    texts = [
        text
        for path in sorted(folder.glob("test_*.py"))
        for text in re.findall(r'^[A-Z_]+ = r"""\n(.*?)"""', path.read_text(), re.M | re.S)
        if "__global__" in text and "%s" not in text
    ]
    assert len(texts) >= 7
    # Together, for cooperative_groups.h takes its time.
    groups = [text for text in texts if "cooperative_groups.h" in text]
    distinct = [re.sub(r"\brecur\(", f"recur{k}(", text) for k, text in enumerate(groups)]
    texts = [text for text in texts if text not in groups] + ["\n".join(distinct)]
    for text in texts:
        compiled = nvrtc.compile(text, arch="sm_90", options=("-std=c++17",))
        assert compiled.kernels


def test_functions(cupy, module):
    x, y = cupy.asarray(np.arange(10, dtype=np.float32)), cupy.empty(10, np.float32)
    module.get_function("functions")((1,), (4,), (x, y, np.int32(10)))
    assert np.array_equal(y.get(), (np.arange(10) * 2 + 1) * 4 + 9)


def test_device_variables_belong_to_one_module(cupy):
    counts = []
    modules = [cupy.RawModule(code=TEXT, options=("-std=c++17",)) for _ in range(2)]
    x, y, out = cupy.ones(4, np.float32), cupy.ones(4, np.float32), cupy.empty(1, np.int32)
    for module in (*modules, modules[0]):
        module.get_function("functions")((1,), (1,), (x, y, np.int32(4)))
        module.get_function("how_often")((1,), (1,), (out,))
        counts.append(int(out.get()[0]))
    assert counts == [1, 1, 2]


def test_mathematics(cupy, module):
    values = np.linspace(-3, 3, 32)
    x, u = cupy.asarray(values.astype(np.float32)), cupy.asarray(values)
    y, v = cupy.empty((16, 32), np.float32), cupy.empty((16, 32), np.float64)
    module.get_function("mathematics")((1,), (32,), (x, y, u, v))
    for got, a, bound in ((y.get(), values.astype(np.float32), 1e-6), (v.get(), values, 1e-15)):
        w = a.astype(np.float64)
        expected = [
            np.exp(w), np.log(w + 4), np.tanh(w), np.sqrt(abs(w)), np.maximum(w, 0.25),
            np.minimum(w, 0.25), np.logaddexp(0, w), np.expm1(w), w**2, abs(w),
            np.copysign(3, w), 1 / np.sqrt(abs(w) + 1), w * w + 1, np.ones(32), w, w,
        ]  # fmt: skip
        assert np.allclose(got, expected, rtol=4 * bound, atol=bound)


def test_a_product_and_a_sum_are_rounded_twice(cupy, module):
    a = np.float32(1 + 2**-12)
    x, y = cupy.asarray(np.array([a, a, -1.0], np.float32)), cupy.empty(1, np.float32)
    module.get_function("contraction")((1,), (1,), (x, y))
    assert y.get()[0] == np.float32(np.float32(a * a) - np.float32(1))
    assert y.get()[0] != np.float32(np.float64(a) * np.float64(a) - 1)


def test_vector_types(cupy, module):
    x = np.arange(16, dtype=np.float32)
    k = np.arange(-8, 8, dtype=np.int32)
    y, m, d = cupy.empty(16, np.float32), cupy.empty(16, np.uint32), cupy.empty(8)
    module.get_function("vectors")((1,), (4,), (cupy.asarray(x), y, cupy.asarray(k), m, d))
    assert np.array_equal(y.get().reshape(4, 4), x.reshape(4, 4)[:, ::-1])
    assert np.array_equal(m.get(), k.view(np.uint32))
    assert np.array_equal(d.get().reshape(4, 2), x.reshape(4, 4)[:, :2])


def test_atomics(ordered):
    n = 96
    i, u = ordered.zeros(7, np.int32), ordered.zeros(4, np.uint32)
    u[1] = 0xFFFF
    wide, f, d = ordered.zeros(1, np.uint64), ordered.zeros(1, np.float32), ordered.zeros(1)
    ordered.RawModule(code=TEXT, options=("-std=c++17",)).get_function("atomics")(
        (3,), (32,), (i, u, wide, f, d)
    )
    assert i.get().tolist() == [n, n - 1, 1 - n, 7, 5, 1, -2 * n]
    assert u.get().tolist() == [0xFFFFFFFF, 0xFF80, 0, n % 10]
    assert (wide.get()[0], f.get()[0], d.get()[0]) == (n << 33, n / 2, n / 4)


def test_loads_fences_and_clock(cupy, module):
    x, y = cupy.asarray(np.arange(8, dtype=np.float32)), cupy.empty(8, np.float32)
    ticks = cupy.zeros(1, np.int64)
    module.get_function("loads")((1,), (8,), (x, y, ticks))
    expected = 3 * np.arange(8)
    expected[0] += 3
    assert np.array_equal(y.get(), expected)
    assert ticks.get()[0] > 0


def test_bfloat16_rounds_to_nearest_even(cupy, module):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(128).astype(np.float32)
    x[:6] = [1 + 2**-8, 1 + 3 * 2**-8, np.inf, -0.0, 3.4e38, 2.0**-130]
    arrays = cupy.empty(128, np.uint16), cupy.empty(128, np.float32), cupy.empty(128, np.float32)
    module.get_function("bfloat")((1,), (128,), (cupy.asarray(x), *arrays))
    bits, back, total = (a.get() for a in arrays)
    assert np.array_equal(bits, bfloat16_bits(x))
    assert np.array_equal(back, from_bits(bits))
    finite = np.isfinite(back)
    assert np.array_equal(total[finite], from_bits(bfloat16_bits(back + 1))[finite] - 1)


def test_mma_is_the_product_of_the_rounded_matrices(ordered):
    rng = np.random.default_rng(6)
    a, b = (
        bfloat16_bits(rng.standard_normal((32, 48))),
        bfloat16_bits(rng.standard_normal((24, 48))),
    )
    c = ordered.empty((32, 24), np.float32)
    ordered.RawModule(code=TEXT, options=("-std=c++17",)).get_function("product")(
        (3, 2), (32,), (ordered.asarray(a), ordered.asarray(b), c, np.int32(24), np.int32(48))
    )
    exact = from_bits(a).astype(np.float64) @ from_bits(b).astype(np.float64).T
    assert np.allclose(c.get(), exact, rtol=1e-5, atol=1e-5)
