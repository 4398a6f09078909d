// Threads for one parallel loop at a time. The caller works too; workers that are asleep when a loop starts are never
// waited for, so a loop costs no more than running it alone. Which thread runs which task is not fixed: tasks must not
// depend on it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace afterimage {

class ThreadPool {
 public:
  // The caller counts as one. Throws INVALID_ARGUMENT where the system does not allow so many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  // body(task, thread) for every task in [0, count), thread in [0, threads()). Returns when all are done. The body must
  // not throw and must not start another loop. One caller at a time.
  template <class Body>
  void for_each(int64_t count, Body&& body) {
    run_body(count, 1, body);
  }

  // The same; every thread walks through a share of the tasks that lie side by side, then helps with those of others.
  template <class Body>
  void for_each_in_shares(int64_t count, Body&& body) {
    run_body(count, threads(), body);
  }

 private:
  using Invoke = void (*)(void* context, int64_t task, int thread);
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  template <class Body>
  void run_body(int64_t count, int shares, Body& body) {
    run(
        count, shares, [](void* context, int64_t task, int thread) { (*static_cast<Body*>(context))(task, thread); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }
  void run(int64_t count, int shares, Invoke invoke, void* context);
  void work(int thread);
  void stop() noexcept;
  void take_tasks(int thread);

  std::vector<std::thread> workers_;
  Invoke invoke_ = nullptr;
  void* context_ = nullptr;
  std::vector<Share> shares_;                     // by thread
  int in_shares_ = 1;                             // how many of them hold the loop's tasks
  alignas(64) std::atomic<uint32_t> loop_{0};     // counts loops; workers sleep on it
  alignas(64) std::atomic<uint32_t> entered_{0};  // workers inside the loop, plus kOpen while it can be entered
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace afterimage
