// One launch: its blocks, the OS threads that run them, and what they wait for.
//
// Every resident block has an OS thread of its own (a Worker), for its shared memory is
// thread_local; but only the holder of the launch's baton runs. So nothing here needs atomics or
// locks beyond the baton, an order of blocks can be chosen, and a deadlock is seen at once. The
// first worker is the calling thread; another starts only when all running blocks have to wait.
#pragma once
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "order.h"

namespace cuda_on_cpu {

// Shared with Python (native.py): the layout is part of the interface.
struct LaunchParameters {
  uint32_t grid[3], block[3];
  uint32_t shared_bytes;
  uint32_t cooperative;
  uint32_t order;
  uint32_t capacity;  // blocks that can be resident at the same time
  uint64_t seed;
  double timeout;     // seconds without any progress before the launch is given up
};

enum class Code : int32_t { none, fault, deadlock, timeout, trap, misuse };

struct LaunchReport {
  int32_t code;
  uint32_t has_thread;
  uint32_t block[3], thread[3];
  uint32_t line;
  uint64_t address;  // of a memory fault
  char message[3072];
};

constexpr unsigned dynamic_guard_bytes = 1024;  // behind the dynamic shared memory, checked

// Where a module's thread-local memory lies (its registers, its static and dynamic shared
// memory), and its code.
struct Window {
  size_t size = 0;
  size_t registers_offset = 0;
  uintptr_t code_begin = 0, code_end = 0;
};

struct Worker;

struct Cluster {
  std::vector<Worker*> members;  // by rank; null before the block starts
  unsigned arrived = 0, phase = 0, ended_blocks = 0;
};

enum class State { runnable, waiting, lingering, ended };

struct Launch {
  const KernelInfo& kernel;
  const LaunchParameters& parameters;
  void** arguments;
  LaunchReport& report;
  dim3 grid, block;
  unsigned threads_per_block, cluster_size;
  uint64_t blocks;
  Order order;
  bool backward;
  Random random;
  std::vector<ThreadSlot> thread_slots;
  BlockOrder block_order;
  Window window;

  // The baton. `holder` changes only under the mutex.
  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> workers;
  std::deque<std::thread> threads;
  std::atomic<Worker*> holder{nullptr};
  uint64_t next_position = 0;
  unsigned resident = 0;
  bool failed = false;
  bool printed = false;

  // Grid-wide barrier, clusters by number.
  uint64_t grid_arrived = 0;
  std::vector<std::unique_ptr<Cluster>> clusters;

  // For the monitor.
  std::atomic<uint64_t> progress{0}, switches{0};
  std::atomic<bool> timed_out{false};

  Launch(const KernelInfo& kernel, const LaunchParameters& parameters, void** arguments,
         LaunchReport& report);
  ~Launch();
  void run();

  // Takes the next block that has not started, or returns false.
  bool take_block(Worker& worker);
  // Hands the baton on and returns when it is back; false when nobody else can run.
  bool pass(Worker& self, State state);
  void end_block(Worker& worker);
  void complain(Code code, const char* message, const uint3* block, const uint3* thread,
                unsigned line);

 private:
  Worker* choose(Worker& self);
  Worker* add_worker();
  void hand_to(Worker& next);
  void end_in_deadlock();
  void work(Worker& worker);
};

// One OS thread and the block it runs.
struct Worker {
  Launch& launch;
  const unsigned number;
  Registers* registers = nullptr;
  FiberPool* pool = nullptr;
  Context scheduler;
  Fiber* current = nullptr;
  pthread_t thread{};
  bool started = false;                // its OS thread
  std::atomic<bool> attached{false};   // to it: the monitor may send it a signal
  std::atomic<bool> preemption_sent{false};
  std::condition_variable turn;
  State state = State::runnable;
  bool idle = false;        // gave the baton away because all its threads spin
  bool progressed = false;  // since it got the baton

  // The block.
  uint64_t block_number = 0;
  Cluster* cluster = nullptr;
  unsigned rank = 0;
  ReadyQueue ready;
  std::vector<Fiber*> holder;          // by linear index: the suspended fiber of a thread
  std::vector<unsigned char> finished; // by linear index
  std::vector<uint32_t> warp_waiting;  // by warp: lanes that wait at a warp collective
  unsigned holding = 0;                // threads started and not finished
  unsigned spun = 0;                   // spins since the last progress

  unsigned barrier_arrived = 0, barrier_count = 0, barrier_line = 0;
  unsigned barrier_result = 0, barrier_present = 0;
  uint3 barrier_first{};
  unsigned grid_waiting = 0;
  bool grid_released = false, cluster_released = false;
  std::vector<unsigned> cluster_phase;  // by thread: 1 + the phase it arrived in, 0 for none

  Worker(Launch& launch, unsigned number) : launch(launch), number(number) {}
  void attach();  // to the calling OS thread
  void detach();
  void run_block();

  // Called on a fiber.
  void suspend(Fiber& fiber, Wait wait, unsigned line);
  void give_way(Fiber& fiber);
  void spin();
  unsigned block_barrier(int predicate, unsigned line, unsigned* present);
  void warp_collective(uint32_t mask, const char* what, Combine combine, void* payload,
                       unsigned line);
  uint32_t active_mask(unsigned line);
  void grid_barrier(unsigned line);
  void cluster_arrive(unsigned line);
  void cluster_wait(unsigned line);
  void* map_shared(const void* address, unsigned rank, unsigned line);
  [[noreturn]] void fail(Code code, const char* message, unsigned line);

  unsigned char* window() const;
  void made_progress();
  void cluster_check();
  void report_deadlock();

 private:
  void start_block();
  void end_block();
  Fiber* next_fiber();
  void resume(Fiber& fiber);
  bool resolve();  // what can go on although nobody arrived: barriers that exits complete
  void release(Wait wait);
  void complete_barrier();
  bool complete_warp(unsigned warp, const Fiber& like, Fiber* running);
  bool grid_check();
  bool release_active_masks();
  uint32_t live_lanes(unsigned warp) const;
};

// The worker of this OS thread while it runs a launch. Initial-exec, for signal handlers read it.
extern __attribute__((tls_model("initial-exec"))) thread_local Worker* own_worker;

void fiber_main();
void to_scheduler(Worker& worker, Fiber& fiber);  // until the fiber is resumed
FiberPool& own_pool();
Window find_window(const KernelInfo& kernel);

// signals.cpp: faults and preemption. The monitor watches a launch between watch and unwatch.
void enter_signals();
void watch(Launch& launch);
void unwatch(Launch& launch);

}  // namespace cuda_on_cpu
