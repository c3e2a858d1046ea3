"""Barriers, shuffles and votes within a block; what a missing or a divergent one does."""

from __future__ import annotations

import numpy as np
import pytest

from lstmgen.cuda.on_cpu import ORDERS, KernelError, emulated_cupy

TEXT = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;

extern "C" __global__ void reverse(const float* x, float* y) {
  __shared__ float s[256];
  s[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}
extern "C" __global__ void reverse_without_barrier(const float* x, float* y) {
  __shared__ float s[256];
  s[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  y[blockIdx.x * blockDim.x + threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}
// The second barrier keeps a quick warp from overwriting what a slow one still reads.
extern "C" __global__ void rotate(float* x, int steps, int second) {
  __shared__ float s[128];
  float own = x[threadIdx.x];
  for (int i = 0; i < steps; ++i) {
    s[threadIdx.x] = own;
    __syncthreads();
    own = s[(threadIdx.x + 1) % blockDim.x];
    if (second) __syncthreads();
  }
  x[threadIdx.x] = own;
}
extern "C" __global__ void sums(const float* x, float* y, int n) {   // by shuffles, then by warps
  __shared__ float warps[32];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[blockIdx.x * n + i];
  for (int d = 16; d; d >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? warps[threadIdx.x] : 0.0f;
    for (int d = 16; d; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
  }
}
extern "C" __global__ void shuffles(int* out) {
  int t = threadIdx.x;
  out[0 * 32 + t] = __shfl_sync(0xffffffffu, t * 10, 5);
  out[1 * 32 + t] = __shfl_sync(0xffffffffu, t * 10, t + 9, 8);
  out[2 * 32 + t] = __shfl_up_sync(0xffffffffu, t * 10, 3);
  out[3 * 32 + t] = __shfl_up_sync(0xffffffffu, t * 10, 3, 16);
  out[4 * 32 + t] = __shfl_down_sync(0xffffffffu, t * 10, 3);
  out[5 * 32 + t] = __shfl_down_sync(0xffffffffu, t * 10, 3, 8);
  out[6 * 32 + t] = __shfl_xor_sync(0xffffffffu, t * 10, 6);
  out[7 * 32 + t] = (int)(__shfl_sync(0xffffffffu, (double)t + 0.5, 31) * 2);
  out[8 * 32 + t] = (int)(__shfl_sync(0xffffffffu, (long long)t << 40, 3) >> 40);
}
extern "C" __global__ void votes(unsigned* out) {
  int t = threadIdx.x;
  out[0 * 48 + t] = __ballot_sync(0xffffffffu, t % 3 == 0);
  out[1 * 48 + t] = __any_sync(0xffffffffu, t == 40);
  out[2 * 48 + t] = __all_sync(0xffffffffu, t < 32);
  out[3 * 48 + t] = t % 2 ? __ballot_sync(0xaaaaaaaau, t % 3 == 0) : 0;
  out[4 * 48 + t] = t % 2 ? __activemask() : 0;
  __syncwarp();
}
extern "C" __global__ void barrier_votes(int* out, int n) {
  int t = threadIdx.x;
  int count = __syncthreads_count(t < n);
  int all = __syncthreads_and(t < n), any = __syncthreads_or(t < n);
  out[3 * t] = count; out[3 * t + 1] = all != 0; out[3 * t + 2] = any != 0;
}
extern "C" __global__ void early_exit(float* x) {          // exited threads do not hold up others
  if (threadIdx.x >= 40) return;
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = s[39 - threadIdx.x];
}
extern "C" __global__ void tiles(int* out) {
  auto block = cg::this_thread_block();
  auto tile = cg::tiled_partition<8>(block);
  int sum = block.thread_rank();
  for (int d = 4; d; d /= 2) sum += tile.shfl_xor(sum, d);
  out[block.thread_rank()] = sum + 1000 * (int)tile.ballot(tile.thread_rank() == 2);
  block.sync();
}

// ---- wrong ones
extern "C" __global__ void half_at_barrier(float* x) {
  if (threadIdx.x < 16) __syncthreads();
  else while (((volatile float*)x)[0] == 0.0f) __nanosleep(20);
}
extern "C" __global__ void two_barriers(float* x) {
  if (threadIdx.x < 32) {
    x[0] = 1;
    __syncthreads();
  } else {
    x[1] = 1;
    __syncthreads();
  }
}
extern "C" __global__ void half_at_shuffle(float* x) {
  if (threadIdx.x % 2) x[threadIdx.x] = __shfl_sync(0xffffffffu, x[threadIdx.x], 0);
  else __syncthreads();
}
extern "C" __global__ void not_in_mask(float* x) { __syncwarp(0xfffffffeu); }
extern "C" __global__ void from_nowhere(float* x) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 20);
}
"""


def function(cupy, name):
    return cupy.RawModule(code=TEXT, options=("-std=c++17",)).get_function(name)


def floats(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 31, 64, 256])
def test_shared_memory_and_a_barrier(ordered, threads):
    x = floats(3 * threads)
    y = ordered.empty(3 * threads, np.float32)
    function(ordered, "reverse")((3,), (threads,), (ordered.asarray(x), y))
    assert np.array_equal(y.get(), x.reshape(3, -1)[:, ::-1].ravel())


def test_a_dropped_barrier_shows(compiler):
    x = floats(256)
    wrong = {}
    for order in ORDERS:
        cupy = emulated_cupy(order=order, seed=1, sanitize=False)
        y = cupy.empty(256, np.float32)
        function(cupy, "reverse_without_barrier")((1,), (256,), (cupy.asarray(x), y))
        wrong[order] = not np.array_equal(y.get(), x[::-1])
    assert all(wrong.values()), wrong


def test_a_dropped_second_barrier_shows_in_an_order_and_the_barrier_helps(compiler):
    x = floats(128)
    expected, wrong = np.roll(x, -6), {}
    for order in ORDERS:
        cupy = emulated_cupy(order=order, seed=1, sanitize=False)
        for second in (1, 0):
            y = cupy.asarray(x)
            function(cupy, "rotate")((1,), (128,), (y, np.int32(6), np.int32(second)))
            right = np.array_equal(y.get(), expected)
            if second:
                assert right, order
            else:
                wrong[order] = not right
    assert any(wrong.values()), wrong


@pytest.mark.parametrize("threads", [32, 96, 1024])
def test_a_reduction_by_shuffles(ordered, threads):
    x = floats(4 * 1000).reshape(4, 1000)
    y = ordered.empty(4, np.float32)
    function(ordered, "sums")((4,), (threads,), (ordered.asarray(x), y, np.int32(1000)))
    assert np.allclose(y.get(), x.astype(np.float64).sum(1), rtol=1e-4, atol=1e-4)


def test_shuffles(ordered):
    out = ordered.empty((9, 32), np.int32)
    function(ordered, "shuffles")((1,), (32,), (out,))
    t = np.arange(32)
    down8 = np.where(t % 8 + 3 < 8, t + 3, t)
    expected = [
        np.full(32, 50),
        (t // 8 * 8 + (t + 9) % 8) * 10,
        np.where(t >= 3, t - 3, t) * 10,
        np.where(t % 16 >= 3, t - 3, t) * 10,
        np.where(t + 3 < 32, t + 3, t) * 10,
        down8 * 10,
        (t ^ 6) * 10,
        np.full(32, 63),
        np.full(32, 3),
    ]
    assert np.array_equal(out.get(), expected)


def test_votes_in_a_full_and_in_a_partial_warp(ordered):
    out = ordered.empty((5, 48), np.uint32)
    function(ordered, "votes")((1,), (48,), (out,))
    t = np.arange(48)
    first = sum(1 << i for i in range(0, 32, 3))
    second = sum(1 << (i - 32) for i in range(32, 48) if i % 3 == 0)
    odd = 0xAAAAAAAA
    expected = [
        np.where(t < 32, first, second),
        np.where(t < 32, 0, 1),
        np.where(t < 32, 1, 0),
        np.where(t % 2 == 0, 0, np.where(t < 32, first & odd, second & odd)),
        np.where(t % 2 == 0, 0, np.where(t < 32, odd, odd & 0xFFFF)),
    ]
    assert np.array_equal(out.get(), expected)


@pytest.mark.parametrize("n", [0, 7, 40])
def test_barriers_that_vote(ordered, n):
    out = ordered.empty((40, 3), np.int32)
    function(ordered, "barrier_votes")((1,), (40,), (out, np.int32(n)))
    assert (out.get() == [n, n == 40, n > 0]).all()


def test_threads_that_have_ended_do_not_hold_up_a_barrier(ordered):
    x = floats(64)
    y = ordered.asarray(x)
    function(ordered, "early_exit")((1,), (64,), (y,))
    assert np.array_equal(y.get(), np.concatenate([x[:40][::-1], x[40:]]))


def test_tiles(ordered):
    out = ordered.empty(64, np.int32)
    function(ordered, "tiles")((1,), (64,), (out,))
    expected = np.repeat(np.arange(64).reshape(8, 8).sum(1), 8) + 4000
    assert np.array_equal(out.get(), expected)


def test_a_deadlock_is_named(ordered):
    x = ordered.zeros(32, np.float32)
    with pytest.raises(KernelError, match="half_at_shuffle") as caught:
        function(ordered, "half_at_shuffle")((1,), (32,), (x,))
    error = caught.value
    assert error.kind == "deadlock"
    assert error.block == (0, 0, 0)
    assert error.thread == (0, 0, 0)
    for part in ("16 threads", "__shfl_sync", "__syncthreads", "0xffffffff", "(1, 0, 0)"):
        assert part in str(error)
    # The device works on.
    function(ordered, "early_exit")((1,), (64,), (ordered.zeros(64, np.float32),))


def test_two_barriers_are_not_one(ordered):
    with pytest.raises(KernelError, match=r"divergent __syncthreads.*line") as caught:
        function(ordered, "two_barriers")((1,), (64,), (ordered.zeros(2, np.float32),))
    lines = TEXT.split("\n")
    assert "__syncthreads" in lines[caught.value.line - 1]


def test_a_lane_outside_its_own_mask(ordered):
    with pytest.raises(KernelError, match="lane 0 calls with the mask 0xfffffffe"):
        function(ordered, "not_in_mask")((1,), (32,), (ordered.zeros(1, np.float32),))


def test_a_shuffle_from_a_lane_that_takes_no_part_is_nan(ordered):
    x = ordered.zeros(32, np.float32)
    function(ordered, "from_nowhere")((1,), (32,), (x,))
    assert np.isnan(x.get()[:16]).all()


def test_waiting_for_what_nobody_writes_ends(compiler):
    cupy = emulated_cupy(order="forward", timeout=0.3, sanitize=False)
    with pytest.raises(KernelError, match=r"no progress for 0\.3 s") as caught:
        function(cupy, "half_at_barrier")((1,), (32,), (cupy.zeros(1, np.float32),))
    assert caught.value.kind == "timeout"
