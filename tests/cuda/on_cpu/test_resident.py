"""Blocks that wait for each other: barriers of the whole grid, clusters and their memory."""

from __future__ import annotations

import numpy as np
import pytest

from lstmgen.cuda.on_cpu import ORDERS, KernelError, emulated_cupy

GRID = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;

// x[t + 1][i] = x[t][i] + x[t][i + 1]: every step needs what other blocks wrote in the last one.
extern "C" __global__ void pascal(unsigned* x, int n, int steps, int barrier) {
  const int first = blockIdx.x * blockDim.x + threadIdx.x, stride = gridDim.x * blockDim.x;
  for (int t = 0; t < steps; ++t) {
    for (int i = first; i < n; i += stride)
      x[(t + 1) * n + i] = x[t * n + i] + x[t * n + (i + 1) % n];
    if (barrier) cg::this_grid().sync();
  }
}
extern "C" __global__ void one_block_leaves(int* x) {
  if (blockIdx.x == 1) return;
  cg::this_grid().sync();
  x[blockIdx.x] = 1;
}
extern "C" __global__ void ranks(int* out) {
  const unsigned long long i = cg::this_grid().thread_rank();
  out[i] = (int)(cg::this_grid().block_rank() * 1000 + cg::this_grid().num_blocks());
  __shared__ int own;                      // a copy for each resident block
  if (threadIdx.x == 0) own = blockIdx.x;
  cg::this_grid().sync();
  out[i] += own * 100000;
}
"""

HAND_WRITTEN = r"""
// A counter in global memory; `how` chooses what the waiting thread does in its loop.
template <int HOW> __device__ void barrier(unsigned* count, unsigned target) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(count, 1u);
    if (HOW == 0) while (atomicAdd(count, 0u) < target) {}
    if (HOW == 1) while (*(volatile unsigned*)count < target) {}
    if (HOW == 2) while (__ldcg(count) < target) __nanosleep(20);
    __threadfence();
  }
  __syncthreads();
}
template <int HOW> __device__ void pascal(unsigned* x, unsigned* count, int n, int steps) {
  __shared__ unsigned carried[64];
  carried[threadIdx.x] = blockIdx.x * blockDim.x + threadIdx.x;
  for (int t = 0; t < steps; ++t) {
    const unsigned i = carried[threadIdx.x];
    if (i < n) x[(t + 1) * n + i] = x[t * n + i] + x[t * n + (i + 1) % n];
    barrier<HOW>(count, (t + 1) * gridDim.x);
  }
}
extern "C" __global__ void __launch_bounds__(64)
by_atomics(unsigned* x, unsigned* c, int n, int s) { pascal<0>(x, c, n, s); }
extern "C" __global__ void __launch_bounds__(64)
by_volatile(unsigned* x, unsigned* c, int n, int s) { pascal<1>(x, c, n, s); }
extern "C" __global__ void __launch_bounds__(64)
by_sleeping(unsigned* x, unsigned* c, int n, int s) { pascal<2>(x, c, n, s); }
// All threads of a block spin, on a flag that a later thread of the same block sets.
extern "C" __global__ void within_a_block(int* flag, int* out) {
  const int last = blockDim.x - 1;
  if ((int)threadIdx.x == last) *(volatile int*)flag = 1;
  while (*(volatile int*)flag == 0) {}
  out[threadIdx.x] = 1;
}
extern "C" __global__ void too_many(unsigned* count) {
  if (threadIdx.x == 0) {
    atomicAdd(count, 1u);
    while (__ldcg(count) < gridDim.x) __nanosleep(100);
  }
}
"""

CLUSTER = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
#define P 4
// Each block of a cluster puts its value into every peer's shared memory, then sums its own.
extern "C" __global__ void __cluster_dims__(P, 1, 1)
gather(const int* x, int* y, int first, int last) {
  __shared__ int box[P];
  auto cluster = cg::this_cluster();
  const unsigned rank = cluster.block_rank();
  if (first) cluster.sync();
  if (threadIdx.x < P)
    cluster.map_shared_rank(box, threadIdx.x)[rank] = x[blockIdx.x] * (1 + (int)threadIdx.x);
  cluster.sync();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (int i = 0; i < P; ++i) sum += box[i];
    y[blockIdx.x] = sum;
  }
}
// Dynamic shared memory, the two halves of the barrier, several rounds.
extern "C" __global__ void __cluster_dims__(P, 1, 1) ring(float* x, int rounds) {
  extern __shared__ float mail[];
  const unsigned rank = __clusterRelativeBlockRank(), size = __clusterSizeInBlocks();
  float own = x[blockIdx.x * blockDim.x + threadIdx.x];
  __cluster_barrier_arrive(); __cluster_barrier_wait();
  for (int r = 0; r < rounds; ++r) {
    float* slot = mail + (r & 1) * blockDim.x + threadIdx.x;
    *(float*)__cluster_map_shared_rank(slot, (rank + 1) % size) = own;
    __cluster_barrier_arrive();
    own = own * 1.0f;
    __cluster_barrier_wait();
    own = *slot;
  }
  x[blockIdx.x * blockDim.x + threadIdx.x] = own;
}
extern "C" __global__ void __cluster_dims__(2, 2, 1) boxes(int* out) {
  const int block = blockIdx.x + gridDim.x * blockIdx.y;
  out[2 * block] = (int)cg::this_cluster().block_rank();
  out[2 * block + 1] = (int)cg::this_cluster().num_blocks();
}
extern "C" __global__ void __cluster_dims__(2, 1, 1) reads_an_ended_peer(int* out) {
  __shared__ int value;
  value = 7;
  cg::this_cluster().sync();
  if (blockIdx.x == 1) return;
  for (int i = 0; i < 100; ++i) __nanosleep(100);
  out[0] = *cg::this_cluster().map_shared_rank(&value, 1);
}
extern "C" __global__ void __cluster_dims__(2, 1, 1) arrives_twice(int* out) {
  __cluster_barrier_arrive(); __cluster_barrier_arrive(); __cluster_barrier_wait();
}
extern "C" __global__ void __cluster_dims__(2, 1, 1)
waits_only(int* out) { __cluster_barrier_wait(); }
extern "C" __global__ void __cluster_dims__(2, 1, 1) one_stays_away(int* out) {
  if (blockIdx.x == 0) cg::this_cluster().sync();
  else while (__ldcg(out) == 0) __nanosleep(10);
}
extern "C" __global__ void __cluster_dims__(2, 1, 1) not_shared(int* out) {
  int local = 0;
  out[0] = *cg::this_cluster().map_shared_rank(&local, 0);
}
extern "C" __global__ void __cluster_dims__(2, 1, 1) no_such_rank(int* out) {
  __shared__ int value;
  cg::this_cluster().sync();
  out[0] = *cg::this_cluster().map_shared_rank(&value, 2);
}
"""


