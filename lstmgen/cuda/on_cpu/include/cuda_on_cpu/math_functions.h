// CUDA's mathematical functions. <math.h> in C++ brings exp, tanh, sqrt, ... into the global
// namespace with overloads for float and double, as CUDA has them; here is what differs.
#pragma once
#include <math.h>
#include <string.h>

// min and max have these overloads and no others; a NaN gives way to a number.
#define CUDA_ON_CPU_INTEGER_ORDER(RESULT, A, B)                                             \
  static inline constexpr RESULT max(A a, B b) {                                            \
    return (RESULT)a < (RESULT)b ? (RESULT)b : (RESULT)a;                                   \
  }                                                                                         \
  static inline constexpr RESULT min(A a, B b) {                                            \
    return (RESULT)b < (RESULT)a ? (RESULT)b : (RESULT)a;                                   \
  }
#define CUDA_ON_CPU_FLOATING_ORDER(RESULT, A, B)                                            \
  static inline RESULT max(A a, B b) { return fmax((RESULT)a, (RESULT)b); }                 \
  static inline RESULT min(A a, B b) { return fmin((RESULT)a, (RESULT)b); }
#define CUDA_ON_CPU_INTEGER_ORDERS(T, U)  \
  CUDA_ON_CPU_INTEGER_ORDER(T, T, T)      \
  CUDA_ON_CPU_INTEGER_ORDER(U, U, U)      \
  CUDA_ON_CPU_INTEGER_ORDER(U, T, U)      \
  CUDA_ON_CPU_INTEGER_ORDER(U, U, T)
CUDA_ON_CPU_INTEGER_ORDERS(int, unsigned)
CUDA_ON_CPU_INTEGER_ORDERS(long, unsigned long)
CUDA_ON_CPU_INTEGER_ORDERS(long long, unsigned long long)
CUDA_ON_CPU_FLOATING_ORDER(float, float, float)
CUDA_ON_CPU_FLOATING_ORDER(double, double, double)
CUDA_ON_CPU_FLOATING_ORDER(double, float, double)
CUDA_ON_CPU_FLOATING_ORDER(double, double, float)
#undef CUDA_ON_CPU_INTEGER_ORDERS
#undef CUDA_ON_CPU_INTEGER_ORDER
#undef CUDA_ON_CPU_FLOATING_ORDER

// In C++ a float to an int power is a double; in CUDA it is a float.
static inline float pow(float x, int n) { return powf(x, (float)n); }
static inline double pow(double x, int n) { return pow(x, (double)n); }

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline double rcbrt(double x) { return 1.0 / cbrt(x); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678f); }
static inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

// Intrinsics: the approximations of the device are exact functions here. Macros, for the C
// library keeps functions of its own under some of these names.
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __powf(x, y) powf(x, y)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

#define CUDA_ON_CPU_ROUNDED(T, PREFIX, FMA, SQRT)                                  \
  static inline T PREFIX##add_rn(T x, T y) { return x + y; }                        \
  static inline T PREFIX##sub_rn(T x, T y) { return x - y; }                        \
  static inline T PREFIX##mul_rn(T x, T y) { return x * y; }                        \
  static inline T PREFIX##div_rn(T x, T y) { return x / y; }                        \
  static inline T PREFIX##rcp_rn(T x) { return (T)1 / x; }                          \
  static inline T PREFIX##sqrt_rn(T x) { return SQRT(x); }
CUDA_ON_CPU_ROUNDED(float, __f, fmaf, sqrtf)
CUDA_ON_CPU_ROUNDED(double, __d, fma, sqrt)
#undef CUDA_ON_CPU_ROUNDED
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

// Bits.
#define CUDA_ON_CPU_BITS(NAME, TO, FROM)   \
  static inline TO NAME(FROM value) {      \
    TO bits;                               \
    memcpy(&bits, &value, sizeof(bits));   \
    return bits;                           \
  }
CUDA_ON_CPU_BITS(__float_as_uint, unsigned, float)
CUDA_ON_CPU_BITS(__float_as_int, int, float)
CUDA_ON_CPU_BITS(__uint_as_float, float, unsigned)
CUDA_ON_CPU_BITS(__int_as_float, float, int)
CUDA_ON_CPU_BITS(__double_as_longlong, long long, double)
CUDA_ON_CPU_BITS(__longlong_as_double, double, long long)
#undef CUDA_ON_CPU_BITS
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
