// The boundary between a compiled kernel module and the runtime library that schedules it.
//
// A module holds the kernels and one Registers object per OS thread; the runtime library (built
// once, shared by all modules) holds the fibers, the barriers and the launch itself.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "vector_types.h"

namespace cuda_on_cpu {

struct ThreadSlot {
  uint3 index;
  unsigned linear;
};

// What the running CUDA thread sees of itself, and the block's list of threads still to start.
struct Registers {
  uint3 thread_index;
  uint3 block_index;
  dim3 block_dim;
  dim3 grid_dim;
  unsigned linear;                     // of the running thread within its block
  volatile unsigned char preemptible;  // 1 only while kernel code runs
  unsigned next, count;                // threads started so far, threads in the block
  const ThreadSlot* order;             // in which the threads start
  unsigned char* finished;             // by linear index
  unsigned spins;                      // atomics since the last switch
};

struct KernelInfo {
  const char* name;
  const char* signature;               // see export.h
  void (*run_threads)(void** arguments);
  Registers* (*registers)();
  unsigned char* (*dynamic_shared)();  // of the calling OS thread; null where there is none
  unsigned max_threads;                // __launch_bounds__, or 1024
  uint3 cluster;                       // __cluster_dims__, or 1, 1, 1
};

// A warp collective hands one payload a lane; the last lane to arrive combines them all.
using Combine = void (*)(void* const* payloads, uint32_t participants);

}  // namespace cuda_on_cpu

#define CUDA_ON_CPU_API extern "C" __attribute__((visibility("default")))

// Barriers. `line` is the caller's, for messages and to tell one barrier from another.
CUDA_ON_CPU_API unsigned cuda_on_cpu_block_barrier(int predicate, unsigned line, unsigned* present);
CUDA_ON_CPU_API void cuda_on_cpu_warp_collective(uint32_t mask, const char* what,
                                                 cuda_on_cpu::Combine combine, void* payload,
                                                 unsigned line);
CUDA_ON_CPU_API uint32_t cuda_on_cpu_active_mask(unsigned line);
CUDA_ON_CPU_API void cuda_on_cpu_grid_barrier(unsigned line);
CUDA_ON_CPU_API void cuda_on_cpu_cluster_arrive(unsigned line);
CUDA_ON_CPU_API void cuda_on_cpu_cluster_wait(unsigned line);

// Clusters: size, own rank, and an address of own shared memory in a peer's.
CUDA_ON_CPU_API unsigned cuda_on_cpu_cluster_size();
CUDA_ON_CPU_API unsigned cuda_on_cpu_cluster_rank();
CUDA_ON_CPU_API void* cuda_on_cpu_map_shared(const void* address, unsigned rank, unsigned line);

// Lets other threads run: a thread that waits for a value in memory calls it in its loop.
CUDA_ON_CPU_API void cuda_on_cpu_spin();
// Ends the launch; it does not return.
CUDA_ON_CPU_API void cuda_on_cpu_fail(const char* what, unsigned line) __attribute__((noreturn));
CUDA_ON_CPU_API int cuda_on_cpu_printf(const char* format, ...)
    __attribute__((format(printf, 1, 2)));
