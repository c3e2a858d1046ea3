// How the threads of one block are run, and the barriers among them.
#include <cstdio>

#include "launch.h"

namespace cuda_on_cpu {

thread_local Worker* own_worker = nullptr;

void fiber_main() {
  arrived(own_worker->scheduler);
  for (;;) {
    Worker& worker = *own_worker;
    worker.launch.kernel.run_threads(worker.launch.arguments);
    Fiber& fiber = *worker.current;
    fiber.wait = Wait::none;
    worker.holding -= 1;
    worker.pool->give_back(&fiber);
    worker.current = nullptr;
    switch_context(fiber.context, worker.scheduler);
    arrived(own_worker->scheduler);
  }
}

unsigned char* Worker::window() const {
  return reinterpret_cast<unsigned char*>(registers) - launch.window.registers_offset;
}

// Shared memory starts as NaN (all ones), so that a read of what was never written shows.
static void clear_shared(const Worker& worker) {
  const Launch& launch = worker.launch;
  unsigned char* begin = worker.window();
  unsigned char* end = begin + launch.window.size;
  auto* own = reinterpret_cast<unsigned char*>(worker.registers);
  unsigned char* dynamic =
      launch.kernel.dynamic_shared ? launch.kernel.dynamic_shared() : nullptr;
  const auto fill = [&](unsigned char* from, unsigned char* to) {
    // [from, to) less the registers
    if (from < own) memset(from, 0xFF, static_cast<size_t>((to < own ? to : own) - from));
    unsigned char* behind = own + sizeof(Registers);
    if (to > behind) {
      if (from < behind) from = behind;
      memset(from, 0xFF, static_cast<size_t>(to - from));
    }
  };
  if (dynamic == nullptr) {
    fill(begin, end);
    return;
  }
  constexpr size_t pool = 227 * 1024 + dynamic_guard_bytes;
  fill(begin, dynamic);
  fill(dynamic + pool, end);
  memset(dynamic, 0xFF, launch.parameters.shared_bytes);
#ifdef CUDA_ON_CPU_ASAN
  const size_t used = launch.parameters.shared_bytes;
  __asan_poison_memory_region(dynamic + used, pool - used);
#else
  memset(dynamic + launch.parameters.shared_bytes, 0xFF, dynamic_guard_bytes);
#endif
}

void Worker::start_block() {
  const unsigned count = launch.threads_per_block;
  Registers& r = *registers;
  const dim3 grid = launch.grid;
  r.block_index = {static_cast<unsigned>(block_number % grid.x),
                   static_cast<unsigned>(block_number / grid.x % grid.y),
                   static_cast<unsigned>(block_number / grid.x / grid.y)};
  r.block_dim = launch.block;
  r.grid_dim = grid;
  r.preemptible = 0;
  r.next = 0;
  r.count = count;
  r.order = launch.thread_slots.data();
  r.spins = 0;
  finished.assign(count, 0);
  r.finished = finished.data();
  holder.assign(count, nullptr);
  warp_waiting.assign((count + 31) / 32, 0);
  if (launch.cluster_size > 1) cluster_phase.assign(count, 0);
  ready.reset(launch.order, launch.backward);
  holding = spun = 0;
  barrier_arrived = barrier_count = grid_waiting = 0;
  grid_released = cluster_released = false;
  if (launch.window.size > sizeof(Registers)) clear_shared(*this);
}

void Worker::end_block() {
#ifdef CUDA_ON_CPU_ASAN
  if (launch.kernel.dynamic_shared)
    __asan_unpoison_memory_region(launch.kernel.dynamic_shared(),
                                  227 * 1024 + dynamic_guard_bytes);
#else
  if (launch.kernel.dynamic_shared && !launch.failed) {
    const unsigned char* guard =
        launch.kernel.dynamic_shared() + launch.parameters.shared_bytes;
    for (unsigned i = 0; i < dynamic_guard_bytes; ++i)
      if (guard[i] != 0xFF) {
        char text[160];
        snprintf(text, sizeof(text),
                 "dynamic shared memory was written %u bytes past its end (%u bytes were asked "
                 "for in the launch)",
                 i, launch.parameters.shared_bytes);
        launch.complain(Code::fault, text, &registers->block_index, nullptr, 0);
        break;
      }
  }
#endif
}

Fiber* Worker::next_fiber() {
  const bool unstarted = registers->next < registers->count;
  if (unstarted) {
    bool start = ready.size() == 0;
    if (!start) {
      const unsigned left = registers->count - registers->next;
      start = launch.order == Order::shuffle
                  ? launch.random.below(left + ready.size()) < left
                  : ready.comes_first(registers->order[registers->next].linear);
    }
    if (start) {
      Fiber* fiber = pool->take(fiber_main);
      fiber->spinning = false;
      fiber->linear = 0;  // it may have held a thread of a larger block
      holding += 1;
      return fiber;
    }
  }
  Fiber* fiber = ready.pop(launch.random);
  return fiber != nullptr ? fiber : ready.pop_spinning();
}

void Worker::resume(Fiber& fiber) {
  current = &fiber;
  if (holder[fiber.linear] == &fiber) {
    holder[fiber.linear] = nullptr;
    registers->thread_index = fiber.index;
    registers->linear = fiber.linear;
  }
  const bool was_spinning = fiber.spinning;
  fiber.spinning = false;
  launch.switches.fetch_add(1, std::memory_order_relaxed);
  switch_context(scheduler, fiber.context);
  arrived(fiber.context);
  current = nullptr;
  if (FiberPool::overflowed(fiber) && !launch.failed)
    launch.complain(Code::fault, "a thread overflowed its stack (64 KB): too large local arrays",
                    &registers->block_index, &fiber.index, 0);
  if (fiber.spinning && was_spinning)
    spun += 1;
  else if (!fiber.spinning)
    made_progress();
}

void Worker::made_progress() {
  spun = 0;
  progressed = true;
  launch.progress.fetch_add(1, std::memory_order_relaxed);
}

void Worker::run_block() {
  start_block();
  while (!launch.failed) {
    if (grid_released) {
      grid_released = false;
      grid_waiting = 0;
      release(Wait::grid);
    }
    if (cluster_released) {
      cluster_released = false;
      release(Wait::cluster);
    }
    if (spun > ready.spinning() && ready.size() == 0) {
      spun = 0;
      idle = true;
      // With nobody else to run, the monitor ends it when the time is over.
      if (!launch.pass(*this, State::runnable)) sched_yield();
      continue;
    }
    Fiber* fiber = next_fiber();
    if (fiber != nullptr) {
      resume(*fiber);
      continue;
    }
    if (holding == 0) break;
    if (resolve()) continue;
    if (!launch.pass(*this, State::waiting)) report_deadlock();
  }
  end_block();
}

// ---- on a fiber ----------------------------------------------------------------------------

void Worker::suspend(Fiber& fiber, Wait wait, unsigned line) {
  fiber.index = registers->thread_index;
  fiber.linear = registers->linear;
  fiber.wait = wait;
  fiber.line = line;
  holder[fiber.linear] = &fiber;
  registers->spins = 0;
}

void to_scheduler(Worker& worker, Fiber& fiber) {
  switch_context(fiber.context, worker.scheduler);
  arrived(worker.scheduler);
}

void Worker::give_way(Fiber& fiber) {
  suspend(fiber, Wait::none, 0);
  fiber.spinning = true;
  ready.push(&fiber);
  to_scheduler(*this, fiber);
}

void Worker::spin() {
  if (launch.timed_out) {
    char text[200];
    snprintf(text, sizeof(text),
             "no progress for %g s: no thread ended or passed a barrier; it waits for a value that "
             "nobody writes, or computes for longer",
             launch.parameters.timeout);
    fail(Code::timeout, text, 0);
  }
  give_way(*current);
}

void Worker::fail(Code code, const char* message, unsigned line) {
  Fiber& fiber = *current;
  registers->preemptible = 0;
  launch.complain(code, message, &registers->block_index, &registers->thread_index, line);
  for (;;) switch_context(fiber.context, scheduler);
}

void Worker::release(Wait wait) {
  for (const ThreadSlot& slot : launch.thread_slots) {
    Fiber* fiber = holder[slot.linear];
    if (fiber == nullptr || fiber->wait != wait) continue;
    if (wait == Wait::cluster && cluster_phase[slot.linear] > cluster->phase) continue;
    fiber->wait = Wait::none;
    ready.push(fiber);
  }
}

void Worker::complete_barrier() {
  barrier_result = barrier_count;
  barrier_present = barrier_arrived;
  barrier_arrived = barrier_count = 0;
  release(Wait::block);
}

unsigned Worker::block_barrier(int predicate, unsigned line, unsigned* present) {
  Fiber& fiber = *current;
  if (barrier_arrived != 0 && barrier_line != line) {
    char text[256];
    snprintf(text, sizeof(text),
             "divergent __syncthreads: thread (%u, %u, %u) waits at the barrier in line %u, this "
             "one arrives at the barrier in line %u",
             barrier_first.x, barrier_first.y, barrier_first.z, barrier_line, line);
    fail(Code::deadlock, text, line);
  }
  if (barrier_arrived == 0) {
    barrier_line = line;
    barrier_first = registers->thread_index;
  }
  barrier_arrived += 1;
  barrier_count += predicate != 0;
  suspend(fiber, Wait::block, line);
  if (registers->next == registers->count && barrier_arrived == holding) complete_barrier();
  to_scheduler(*this, fiber);
  *present = barrier_present;
  return barrier_result;
}

void Worker::grid_barrier(unsigned line) {
  if (!launch.parameters.cooperative)
    fail(Code::misuse,
         "this_grid().sync() in a launch that is not cooperative: build the module with "
         "enable_cooperative_groups=True",
         line);
  Fiber& fiber = *current;
  grid_waiting += 1;
  suspend(fiber, Wait::grid, line);
  if (registers->next == registers->count) grid_check();
  to_scheduler(*this, fiber);
}

// Whether the whole block is at the grid's barrier; the last block releases all.
bool Worker::grid_check() {
  if (grid_waiting == 0 || grid_waiting != holding || grid_released) return false;
  launch.grid_arrived += 1;
  grid_waiting = 0;  // counted once
  if (launch.grid_arrived < launch.blocks) return true;
  launch.grid_arrived = 0;
  for (auto& worker : launch.workers) {
    worker->grid_released = true;
    if (worker->state == State::waiting) worker->state = State::runnable;
  }
  made_progress();
  return true;
}

bool Worker::resolve() {
  if (barrier_arrived != 0 && barrier_arrived == holding) {
    complete_barrier();
    return true;
  }
  if (grid_check()) return true;
  for (unsigned warp = 0; warp < warp_waiting.size(); ++warp)
    for (unsigned lane = 0; lane < 32; ++lane)
      if (warp_waiting[warp] >> lane & 1u &&
          complete_warp(warp, *holder[warp * 32 + lane], nullptr))
        return true;
  if (cluster != nullptr) {
    cluster_check();
    if (cluster_released) return true;
  }
  return release_active_masks();
}

// ---- reports ---------------------------------------------------------------------------------

void Worker::report_deadlock() {
  static const char* const names[] = {"nothing", "__syncthreads", "", "__activemask",
                                      "this_grid().sync()", "the cluster's barrier"};
  char text[2048];
  size_t used = static_cast<size_t>(
      snprintf(text, sizeof(text), "deadlock: no thread can go on;"));
  // Threads that wait for the same are one entry: how many, where, and the first of them.
  const Fiber* first_fiber = nullptr;
  std::vector<bool> told(holder.size(), false);
  for (size_t i = 0; i < holder.size() && used < sizeof(text) - 200; ++i) {
    const Fiber* fiber = holder[i];
    if (fiber == nullptr || told[i]) continue;
    unsigned count = 0;
    for (size_t k = i; k < holder.size(); ++k) {
      const Fiber* other = holder[k];
      if (other != nullptr && other->wait == fiber->wait && other->line == fiber->line &&
          (fiber->wait != Wait::warp || other->mask == fiber->mask)) {
        told[k] = true;
        count += 1;
      }
    }
    const char* name = fiber->wait == Wait::warp ? fiber->what
                                                 : names[static_cast<unsigned>(fiber->wait)];
    used += static_cast<size_t>(snprintf(
        text + used, sizeof(text) - used,
        "%s %u thread%s, the first (%u, %u, %u), wait%s at %s in line %u",
        first_fiber ? ";" : "", count, count == 1 ? "" : "s", fiber->index.x, fiber->index.y,
        fiber->index.z, count == 1 ? "s" : "", name, fiber->line));
    if (fiber->wait == Wait::warp)
      used += static_cast<size_t>(
          snprintf(text + used, sizeof(text) - used, " with the mask 0x%08x", fiber->mask));
    if (first_fiber == nullptr) first_fiber = fiber;
  }
  if (registers->count > holding && used < sizeof(text) - 100)
    snprintf(text + used, sizeof(text) - used, "; %u of the block's %u threads have ended",
             registers->count - holding, registers->count);
  launch.complain(Code::deadlock, text, &registers->block_index,
                  first_fiber ? &first_fiber->index : nullptr,
                  first_fiber ? first_fiber->line : 0);
}

}  // namespace cuda_on_cpu
