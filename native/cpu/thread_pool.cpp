#include "cpu/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>

#include "graph/error.h"
#include "platform/sleep.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace afterimage {
namespace {

constexpr uint32_t kOpen = 0x80000000u;
// Longer than the gap between two operators of a run, and between two runs of an answer whose tokens a schema weighs;
// far shorter than a scheduler's time slice.
constexpr auto kSpin = std::chrono::microseconds(100);

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `done` holds or kSpin has passed.
template <class Done>
bool spin_until(Done done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(std::max(threads, 1))) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {
    stop();
    throw Error("INVALID_ARGUMENT", "The system does not allow " + std::to_string(threads) + " threads; use fewer.");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
  stop_.store(true);
  loop_.fetch_add(1);
  platform::wake_all(loop_);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_tasks(int thread) {
  for (int i = 0; i < in_shares_; ++i) {
    Share& share = shares_[static_cast<size_t>((thread + i) % in_shares_)];
    for (int64_t task; (task = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;)
      invoke_(context_, task, thread);
  }
}

void ThreadPool::run(int64_t count, int shares, Invoke invoke, void* context) {
  if (count <= 0) return;
  if (count == 1 || workers_.empty()) {
    for (int64_t task = 0; task < count; ++task) invoke(context, task, 0);
    return;
  }
  invoke_ = invoke;
  context_ = context;
  in_shares_ = shares;
  for (int i = 0; i < shares; ++i) {
    shares_[static_cast<size_t>(i)].next.store(count * i / shares, std::memory_order_relaxed);
    shares_[static_cast<size_t>(i)].end = count * (i + 1) / shares;
  }
  entered_.store(kOpen, std::memory_order_release);  // publishes the fields above to workers that enter
  loop_.fetch_add(1);
  if (sleepers_.load() > 0) platform::wake_all(loop_);
  take_tasks(0);
  uint32_t inside = entered_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  if (inside == 0 || spin_until([&] { return entered_.load(std::memory_order_acquire) == 0; })) return;
  while ((inside = entered_.load(std::memory_order_acquire)) != 0) platform::sleep_while(entered_, inside);
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    if (!spin_until([&] { return loop_.load(std::memory_order_relaxed) != seen; })) {
      // The counter is raised before loop_ is looked at again, so a loop that starts now either sees it or is seen.
      sleepers_.fetch_add(1);
      platform::sleep_while(loop_, seen);
      sleepers_.fetch_sub(1);
    }
    seen = loop_.load();
    if (stop_.load()) return;
    uint32_t inside = entered_.load(std::memory_order_relaxed);
    bool joined = false;
    while ((inside & kOpen) && !joined)
      joined = entered_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel);
    if (!joined) continue;
    take_tasks(thread);
    if (entered_.fetch_sub(1, std::memory_order_acq_rel) == 1) platform::wake_all(entered_);
  }
}

}  // namespace afterimage
