"""The CUDA text of every kernel that the limits are measured with.

Only what the device must do differently is written twice, behind `ON_CPU`: the CPU stand-in has
no PTX, and its threads must let each other run while they wait.
"""

from __future__ import annotations

from dataclasses import dataclass

ON_CPU = "CUDA_ON_CPU"
"""The macro that the stand-in for CUDA defines."""

BLOCK = 256
"""Threads per block of the barrier, exchange and copy kernels."""

STAND_IN_SMS = 132
"""Multiprocessors that the stand-in says it has."""


@dataclass(frozen=True)
class Source:
    """CUDA text and the kernel in it that is launched."""

    text: str
    kernel: str


def all_sources() -> dict[str, Source]:
    """Every kernel by a telling name, as the parts use them."""
    sources = {"spin": spin(), "copy": copy()}
    sources |= {f"empty, {count} arguments": empty(count) for count in ARGUMENT_COUNTS}
    sources |= {f"gates, {operand}": gates(operand) for operand in ("float", "bf16")}
    sources |= {f"grid barrier, {kind}": grid_barrier(kind) for kind in GRID_BARRIERS}
    for exchanged in (*GRID_EXCHANGES, *SMALL_GRID_EXCHANGES):
        blocks, batch, hidden = exchanged
        name = f"grid exchange, {blocks} blocks, {batch} x {hidden}"
        sources[name] = grid_exchange(*exchanged)
    for size in CLUSTER_SIZES:
        sources[f"cluster barrier of {size}"] = cluster_barrier(size)
        for size_in_bytes in EXCHANGED_BYTES:
            name = f"cluster exchange of {size}, {size_in_bytes} bytes"
            sources[name] = cluster_exchange(size, size_in_bytes)
    return sources


# -- launches --------------------------------------------------------------------------------

ARGUMENT_COUNTS = (1, 8, 16)
"""A persistent kernel takes one or two arguments, a fused block about eight to sixteen."""


def empty(arguments: int) -> Source:
    """A kernel that does nothing but has this many arguments: pointers, the last one an int."""
    pointers = "".join(f"float* a{i}, " for i in range(arguments - 1))
    text = f"""
extern "C" __global__ void empty({pointers}int n) {{}}
"""
    return Source(text, "empty")


def spin() -> Source:
    """A kernel that holds its stream for a number of SM cycles."""
    text = """
extern "C" __global__ void spin(long long cycles) {
  const long long start = clock64();
  while (clock64() - start < cycles) {
  }
}
"""
    return Source(text, "spin")


# -- one step of a recurrent layer -----------------------------------------------------------

_STORES = {
    "float": """
typedef float operand;
__device__ __forceinline__ void store4(operand* p, const float* v) {
  *reinterpret_cast<float4*>(p) = make_float4(v[0], v[1], v[2], v[3]);
}
""",
    "bf16": """
typedef unsigned short operand;                          // the upper half of a float, rounded
__device__ __forceinline__ unsigned bf16_bits(float x) {  // to nearest, ties to even
  const unsigned u = __float_as_uint(x);
  return (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
}
__device__ __forceinline__ void store4(operand* p, const float* v) {
  uint2 packed;
  packed.x = bf16_bits(v[0]) | bf16_bits(v[1]) << 16;
  packed.y = bf16_bits(v[2]) | bf16_bits(v[3]) << 16;
  *reinterpret_cast<uint2*>(p) = packed;
}
""",
}

