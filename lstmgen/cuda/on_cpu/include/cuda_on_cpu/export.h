// What a module tells the runtime about each kernel; used by the lines that follow its text.
//
// A signature has four characters a parameter: how it is passed (P pointer, V value), the kind of
// the value or of what it points to (f floating, i signed, u unsigned, b bool, h bfloat16,
// v void, x anything else), the size of that in bytes as one digit of base 36, and the number of
// elements of a built-in vector type (1 for a scalar).
#pragma once
#include <type_traits>
#include <utility>

#include "runtime.h"

struct __nv_bfloat16;

namespace cuda_on_cpu {

template <class T>
struct Elements {
  using type = T;
  static constexpr char count = '1';
};
#define CUDA_ON_CPU_ELEMENTS(VECTOR, ELEMENT) \
  template <>                                 \
  struct Elements<VECTOR##2> {                \
    using type = ELEMENT;                     \
    static constexpr char count = '2';        \
  };                                          \
  template <>                                 \
  struct Elements<VECTOR##4> {                \
    using type = ELEMENT;                     \
    static constexpr char count = '4';        \
  };
CUDA_ON_CPU_ELEMENTS(float, float)
CUDA_ON_CPU_ELEMENTS(double, double)
CUDA_ON_CPU_ELEMENTS(int, int)
CUDA_ON_CPU_ELEMENTS(uint, unsigned)
CUDA_ON_CPU_ELEMENTS(short, short)
CUDA_ON_CPU_ELEMENTS(ushort, unsigned short)
#undef CUDA_ON_CPU_ELEMENTS

template <class T>
constexpr char kind_of() {
  if (std::is_same<T, __nv_bfloat16>::value) return 'h';
  if (std::is_same<T, bool>::value) return 'b';
  if (std::is_floating_point<T>::value) return 'f';
  if (std::is_integral<T>::value) return std::is_signed<T>::value ? 'i' : 'u';
  return std::is_void<T>::value ? 'v' : 'x';
}

template <class T>
constexpr char size_of() {
  if constexpr (std::is_void<T>::value || std::is_function<T>::value)
    return '0';
  else
    return sizeof(T) < 10 ? (char)('0' + sizeof(T)) : sizeof(T) < 36 ? (char)('a' + sizeof(T) - 10) : '?';
}

template <class Parameter>
void describe(char* text) {
  using Target = std::remove_cv_t<std::remove_pointer_t<Parameter>>;
  using Element = typename Elements<Target>::type;
  text[0] = std::is_pointer<Parameter>::value ? 'P' : 'V';
  text[1] = kind_of<Element>();
  text[2] = size_of<Element>();
  text[3] = Elements<Target>::count;
}

template <auto Kernel>
struct Exported;

template <class... Parameters, void (*Kernel)(Parameters...)>
struct Exported<Kernel> {
  static const char* signature() {
    static char text[4 * sizeof...(Parameters) + 1] = {};
    char* place = text;
    ((describe<std::remove_cv_t<Parameters>>(place), place += 4), ...);
    return text;
  }

  template <size_t... I>
  static void run(void** arguments, std::index_sequence<I...>) {
    Registers& own = registers;
    while (own.next < own.count) {
      const ThreadSlot& slot = own.order[own.next];
      own.next += 1;
      own.thread_index = slot.index;
      own.linear = slot.linear;
      own.preemptible = 1;
      Kernel(*static_cast<std::remove_reference_t<Parameters>*>(arguments[I])...);
      own.preemptible = 0;
      own.finished[own.linear] = 1;
    }
  }
  static void run_threads(void** arguments) {
    run(arguments, std::index_sequence_for<Parameters...>{});
  }
};

static inline Registers* own_registers() { return &registers; }

}  // namespace cuda_on_cpu

#define CUDA_ON_CPU_KERNEL(ID, NAME, DYNAMIC, MAX_THREADS, X, Y, Z, ...)                     \
  CUDA_ON_CPU_API const cuda_on_cpu::KernelInfo* cuda_on_cpu_kernel_##ID() {                 \
    using Export = cuda_on_cpu::Exported<(__VA_ARGS__)>;                                     \
    static const cuda_on_cpu::KernelInfo info = {                                            \
        NAME, Export::signature(), Export::run_threads, cuda_on_cpu::own_registers, DYNAMIC, \
        (unsigned)(MAX_THREADS), uint3{(unsigned)(X), (unsigned)(Y), (unsigned)(Z)}};        \
    return &info;                                                                            \
  }
