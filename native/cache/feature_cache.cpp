#include "cache/feature_cache.h"

namespace afterimage {

FeatureCache::Held FeatureCache::find(const ImageKey& key) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return nullptr;
  entry->second.last_used = ++clock_;
  return entry->second.features;
}

FeatureCache::Held FeatureCache::insert(const ImageKey& key, ImageFeatures features) {
  auto held = std::make_shared<const ImageFeatures>(std::move(features));
  if (entries_.contains(key)) return held;
  while (bytes_ + held->bytes() > budget_ && evict_one()) {
  }
  if (bytes_ + held->bytes() <= budget_) {
    bytes_ += held->bytes();
    entries_[key] = {held, ++clock_};
  }
  return held;
}

bool FeatureCache::evict_one() {
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.features.use_count() > 1) continue;
    if (oldest == entries_.end() || entry->second.last_used < oldest->second.last_used) oldest = entry;
  }
  if (oldest == entries_.end()) return false;
  bytes_ -= oldest->second.features->bytes();
  entries_.erase(oldest);
  ++evictions_;
  return true;
}

void FeatureCache::clear() {
  std::erase_if(entries_, [&](const auto& entry) {
    if (entry.second.features.use_count() > 1) return false;
    bytes_ -= entry.second.features->bytes();
    return true;
  });
}

}  // namespace afterimage
