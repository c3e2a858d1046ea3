// The baton among the blocks of a launch, and the functions that modules and Python call.
#include "launch.h"

#include <link.h>

#include <cstdarg>
#include <cstdio>
#include <map>
#include <system_error>

namespace cuda_on_cpu {

FiberPool& own_pool() {
  static thread_local FiberPool pool;
  return pool;
}

// ---- where a module's thread-local memory lies ---------------------------------------------

namespace {
struct Search {
  const KernelInfo& kernel;
  const unsigned char* registers;
  Window window;
};

int look(dl_phdr_info* info, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  const auto address = reinterpret_cast<uintptr_t>(&search.kernel);
  bool here = false;
  size_t size = 0;
  uintptr_t code_begin = 0, code_end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && address >= begin && address < begin + header.p_memsz)
      here = true;
    if (header.p_type == PT_TLS) size = header.p_memsz;
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X)) {
      code_begin = begin;
      code_end = begin + header.p_memsz;
    }
  }
  if (!here) return 0;
  search.window.code_begin = code_begin;
  search.window.code_end = code_end;
  if (info->dlpi_tls_data != nullptr) {
    search.window.size = size;
    search.window.registers_offset = static_cast<size_t>(
        search.registers - static_cast<const unsigned char*>(info->dlpi_tls_data));
  }
  return 1;
}
}  // namespace

Window find_window(const KernelInfo& kernel) {
  static std::mutex mutex;
  static std::map<const KernelInfo*, Window> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known.find(&kernel);
  if (found != known.end()) return found->second;
  Search search{kernel, reinterpret_cast<unsigned char*>(kernel.registers()), {}};
  dl_iterate_phdr(look, &search);
  return known.emplace(&kernel, search.window).first->second;
}

// ---- the launch ------------------------------------------------------------------------------

Launch::Launch(const KernelInfo& kernel, const LaunchParameters& p, void** arguments,
               LaunchReport& report)
    : kernel(kernel),
      parameters(p),
      arguments(arguments),
      report(report),
      grid(p.grid[0], p.grid[1], p.grid[2]),
      block(p.block[0], p.block[1], p.block[2]),
      threads_per_block(block.x * block.y * block.z),
      cluster_size(kernel.cluster.x * kernel.cluster.y * kernel.cluster.z),
      blocks(uint64_t{grid.x} * grid.y * grid.z),
      order(static_cast<Order>(p.order)),
      backward(p.seed & 1u),
      random(p.seed),
      thread_slots(thread_order(order, backward, random, block)),
      block_order(order, backward, random, blocks / cluster_size),
      window(find_window(kernel)) {
  if (cluster_size > 1) clusters.resize(blocks / cluster_size);
}

Launch::~Launch() = default;

void Worker::attach() {
  registers = launch.kernel.registers();
  registers->preemptible = 0;
  if (launch.kernel.dynamic_shared) launch.kernel.dynamic_shared();
  pool = &own_pool();
  thread = pthread_self();
  own_worker = this;
  enter_signals();
  attached = true;
}

void Worker::detach() {
  attached = false;
  if (launch.failed) pool->discard_all();
  own_worker = nullptr;
}

bool Launch::take_block(Worker& worker) {
  if (failed || next_position == blocks) return false;
  const uint64_t position = next_position++;
  if (cluster_size == 1) {
    worker.block_number = block_order(position);
    return true;
  }
  // Blocks start cluster by cluster; a cluster is a box of neighbouring blocks.
  const uint64_t number = block_order(position / cluster_size);
  const unsigned rank = static_cast<unsigned>(position % cluster_size);
  const uint3 c = kernel.cluster;
  const uint64_t across = grid.x / c.x, down = grid.y / c.y;
  const uint64_t x = number % across * c.x + rank % c.x;
  const uint64_t y = number / across % down * c.y + rank / c.x % c.y;
  const uint64_t z = number / (across * down) * c.z + rank / (c.x * c.y);
  worker.block_number = x + grid.x * (y + grid.y * z);
  if (!clusters[number]) {
    clusters[number] = std::make_unique<Cluster>();
    clusters[number]->members.resize(cluster_size, nullptr);
  }
  worker.cluster = clusters[number].get();
  worker.rank = rank;
  worker.cluster->members[rank] = &worker;
  return true;
}

