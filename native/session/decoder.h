// The decoder: one run over rows of several timelines. Each row carries its token, its positions, its feature row and
// how far it sees; a row's result does not depend on the others.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "cache/feature_cache.h"
#include "graph/executor.h"
#include "session/timeline.h"

namespace afterimage {

using HeldFeatures = std::map<ImageKey, FeatureCache::Held>;

// The items [computed, end) of one timeline.
struct DecoderRows {
  const Timeline* timeline;
  const HeldFeatures* features;
  int32_t end;
  int32_t logits_from;  // first item whose logits are wanted; `end`: of none
  int32_t count() const noexcept { return end - timeline->computed(); }
};

// Of the rows whose logits are wanted, in order.
struct DecoderResult {
  HostTensor logits;
  HostTensor hidden;  // what the logits are made of; empty where the program does not say
};

class Decoder {
 public:
  Decoder(std::unique_ptr<Executor> executor, const KvCache& kv, int32_t deepstack, int64_t hidden);

  // The timelines are prepared up to their `end`. Throws CANCELLED, OUT_OF_MEMORY, BACKEND_FAILED.
  DecoderResult run(std::span<const DecoderRows> parts, const std::atomic<bool>& cancel);
  // Scratch of a run of `rows` rows, all of them image rows.
  size_t predict_bytes(int64_t rows, int64_t logits) const;
  Executor& executor() noexcept { return *executor_; }

 private:
  struct Inputs;
  void append(const DecoderRows& part, Inputs& inputs) const;
  void append_features(const DecoderRows& part, int32_t item, Inputs& inputs) const;
  void bind(const std::string& name, int64_t rows, const void* host, std::vector<Binding>& bindings) const;

  std::unique_ptr<Executor> executor_;
  const KvCache& kv_;
  const int32_t deepstack_;
  const int64_t hidden_;
};

}  // namespace afterimage