_GATES = """
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The element-wise block of an LSTM step.  z[B][4][H]: pre-activations of f, i, candidate, o;
// c[B][H] is updated in place; h[B][H] is the next product's operand.  Four units a thread.
extern "C" __global__ void gates(const float* __restrict__ z, float* __restrict__ c,
                                 operand* __restrict__ h, int count, int hidden) {
  const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const float* row = z + 4LL * (i / hidden) * hidden + i % hidden;
  float gate[4][4], cell[4], out[4];
  #pragma unroll
  for (int k = 0; k < 4; ++k) {
    const float4 v = *reinterpret_cast<const float4*>(row + (long long)k * hidden);
    gate[k][0] = v.x; gate[k][1] = v.y; gate[k][2] = v.z; gate[k][3] = v.w;
  }
  const float4 before = *reinterpret_cast<const float4*>(c + i);
  cell[0] = before.x; cell[1] = before.y; cell[2] = before.z; cell[3] = before.w;
  #pragma unroll
  for (int u = 0; u < 4; ++u) {
    cell[u] = sigmoid(gate[0][u]) * cell[u] + sigmoid(gate[1][u]) * tanhf(gate[2][u]);
    out[u] = sigmoid(gate[3][u]) * tanhf(cell[u]);
  }
  *reinterpret_cast<float4*>(c + i) = make_float4(cell[0], cell[1], cell[2], cell[3]);
  store4(h + i, out);
}
"""


def gates(operand: str) -> Source:
    """An LSTM's element-wise block that leaves h as "float" or as "bf16"."""
    return Source(_STORES[operand] + _GATES, "gates")


# -- barriers --------------------------------------------------------------------------------

_PLACE = f"""
// The multiprocessor that this block runs on.
__device__ __forceinline__ unsigned multiprocessor() {{
#ifdef {ON_CPU}
  return blockIdx.x % {STAND_IN_SMS}u;
#else
  unsigned number;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(number));
  return number;
#endif
}}
"""

_REPORT = """
  if (threadIdx.x == 0) {
    cycles[blockIdx.x] = clock64() - start;
    places[blockIdx.x] = multiprocessor();
  }
  if (bad) atomicAdd(wrong, bad);
"""
"""How every kernel that loops ends; `start`, `bad` and the pointers are its own."""

_GRID_FLAGS = f"""
__device__ __forceinline__ void store_release(unsigned* p, unsigned value) {{
#ifdef {ON_CPU}
  __threadfence();
  *reinterpret_cast<volatile unsigned*>(p) = value;
#else
  asm volatile("st.release.gpu.global.u32 [%0], %1;" :: "l"(p), "r"(value) : "memory");
#endif
}}
__device__ __forceinline__ unsigned load_acquire(const unsigned* p) {{
#ifdef {ON_CPU}
  __nanosleep(0);
  const unsigned value = *reinterpret_cast<const volatile unsigned*>(p);
  __threadfence();
  return value;
#else
  unsigned value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
  return value;
#endif
}}
// A flag for each block in global memory, no atomics: raise one's own, wait for all.
__device__ __forceinline__ void barrier(unsigned* flags, unsigned epoch) {{
  __syncthreads();
  if (threadIdx.x == 0) store_release(flags + blockIdx.x, epoch);
  for (unsigned b = threadIdx.x; b < gridDim.x; b += blockDim.x)
    while ((int)(load_acquire(flags + b) - epoch) < 0) {{
    }}
  __syncthreads();
}}
"""

_GRID_COUNTER = f"""
// One counter that every block raises with an atomic; one thread a block waits.
__device__ __forceinline__ void barrier(unsigned* count, unsigned epoch) {{
  __syncthreads();
  if (threadIdx.x == 0) {{
    __threadfence();
    atomicAdd(count, 1u);
    while ((int)(*reinterpret_cast<volatile unsigned*>(count) - epoch * gridDim.x) < 0) {{
#ifdef {ON_CPU}
      __nanosleep(0);
#endif
    }}
    __threadfence();
  }}
  __syncthreads();
}}
"""

_GRID_COOPERATIVE = """
#include <cooperative_groups.h>
__device__ __forceinline__ void barrier(unsigned*, unsigned) {
  cooperative_groups::this_grid().sync();
}
"""

GRID_BARRIERS = {
    "cooperative groups": _GRID_COOPERATIVE,
    "flags": _GRID_FLAGS,
    "counter": _GRID_COUNTER,
}
"""The barriers among all blocks of a grid: CUDA's own, and two written by hand."""

