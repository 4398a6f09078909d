// Pixels as the work on text lines takes and makes them: 8-bit RGB, row-major.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace afterimage {

struct RgbView {
  int width = 0, height = 0;
  const uint8_t* data = nullptr;
  const uint8_t* at(int x, int y) const noexcept { return data + (static_cast<size_t>(y) * width + x) * 3; }
};

struct RgbImage {
  int width = 0, height = 0;
  std::vector<uint8_t> data;
  RgbImage() = default;
  RgbImage(int w, int h) : width(w), height(h), data(static_cast<size_t>(w) * h * 3) {}
  RgbView view() const noexcept { return {width, height, data.data()}; }
  uint8_t* row(int y) noexcept { return data.data() + static_cast<size_t>(y) * width * 3; }
};

// Whole pixels inside a picture.
struct Region {
  int x, y, width, height;
};

inline RgbImage cropped(const RgbView& picture, const Region& region) {
  RgbImage part(region.width, region.height);
  for (int y = 0; y < region.height; ++y)
    std::copy_n(picture.at(region.x, region.y + y), static_cast<size_t>(region.width) * 3, part.row(y));
  return part;
}

}  // namespace afterimage
