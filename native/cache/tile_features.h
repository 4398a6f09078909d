// Where the features of tiles seen before stand: in those of the images that had them. It keeps none alive.
// Not thread-safe: the engine thread owns it.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "cache/feature_cache.h"

namespace afterimage {

class TileFeatures {
 public:
  struct Place {
    FeatureCache::Held image;   // null: not seen, or given up since
    std::vector<int32_t> rows;  // of its features
  };

  Place find(const std::array<uint8_t, 32>& tile) const {
    const auto found = places_.find(tile);
    if (found == places_.end()) return {};
    return {found->second.image.lock(), found->second.rows};
  }
  void insert(const std::array<uint8_t, 32>& tile, const FeatureCache::Held& image, std::vector<int32_t> rows) {
    places_[tile] = {image, std::move(rows)};
  }
  // Forgets the tiles of images that are gone.
  void tidy() {
    std::erase_if(places_, [](const auto& place) { return place.second.image.expired(); });
  }

 private:
  struct Entry {
    std::weak_ptr<const ImageFeatures> image;
    std::vector<int32_t> rows;
  };
  std::map<std::array<uint8_t, 32>, Entry> places_;
};

}  // namespace afterimage