_GRID_LOOP = (
    _PLACE
    + f"""
// n barriers.  With check, every block leaves its count before a barrier and reads all others'
// after it: a read that is too old counts as wrong.
extern "C" __global__ void __launch_bounds__({BLOCK}, 1)
grid_barrier(unsigned* flags, unsigned* seen, long long* cycles, unsigned* places,
             unsigned* wrong, int n, int check) {{
  unsigned epoch = 0, bad = 0;
  barrier(flags, ++epoch);
  const long long start = clock64();
  for (int i = 1; i <= n; ++i) {{
    if (check && threadIdx.x == 0)
      *reinterpret_cast<volatile unsigned*>(seen + blockIdx.x) = (unsigned)i;
    barrier(flags, ++epoch);
    if (check)
      for (unsigned b = threadIdx.x; b < gridDim.x; b += blockDim.x)
        bad += *reinterpret_cast<volatile unsigned*>(seen + b) < (unsigned)i;
  }}
{_REPORT}
}}
"""
)


def grid_barrier(kind: str) -> Source:
    """The loop over one of `GRID_BARRIERS`; needs every block resident (a cooperative launch)."""
    return Source(GRID_BARRIERS[kind] + _GRID_LOOP, "grid_barrier")


GRID_EXCHANGES = (
    (32, 4, 768),
    (64, 4, 768),
    (128, 8, 768),
    (128, 16, 768),
    (128, 16, 1024),
)
"""(blocks, B, H) of a vector exchanged through L2; each block owns H / blocks units."""
SMALL_GRID_EXCHANGES = ((4, 2, 64),)
"""The same for the CPU stand-in."""


def grid_exchange(blocks: int, batch: int, hidden: int) -> Source:
    """All blocks of a grid give their units of a vector [batch][hidden] to all others through L2.

    An exchange is a block's own units stored into global memory, the barrier of flags, and the
    whole vector read into shared memory past the first-level cache.  Two vectors take turns, so
    one barrier an exchange is enough; what is stored depends on what was read, as in a recurrence.
    With check, a value says whose it is and when it was written, and every block verifies all.
    """
    text = (
        _PLACE
        + _GRID_FLAGS
        + f"""
extern "C" __global__ void __launch_bounds__({BLOCK}, 1)
grid_exchange(unsigned* flags, float* vectors, long long* cycles, unsigned* places,
              unsigned* wrong, int n, int check) {{
  extern __shared__ __align__(16) float copied[];
  constexpr int count = {batch * hidden}, own = {hidden // blocks};
  unsigned epoch = 0, bad = 0;
  float read = 0.0f;
  barrier(flags, ++epoch);
  const long long start = clock64();
  for (int i = 1; i <= n; ++i) {{
    float* vector = vectors + (i & 1) * count;
    for (int q = threadIdx.x; q < {batch} * own; q += blockDim.x) {{
      const int unit = blockIdx.x * own + q % own;
      // Exact in float: below 2^24 for n < 16384 and H <= 1024.
      vector[q / own * {hidden} + unit] = (float)(i * 1024 + unit) + read;
    }}
    barrier(flags, ++epoch);
    for (int q = threadIdx.x; q < count / 4; q += blockDim.x)
      reinterpret_cast<float4*>(copied)[q] = __ldcg(reinterpret_cast<float4*>(vector) + q);
    __syncthreads();
    read = 0.0f * copied[threadIdx.x * 7 % count];
    if (check)
      for (int q = threadIdx.x; q < count; q += blockDim.x)
        bad += copied[q] != (float)(i * 1024 + q % {hidden});
  }}
{_REPORT}
}}
"""
    )
    return Source(text, "grid_exchange")


CLUSTER_SIZES = (2, 4, 8, 16)

_CLUSTER = (
    _PLACE
    + f"""
__device__ __forceinline__ void cluster_barrier() {{
#ifdef {ON_CPU}
  __cluster_barrier_arrive();
  __cluster_barrier_wait();
#else
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}}
// The same place in the shared memory of another block of the cluster.
template <class T> __device__ __forceinline__ T* of_peer(T* own, unsigned rank) {{
  return static_cast<T*>(__cluster_map_shared_rank(own, rank));
}}
"""
)


