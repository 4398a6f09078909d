// The backend as the self-test and the report see it.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "graph/proof.h"
#include "metal/encoder.h"
#include "metal/heartbeat.h"
#include "metal/metal_backend.h"
#include "metal/verdicts.h"

namespace afterimage::metal {

class MetalBackend final : public Backend, public Proof {
 public:
  MetalBackend(std::unique_ptr<Device> device, MetalOptions options);
  // Ends a run in progress with CLOSED and waits for it.
  ~MetalBackend() override;
  std::string identity() const override;
  std::unique_ptr<Memory> allocate(size_t bytes) override;
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override;
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override;
  void prove(std::span<const OperatorUse> uses, std::optional<KvType> kv) override;

  Device& device() noexcept { return *device_; }
  Pipelines& pipelines() noexcept { return pipelines_; }
  Backend* cpu() noexcept { return options_.cpu.get(); }
  // Time on the device of all runs so far.
  double gpu_seconds() const noexcept { return encoder_.gpu_seconds(); }
  // Notes that a slower kernel takes over for `kernel`, or else the CPU: one warning each. Throws BACKEND_FAILED where
  // that is missing.
  void replaced(const std::string& kernel, const std::string& reason, bool by_kernel);

 private:
  // How many of the operators it ran.
  size_t run_next(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel);
  void run_one(const Dispatch& dispatch, const std::atomic<bool>& cancel);
  void run_on_cpu(const Dispatch& dispatch, const std::atomic<bool>& cancel);
  bool reads_in_place();
  // Kernels of first choice that nothing is known about, by family; what is known of the others is applied.
  std::map<std::string, std::string> unknown_kernels(const std::vector<std::vector<KernelSet>>& operators);
  void test_kernels(const std::map<std::string, std::string>& family_of);
  // Makes the pipelines of first choice. True where one cannot be had.
  bool make_pipelines(const std::vector<std::vector<KernelSet>>& operators);
  // The kernels of a set are had together or not at all. True where that took some away.
  bool replace_together(const std::vector<KernelSet>& sets);
  // Whether a set of these but the one with `kernel` is whole.
  bool has_another(const std::vector<KernelSet>& sets, const std::string& kernel) const;

  std::unique_ptr<Device> device_;
  MetalOptions options_;
  MappedBuffers files_;
  Verdicts verdicts_;
  std::set<std::string> proven_;  // kernels, or found wanting
  bool disturbed_ = false;        // a test failed for no lasting reason, and others may have been of its stand-in
  std::optional<bool> in_place_;
  std::recursive_mutex proof_mutex_;  // tests prepare weights, which asks for the first of them
  Pipelines pipelines_;
  Encoder encoder_;
  std::set<std::string> warned_;
  std::mutex mutex_;
  std::atomic<bool> closing_ = false;
  Heartbeat heartbeat_;  // ends first
};

}  // namespace afterimage::metal
