// The tensor core's mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32, emulated.
//
// A kernel text chooses it where CUDA_ON_CPU is defined and the PTX instruction elsewhere. The
// registers hold what the PTX manual says: lane l has group g = l / 4 and place p = l % 4;
// a[0..3] rows g, g + 8, g, g + 8 of A with columns 2p, 2p + 1 (+ 8 for a[2], a[3]);
// b[0..1] rows 2p, 2p + 1 (+ 8 for b[1]) of column g of B; c and d rows g, g, g + 8, g + 8 with
// columns 2p, 2p + 1. The lower half of a register is the lower index.
#pragma once
#include "runtime.h"

namespace cuda_on_cpu {

struct MmaPayload {
  float* d;
  const unsigned* a;
  const unsigned* b;
  const float* c;
};

static inline float bf16_half(unsigned bits, unsigned upper) {
  const unsigned word = upper ? bits & 0xFFFF0000u : bits << 16;
  float value;
  memcpy(&value, &word, sizeof(value));
  return value;
}

static inline void combine_mma_m16n8k16_bf16(void* const* payloads, uint32_t participants) {
  if (participants != 0xFFFFFFFFu) cuda_on_cpu_fail("mma.sync needs all 32 lanes", 0);
  float result[16][8];
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned column = 0; column < 8; ++column) {
      const unsigned owner = row % 8 * 4 + column / 2;
      const auto* own = static_cast<const MmaPayload*>(payloads[owner]);
      float sum = own->c[row / 8 * 2 + column % 2];
      for (unsigned k = 0; k < 16; ++k) {
        const unsigned place = k % 8 / 2;
        const auto* left = static_cast<const MmaPayload*>(payloads[row % 8 * 4 + place]);
        const auto* right = static_cast<const MmaPayload*>(payloads[column * 4 + place]);
        sum += bf16_half(left->a[row / 8 + k / 8 * 2], k % 2) * bf16_half(right->b[k / 8], k % 2);
      }
      result[row][column] = sum;
    }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto* own = static_cast<const MmaPayload*>(payloads[lane]);
    for (unsigned i = 0; i < 4; ++i) own->d[i] = result[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

static inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                     const float (&c)[4], unsigned line = __builtin_LINE()) {
  MmaPayload payload{d, a, b, c};
  cuda_on_cpu_warp_collective(0xFFFFFFFFu, "mma.sync", combine_mma_m16n8k16_bf16, &payload, line);
}

}  // namespace cuda_on_cpu
