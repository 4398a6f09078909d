// Cancels the run in progress when one of its requests is cancelled: the executor looks at one flag, a run may serve
// several requests.
#pragma once
#include <atomic>
#include <mutex>
#include <span>
#include <vector>

namespace afterimage {

class Interrupt {
 public:
  // What a run serves. `cancelled` is set once and stays.
  struct Subject {
    std::atomic<bool> cancelled{false};
  };

  // Any thread.
  void cancel(Subject& subject) {
    std::lock_guard lock(mutex_);
    subject.cancelled = true;
    for (const Subject* running : running_)
      if (running == &subject) flag_ = true;
  }

  // The engine thread, around a run (see InterruptibleRun). False where a subject is cancelled already.
  bool begin(std::span<Subject* const> subjects) {
    std::lock_guard lock(mutex_);
    flag_ = false;
    for (const Subject* subject : subjects)
      if (subject->cancelled) return false;
    running_.assign(subjects.begin(), subjects.end());
    return true;
  }
  void end() {
    std::lock_guard lock(mutex_);
    running_.clear();
  }
  const std::atomic<bool>& flag() const noexcept { return flag_; }

 private:
  std::mutex mutex_;
  std::vector<const Subject*> running_;
  std::atomic<bool> flag_{false};
};

// Serves `subjects` until it goes out of scope.
class InterruptibleRun {
 public:
  InterruptibleRun(Interrupt& interrupt, std::span<Interrupt::Subject* const> subjects)
      : interrupt_(interrupt), begun_(interrupt.begin(subjects)) {}
  ~InterruptibleRun() { interrupt_.end(); }
  InterruptibleRun(const InterruptibleRun&) = delete;
  // False: a subject was cancelled before, and nothing may be run.
  bool begun() const noexcept { return begun_; }

 private:
  Interrupt& interrupt_;
  const bool begun_;
};

}  // namespace afterimage
