// Atomic operations for exactly the types CUDA has them for.
#pragma once
#include "runtime.h"

namespace cuda_on_cpu {

// Loops that wait on an atomic must let other threads run sooner or later.
static inline void count_atomic() {
  if (++registers.spins >= 64) cuda_on_cpu_spin();
}

// Compare-and-swap over the bits, for operations that the processor does not have.
template <class T, class Bits, class Operation>
T update(T* address, Operation operation) {
  static_assert(sizeof(T) == sizeof(Bits), "bits of another size");
  count_atomic();
  Bits* bits = reinterpret_cast<Bits*>(address);
  Bits old_bits = __atomic_load_n(bits, __ATOMIC_SEQ_CST), new_bits;
  T old_value;
  do {
    memcpy(&old_value, &old_bits, sizeof(T));
    const T new_value = operation(old_value);
    memcpy(&new_bits, &new_value, sizeof(T));
  } while (!__atomic_compare_exchange_n(bits, &old_bits, new_bits, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST));
  return old_value;
}

}  // namespace cuda_on_cpu

#define CUDA_ON_CPU_ATOMIC_BUILTIN(NAME, BUILTIN, T)             \
  static inline T NAME(T* address, T value) {                    \
    cuda_on_cpu::count_atomic();                                 \
    return BUILTIN(address, value, __ATOMIC_SEQ_CST);            \
  }
#define CUDA_ON_CPU_ATOMIC_UPDATE(NAME, T, BITS, EXPRESSION)                                \
  static inline T NAME(T* address, T value) {                                              \
    return cuda_on_cpu::update<T, BITS>(address, [value](T old) -> T { return EXPRESSION; }); \
  }
#define CUDA_ON_CPU_ATOMIC_INTEGERS(T)                                        \
  CUDA_ON_CPU_ATOMIC_BUILTIN(atomicAdd, __atomic_fetch_add, T)                \
  CUDA_ON_CPU_ATOMIC_BUILTIN(atomicAnd, __atomic_fetch_and, T)                \
  CUDA_ON_CPU_ATOMIC_BUILTIN(atomicOr, __atomic_fetch_or, T)                  \
  CUDA_ON_CPU_ATOMIC_BUILTIN(atomicXor, __atomic_fetch_xor, T)                \
  CUDA_ON_CPU_ATOMIC_BUILTIN(atomicExch, __atomic_exchange_n, T)              \
  CUDA_ON_CPU_ATOMIC_UPDATE(atomicMax, T, T, old > value ? old : value)       \
  CUDA_ON_CPU_ATOMIC_UPDATE(atomicMin, T, T, old < value ? old : value)       \
  static inline T atomicCAS(T* address, T expected, T value) {                \
    cuda_on_cpu::count_atomic();                                              \
    __atomic_compare_exchange_n(address, &expected, value, false,             \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
    return expected;                                                          \
  }

CUDA_ON_CPU_ATOMIC_INTEGERS(int)
CUDA_ON_CPU_ATOMIC_INTEGERS(unsigned)
CUDA_ON_CPU_ATOMIC_INTEGERS(unsigned long long)
CUDA_ON_CPU_ATOMIC_BUILTIN(atomicSub, __atomic_fetch_sub, int)
CUDA_ON_CPU_ATOMIC_BUILTIN(atomicSub, __atomic_fetch_sub, unsigned)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicMax, long long, long long, old > value ? old : value)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicMin, long long, long long, old < value ? old : value)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicInc, unsigned, unsigned, old >= value ? 0u : old + 1u)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicDec, unsigned, unsigned,
                          old == 0u || old > value ? value : old - 1u)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicAdd, float, uint32_t, old + value)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicAdd, double, uint64_t, old + value)
CUDA_ON_CPU_ATOMIC_UPDATE(atomicExch, float, uint32_t, ((void)old, value))

#undef CUDA_ON_CPU_ATOMIC_BUILTIN
#undef CUDA_ON_CPU_ATOMIC_UPDATE
#undef CUDA_ON_CPU_ATOMIC_INTEGERS
