// The backend as the self-test and the report see it.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "graph/backend.h"
#include "metal/encoder.h"

namespace afterimage::metal {

class MetalBackend final : public Backend {
 public:
  MetalBackend(std::unique_ptr<Device> device, std::unique_ptr<Backend> cpu,
               std::function<void(const std::string&)> warn);
  // Ends a run in progress with CLOSED and waits for it.
  ~MetalBackend() override;
  std::string identity() const override;
  std::unique_ptr<Memory> allocate(size_t bytes) override;
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override;
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override;

  Device& device() noexcept { return *device_; }
  Pipelines& pipelines() noexcept { return pipelines_; }
  Backend* cpu() noexcept { return cpu_.get(); }
  // Notes that the CPU takes over for `kernel`: one warning each. Throws BACKEND_FAILED without a CPU backend.
  void replaced(const std::string& kernel, const std::string& reason);

 private:
  void run_one(const Dispatch& dispatch, const std::atomic<bool>& cancel);
  void run_on_cpu(const Dispatch& dispatch, const std::atomic<bool>& cancel);

  std::unique_ptr<Device> device_;
  std::unique_ptr<Backend> cpu_;
  std::function<void(const std::string&)> warn_;
  Pipelines pipelines_;
  Encoder encoder_;
  std::set<std::string> warned_;
  std::mutex mutex_;
  std::atomic<bool> closing_ = false;
};

}  // namespace afterimage::metal