def cluster_barrier(size: int) -> Source:
    """Barriers of a cluster of `size` blocks; `check` as in the grid's."""
    text = (
        _CLUSTER
        + f"""
extern "C" __global__ void __cluster_dims__({size}, 1, 1) __launch_bounds__({BLOCK}, 1)
cluster_loop(unsigned* seen, long long* cycles, unsigned* places, unsigned* wrong, int n,
             int check) {{
  const unsigned first = blockIdx.x - __clusterRelativeBlockRank();
  unsigned bad = 0;
  cluster_barrier();
  const long long start = clock64();
  for (int i = 1; i <= n; ++i) {{
    if (check) {{
      if (threadIdx.x == 0)
        *reinterpret_cast<volatile unsigned*>(seen + blockIdx.x) = (unsigned)i;
      __syncwarp();  // the cluster's barrier wants whole warps
    }}
    cluster_barrier();
    if (check) {{
      if (threadIdx.x < {size})
        bad += *reinterpret_cast<volatile unsigned*>(seen + first + threadIdx.x) < (unsigned)i;
      __syncwarp();
    }}
  }}
{_REPORT}
}}
"""
    )
    return Source(text, "cluster_loop")


EXCHANGED_BYTES = (4096, 8192, 12288)
"""A vector of (B, H) bf16 values: (8, 256), (8, 512), (8, 768)."""


def cluster_exchange(size: int, size_in_bytes: int) -> Source:
    """All blocks of a cluster give their slice of a vector to all others, again and again.

    Dynamic shared memory: two vectors of `size_in_bytes` each, or more.  An exchange is a block's
    own slice stored into each peer in 16-byte pieces, then the cluster's barrier; the two vectors
    take turns, so one barrier an exchange is enough.  With check, a slice says who wrote it and
    when, and every block verifies the whole vector.
    """
    text = (
        _CLUSTER
        + f"""
extern "C" __global__ void __cluster_dims__({size}, 1, 1) __launch_bounds__({BLOCK}, 1)
cluster_loop(long long* cycles, unsigned* places, unsigned* wrong, int n, int check) {{
  extern __shared__ __align__(16) uint4 vectors[];
  constexpr int pieces = {size_in_bytes // 16}, slice = pieces / {size};
  const unsigned rank = __clusterRelativeBlockRank();
  unsigned bad = 0;
  for (int q = threadIdx.x; q < 2 * pieces; q += blockDim.x) vectors[q] = uint4{{0u, 0u, 0u, 0u}};
  __syncthreads();
  cluster_barrier();
  const long long start = clock64();
  for (int i = 1; i <= n; ++i) {{
    uint4* vector = vectors + (i & 1) * pieces;
    uint4* own = vector + rank * slice;
    if (check) {{
      const unsigned mark = (unsigned)i * {size}u + rank;
      for (int q = threadIdx.x; q < slice; q += blockDim.x)
        own[q] = uint4{{mark, mark, mark, mark}};
      __syncthreads();
    }}
    for (int q = threadIdx.x; q < ({size} - 1) * slice; q += blockDim.x) {{
      unsigned peer = rank + 1 + q / slice;
      if (peer >= {size}) peer -= {size};
      of_peer(own, peer)[q % slice] = own[q % slice];
    }}
    __syncwarp();
    cluster_barrier();
    if (check) {{
      for (int q = threadIdx.x; q < slice * {size}; q += blockDim.x) {{
        const unsigned mark = (unsigned)i * {size}u + q / slice;
        const uint4 got = vector[q];
        bad += got.x != mark || got.y != mark || got.z != mark || got.w != mark;
      }}
      __syncwarp();
    }}
  }}
{_REPORT}
}}
"""
    )
    return Source(text, "cluster_loop")


# -- memory ----------------------------------------------------------------------------------


def copy() -> Source:
    """Copy by 16 bytes, the grid striding over the whole, so many times over.

    Reads go past the first-level cache, where the second turn would find what the first read.
    """
    text = """
extern "C" __global__ void copy(const float4* __restrict__ from, float4* __restrict__ to,
                                long long count, int turns) {
  const long long stride = (long long)gridDim.x * blockDim.x;
  for (int turn = 0; turn < turns; ++turn)
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride)
      to[i] = __ldcg(from + i);
}
"""
    return Source(text, "copy")
