// Runs dispatches on the device; an operator whose kernel is unavailable runs on the CPU, between two waits.
#include "metal/metal_backend.h"

#include <atomic>
#include <mutex>
#include <set>

#include "graph/error.h"
#include "metal/backend_parts.h"
#include "metal/kernel_source.h"
#include "metal/operators.h"

namespace afterimage {
namespace metal {
namespace {

// FNV-1a of all kernel texts: other kernels may give other bits.
uint64_t kernel_hash() {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const KernelSource& source : kernel_sources())
    for (const char c : source.text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace

MetalBackend::MetalBackend(std::unique_ptr<Device> device, std::unique_ptr<Backend> cpu,
                           std::function<void(const std::string&)> warn)
    : device_(std::move(device)),
      cpu_(std::move(cpu)),
      warn_(std::move(warn)),
      pipelines_(*device_),
      encoder_(*device_, pipelines_) {}

MetalBackend::~MetalBackend() {
  const ReleasePool pool;
  closing_ = true;
  std::lock_guard lock(mutex_);
}

// Whatever may change a bit: the kernels' texts, the system that compiles them, how this backend uses them, and which
// of them the CPU replaces.
std::string MetalBackend::identity() const {
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(kernel_hash()));
  const DeviceLimits& limits = device_->limits();
  std::string text = "metal " + limits.name + (limits.families.empty() ? "" : " " + limits.families.front()) +
                     ", kernels " + hash + ", host " AFTERIMAGE_METAL_HOST ", macOS " + limits.system;
  std::string replaced;
  for (const auto& [kernel, reason] : pipelines_.unavailable()) replaced += " " + kernel;
  return replaced.empty() ? text : text + ", on the CPU" + replaced;
}

std::unique_ptr<Memory> MetalBackend::allocate(size_t bytes) {
  const ReleasePool pool;
  const DeviceLimits& limits = device_->limits();
  const size_t wanted = bytes == 0 ? 64 : bytes;
  const size_t used = device_->allocated_bytes();
  if (wanted <= limits.max_buffer && (limits.working_set == 0 || used + wanted <= limits.working_set))
    if (auto buffer = device_->allocate(wanted)) return std::make_unique<MetalMemory>(std::move(buffer), bytes);
  throw Error("OUT_OF_MEMORY", "The GPU has no room for " + std::to_string(wanted) + " bytes (" + std::to_string(used) +
                                   " of " + std::to_string(limits.working_set) +
                                   " in use); close sessions or use smaller images.");
}

std::unique_ptr<Weight> MetalBackend::prepare(const WeightSource& source, uint32_t uses, Precision precision) {
  const ReleasePool pool;
  return std::make_unique<MetalWeight>(source, uses, precision, *device_);
}

void MetalBackend::run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) {
  std::lock_guard lock(mutex_);
  const ReleasePool pool;
  if (encoder_.lost())
    throw Error("BACKEND_LOST",
                "The GPU takes no more work of this process since an earlier failure; restart afterimage, with "
                "--backend cpu if it happens again.");
  try {
    for (const Dispatch& dispatch : dispatches) {
      if (closing_) throw Error("CLOSED", "The backend was closed while it ran; open the model again.");
      if (cancel) throw Error("CANCELLED", "The run was cancelled; start it again when its result is wanted.");
      run_one(dispatch, cancel);
    }
    encoder_.drain();
  } catch (...) {
    encoder_.abandon();
    encoder_.end_run();
    throw;
  }
  encoder_.end_run();
}

void MetalBackend::run_one(const Dispatch& dispatch, const std::atomic<bool>& cancel) {
  try {
    encode(encoder_, dispatch);
    encoder_.operator_done();
  } catch (const KernelUnavailable& reason) {
    replaced(reason.kernel(), reason.what());
    encoder_.drain();
    run_on_cpu(dispatch, cancel);
  }
}

void MetalBackend::replaced(const std::string& kernel, const std::string& reason) {
  if (!cpu_)
    throw Error("BACKEND_FAILED",
                "The Metal kernel " + kernel + " is unavailable (" + reason + "); use the cpu backend.");
  if (warned_.insert(kernel).second && warn_)
    warn_("The Metal kernel " + kernel + " is replaced by the CPU: " + reason + ".");
}

void MetalBackend::run_on_cpu(const Dispatch& dispatch, const std::atomic<bool>& cancel) {
  Dispatch copy = dispatch;
  for (const Weight*& weight : copy.weights)
    if (weight) weight = static_cast<const MetalWeight*>(weight)->on(*cpu_);
  cpu_->run({&copy, 1}, cancel);
}

}  // namespace metal

bool metal_available() { return metal::open_device().device != nullptr; }

}  // namespace afterimage
