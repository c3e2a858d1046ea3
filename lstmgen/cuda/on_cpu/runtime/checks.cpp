// What the compiler's checks call: an index out of an array's bounds, a misaligned access; and
// what AddressSanitizer reports. The first two stand in for the functions that
// -fsanitize=bounds,alignment calls (the linker's --wrap leads there), so that they end the launch
// and not the process.
#include <cstdio>

#include "launch.h"

namespace cuda_on_cpu {
namespace {

struct SourceLocation {
  const char* file;
  uint32_t line, column;
};
struct TypeDescriptor {
  uint16_t kind, info;
  char name[1];
};
struct OutOfBounds {
  SourceLocation location;
  const TypeDescriptor* array;
  const TypeDescriptor* index;
};
struct TypeMismatch {
  SourceLocation location;
  const TypeDescriptor* type;
  unsigned char log_alignment, kind;
};

[[noreturn]] void end(const char* text, uint32_t line) { own_worker->fail(Code::fault, text, line); }

[[noreturn]] void out_of_bounds(const OutOfBounds& data, uintptr_t index) {
  // The type's description: bit 0 says signed, the others are the logarithm of its width.
  const unsigned unused_bits = 64 - (1u << (data.index->info >> 1) & 127u);
  auto value = static_cast<long long>(index << (unused_bits & 63));
  value = data.index->info & 1u
              ? value >> (unused_bits & 63)
              : static_cast<long long>(static_cast<uint64_t>(value) >> (unused_bits & 63));
  char text[256];
  snprintf(text, sizeof(text), "index %lld is out of the bounds of %s", value, data.array->name);
  end(text, data.location.line);
}

[[noreturn]] void type_mismatch(const TypeMismatch& data, uintptr_t address) {
  char text[256];
  if (address == 0)
    snprintf(text, sizeof(text), "access to a null pointer of type %s", data.type->name);
  else
    snprintf(text, sizeof(text),
             "misaligned address: access to %s at 0x%llx, which must be a multiple of %u",
             data.type->name, static_cast<unsigned long long>(address),
             1u << data.log_alignment);
  end(text, data.location.line);
}

}  // namespace
}  // namespace cuda_on_cpu

#define CUDA_ON_CPU_CHECK(NAME, DATA, FUNCTION)                             \
  CUDA_ON_CPU_API void NAME(void* data, uintptr_t value) {                  \
    cuda_on_cpu::FUNCTION(*static_cast<cuda_on_cpu::DATA*>(data), value);   \
  }
CUDA_ON_CPU_CHECK(__wrap___ubsan_handle_out_of_bounds, OutOfBounds, out_of_bounds)
CUDA_ON_CPU_CHECK(__wrap___ubsan_handle_type_mismatch_v1, TypeMismatch, type_mismatch)

#ifdef CUDA_ON_CPU_ASAN
// AddressSanitizer goes on after an error (halt_on_error=0); the first text is kept, and the
// launch fails when it ends.
static void on_asan_report(const char* text) {
  cuda_on_cpu::Worker* worker = cuda_on_cpu::own_worker;
  if (worker == nullptr) return;
  const auto& r = *worker->registers;
  worker->launch.complain(cuda_on_cpu::Code::fault, text, &r.block_index, &r.thread_index, 0);
}

CUDA_ON_CPU_API void cuda_on_cpu_poison(const void* address, size_t size, int on) {
  if (on)
    __asan_poison_memory_region(address, size);
  else
    __asan_unpoison_memory_region(address, size);
}

__attribute__((constructor)) static void listen() {
  __asan_set_error_report_callback(on_asan_report);
}
#endif