Worker* Launch::add_worker() {
  workers.push_back(std::make_unique<Worker>(*this, static_cast<unsigned>(workers.size())));
  resident += 1;
  return workers.back().get();
}

// Called under the mutex. Blocks that can make progress come before those that only spin.
Worker* Launch::choose(Worker& self) {
  if (self.progressed)
    for (auto& worker : workers)
      if (worker.get() != &self) worker->idle = false;
  self.progressed = false;
  std::vector<Worker*> able, spinning;
  const size_t count = workers.size();
  for (size_t i = 1; i < count; ++i) {
    const size_t step = order == Order::reverse ? count - i : i;
    // starve: always the first that can run; otherwise the next after this one.
    const size_t at = order == Order::starve ? (self.number + i) % count
                                             : (self.number + step) % count;
    Worker* worker = workers[at].get();
    if (worker->state != State::runnable) continue;
    (worker->idle ? spinning : able).push_back(worker);
  }
  const bool fresh = next_position < blocks && resident < parameters.capacity;
  if (order == Order::shuffle && !able.empty()) {
    const unsigned i = random.below(able.size() + (fresh ? 1 : 0));
    if (i < able.size()) return able[i];
  }
  if (order == Order::starve && !able.empty()) {
    Worker* first = able.front();
    for (Worker* worker : able)
      if (backward ? worker->number > first->number : worker->number < first->number)
        first = worker;
    return first;
  }
  if (fresh) return add_worker();
  if (!able.empty()) return able.front();
  return spinning.empty() ? nullptr : spinning.front();
}

void Launch::hand_to(Worker& next) {
  holder = &next;
  if (next.started) {
    next.turn.notify_one();
    return;
  }
  next.started = true;
  threads.emplace_back([this, &next] { work(next); });
}

bool Launch::pass(Worker& self, State state) {
  std::unique_lock<std::mutex> lock(mutex);
  self.state = state;
  Worker* next = choose(self);
  if (next == nullptr) {
    self.state = State::runnable;
    return false;
  }
  try {
    hand_to(*next);
  } catch (const std::system_error&) {
    holder = &self;
    lock.unlock();
    complain(Code::misuse, "the system refuses another thread: too many resident blocks", nullptr,
             nullptr, 0);
    return true;
  }
  self.turn.wait(lock, [&] { return holder == &self || failed; });
  self.state = State::runnable;
  return true;
}

// A block of a cluster keeps its shared memory until the whole cluster has ended, as NaN.
void Launch::end_block(Worker& worker) {
  Cluster* cluster = worker.cluster;
  if (cluster == nullptr || failed) return;
  cluster->ended_blocks += 1;
  if (kernel.dynamic_shared) memset(kernel.dynamic_shared(), 0xFF, parameters.shared_bytes);
  if (cluster->ended_blocks < cluster_size) {
    worker.state = State::lingering;
    worker.cluster_check();
    if (!pass(worker, State::lingering)) end_in_deadlock();
  } else {
    for (Worker* member : cluster->members) member->state = State::runnable;
  }
  worker.cluster = nullptr;
}

void Launch::end_in_deadlock() {
  for (auto& worker : workers)
    if (worker->state == State::waiting) {
      worker->report_deadlock();
      return;
    }
  complain(Code::deadlock, "deadlock: blocks of a cluster wait for blocks that never start",
           nullptr, nullptr, 0);
}

void Launch::work(Worker& worker) {
  worker.attach();
  while (take_block(worker)) {
    worker.run_block();
    end_block(worker);
  }
  worker.detach();
  bool stuck = false;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    worker.state = State::ended;
    resident -= 1;
    if (failed) return;
    if (Worker* next = choose(worker)) {
      hand_to(*next);
    } else {
      for (auto& other : workers) stuck = stuck || other->state != State::ended;
    }
  }
  if (stuck) end_in_deadlock();
}

