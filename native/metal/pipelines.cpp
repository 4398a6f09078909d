#include "metal/pipelines.h"

#include <algorithm>

#include "metal/kernel_source.h"

namespace afterimage::metal {
namespace {

thread_local std::string tested;

}  // namespace

Tested::Tested(const std::string& kernel) { tested = kernel; }
Tested::~Tested() { tested.clear(); }

std::string_view kernel_text(std::string_view family) {
  for (const KernelSource& source : kernel_sources())
    if (source.family == family) return source.text;
  return {};
}

const Pipelines::Compiled& Pipelines::library(const std::string& family) {
  const auto found = libraries_.find(family);
  if (found != libraries_.end()) return found->second;
  Compiled& compiled = libraries_[family];
  compiled.library = device_.compile(kernel_text(family), compiled.error);
  return compiled;
}

const Pipeline& Pipelines::get(const std::string& family, const std::string& kernel, uint32_t threads) {
  const auto reason = reasons_.find(kernel);
  if (reason != reasons_.end()) throw KernelUnavailable(kernel, reason->second);
  std::unique_ptr<Pipeline>& pipeline = pipelines_[kernel];
  if (!pipeline) {
    const Compiled& compiled = library(family);
    std::string error = compiled.error;
    if (compiled.library) pipeline = device_.pipeline(*compiled.library, kernel, error);
    if (!pipeline) {
      disable(kernel, error);
      throw KernelUnavailable(kernel, error);
    }
  }
  if (pipeline->max_threads() < threads) {
    const std::string text = "it needs " + std::to_string(threads) + " threads per threadgroup, the device allows " +
                             std::to_string(pipeline->max_threads());
    disable(kernel, text);
    throw KernelUnavailable(kernel, text);
  }
  return *pipeline;
}

void Pipelines::disable(const std::string& kernel, const std::string& reason) {
  pipelines_.erase(kernel);
  std::lock_guard lock(reasons_mutex_);
  reasons_[kernel] = reason;
}

const KernelSet& Pipelines::choose(const std::vector<KernelSet>& sets) const {
  const auto holds = [](const KernelSet& set, const auto& wanted) {
    return std::any_of(set.begin(), set.end(), wanted);
  };
  std::lock_guard lock(reasons_mutex_);
  const KernelSet* first = nullptr;
  for (const KernelSet& set : sets) {
    if (holds(set, [&](const KernelName& name) { return reasons_.count(name.kernel) > 0; })) continue;
    if (!first) first = &set;
    if (holds(set, [&](const KernelName& name) { return name.kernel == tested; })) return set;
  }
  return first ? *first : sets.back();
}

bool Pipelines::lacks(const std::string& kernel) const {
  std::lock_guard lock(reasons_mutex_);
  return reasons_.count(kernel) > 0;
}

std::map<std::string, std::string> Pipelines::unavailable() const {
  std::lock_guard lock(reasons_mutex_);
  return reasons_;
}

}  // namespace afterimage::metal
