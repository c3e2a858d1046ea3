// The barrier of a cluster, in its two halves, and addresses in a peer's shared memory.
#include <cstdio>

#include "launch.h"

namespace cuda_on_cpu {

// Completes the phase when every thread of the cluster that has not exited has arrived.
void Worker::cluster_check() {
  unsigned expected = 0;
  for (const Worker* member : cluster->members) {
    if (member == nullptr)
      expected += launch.threads_per_block;  // not started
    else if (member->state != State::lingering)
      expected += member->holding + (member->registers->count - member->registers->next);
  }
  if (cluster->arrived == 0 || cluster->arrived < expected) return;
  cluster->arrived = 0;
  cluster->phase += 1;
  for (Worker* member : cluster->members) {
    if (member == nullptr || member->state == State::lingering) continue;
    member->cluster_released = true;
    if (member->state == State::waiting) member->state = State::runnable;
  }
  made_progress();
}

void Worker::cluster_arrive(unsigned line) {
  if (cluster == nullptr) return;  // a cluster of one: its barrier orders nothing
  unsigned& phase = cluster_phase[registers->linear];
  if (phase != 0)
    fail(Code::misuse, "the thread arrives at the cluster's barrier twice without waiting", line);
  phase = cluster->phase + 1;
  cluster->arrived += 1;
  cluster_check();
}

void Worker::cluster_wait(unsigned line) {
  if (cluster == nullptr) {
    unsigned present;
    block_barrier(0, line, &present);
    return;
  }
  const unsigned linear = registers->linear;
  if (cluster_phase[linear] == 0)
    fail(Code::misuse, "the thread waits at the cluster's barrier without having arrived", line);
  if (cluster->phase < cluster_phase[linear]) {
    Fiber& fiber = *current;
    suspend(fiber, Wait::cluster, line);
    to_scheduler(*this, fiber);
  }
  cluster_phase[linear] = 0;
}

void* Worker::map_shared(const void* address, unsigned to, unsigned line) {
  char text[200];
  const auto* place = static_cast<const unsigned char*>(address);
  const unsigned char* begin = window();
  if (place < begin || place >= begin + launch.window.size)
    fail(Code::misuse, "map_shared_rank: the address is not in the block's shared memory", line);
  if (to >= launch.cluster_size) {
    snprintf(text, sizeof(text), "map_shared_rank: rank %u in a cluster of %u blocks", to,
             launch.cluster_size);
    fail(Code::misuse, text, line);
  }
  if (to == rank) return const_cast<void*>(address);
  const Worker* peer = cluster->members[to];
  if (peer == nullptr || peer->state == State::lingering) {
    snprintf(text, sizeof(text),
             "map_shared_rank: the block of rank %u %s; a cluster barrier must stand between",
             to, peer == nullptr ? "has not started" : "has ended");
    fail(Code::misuse, text, line);
  }
  return peer->window() + (place - begin);
}

}  // namespace cuda_on_cpu
