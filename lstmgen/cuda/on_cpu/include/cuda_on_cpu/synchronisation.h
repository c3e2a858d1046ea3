// Barriers of a block and of a cluster, by CUDA's names.
#pragma once
#include "runtime.h"

static inline void __syncthreads(unsigned line = __builtin_LINE()) {
  unsigned present;
  cuda_on_cpu_block_barrier(0, line, &present);
}

static inline int __syncthreads_count(int predicate, unsigned line = __builtin_LINE()) {
  unsigned present;
  return (int)cuda_on_cpu_block_barrier(predicate != 0, line, &present);
}

static inline int __syncthreads_and(int predicate, unsigned line = __builtin_LINE()) {
  unsigned present;
  const unsigned count = cuda_on_cpu_block_barrier(predicate != 0, line, &present);
  return count == present;
}

static inline int __syncthreads_or(int predicate, unsigned line = __builtin_LINE()) {
  unsigned present;
  return cuda_on_cpu_block_barrier(predicate != 0, line, &present) != 0;
}

static inline void __cluster_barrier_arrive(unsigned line = __builtin_LINE()) {
  cuda_on_cpu_cluster_arrive(line);
}
static inline void __cluster_barrier_arrive_relaxed(unsigned line = __builtin_LINE()) {
  cuda_on_cpu_cluster_arrive(line);
}
static inline void __cluster_barrier_wait(unsigned line = __builtin_LINE()) {
  cuda_on_cpu_cluster_wait(line);
}
static inline unsigned __clusterRelativeBlockRank() { return cuda_on_cpu_cluster_rank(); }
static inline unsigned __clusterSizeInBlocks() { return cuda_on_cpu_cluster_size(); }
static inline void* __cluster_map_shared_rank(const void* address, unsigned rank,
                                              unsigned line = __builtin_LINE()) {
  return cuda_on_cpu_map_shared(address, rank, line);
}
