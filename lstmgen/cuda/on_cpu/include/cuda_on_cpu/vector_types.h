// CUDA's built-in vector types with their sizes, alignments and make_ functions.
#pragma once

#define CUDA_ON_CPU_VECTOR(NAME, ELEMENT, ALIGN1, ALIGN2, ALIGN3, ALIGN4)                        \
  struct alignas(ALIGN1) NAME##1 { ELEMENT x; };                                                 \
  struct alignas(ALIGN2) NAME##2 { ELEMENT x, y; };                                              \
  struct alignas(ALIGN3) NAME##3 { ELEMENT x, y, z; };                                           \
  struct alignas(ALIGN4) NAME##4 { ELEMENT x, y, z, w; };                                        \
  static inline NAME##1 make_##NAME##1(ELEMENT x) { return {x}; }                                \
  static inline NAME##2 make_##NAME##2(ELEMENT x, ELEMENT y) { return {x, y}; }                  \
  static inline NAME##3 make_##NAME##3(ELEMENT x, ELEMENT y, ELEMENT z) { return {x, y, z}; }    \
  static inline NAME##4 make_##NAME##4(ELEMENT x, ELEMENT y, ELEMENT z, ELEMENT w) {             \
    return {x, y, z, w};                                                                         \
  }

CUDA_ON_CPU_VECTOR(char, signed char, 1, 2, 1, 4)
CUDA_ON_CPU_VECTOR(uchar, unsigned char, 1, 2, 1, 4)
CUDA_ON_CPU_VECTOR(short, short, 2, 4, 2, 8)
CUDA_ON_CPU_VECTOR(ushort, unsigned short, 2, 4, 2, 8)
CUDA_ON_CPU_VECTOR(int, int, 4, 8, 4, 16)
CUDA_ON_CPU_VECTOR(uint, unsigned, 4, 8, 4, 16)
CUDA_ON_CPU_VECTOR(longlong, long long, 8, 16, 8, 16)
CUDA_ON_CPU_VECTOR(ulonglong, unsigned long long, 8, 16, 8, 16)
CUDA_ON_CPU_VECTOR(float, float, 4, 8, 4, 16)
CUDA_ON_CPU_VECTOR(double, double, 8, 16, 8, 16)
#undef CUDA_ON_CPU_VECTOR

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return uint3{x, y, z}; }
};
