// What the lanes of a warp do together: shuffles, votes, mma, and who is active.
#include <cstdio>

#include "launch.h"

namespace cuda_on_cpu {

uint32_t Worker::live_lanes(unsigned warp) const {
  uint32_t lanes = 0;
  const unsigned first = warp * 32, count = registers->count;
  for (unsigned lane = 0; lane < 32 && first + lane < count; ++lane)
    if (!finished[first + lane]) lanes |= 1u << lane;
  return lanes;
}

// Completes the collective that `like` waits at, if all its lanes are there.
bool Worker::complete_warp(unsigned warp, const Fiber& like, Fiber* running) {
  const unsigned first = warp * 32;
  uint32_t participants = like.mask & live_lanes(warp);
  if ((warp_waiting[warp] & participants) != participants) return false;
  void* payloads[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(participants >> lane & 1u)) continue;
    const Fiber& other = *holder[first + lane];
    if (other.mask != like.mask || other.combine != like.combine || other.line != like.line)
      return false;
    payloads[lane] = other.payload;
  }
  like.combine(payloads, participants);
  warp_waiting[warp] &= ~participants;
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned lane = launch.order == Order::reverse ? 31 - i : i;
    if (!(participants >> lane & 1u)) continue;
    Fiber* fiber = holder[first + lane];
    fiber->wait = Wait::none;
    if (fiber == running)
      holder[first + lane] = nullptr;
    else
      ready.push(fiber);
  }
  made_progress();
  return true;
}

void Worker::warp_collective(uint32_t mask, const char* what, Combine combine, void* payload,
                             unsigned line) {
  Fiber& fiber = *current;
  const unsigned warp = registers->linear / 32, lane = registers->linear % 32;
  if (!(mask >> lane & 1u)) {
    char text[128];
    snprintf(text, sizeof(text), "%s: lane %u calls with the mask 0x%08x, which leaves it out",
             what, lane, mask);
    fail(Code::misuse, text, line);
  }
  fiber.mask = mask;
  fiber.what = what;
  fiber.combine = combine;
  fiber.payload = payload;
  suspend(fiber, Wait::warp, line);
  warp_waiting[warp] |= 1u << lane;
  if (!complete_warp(warp, fiber, &fiber)) to_scheduler(*this, fiber);
}

// The lanes that are found at the same call once no lane of the warp can go on otherwise.
uint32_t Worker::active_mask(unsigned line) {
  Fiber& fiber = *current;
  suspend(fiber, Wait::active_mask, line);
  to_scheduler(*this, fiber);
  return fiber.active;
}

bool Worker::release_active_masks() {
  bool any = false;
  for (unsigned warp = 0; warp < warp_waiting.size(); ++warp) {
    uint32_t lanes = 0;
    unsigned line = 0;
    for (unsigned lane = 0; lane < 32 && warp * 32 + lane < registers->count; ++lane) {
      const Fiber* fiber = holder[warp * 32 + lane];
      if (fiber == nullptr || fiber->wait != Wait::active_mask) continue;
      if (lanes == 0) line = fiber->line;
      if (fiber->line == line) lanes |= 1u << lane;
    }
    for (unsigned lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1u) {
        Fiber* fiber = holder[warp * 32 + lane];
        fiber->active = lanes;
        fiber->wait = Wait::none;
        ready.push(fiber);
        any = true;
      }
  }
  return any;
}

}  // namespace cuda_on_cpu