def pascal(n, steps):
    rows = [np.arange(n, dtype=np.uint32)]
    for _ in range(steps):
        rows.append(rows[-1] + np.roll(rows[-1], -1))
    return np.array(rows)


def start(cupy, n, steps):
    x = cupy.zeros((steps + 1, n), np.uint32)
    x[0] = cupy.asarray(np.arange(n, dtype=np.uint32))
    return x


@pytest.mark.parametrize("blocks", [1, 3, 33])
def test_the_grid_s_barrier(ordered, blocks):
    module = ordered.RawModule(code=GRID, enable_cooperative_groups=True)
    x = start(ordered, 100, 5)
    module.get_function("pascal")((blocks,), (32,), (x, np.int32(100), np.int32(5), np.int32(1)))
    assert np.array_equal(x.get(), pascal(100, 5))


def test_a_dropped_grid_barrier_shows(compiler):
    wrong = {}
    for order in ORDERS:
        cupy = emulated_cupy(order=order, sanitize=False)
        module = cupy.RawModule(code=GRID, enable_cooperative_groups=True)
        x = start(cupy, 96, 4)
        module.get_function("pascal")((3,), (32,), (x, np.int32(96), np.int32(4), np.int32(0)))
        wrong[order] = not np.array_equal(x.get(), pascal(96, 4))
    assert all(wrong.values()), wrong


def test_every_resident_block_has_shared_memory_of_its_own(ordered):
    module = ordered.RawModule(code=GRID, enable_cooperative_groups=True)
    out = ordered.empty(20, np.int32)
    module.get_function("ranks")((5,), (4,), (out,))
    block = np.arange(20) // 4
    assert np.array_equal(out.get(), block * 1000 + 5 + block * 100000)


def test_a_block_that_leaves_before_the_grid_s_barrier(ordered):
    module = ordered.RawModule(code=GRID, enable_cooperative_groups=True)
    with pytest.raises(KernelError, match=r"deadlock.*this_grid\(\)\.sync\(\)") as caught:
        module.get_function("one_block_leaves")((3,), (8,), (ordered.zeros(3, np.int32),))
    assert caught.value.kind == "deadlock"


def test_the_grid_s_barrier_in_an_ordinary_launch(cupy):
    module = cupy.RawModule(code=GRID)
    with pytest.raises(KernelError, match="enable_cooperative_groups=True"):
        module.get_function("one_block_leaves")((3,), (8,), (cupy.zeros(3, np.int32),))


