// bfloat16: conversions round to nearest even, arithmetic is float arithmetic rounded once.
#pragma once
#include <string.h>

#include "cuda_on_cpu/vector_types.h"

struct __nv_bfloat16 {
  unsigned short __x;
  __nv_bfloat16() = default;
  inline __nv_bfloat16(float value);
  inline operator float() const;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  __nv_bfloat16 result;
  result.__x = bits;
  return result;
}
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.__x; }

static inline float __bfloat162float(__nv_bfloat16 value) {
  const unsigned bits = (unsigned)value.__x << 16;
  float result;
  memcpy(&result, &bits, sizeof(result));
  return result;
}
static inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  unsigned bits;
  memcpy(&bits, &value, sizeof(bits));
  if (value != value) return __ushort_as_bfloat16(0x7FFF);
  return __ushort_as_bfloat16((unsigned short)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16));
}
static inline __nv_bfloat16 __float2bfloat16(float value) { return __float2bfloat16_rn(value); }
static inline __nv_bfloat16 __float2bfloat16_rz(float value) {
  unsigned bits;
  memcpy(&bits, &value, sizeof(bits));
  if (value != value) return __ushort_as_bfloat16(0x7FFF);
  return __ushort_as_bfloat16((unsigned short)(bits >> 16));
}
static inline __nv_bfloat16 __double2bfloat16(double value) {
  // Rounded to odd on the way to float, so that the second rounding is the only one that counts.
  float nearest = (float)value;
  if (nearest == nearest && (double)nearest != value && !isinf(nearest)) {
    unsigned bits;
    memcpy(&bits, &nearest, sizeof(bits));
    if (fabs((double)nearest) > fabs(value)) bits -= 1u;
    bits |= 1u;
    memcpy(&nearest, &bits, sizeof(nearest));
  }
  return __float2bfloat16_rn(nearest);
}

inline __nv_bfloat16::__nv_bfloat16(float value) { *this = __float2bfloat16_rn(value); }
inline __nv_bfloat16::operator float() const { return __bfloat162float(*this); }

static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  __nv_bfloat162 result;
  result.x = x;
  result.y = y;
  return result;
}
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return __halves2bfloat162(__float2bfloat16_rn(x), __float2bfloat16_rn(y));
}
static inline __nv_bfloat162 __float22bfloat162_rn(float2 value) {
  return __floats2bfloat162_rn(value.x, value.y);
}
static inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return make_float2(__bfloat162float(value.x), __bfloat162float(value.y));
}
static inline float __low2float(__nv_bfloat162 value) { return __bfloat162float(value.x); }
static inline float __high2float(__nv_bfloat162 value) { return __bfloat162float(value.y); }
static inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 value) { return value.x; }
static inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 value) { return value.y; }

#define CUDA_ON_CPU_BF16(OPERATOR)                                                         \
  static inline __nv_bfloat16 operator OPERATOR(__nv_bfloat16 x, __nv_bfloat16 y) {        \
    return __float2bfloat16_rn(__bfloat162float(x) OPERATOR __bfloat162float(y));          \
  }
CUDA_ON_CPU_BF16(+)
CUDA_ON_CPU_BF16(-)
CUDA_ON_CPU_BF16(*)
CUDA_ON_CPU_BF16(/)
#undef CUDA_ON_CPU_BF16
