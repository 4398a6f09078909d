// Runs dispatches on the device; an operator whose kernel is unavailable runs on the CPU, between two waits.
#include "metal/metal_backend.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "graph/error.h"
#include "metal/backend_parts.h"
#include "metal/joined.h"
#include "metal/kernel_source.h"
#include "metal/operators.h"
#include "metal/self_test.h"

namespace afterimage {
namespace metal {
namespace {

// Of all kernel texts: other kernels may give other bits.
uint64_t kernel_hash() {
  uint64_t hash = text_hash("");
  for (const KernelSource& source : kernel_sources()) hash = text_hash(source.text, hash);
  return hash;
}

// What a verdict holds for, but for the kernel's own text.
std::string machine_of(const DeviceLimits& limits) {
  return limits.name + "\n" + limits.system + "\n" AFTERIMAGE_METAL_HOST;
}

// What may join the operator to its neighbours is proved with it; `norms`: there may be RmsNorm among them.
KernelSet with_joining(KernelSet set, bool norms) {
  constexpr std::string_view kStore = "kv_store_";
  for (const KernelName& name : KernelSet(set))
    if (name.kernel.rfind(kStore, 0) == 0)
      set.push_back({name.family, "rope_store_" + name.kernel.substr(kStore.size())});
  if (norms && set.front().family == "linear_matrix") set.push_back(norm_join(set));
  return set;
}

bool joins(const std::string& kernel) { return kernel.rfind("rope_store_", 0) == 0 || kernel.ends_with(kNormed); }

// What a verdict about a kernel of this family holds for.
std::string text_proved(const std::string& family) {
  if (family != kNoPipeline) return std::string(kernel_text(family));
  return std::string(kernel_text("linear_matrix")) + std::string(kernel_text("norm"));
}

const std::string kGoesWith = "it goes with ";  // a reason that needs no warning of its own

// A kernel that several sets share goes with none of them.
bool in_several(const std::vector<KernelSet>& sets, const std::string& kernel) {
  return std::count_if(sets.begin(), sets.end(), [&](const KernelSet& set) {
           return std::any_of(set.begin(), set.end(), [&](const KernelName& name) { return name.kernel == kernel; });
         }) > 1;
}

}  // namespace

MetalBackend::MetalBackend(std::unique_ptr<Device> device, MetalOptions options)
    : device_(std::move(device)),
      options_(std::move(options)),
      files_(*device_),
      verdicts_(options_.verdicts, machine_of(device_->limits())),
      pipelines_(*device_),
      encoder_(*device_, pipelines_),
      heartbeat_([this] { device_->keep_resident(); }, Heartbeat::Duration(options_.residency_interval),
                 Heartbeat::Duration(options_.residency_lasts)) {}

MetalBackend::~MetalBackend() {
  const ReleasePool pool;
  closing_ = true;
  std::lock_guard lock(mutex_);
}

// Whatever may change a bit: the kernels' texts, the system that compiles them, how this backend uses them, and which
// of them others or the CPU replace.
std::string MetalBackend::identity() const {
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(kernel_hash()));
  const DeviceLimits& limits = device_->limits();
  std::string text = "metal " + limits.name + (limits.families.empty() ? "" : " " + limits.families.front()) +
                     ", kernels " + hash + ", host " AFTERIMAGE_METAL_HOST ", macOS " + limits.system;
  std::string replaced;
  for (const auto& [kernel, reason] : pipelines_.unavailable()) replaced += " " + kernel;
  return replaced.empty() ? text : text + ", without" + replaced;
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
  return std::make_unique<MetalWeight>(source, uses, precision, *device_, reads_in_place() ? &files_ : nullptr);
}

// Whether the device reads pages of a mapped file as they are, tested once and remembered.
bool MetalBackend::reads_in_place() {
  std::lock_guard proving(proof_mutex_);
  if (!options_.self_test) return true;
  if (in_place_) return *in_place_;
  const std::string kernel = "in place";
  std::optional<std::string> failure = verdicts_.find(kernel, kernel_text("layout"));
  if (!failure) {
    const Failure found = probe_in_place(*this);
    failure = found.text;
    if (found.lasting) verdicts_.add(kernel, kernel_text("layout"), found.text);
    verdicts_.save();
  }
  if (!failure->empty() && options_.warn) options_.warn("Weights are copied to the GPU: " + *failure + ".");
  in_place_ = failure->empty();
  return *in_place_;
}

void MetalBackend::prove(std::span<const OperatorUse> uses, std::optional<KvType> kv) {
  if (!options_.self_test || !options_.cpu) return;
  const ReleasePool pool;
  std::lock_guard proving(proof_mutex_);
  std::vector<std::vector<KernelSet>> operators;
  for (const OperatorUse& use : uses)
    if (auto sets = kernel_sets(use, kv); !sets.empty()) operators.push_back(std::move(sets));
  // Where a first choice fails the next is tested.
  for (bool again = true; again;) {
    const std::map<std::string, std::string> family_of = unknown_kernels(operators);
    test_kernels(family_of);
    again = make_pipelines(operators) || !family_of.empty();
    for (const std::vector<KernelSet>& sets : operators) again = replace_together(sets) || again;
  }
  for (const auto& [kernel, reason] : pipelines_.unavailable())
    if (joins(kernel)) replaced(kernel, reason, true);
  verdicts_.save();
}

void MetalBackend::test_kernels(const std::map<std::string, std::string>& family_of) {
  if (family_of.empty()) return;
  std::set<std::string> kernels;
  for (const auto& [kernel, family] : family_of) kernels.insert(kernel);
  const std::vector<Verdict> found = self_test(*this, *options_.cpu, options_.test_sizes, &kernels);
  for (const Verdict& verdict : found) disturbed_ = disturbed_ || !verdict.failure.lasting;
  if (disturbed_) return;
  for (const Verdict& verdict : found)
    verdicts_.add(verdict.kernel, text_proved(family_of.at(verdict.kernel)), verdict.failure.text);
}

// What cannot be made is known before anything is written under this backend's identity.
bool MetalBackend::make_pipelines(const std::vector<std::vector<KernelSet>>& operators) {
  bool failed = false;
  for (const std::vector<KernelSet>& sets : operators) {
    const KernelSet chosen = with_joining(pipelines_.choose(sets), false);
    for (const KernelName& name : chosen) {
      if (pipelines_.lacks(name.kernel)) continue;
      try {
        pipelines_.get(name.family, name.kernel, 1);
      } catch (const KernelUnavailable&) {
        failed = true;
      }
    }
  }
  return failed;
}

std::map<std::string, std::string> MetalBackend::unknown_kernels(const std::vector<std::vector<KernelSet>>& operators) {
  std::map<std::string, std::string> family_of;
  const auto is_norm = [](const std::vector<KernelSet>& sets) {
    return sets.front().front().kernel == plain_kernel(Op::RmsNorm).kernel;
  };
  const bool norms = std::any_of(operators.begin(), operators.end(), is_norm);
  for (const std::vector<KernelSet>& sets : operators) {
    for (const KernelName& name : with_joining(pipelines_.choose(sets), norms)) {
      if (!proven_.insert(name.kernel).second) continue;
      const auto known = verdicts_.find(name.kernel, text_proved(name.family));
      if (!known)
        family_of[name.kernel] = name.family;
      else if (!known->empty())
        pipelines_.disable(name.kernel, *known);
    }
  }
  return family_of;
}

// The kernels of one set differ in rows alone: were one of them replaced and another not, the bits of a row would
// depend on how many rows there are.
bool MetalBackend::replace_together(const std::vector<KernelSet>& sets) {
  bool changed = false;
  for (const KernelSet& set : sets) {
    const auto unavailable = pipelines_.unavailable();
    const auto missing = std::find_if(set.begin(), set.end(),
                                      [&](const KernelName& name) { return unavailable.count(name.kernel) > 0; });
    if (missing == set.end()) continue;
    for (const KernelName& name : set) {
      if (unavailable.count(name.kernel) > 0 || in_several(sets, name.kernel)) continue;
      pipelines_.disable(name.kernel, kGoesWith + missing->kernel);
      changed = true;
    }
    for (const KernelName& name : set)
      if (const auto reason = unavailable.find(name.kernel);
          reason != unavailable.end() && reason->second.rfind(kGoesWith, 0) != 0)
        replaced(name.kernel, reason->second, has_another(sets, name.kernel));
  }
  return changed;
}

bool MetalBackend::has_another(const std::vector<KernelSet>& sets, const std::string& kernel) const {
  const auto unavailable = pipelines_.unavailable();
  return std::any_of(sets.begin(), sets.end(), [&](const KernelSet& set) {
    return std::none_of(set.begin(), set.end(), [&](const KernelName& name) {
      return name.kernel == kernel || unavailable.count(name.kernel) > 0;
    });
  });
}

void MetalBackend::run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) {
  std::lock_guard lock(mutex_);
  const ReleasePool pool;
  if (encoder_.lost())
    throw Error("BACKEND_LOST",
                "The GPU takes no more work of this process since an earlier failure; restart afterimage, with "
                "--backend cpu if it happens again.");
  heartbeat_.work();
  try {
    while (!dispatches.empty()) {
      if (closing_) throw Error("CLOSED", "The backend was closed while it ran; open the model again.");
      if (cancel) throw Error("CANCELLED", "The run was cancelled; start it again when its result is wanted.");
      dispatches = dispatches.subspan(run_next(dispatches, cancel));
    }
    encoder_.drain();
  } catch (...) {
    encoder_.abandon();
    encoder_.end_run();
    throw;
  }
  encoder_.end_run();
}

