// The vision encoder: one image's inputs to its features.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/feature_cache.h"
#include "graph/executor.h"
#include "session/named_input.h"

namespace afterimage {

class Vision {
 public:
  Vision(std::unique_ptr<Executor> executor, int32_t deepstack, int64_t hidden)
      : executor_(std::move(executor)), deepstack_(deepstack), hidden_(hidden) {}

  // `pause` as in RunRequest. Throws INVALID_ARGUMENT (inputs that the program does not take), CANCELLED,
  // OUT_OF_MEMORY, BACKEND_FAILED, and what `pause` throws.
  ImageFeatures encode(const std::vector<NamedInput>& inputs, size_t pause_every, std::function<void()> pause,
                       const std::atomic<bool>& cancel);
  // The most scratch of an image with these row counts: where it has tiles, they run few at a time.
  size_t predict_bytes(const std::map<std::string, int64_t>& symbols) const {
    return executor_->predict_bytes(symbols);
  }
  Executor& executor() noexcept { return *executor_; }

 private:
  std::unique_ptr<Executor> executor_;
  const int32_t deepstack_;
  const int64_t hidden_;
};

}  // namespace afterimage
