// Where the features of tiles seen before stand: in those of the images that had them. It keeps none alive.
// Not thread-safe: the engine thread owns it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "cache/feature_cache.h"

namespace afterimage {

// SHA-256 over everything that the features of a tile depend on beside the weights.
using TileKey = std::array<uint8_t, 32>;

class TileFeatures {
 public:
  struct Place {
    FeatureCache::Held image;   // null: not seen, or given up since
    std::vector<int32_t> rows;  // of its features
  };
  // Neighbouring rows of an image's features: those of a tile from its row `from` on.
  struct Run {
    TileKey tile;
    int32_t from, rows;
    bool operator==(const Run&) const = default;
  };
  struct Alike {
    ImageKey image{};
    int32_t rows = 0;  // of its features, from the first one on, that are those of the other
  };

  Place find(const TileKey& tile) const {
    const auto found = places_.find(tile);
    if (found == places_.end()) return {};
    return {found->second.image.lock(), found->second.rows};
  }
  void insert(const TileKey& tile, const FeatureCache::Held& image, std::vector<int32_t> rows) {
    places_[tile] = {image, std::move(rows)};
  }
  void insert_image(const ImageKey& key, const FeatureCache::Held& image, std::vector<Run> runs) {
    images_[key] = {image, std::move(runs)};
  }
  // The image that begins with most of the same tiles as this one; no rows where none does.
  Alike most_alike(const ImageKey& key) const {
    Alike best;
    const auto known = images_.find(key);
    if (known == images_.end()) return best;
    for (const auto& [other, seen] : images_) {
      const int32_t rows = other == key ? 0 : common_rows(known->second.runs, seen.runs);
      if (rows > best.rows) best = {other, rows};
    }
    return best;
  }
  // Forgets the tiles of images that are gone.
  void tidy() {
    const auto gone = [](const auto& entry) { return entry.second.image.expired(); };
    std::erase_if(places_, gone);
    std::erase_if(images_, gone);
  }

 private:
  struct Entry {
    std::weak_ptr<const ImageFeatures> image;
    std::vector<int32_t> rows;
  };
  struct Seen {
    std::weak_ptr<const ImageFeatures> image;
    std::vector<Run> runs;
  };

  static int32_t common_rows(const std::vector<Run>& a, const std::vector<Run>& b) {
    int32_t rows = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (a[i] == b[i]) {
        rows += a[i].rows;
        continue;
      }
      const bool begins = a[i].tile == b[i].tile && a[i].from == b[i].from;
      return begins ? rows + std::min(a[i].rows, b[i].rows) : rows;
    }
    return rows;
  }

  std::map<TileKey, Entry> places_;
  std::map<ImageKey, Seen> images_;
};

}  // namespace afterimage