void Launch::run() {
  Worker* first = add_worker();
  first->started = true;
  holder = first;
  watch(*this);
  work(*first);
  // The others end one after the other; each may start one more, so the list is read anew.
  for (size_t i = 0;; ++i) {
    std::thread* next = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (i < threads.size()) next = &threads[i];
    }
    if (next == nullptr) break;
    next->join();
  }
  unwatch(*this);
  if (printed) fflush(stdout);
}

void Launch::complain(Code code, const char* message, const uint3* block_at,
                      const uint3* thread_at, unsigned line) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (failed) return;
  failed = true;
  report.code = static_cast<int32_t>(code);
  snprintf(report.message, sizeof(report.message), "%s", message);
  report.line = line;
  report.has_thread = (block_at ? 1u : 0u) | (thread_at ? 2u : 0u);
  if (block_at) memcpy(report.block, block_at, sizeof(report.block));
  if (thread_at) memcpy(report.thread, thread_at, sizeof(report.thread));
  for (auto& worker : workers) worker->turn.notify_all();
}

// Marks the time that a thread spends in the runtime, where it must not be preempted.
class InRuntime {
 public:
  InRuntime() : worker(*own_worker) { worker.registers->preemptible = 0; }
  ~InRuntime() { worker.registers->preemptible = 1; }
  Worker& worker;
};

}  // namespace cuda_on_cpu

using cuda_on_cpu::Code;
using cuda_on_cpu::InRuntime;

// ---- called by kernels -------------------------------------------------------------------------

unsigned cuda_on_cpu_block_barrier(int predicate, unsigned line, unsigned* present) {
  return InRuntime().worker.block_barrier(predicate, line, present);
}
void cuda_on_cpu_warp_collective(uint32_t mask, const char* what, cuda_on_cpu::Combine combine,
                                 void* payload, unsigned line) {
  InRuntime().worker.warp_collective(mask, what, combine, payload, line);
}
uint32_t cuda_on_cpu_active_mask(unsigned line) { return InRuntime().worker.active_mask(line); }
void cuda_on_cpu_grid_barrier(unsigned line) { InRuntime().worker.grid_barrier(line); }
void cuda_on_cpu_cluster_arrive(unsigned line) { InRuntime().worker.cluster_arrive(line); }
void cuda_on_cpu_cluster_wait(unsigned line) { InRuntime().worker.cluster_wait(line); }
unsigned cuda_on_cpu_cluster_size() { return cuda_on_cpu::own_worker->launch.cluster_size; }
unsigned cuda_on_cpu_cluster_rank() { return cuda_on_cpu::own_worker->rank; }
void* cuda_on_cpu_map_shared(const void* address, unsigned rank, unsigned line) {
  return InRuntime().worker.map_shared(address, rank, line);
}
void cuda_on_cpu_spin() {
  InRuntime in_runtime;
  in_runtime.worker.spin();
}
void cuda_on_cpu_fail(const char* what, unsigned line) {
  cuda_on_cpu::own_worker->fail(Code::trap, what, line);
}
int cuda_on_cpu_printf(const char* format, ...) {
  InRuntime in_runtime;
  in_runtime.worker.launch.printed = true;
  va_list arguments;
  va_start(arguments, format);
  const int written = vprintf(format, arguments);
  va_end(arguments);
  return written;
}

// ---- called by Python --------------------------------------------------------------------------

CUDA_ON_CPU_API int cuda_on_cpu_launch(const cuda_on_cpu::KernelInfo* kernel,
                                       const cuda_on_cpu::LaunchParameters* parameters,
                                       void** arguments, cuda_on_cpu::LaunchReport* report) {
  report->code = 0;
  try {
    cuda_on_cpu::Launch launch(*kernel, *parameters, arguments, *report);
    launch.run();
  } catch (const std::exception& error) {
    report->code = static_cast<int32_t>(Code::misuse);
    report->has_thread = 0;
    snprintf(report->message, sizeof(report->message), "the launch failed: %s", error.what());
  }
  return report->code;
}
