// A fiber runs CUDA threads one after the other; one that must wait keeps its fiber until it ends.
#pragma once
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "../include/cuda_on_cpu/runtime.h"
#include "context.h"

namespace cuda_on_cpu {

enum class Wait : unsigned char { none, block, warp, active_mask, grid, cluster };

struct Fiber {
  Context context;
  char* stack = nullptr;
  bool prepared = false;
  bool spinning = false;  // gave way in a loop that waits for a value in memory
  // The thread it holds while suspended.
  uint3 index{};
  unsigned linear = 0;
  Wait wait = Wait::none;
  unsigned line = 0;
  // Of a warp collective.
  uint32_t mask = 0;
  const char* what = "";
  Combine combine = nullptr;
  void* payload = nullptr;
  uint32_t active = 0;  // the answer of __activemask
};

#ifdef CUDA_ON_CPU_ASAN
constexpr size_t stack_bytes = 256 * 1024;
#else
constexpr size_t stack_bytes = 64 * 1024;
#endif
// The far end of each stack is marked: wide enough that a frame seldom steps over it.
constexpr size_t mark_bytes = 1024;
constexpr int mark = 0xC5;

// The fibers of one OS thread. Memory is reserved in slabs and touched only where it is used.
class FiberPool {
 public:
  FiberPool() = default;
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  ~FiberPool() {
    for (char* slab : slabs_) munmap(slab, slab_bytes);
  }

  Fiber* take(void (*entry)()) {
    if (free_.empty()) grow();
    Fiber* fiber = free_.back();
    free_.pop_back();
    if (!fiber->prepared) {
#ifdef CUDA_ON_CPU_ASAN
      __asan_unpoison_memory_region(fiber->stack, stack_bytes);
#endif
      memset(fiber->stack, mark, mark_bytes);
      prepare(fiber->context, fiber->stack, stack_bytes, entry);
      fiber->prepared = true;
    }
    return fiber;
  }
  void give_back(Fiber* fiber) { free_.push_back(fiber); }

  // After a failed launch: whatever the fibers were doing is abandoned.
  void discard_all() {
    free_.clear();
    for (auto& fiber : fibers_) {
      fiber->prepared = false;
      free_.push_back(fiber.get());
    }
  }

  static bool overflowed(const Fiber& fiber) {
    // All bytes are the mark if the first is, and each is like the one before it.
    const auto* stack = reinterpret_cast<const unsigned char*>(fiber.stack);
    return stack[0] != mark || memcmp(stack, stack + 1, mark_bytes - 1) != 0;
  }

 private:
  static constexpr size_t per_slab = 32, slab_bytes = per_slab * stack_bytes;

  void grow() {
    void* slab = mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab == MAP_FAILED) throw std::bad_alloc();
    slabs_.push_back(static_cast<char*>(slab));
    for (size_t i = per_slab; i-- > 0;) {
      fibers_.push_back(std::make_unique<Fiber>());
      fibers_.back()->stack = slabs_.back() + i * stack_bytes;
      free_.push_back(fibers_.back().get());
    }
  }

  std::vector<char*> slabs_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_;
};

}  // namespace cuda_on_cpu