// Where a kernel cannot be had, each operator is on its own.
size_t MetalBackend::run_next(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) {
  const Joined joined = joined_linears(encoder_, dispatches);
  if (joined.size() > 0) try {
      encode_joined(encoder_, joined);
      for (size_t i = 0; i < joined.size(); ++i) encoder_.operator_done();
      return joined.size();
    } catch (const KernelUnavailable&) {
    }
  const JoinedRopes ropes = joined_ropes(encoder_, dispatches);
  if (ropes.queries) try {
      encode_joined(encoder_, ropes);
      for (size_t i = 0; i < JoinedRopes::kSize; ++i) encoder_.operator_done();
      return JoinedRopes::kSize;
    } catch (const KernelUnavailable&) {
    }
  run_one(dispatches.front(), cancel);
  return 1;
}

// Every round takes a set away.
void MetalBackend::run_one(const Dispatch& dispatch, const std::atomic<bool>& cancel) {
  OperatorUse use{dispatch.op, dispatch.attrs, {}};
  std::copy(std::begin(dispatch.weights), std::end(dispatch.weights), std::begin(use.weights));
  const KvLayout* kv = dispatch.batch ? dispatch.batch->kv : nullptr;
  for (;;) try {
      encode(encoder_, dispatch);
      return encoder_.operator_done();
    } catch (const KernelUnavailable& reason) {
      const auto sets = kernel_sets(use, kv ? std::optional(kv->type()) : std::nullopt);
      const bool another = has_another(sets, reason.kernel());
      replaced(reason.kernel(), reason.what(), another);
      replace_together(sets);
      encoder_.drain();
      if (!another) return run_on_cpu(dispatch, cancel);
    }
}

void MetalBackend::replaced(const std::string& kernel, const std::string& reason, bool by_kernel) {
  if (!by_kernel && !options_.cpu)
    throw Error("BACKEND_FAILED",
                "The Metal kernel " + kernel + " is unavailable (" + reason + "); use the cpu backend.");
  if (warned_.insert(kernel).second && options_.warn)
    options_.warn("The Metal kernel " + kernel + " is replaced by " + (by_kernel ? "a slower one: " : "the CPU: ") +
                  reason + ".");
}

void MetalBackend::run_on_cpu(const Dispatch& dispatch, const std::atomic<bool>& cancel) {
  Dispatch copy = dispatch;
  for (const Weight*& weight : copy.weights)
    if (weight) weight = static_cast<const MetalWeight*>(weight)->on(*options_.cpu);
  options_.cpu->run({&copy, 1}, cancel);
}

}  // namespace metal

bool metal_available() { return metal::open_device().device != nullptr; }

}  // namespace afterimage
