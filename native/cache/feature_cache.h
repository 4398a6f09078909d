// What the vision encoder made of each image, by the image's key: computed once per image, whatever prompt it is in.
// Host memory under a byte budget, least recently used first; features that a request holds are not evicted.
// Not thread-safe: the engine thread owns it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "cache/prompt.h"

namespace afterimage {

struct ImageFeatures {
  int64_t rows = 0, width = 0;              // image tokens, hidden size
  std::vector<std::vector<float>> tensors;  // `features`, then the DeepStack rows: [rows][width] each
  size_t bytes() const noexcept { return tensors.size() * static_cast<size_t>(rows * width) * sizeof(float); }
};

class FeatureCache {
 public:
  using Held = std::shared_ptr<const ImageFeatures>;
  explicit FeatureCache(size_t budget_bytes) : budget_(budget_bytes) {}

  // Null if absent. What is returned is pinned while it is held.
  Held find(const ImageKey& key);
  // Keeps the features if the budget allows it beside what is held; the caller's copy is good either way.
  Held insert(const ImageKey& key, ImageFeatures features);
  void clear();

  size_t bytes() const noexcept { return bytes_; }
  uint64_t evictions() const noexcept { return evictions_; }

 private:
  struct Entry {
    Held features;
    uint64_t last_used;
  };
  bool evict_one();

  const size_t budget_;
  std::map<ImageKey, Entry> entries_;
  size_t bytes_ = 0;
  uint64_t clock_ = 0, evictions_ = 0;
};

}  // namespace afterimage
