// Calls a function again and again from a thread of its own, as long as work was begun a while ago at most: macOS gives
// up what nobody asked for lately, and the next command buffer waits for it.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace afterimage::metal {

class Heartbeat {
 public:
  using Duration = std::chrono::duration<double>;
  // `beat` every `interval`, until `lasting` after the last call of work().
  Heartbeat(std::function<void()> beat, Duration interval, Duration lasting);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  void work();

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  const std::function<void()> beat_;
  const Duration interval_, lasting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point until_;  // the first work sets it
  bool closing_ = false;
  std::thread thread_;  // of the first work on
};

}  // namespace afterimage::metal
