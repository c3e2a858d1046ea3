// Switching between stacks: a few instructions on x86-64, ucontext elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_ON_CPU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_ON_CPU_ASAN 1
#endif
#endif

#ifdef CUDA_ON_CPU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__) && !defined(CUDA_ON_CPU_UCONTEXT)
// Saves the callee-saved registers on the own stack, stores its pointer, and takes the other's.
asm(R"(
.text
.p2align 4
.type cuda_on_cpu_switch_stack, @function
cuda_on_cpu_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_switch_stack, .-cuda_on_cpu_switch_stack
)");
extern "C" void cuda_on_cpu_switch_stack(void** save, void* load)
    __attribute__((visibility("hidden")));
#else
#include <ucontext.h>
#endif

namespace cuda_on_cpu {

struct Context {
#if defined(__x86_64__) && !defined(CUDA_ON_CPU_UCONTEXT)
  void* stack_pointer = nullptr;
#else
  ucontext_t machine;
#endif
  // The bounds of the stack, which AddressSanitizer wants to know at a switch.
  const void* bottom = nullptr;
  size_t size = 0;
};

// Makes `context` start in `entry`, which must never return, on the given stack.
inline void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
  context.bottom = stack;
  context.size = size;
#if defined(__x86_64__) && !defined(CUDA_ON_CPU_UCONTEXT)
  auto top = reinterpret_cast<uintptr_t>(stack + size) & ~uintptr_t{15};
  auto* frame = reinterpret_cast<void**>(top) - 8;  // six registers, the entry, a null caller
  for (int i = 0; i < 8; ++i) frame[i] = nullptr;
  frame[6] = reinterpret_cast<void*>(entry);
  context.stack_pointer = frame;
#else
  getcontext(&context.machine);
  context.machine.uc_stack.ss_sp = stack;
  context.machine.uc_stack.ss_size = size;
  context.machine.uc_link = nullptr;
  makecontext(&context.machine, entry, 0);
#endif
}

// To be called first on a stack that was just switched to.
inline void arrived([[maybe_unused]] Context& from) {
#ifdef CUDA_ON_CPU_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.size);
#endif
}

inline void switch_context(Context& from, Context& to) {
#ifdef CUDA_ON_CPU_ASAN
  __sanitizer_start_switch_fiber(nullptr, to.bottom, to.size);
#endif
#if defined(__x86_64__) && !defined(CUDA_ON_CPU_UCONTEXT)
  cuda_on_cpu_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.machine, &to.machine);
#endif
}

}  // namespace cuda_on_cpu
