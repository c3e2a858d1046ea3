// Faults in kernels become errors of the launch; a thread that never gives way is preempted.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>

#include <algorithm>
#include <chrono>

#include "launch.h"

namespace cuda_on_cpu {

namespace {

#ifdef CUDA_ON_CPU_ASAN
constexpr int fault_signals[] = {SIGFPE, SIGILL};  // AddressSanitizer reports the others
#else
constexpr int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#endif
struct sigaction previous[NSIG];

int preempt_signal() { return SIGRTMIN + 7; }

bool in_kernel() {
  return own_worker != nullptr && own_worker->current != nullptr &&
         own_worker->registers->preemptible;
}

void on_fault(int number, siginfo_t* info, void*) {
  if (!in_kernel()) {
    // Not ours: the instruction runs again, under the handler that was there before.
    sigaction(number, &previous[number], nullptr);
    return;
  }
  Worker& worker = *own_worker;
  worker.registers->preemptible = 0;
  char text[160];
  if (number == SIGFPE) {
    snprintf(text, sizeof(text), "integer division by zero (or overflow in a division)");
  } else if (number == SIGILL) {
    snprintf(text, sizeof(text), "an illegal instruction, or a point that cannot be reached");
  } else if (info->si_code == SI_KERNEL) {  // the processor does not say where
    snprintf(text, sizeof(text),
             "illegal memory access: a misaligned address of a vector type, or an address that "
             "cannot be");
  } else {
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    snprintf(text, sizeof(text), "illegal memory access at address 0x%llx",
             static_cast<unsigned long long>(address));
    worker.launch.report.address = address;
  }
  worker.fail(Code::fault, text, 0);  // leaves the handler's stack for good
}

// Whether the signal came while the module's own instructions ran, and not a library's: that may
// hold a lock (AddressSanitizer, while it writes a report).
bool in_module_code([[maybe_unused]] void* context) {
#if defined(__x86_64__)
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
  const auto at = static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  const auto at = static_cast<const ucontext_t*>(context)->uc_mcontext.pc;
#else
  return true;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
  const Window& window = own_worker->launch.window;
  return at >= window.code_begin && at < window.code_end;
#endif
}

void set_preempt_mask(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, preempt_signal());
  pthread_sigmask(how, &signals, nullptr);
}

// The signal is blocked while its handler runs, so that frames do not pile up on a fiber's stack;
// other fibers of the OS thread, which run in between, must be open to it.
void on_preempt(int, siginfo_t*, void* context) {
  if (own_worker != nullptr) own_worker->preemption_sent = false;
  if (!in_kernel() || !in_module_code(context)) return;
  const int saved = errno;
  Worker& worker = *own_worker;
  worker.registers->preemptible = 0;
  set_preempt_mask(SIG_UNBLOCK);
  worker.spin();
  set_preempt_mask(SIG_BLOCK);
  worker.registers->preemptible = 1;
  errno = saved;
}

// A stack for the handler of a fault, which may be the overflow of a fiber's stack. Each OS
// thread that runs blocks gets one and keeps it.
class AlternateStack {
 public:
  void install() {
    if (memory_ != nullptr) return;
    memory_ = static_cast<char*>(malloc(size));
    stack_t ours{};
    ours.ss_sp = memory_;
    ours.ss_size = size;
    sigaltstack(&ours, &before_);
  }
  ~AlternateStack() {
    if (memory_ == nullptr) return;
    sigaltstack(&before_, nullptr);
    free(memory_);
  }

 private:
  static constexpr size_t size = 64 * 1024;
  char* memory_ = nullptr;
  stack_t before_{};
};

void install(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler) return;
  struct sigaction ours {};
  ours.sa_sigaction = handler;
  ours.sa_flags = SA_SIGINFO | flags;
  sigemptyset(&ours.sa_mask);
  sigaction(number, &ours, &previous[number]);
}

// ---- the monitor -----------------------------------------------------------------------------

using Clock = std::chrono::steady_clock;

struct Watched {
  Launch* launch;
  uint64_t progress = 0, switches = 0;
  unsigned next = 0;
  Clock::time_point since = Clock::now();
};

// One thread for all launches; it sleeps while there has been none for a while.
class Monitor {
 public:
  void add(Launch& launch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!started_) {
      started_ = true;
      std::thread([this] { run(); }).detach();
    }
    watched_.push_back(Watched{&launch});
    if (parked_) wake_.notify_one();
  }
  void remove(Launch& launch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_.erase(std::find_if(watched_.begin(), watched_.end(),
                                [&](const Watched& w) { return w.launch == &launch; }));
  }

 private:
  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // Python's signals are for Python's threads
    std::unique_lock<std::mutex> lock(mutex_);
    int quiet = 0;
    for (;;) {
      if (watched_.empty() && ++quiet > 50) {
        parked_ = true;
        wake_.wait(lock, [this] { return !watched_.empty(); });
        parked_ = false;
        quiet = 0;
      }
      bool preempted = false;
      for (Watched& watched : watched_) preempted |= look_at(watched);
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::microseconds(preempted ? 250 : 2000));
      lock.lock();
      if (!watched_.empty()) quiet = 0;
    }
  }

  // Preempts a thread that has been running since the last look, and ends a launch whose time is
  // over.
  static bool look_at(Watched& watched) {
    Launch& launch = *watched.launch;
    Worker* holder = launch.holder;
    if (holder == nullptr || !holder->attached) return false;
    const uint64_t progress = launch.progress, switches = launch.switches;
    const unsigned next = *const_cast<const volatile unsigned*>(&holder->registers->next);
    const auto now = Clock::now();
    if (progress != watched.progress || next != watched.next) watched.since = now;
    if (std::chrono::duration<double>(now - watched.since).count() > launch.parameters.timeout)
      launch.timed_out = true;
    const bool stuck = switches == watched.switches && next == watched.next;
    watched.progress = progress;
    watched.switches = switches;
    watched.next = next;
    if (stuck && !holder->preemption_sent.exchange(true))
      pthread_kill(holder->thread, preempt_signal());
    return stuck;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Watched> watched_;
  bool started_ = false, parked_ = false;
};

// Never destroyed: its thread lives as long as the process.  A forked child gets a new one, since of
// the parent's the thread is missing, and its lock and condition are as that thread left them.
Monitor* only = nullptr;

Monitor& monitor() {
  static const bool made = [] {
    only = new Monitor;
    return pthread_atfork(nullptr, nullptr, [] { only = new Monitor; }) == 0;
  }();
  static_cast<void>(made);
  return *only;
}

}  // namespace

void enter_signals() {
  // Others (Python's faulthandler) may install theirs later, so ours are looked after at times.
  static std::atomic<unsigned> entered{0};
  if (entered++ % 256 == 0) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    for (const int number : fault_signals) install(number, on_fault, SA_ONSTACK | SA_NODEFER);
    install(preempt_signal(), on_preempt, SA_RESTART);
  }
#ifndef CUDA_ON_CPU_ASAN
  static thread_local AlternateStack alternate_stack;
  alternate_stack.install();
#endif
}

void watch(Launch& launch) { monitor().add(launch); }
void unwatch(Launch& launch) { monitor().remove(launch); }

}  // namespace cuda_on_cpu