@pytest.mark.parametrize("name", ["by_atomics", "by_volatile", "by_sleeping"])
def test_a_hand_written_barrier(ordered, name):
    module = ordered.RawModule(code=HAND_WRITTEN)
    x, count = start(ordered, 100, 3), ordered.zeros(1, np.uint32)
    module.get_function(name)((3,), (64,), (x, count, np.int32(100), np.int32(3)))
    assert np.array_equal(x.get(), pascal(100, 3))
    assert count.get()[0] == 9


def test_a_thread_that_spins_does_not_hold_up_its_block(ordered):
    module = ordered.RawModule(code=HAND_WRITTEN)
    flag, out = ordered.zeros(1, np.int32), ordered.zeros(40, np.int32)
    module.get_function("within_a_block")((1,), (40,), (flag, out))
    assert out.get().sum() == 40


def test_more_waiting_blocks_than_can_be_resident(compiler):
    cupy = emulated_cupy(order="forward", multiprocessors=1, timeout=0.3, sanitize=False)
    module = cupy.RawModule(code=HAND_WRITTEN)
    too_many = module.get_function("too_many")
    too_many((2,), (1024,), (cupy.zeros(1, np.uint32),))
    with pytest.raises(KernelError, match="no progress"):
        too_many((3,), (1024,), (cupy.zeros(1, np.uint32),))


@pytest.mark.parametrize("clusters", [1, 3])
def test_distributed_shared_memory(ordered, clusters):
    module = ordered.RawModule(code=CLUSTER)
    x = np.arange(1, 4 * clusters + 1, dtype=np.int32)
    y = ordered.zeros(4 * clusters, np.int32)
    module.get_function("gather")(
        (4 * clusters,), (8,), (ordered.asarray(x), y, np.int32(1), np.int32(1))
    )
    sums = x.reshape(-1, 4).sum(1)
    assert np.array_equal(y.get().reshape(-1, 4), sums[:, None] * np.arange(1, 5))


def test_a_peer_must_have_started(compiler):
    cupy = emulated_cupy(order="forward", sanitize=False)
    x, y = cupy.ones(4, np.int32), cupy.zeros(4, np.int32)
    with pytest.raises(KernelError, match="rank 1 has not started"):
        cupy.RawModule(code=CLUSTER).get_function("gather")(
            (4,), (8,), (x, y, np.int32(0), np.int32(1))
        )


def test_a_peer_must_not_have_ended(compiler):
    messages = []
    for order in ORDERS:
        cupy = emulated_cupy(order=order, sanitize=False)
        module = cupy.RawModule(code=CLUSTER)
        try:
            module.get_function("reads_an_ended_peer")((2,), (1,), (cupy.zeros(1, np.int32),))
        except KernelError as error:
            messages.append(str(error))
    assert any("rank 1 has ended" in message for message in messages)


@pytest.mark.parametrize("rounds", [1, 6])
def test_split_barriers_over_several_rounds(ordered, rounds):
    module = ordered.RawModule(code=CLUSTER)
    x = np.random.default_rng(2).standard_normal((8, 48)).astype(np.float32)
    y = ordered.asarray(x)
    module.get_function("ring")((8,), (48,), (y, np.int32(rounds)), shared_mem=2 * 48 * 4)
    expected = np.roll(x.reshape(2, 4, 48), rounds, axis=1).reshape(8, 48)
    assert np.array_equal(y.get(), expected)


def test_clusters_of_two_dimensions(ordered):
    out = ordered.empty((4, 6, 2), np.int32)
    ordered.RawModule(code=CLUSTER).get_function("boxes")((6, 4), (3,), (out,))
    x, y = np.meshgrid(np.arange(6), np.arange(4))
    assert np.array_equal(out.get()[:, :, 0], x % 2 + 2 * (y % 2))
    assert (out.get()[:, :, 1] == 4).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("arrives_twice", "twice without waiting"),
        ("waits_only", "without having arrived"),
        ("not_shared", "not in the block's shared memory"),
        ("no_such_rank", "rank 2 in a cluster of 2"),
    ],
)
def test_a_cluster_used_wrongly(cupy, name, message):
    with pytest.raises(KernelError, match=message):
        cupy.RawModule(code=CLUSTER).get_function(name)((2,), (1,), (cupy.zeros(1, np.int32),))


def test_a_cluster_that_waits_in_vain(compiler):
    cupy = emulated_cupy(order="shuffle", timeout=0.3, sanitize=False)
    with pytest.raises(KernelError, match="no progress"):
        cupy.RawModule(code=CLUSTER).get_function("one_stays_away")(
            (2,), (1,), (cupy.zeros(1, np.int32),)
        )
