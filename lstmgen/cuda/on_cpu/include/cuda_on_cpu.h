// The CUDA language for a C++ compiler: everything a kernel text may use without an #include.
// Included in front of every kernel text; the text itself is compiled unchanged.
#pragma once

#define CUDA_ON_CPU 1
#define __CUDA_ARCH__ 900

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_on_cpu/runtime.h"
#include "cuda_on_cpu/vector_types.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
// Their values reach the runtime through the exports that follow the kernel text.
#define __launch_bounds__(...)
#define __cluster_dims__(...)
// A block never leaves its OS thread, so thread_local is one copy per resident block; and it is
// the one specifier that is right both in `__shared__ float s[32]` and in `extern __shared__`.
#define __shared__ thread_local

namespace cuda_on_cpu {
static thread_local Registers registers{};
}

#define threadIdx (cuda_on_cpu::registers.thread_index)
#define blockIdx (cuda_on_cpu::registers.block_index)
#define blockDim (cuda_on_cpu::registers.block_dim)
#define gridDim (cuda_on_cpu::registers.grid_dim)
#define warpSize 32

#include "assert.h"
#include "cuda_on_cpu/atomics.h"
#include "cuda_on_cpu/math_functions.h"
#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/mma.h"
#include "cuda_on_cpu/synchronisation.h"
#include "cuda_on_cpu/warp.h"

#include "cuda_on_cpu/export.h"
