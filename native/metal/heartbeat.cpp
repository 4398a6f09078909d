#include "metal/heartbeat.h"

namespace afterimage::metal {

Heartbeat::Heartbeat(std::function<void()> beat, Duration interval, Duration lasting)
    : beat_(std::move(beat)), interval_(interval), lasting_(lasting) {}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Heartbeat::work() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const bool asleep = until_ < now;
  until_ = now + std::chrono::duration_cast<Clock::duration>(lasting_);
  if (!thread_.joinable())
    thread_ = std::thread([this] { run(); });
  else if (asleep)
    changed_.notify_all();
}

void Heartbeat::run() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    changed_.wait(lock, [this] { return closing_ || Clock::now() < until_; });
    if (changed_.wait_for(lock, interval_, [this] { return closing_; })) return;
    lock.unlock();
    beat_();
    lock.lock();
  }
}

}  // namespace afterimage::metal
