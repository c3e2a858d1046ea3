// Cached loads and stores, fences, waiting, clocks and printing.
#pragma once
#include "runtime.h"

// Ordinary loads and stores here: a CPU keeps its caches coherent.
#define CUDA_ON_CPU_LOAD(NAME) \
  template <class T>           \
  static inline T NAME(const T* address) { return *address; }
#define CUDA_ON_CPU_STORE(NAME) \
  template <class T>            \
  static inline void NAME(T* address, T value) { *address = value; }
CUDA_ON_CPU_LOAD(__ldg)
CUDA_ON_CPU_LOAD(__ldca)
CUDA_ON_CPU_LOAD(__ldcs)
CUDA_ON_CPU_LOAD(__ldlu)
CUDA_ON_CPU_STORE(__stwb)
CUDA_ON_CPU_STORE(__stcg)
CUDA_ON_CPU_STORE(__stcs)
CUDA_ON_CPU_STORE(__stwt)
#undef CUDA_ON_CPU_LOAD
#undef CUDA_ON_CPU_STORE

// A load past the first-level cache reads memory anew each time: loops wait on it.
template <class T>
static inline T __ldcg(const T* address) {
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return *address;
}
template <class T>
static inline T __ldcv(const T* address) {
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return *address;
}

static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline void __nanosleep(unsigned) { cuda_on_cpu_spin(); }

static inline long long clock64() {
  long long ticks;
#if defined(__x86_64__)
  unsigned low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  ticks = (long long)((unsigned long long)high << 32 | low);
#elif defined(__aarch64__)
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
#else
  ticks = (long long)__builtin_readcyclecounter();
#endif
  return ticks;
}
#define clock() ((int)clock64())

[[noreturn]] static inline void __trap(unsigned line = __builtin_LINE()) {
  cuda_on_cpu_fail("__trap()", line);
}

#define printf(...) cuda_on_cpu_printf(__VA_ARGS__)
