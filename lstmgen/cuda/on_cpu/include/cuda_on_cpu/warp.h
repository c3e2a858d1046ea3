// Warp shuffles and votes. Every lane of the mask that has not exited must arrive at the same
// call; a value read from a lane that takes no part is all ones (NaN), as it is undefined in CUDA.
#pragma once
#include "runtime.h"

namespace cuda_on_cpu {

static inline unsigned lane() { return registers.linear % 32; }

template <class T>
struct Shuffle {
  T value;
  unsigned source;
  T result;
};

template <class T>
void combine_shuffle(void* const* payloads, uint32_t participants) {
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(participants >> lane & 1u)) continue;
    auto* own = static_cast<Shuffle<T>*>(payloads[lane]);
    if (participants >> own->source & 1u)
      own->result = static_cast<const Shuffle<T>*>(payloads[own->source])->value;
    else
      memset(&own->result, 0xFF, sizeof(T));
  }
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source, const char* what, unsigned line) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "no shuffle for this type");
  Shuffle<T> payload{value, source, value};
  cuda_on_cpu_warp_collective(mask, what, combine_shuffle<T>, &payload, line);
  return payload.result;
}

struct Vote {
  unsigned predicate, ballot, present;
};

static inline void combine_vote(void* const* payloads, uint32_t participants) {
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (participants >> lane & 1u)
      ballot |= (static_cast<Vote*>(payloads[lane])->predicate != 0 ? 1u : 0u) << lane;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (participants >> lane & 1u) {
      static_cast<Vote*>(payloads[lane])->ballot = ballot;
      static_cast<Vote*>(payloads[lane])->present = participants;
    }
}

static inline Vote vote(unsigned mask, int predicate, const char* what, unsigned line) {
  Vote payload{predicate != 0, 0, 0};
  cuda_on_cpu_warp_collective(mask, what, combine_vote, &payload, line);
  return payload;
}

static inline void combine_nothing(void* const*, uint32_t) {}

static inline unsigned segment_start(int width) { return lane() & ~(unsigned)(width - 1); }

}  // namespace cuda_on_cpu

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              unsigned line = __builtin_LINE()) {
  const unsigned from = cuda_on_cpu::segment_start(width) + ((unsigned)source & (width - 1u));
  return cuda_on_cpu::shuffle(mask, value, from, "__shfl_sync", line);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 unsigned line = __builtin_LINE()) {
  const unsigned lane = cuda_on_cpu::lane(), first = cuda_on_cpu::segment_start(width);
  return cuda_on_cpu::shuffle(mask, value, lane < first + delta ? lane : lane - delta,
                              "__shfl_up_sync", line);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   unsigned line = __builtin_LINE()) {
  const unsigned lane = cuda_on_cpu::lane(), end = cuda_on_cpu::segment_start(width) + width;
  return cuda_on_cpu::shuffle(mask, value, lane + delta < end ? lane + delta : lane,
                              "__shfl_down_sync", line);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  unsigned line = __builtin_LINE()) {
  // A source in a later segment than the own is out of range: the own value, as in CUDA.
  const unsigned lane = cuda_on_cpu::lane(), from = lane ^ (unsigned)lane_mask;
  const unsigned end = cuda_on_cpu::segment_start(width) + width;
  return cuda_on_cpu::shuffle(mask, value, from < end ? from : lane, "__shfl_xor_sync", line);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate,
                                     unsigned line = __builtin_LINE()) {
  return cuda_on_cpu::vote(mask, predicate, "__ballot_sync", line).ballot;
}
static inline int __any_sync(unsigned mask, int predicate, unsigned line = __builtin_LINE()) {
  return cuda_on_cpu::vote(mask, predicate, "__any_sync", line).ballot != 0;
}
static inline int __all_sync(unsigned mask, int predicate, unsigned line = __builtin_LINE()) {
  const cuda_on_cpu::Vote v = cuda_on_cpu::vote(mask, predicate, "__all_sync", line);
  return v.ballot == v.present;
}
static inline unsigned __activemask(unsigned line = __builtin_LINE()) {
  return cuda_on_cpu_active_mask(line);
}
static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, unsigned line = __builtin_LINE()) {
  char payload = 0;
  cuda_on_cpu_warp_collective(mask, "__syncwarp", cuda_on_cpu::combine_nothing, &payload, line);
}
