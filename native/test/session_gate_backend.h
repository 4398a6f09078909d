// The CPU backend behind a gate: while it is shut a run waits halfway until it is opened or cancelled, so that tests
// decide what happens in the middle of a run.
#pragma once
#include <condition_variable>
#include <mutex>

#include "session_tiny_model.h"

namespace afterimage::test {

class Gate {
 public:
  void shut() { set(true); }
  void open() { set(false); }
  // Waits until a run has come to the shut gate.
  void await_run() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_; });
  }
  void pass(const std::atomic<bool>& cancel) {
    std::unique_lock lock(mutex_);
    waiting_ = shut_;
    changed_.notify_all();
    while (shut_ && !cancel) changed_.wait_for(lock, std::chrono::milliseconds(1));
    waiting_ = false;
  }

 private:
  void set(bool shut) {
    std::lock_guard lock(mutex_);
    shut_ = shut;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_ = false, waiting_ = false;
};

class GateBackend : public Backend {
 public:
  GateBackend(std::unique_ptr<Backend> inner, Gate& gate) : inner_(std::move(inner)), gate_(gate) {}
  std::string identity() const override { return inner_->identity(); }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return inner_->allocate(bytes); }
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override {
    return inner_->prepare(source, uses, precision);
  }
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override {
    const size_t half = dispatches.size() / 2;
    inner_->run(dispatches.first(half), cancel);
    gate_.pass(cancel);
    inner_->run(dispatches.subspan(half), cancel);
  }

 private:
  std::unique_ptr<Backend> inner_;
  Gate& gate_;
};

inline std::unique_ptr<Engine> gated_engine(const TinyModel& model, const EngineOptions& options, Gate& gate) {
  CpuOptions cpu;
  cpu.threads = 1;
  return std::make_unique<Engine>(options, model.source, std::make_unique<GateBackend>(make_cpu_backend(cpu), gate),
                                  nullptr);
}

}  // namespace afterimage::test
