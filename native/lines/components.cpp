#include "lines/components.h"

#include <algorithm>
#include <unordered_map>

namespace afterimage {
namespace {

// A stretch [start, end) of pixels of one row that are above the threshold.
struct Run {
  int y, start, end;
  double sum;
  size_t parent;
};

void add_runs(std::vector<Run>& runs, const float* row, int y, int width, double threshold) {
  for (int x = 0; x < width; ++x) {
    if (!(row[x] > threshold)) continue;
    const int start = x;
    double sum = 0;
    for (; x < width && row[x] > threshold; ++x) sum += row[x];
    runs.push_back({y, start, x, sum, runs.size()});
  }
}

size_t root(std::vector<Run>& runs, size_t at) {
  while (runs[at].parent != at) at = runs[at].parent = runs[runs[at].parent].parent;
  return at;
}

// The earlier one is the root.
void unite(std::vector<Run>& runs, size_t a, size_t b) {
  const auto [first, second] = std::minmax({root(runs, a), root(runs, b)});
  runs[second].parent = first;
}

// Joins the runs from `first` on with those of the row above, which begin at `above`.
void join_rows(std::vector<Run>& runs, size_t above, size_t first) {
  for (size_t at = first; at < runs.size(); ++at) {
    while (above < first && (runs[above].y < runs[at].y - 1 || runs[above].end < runs[at].start)) ++above;
    for (size_t other = above; other < first && runs[other].start <= runs[at].end; ++other) unite(runs, at, other);
  }
}

int64_t turn(const Corner& a, const Corner& b, const Corner& c) {
  return int64_t{b.x - a.x} * (c.y - a.y) - int64_t{b.y - a.y} * (c.x - a.x);
}

template <class Iterator>
void add_half(Iterator from, Iterator to, std::vector<Corner>& hull) {
  const size_t before = hull.size();
  for (; from != to; ++from) {
    while (hull.size() >= before + 2 && turn(hull.end()[-2], hull.back(), *from) <= 0) hull.pop_back();
    hull.push_back(*from);
  }
  hull.pop_back();
}

// https://en.wikibooks.org/wiki/Algorithm_Implementation/Geometry/Convex_hull/Monotone_chain
std::vector<Corner> hull_of(std::vector<Corner> corners) {
  std::sort(corners.begin(), corners.end(),
            [](const Corner& a, const Corner& b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
  std::vector<Corner> hull;
  add_half(corners.begin(), corners.end(), hull);
  add_half(corners.rbegin(), corners.rend(), hull);
  return hull;
}

}  // namespace

std::vector<Component> find_components(const float* map, int width, int height, double threshold) {
  std::vector<Run> runs;
  size_t above = 0;
  for (int y = 0; y < height; ++y) {
    const size_t first = runs.size();
    add_runs(runs, map + static_cast<size_t>(y) * width, y, width, threshold);
    join_rows(runs, above, first);
    above = first;
  }
  struct Gathered {
    std::vector<Corner> corners;
    double sum = 0;
    int64_t pixels = 0;
  };
  std::vector<Gathered> parts;
  std::unordered_map<size_t, size_t> part_of;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    const auto [known, fresh] = part_of.try_emplace(root(runs, i), parts.size());
    if (fresh) parts.emplace_back();
    Gathered& part = parts[known->second];
    part.corners.insert(part.corners.end(),
                        {{run.start, run.y}, {run.end, run.y}, {run.start, run.y + 1}, {run.end, run.y + 1}});
    part.sum += run.sum;
    part.pixels += run.end - run.start;
  }
  std::vector<Component> components;
  for (Gathered& part : parts)
    components.push_back({hull_of(std::move(part.corners)), part.sum / static_cast<double>(part.pixels)});
  return components;
}

}  // namespace afterimage
