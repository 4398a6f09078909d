// Every task runs once, loops follow each other without mixing, idle threads use no processor, pools shut down at once.
#ifdef _WIN32
#include <windows.h>
#endif

#include <ctime>
#include <thread>

#include "cpu/thread_pool.h"
#include "graph_check.h"
#include "platform/processors.h"

using namespace afterimage;

namespace {

void test_every_task_once() {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      for (int repeat = 0; repeat < 400; ++repeat) {
        std::vector<int> seen(static_cast<size_t>(count));
        const auto see = [&](int64_t task, int thread) {
          if (thread >= 0 && thread < threads) ++seen[static_cast<size_t>(task)];
        };
        repeat % 2 ? pool.for_each(count, see) : pool.for_each_in_shares(count, see);
        bool once = true;
        for (int n : seen) once = once && n == 1;
        if (!once) CHECK(once);
      }
    }
    CHECK(pool.threads() == threads);
  }
}

// The first of each thread's tasks; neither goes on before the other has begun.
void test_shares() {
  ThreadPool pool(2);
  int64_t first[2] = {-1, -1};
  std::atomic<int> begun{0};
  pool.for_each_in_shares(101, [&](int64_t task, int thread) {
    if (first[thread] >= 0) return;
    first[thread] = task;
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  CHECK(first[0] == 0 && first[1] == 50);
}

void test_loops_after_sleep() {
  ThreadPool pool(4);
  int64_t total = 0;
  for (int i = 0; i < 50; ++i) {
    std::atomic<int64_t> sum{0};
    pool.for_each(64, [&](int64_t task, int) { sum.fetch_add(task); });
    total += sum.load();
    if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(total == 50 * 64 * 63 / 2);
}

// Of all threads; Windows' `clock` counts the time of day instead.
double processor_seconds() {
#ifdef _WIN32
  FILETIME made, ended, system, user;
  GetProcessTimes(GetCurrentProcess(), &made, &ended, &system, &user);
  return (static_cast<double>(system.dwLowDateTime) + static_cast<double>(user.dwLowDateTime)) * 1e-7;
#else
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
#endif
}

void test_idle() {
  ThreadPool pool(4);
  pool.for_each(64, [](int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(processor_seconds() - before < 0.02);
}

void test_shutdown() {
  for (int i = 0; i < 100; ++i) {
    ThreadPool pool(3);
    if (i % 2) pool.for_each(3, [](int64_t, int) {});
  }
  CHECK(physical_cores() >= 1);
}

}  // namespace

int main() {
  test_every_task_once();
  test_shares();
  test_loops_after_sleep();
  test_idle();
  test_shutdown();
  return test::finish();
}
