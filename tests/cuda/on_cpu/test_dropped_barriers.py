"""Mutants of kernels that need barriers: each barrier dropped by itself shows in some order.

Generated kernels have none so far: a fused block exchanges nothing.  These are the patterns that
whole-sequence kernels are made of: a vector exchanged within a block, a warp, a grid, a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lstmgen.cuda.on_cpu import ORDERS, KernelError, emulated_cupy

BLOCK = r"""
// A recurrence within a block: h = W h, turned by 5 units; h is exchanged by shared memory.
extern "C" __global__ void recur(const float* w, float* h, int n, int steps) {
  __shared__ float s[64];
  __shared__ float parts[64][4];
  const int unit = threadIdx.x / 4, part = threadIdx.x % 4;
  for (int t = 0; t < steps; ++t) {
    if (part == 0) s[unit] = h[unit];
    __syncthreads();
    float sum = 0;
    for (int k = part; k < n; k += 4) sum += w[unit * n + k] * s[k];
    parts[unit][part] = sum;
    __syncthreads();
    if (part == 0) {
      sum = 0;
      for (int k = 0; k < 4; ++k) sum += parts[unit][(k + unit) % 4];
      h[(unit + 5) % n] = sum;
    }
    __syncthreads();
  }
}
"""

WARP = r"""
// Neighbours' values within a warp, by shared memory.
extern "C" __global__ void recur(const float* w, float* h, int n, int steps) {
  __shared__ float s[32];
  float own = h[threadIdx.x];
  for (int t = 0; t < steps; ++t) {
    s[threadIdx.x] = own;
    __syncwarp();
    own = w[threadIdx.x] * s[(threadIdx.x + 1) % 32] + s[(threadIdx.x + 31) % 32];
    __syncwarp();
  }
  h[threadIdx.x] = own;
}
"""

GRID = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
// Each block makes a part of the vector; all need all of it in the next step.
extern "C" __global__ void recur(const float* w, float* h, int n, int steps) {
  const int unit = blockIdx.x * blockDim.x + threadIdx.x;
  float own = h[unit];
  for (int t = 0; t < steps; ++t) {
    float sum = 0;
    for (int k = 0; k < n; ++k) sum += w[unit * n + k] * h[k];
    own = sum;
    cg::this_grid().sync();
    h[unit] = own;
    cg::this_grid().sync();
  }
}
"""

CLUSTER = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
// The same with the vector in the shared memory of each block of a cluster.
extern "C" __global__ void __cluster_dims__(4, 1, 1)
recur(const float* w, float* h, int n, int steps) {
  __shared__ float s[64];
  auto cluster = cg::this_cluster();
  const int rank = (int)cluster.block_rank(), each = blockDim.x, unit = rank * each + threadIdx.x;
  for (int k = threadIdx.x; k < n; k += each) s[k] = h[k];
  cluster.sync();
  for (int t = 0; t < steps; ++t) {
    float sum = 0;
    for (int k = 0; k < n; ++k) sum += w[unit * n + k] * s[k];
    cluster.sync();
    for (int peer = 0; peer < 4; ++peer) cluster.map_shared_rank(s, peer)[unit] = sum;
    cluster.sync();
  }
  h[unit] = s[unit];
}
"""

STEPS = 5


def matrix(n: int) -> Any:
    return np.random.default_rng(1).integers(-2, 3, (n, n)).astype(np.float32)


def vector(n: int) -> Any:
    return np.random.default_rng(2).integers(-3, 4, n).astype(np.float32)


def by_block(n: int) -> Any:
    h = vector(n)
    for _ in range(STEPS):
        h = np.roll(matrix(n) @ h, 5)
    return h


def by_warp(n: int) -> Any:
    h = vector(n)
    for _ in range(STEPS):
        h = matrix(n).ravel()[:n] * np.roll(h, -1) + np.roll(h, 1)
    return h


def by_matrix(n: int) -> Any:
    h = vector(n)
    for _ in range(STEPS):
        h = matrix(n) @ h
    return h


PATTERNS: dict[str, tuple[str, tuple[int, int], int, Callable[[int], Any]]] = {
    "block": (BLOCK, (1, 256), 64, by_block),
    "warp": (WARP, (1, 32), 32, by_warp),
    "grid": (GRID, (4, 8), 32, by_matrix),
    "cluster": (CLUSTER, (4, 16), 64, by_matrix),
}
"""The text, the launch's blocks and threads, units, and what comes of it (whole numbers)."""


def run(text: str, order: str, shape: tuple[int, int], n: int) -> Any:
    cupy = emulated_cupy(order=order, seed=2, sanitize=False, timeout=5)
    module = cupy.RawModule(code=text, enable_cooperative_groups="this_grid" in text)
    h = cupy.asarray(vector(n))
    arguments = (cupy.asarray(matrix(n)), h, np.int32(n), np.int32(STEPS))
    module.get_function("recur")((shape[0],), (shape[1],), arguments)
    return h.get()


def dropped(text: str) -> Iterator[str]:
    """The text without its first barrier, without its second, and so on."""
    barrier = r"__sync\w+\(\);|cg::this_grid\(\)\.sync\(\);|cluster\.sync\(\);"
    for match in re.finditer(barrier, text):
        yield text[: match.start()] + text[match.end() :]


@pytest.mark.parametrize("name", PATTERNS)
def test_with_all_barriers_it_is_right_in_every_order(name: str, compiler: Any) -> None:
    text, shape, n, expected = PATTERNS[name]
    for order in ORDERS:
        assert np.array_equal(run(text, order, shape, n), expected(n)), order


@pytest.mark.parametrize("name", PATTERNS)
def test_every_dropped_barrier_shows(name: str, compiler: Any) -> None:
    text, shape, n, expected = PATTERNS[name]
    mutants = list(dropped(text))
    assert len(mutants) >= 2
    for k, mutant in enumerate(mutants):
        wrong = []
        for order in ORDERS:
            try:
                found = run(mutant, order, shape, n)
            except KernelError:  # a cluster's peer that has not started, or has ended
                wrong.append(order)
            else:
                wrong += [order] * (not np.array_equal(found, expected(n)))
        assert wrong, f"barrier {k + 1}"
