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
    using Plain = std::remove_reference_t<Body>;
    run(
        count, [](void* context, int64_t task, int thread) { (*static_cast<Plain*>(context))(task, thread); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Invoke = void (*)(void* context, int64_t task, int thread);
  void run(int64_t count, Invoke invoke, void* context);
  void work(int thread);
  void stop() noexcept;
  void take_tasks(int thread);

  std::vector<std::thread> workers_;
  Invoke invoke_ = nullptr;
  void* context_ = nullptr;
  int64_t count_ = 0;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> loop_{0};     // counts loops; workers sleep on it
  alignas(64) std::atomic<uint32_t> entered_{0};  // workers inside the loop, plus kOpen while it can be entered
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace afterimage
