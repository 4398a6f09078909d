// The connected parts of a detector's probability map.
#pragma once
#include <cstdint>
#include <vector>

namespace afterimage {

// A corner of a pixel.
struct Corner {
  int x, y;
};

struct Component {
  std::vector<Corner> hull;  // of its pixels: corners that are convex, in the order of Andrew's monotone chain
  double score = 0;          // mean probability of its pixels
};

// Eight-connected components of the pixels above `threshold`, in the order of their first pixels.
// map: [height, width]
std::vector<Component> find_components(const float* map, int width, int height, double threshold);

}  // namespace afterimage
