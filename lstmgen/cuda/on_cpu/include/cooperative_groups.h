// The groups of cooperative_groups that kernels use: block, tile of a warp, cluster, grid.
#pragma once
#include "cuda_on_cpu.h"

namespace cooperative_groups {

class thread_block {
 public:
  static void sync(unsigned line = __builtin_LINE()) { __syncthreads(line); }
  static unsigned thread_rank() { return cuda_on_cpu::registers.linear; }
  static unsigned num_threads() {
    const dim3 d = blockDim;
    return d.x * d.y * d.z;
  }
  static unsigned size() { return num_threads(); }
  static dim3 group_index() { return blockIdx; }
  static dim3 thread_index() { return threadIdx; }
  static dim3 dim_threads() { return blockDim; }
};

class grid_group {
 public:
  static bool is_valid() { return true; }
  static void sync(unsigned line = __builtin_LINE()) { cuda_on_cpu_grid_barrier(line); }
  static unsigned long long num_blocks() {
    return (unsigned long long)gridDim.x * gridDim.y * gridDim.z;
  }
  static unsigned long long num_threads() { return num_blocks() * thread_block::num_threads(); }
  static unsigned long long size() { return num_threads(); }
  static unsigned long long block_rank() {
    return blockIdx.x + (unsigned long long)gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  }
  static unsigned long long thread_rank() {
    return block_rank() * thread_block::num_threads() + thread_block::thread_rank();
  }
  static dim3 dim_blocks() { return gridDim; }
};

class cluster_group {
 public:
  static void sync(unsigned line = __builtin_LINE()) {
    cuda_on_cpu_cluster_arrive(line);
    cuda_on_cpu_cluster_wait(line);
  }
  static void barrier_arrive(unsigned line = __builtin_LINE()) { cuda_on_cpu_cluster_arrive(line); }
  static void barrier_wait(unsigned line = __builtin_LINE()) { cuda_on_cpu_cluster_wait(line); }
  static unsigned block_rank() { return cuda_on_cpu_cluster_rank(); }
  static unsigned num_blocks() { return cuda_on_cpu_cluster_size(); }
  static unsigned num_threads() { return num_blocks() * thread_block::num_threads(); }
  static unsigned size() { return num_threads(); }
  static unsigned thread_rank() {
    return block_rank() * thread_block::num_threads() + thread_block::thread_rank();
  }
  template <class T>
  static T* map_shared_rank(T* address, unsigned rank, unsigned line = __builtin_LINE()) {
    return static_cast<T*>(cuda_on_cpu_map_shared(address, rank, line));
  }
};

template <unsigned Size>
class thread_block_tile {
  static_assert(Size != 0 && Size <= 32 && (Size & (Size - 1)) == 0, "a tile is 1, 2, ... 32 wide");
  static unsigned mask() {
    const unsigned ones = Size == 32 ? 0xFFFFFFFFu : (1u << Size % 32) - 1u;
    return ones << cuda_on_cpu::segment_start(Size);
  }

 public:
  static unsigned thread_rank() { return cuda_on_cpu::registers.linear % Size; }
  static constexpr unsigned size() { return Size; }
  static constexpr unsigned num_threads() { return Size; }
  static unsigned meta_group_rank() { return cuda_on_cpu::registers.linear / Size; }
  static unsigned meta_group_size() { return (thread_block::num_threads() + Size - 1) / Size; }
  static void sync(unsigned line = __builtin_LINE()) { __syncwarp(mask(), line); }
  template <class T>
  static T shfl(T value, int source, unsigned line = __builtin_LINE()) {
    return __shfl_sync(mask(), value, source, Size, line);
  }
  template <class T>
  static T shfl_up(T value, unsigned delta, unsigned line = __builtin_LINE()) {
    return __shfl_up_sync(mask(), value, delta, Size, line);
  }
  template <class T>
  static T shfl_down(T value, unsigned delta, unsigned line = __builtin_LINE()) {
    return __shfl_down_sync(mask(), value, delta, Size, line);
  }
  template <class T>
  static T shfl_xor(T value, int lane_mask, unsigned line = __builtin_LINE()) {
    return __shfl_xor_sync(mask(), value, lane_mask, Size, line);
  }
  static int any(int predicate, unsigned line = __builtin_LINE()) {
    return __any_sync(mask(), predicate, line);
  }
  static int all(int predicate, unsigned line = __builtin_LINE()) {
    return __all_sync(mask(), predicate, line);
  }
  static unsigned ballot(int predicate, unsigned line = __builtin_LINE()) {
    return __ballot_sync(mask(), predicate, line) >> cuda_on_cpu::segment_start(Size);
  }
};

inline thread_block this_thread_block() { return {}; }
inline grid_group this_grid() { return {}; }
inline cluster_group this_cluster() { return {}; }
template <unsigned Size>
thread_block_tile<Size> tiled_partition(const thread_block&) {
  return {};
}
inline void sync(const thread_block&, unsigned line = __builtin_LINE()) { __syncthreads(line); }
inline void sync(const grid_group&, unsigned line = __builtin_LINE()) {
  cuda_on_cpu_grid_barrier(line);
}

}  // namespace cooperative_groups
