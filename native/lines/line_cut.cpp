#include "lines/line_cut.h"

#include <cmath>
#include <limits>

#include "lines/bicubic.h"
#include "weights/sha256.h"

namespace afterimage {
namespace {

// Rows that the recogniser sees, and columns of one of its steps; narrower crops give it nothing to hold on to.
constexpr int kCropRows = 48, kStepColumns = 8, kLeastColumns = 48;
// Heights of cuts grow in steps of this ratio, so that a box a little higher gives the same cut.
constexpr double kHeightStep = 1.15;
// Kept beside the ink on both sides, in heights of the cut.
constexpr double kSideMargin = 0.18;
// A box so many times higher than wide may hold one upright character or a line that runs up or down.
constexpr double kUpright = 1.5;

struct Bounds {
  double left, top, right, bottom;
};

struct LineCut {
  RgbImage line;
  Placement placement;
};

double round_half_up(double value) { return std::floor(value + 0.5); }

Bounds bounds_of(const std::array<Point, 4>& quad) {
  Bounds bounds{quad[0].x, quad[0].y, quad[0].x, quad[0].y};
  for (const Point& p : quad) {
    bounds = {std::min(bounds.left, p.x), std::min(bounds.top, p.y), std::max(bounds.right, p.x),
              std::max(bounds.bottom, p.y)};
  }
  return bounds;
}

// Whole pixels around the bounds, inside the picture, at least one pixel.
Region region_of(const Bounds& b, const RgbView& picture) {
  const auto first = [](double at, int size) {
    return static_cast<int>(std::min(std::max(0.0, std::floor(at + 1e-3)), size - 1.0));
  };
  const auto length = [](double end, int size, int from) {
    return static_cast<int>(std::max(1.0, std::min<double>(size, std::ceil(end - 1e-3)) - from));
  };
  const int x = first(b.left, picture.width), y = first(b.top, picture.height);
  return {x, y, length(b.right, picture.width, x), length(b.bottom, picture.height, y)};
}

double stepped_height(double height) {
  const double step = std::log(kHeightStep);
  return round_half_up(std::pow(kHeightStep, round_half_up(std::log(height) / step)));
}

// What lies between the sides that part cells, as columns [left, right).
std::vector<Side> cells_between(const std::vector<Side>& sides, int width) {
  std::vector<Side> cells{{0, width, false}};
  for (const Side& side : sides) {
    if (!side.parts) continue;
    cells.back().right = side.left;
    cells.push_back({side.right, width, false});
  }
  return cells;
}

// The bounds themselves where there is no ink in them.
std::vector<Bounds> snapped(const RgbView& picture, const Bounds& bounds) {
  const Region region = region_of(bounds, picture);
  const TextInk text = text_ink(cropped(picture, region).view());
  const Rows rows = text_rows(text.ink);
  const std::vector<uint8_t> columns = column_ink(text.ink, rows);
  const double height = stepped_height(bounds.bottom - bounds.top);
  const double upper = std::floor(region.y + (rows.top + rows.bottom) / 2.0 - height / 2);
  const double margin = round_half_up(height * kSideMargin);
  std::vector<Bounds> found;
  for (const Side& cell : cells_between(text.sides, text.ink.width)) {
    int first = cell.left, last = cell.right - 1;
    while (first < text.ink.width && columns[first] < kInk) ++first;
    while (last >= 0 && columns[last] < kInk) --last;
    if (first == text.ink.width || last < first) continue;
    // The sides of a frame stay out: the recogniser takes them for letters.
    double before = -std::numeric_limits<double>::infinity(), after = -before;
    for (const Side& side : text.sides)
      if (side.right <= first) before = side.right;
    for (auto side = text.sides.rbegin(); side != text.sides.rend(); ++side)
      if (side->left > last) after = side->left;
    found.push_back({region.x + std::max(before, first - margin), upper, region.x + std::min(after, last + 1 + margin),
                     upper + height});
  }
  return found.empty() ? std::vector{bounds} : found;
}

std::vector<LineCut> cut_level(const RgbView& picture, const Bounds& bounds) {
  std::vector<LineCut> cuts;
  for (const Bounds& part : snapped(picture, bounds)) {
    const Region region = region_of(part, picture);
    const Point origin{static_cast<double>(region.x), static_cast<double>(region.y)};
    cuts.push_back({cropped(picture, region), {origin, {1, 0}, {0, 1}}});
  }
  return cuts;
}

// Bilinear; what lies outside is repeated edge.
void sample(const RgbView& picture, Point at, uint8_t* to) {
  const double left = std::floor(at.x), top = std::floor(at.y), fx = at.x - left, fy = at.y - top;
  const auto inside = [](double value, int size) {
    return static_cast<int>(std::min(std::max(value, 0.0), size - 1.0));
  };
  const int x0 = inside(left, picture.width), x1 = inside(left + 1, picture.width);
  const int y0 = inside(top, picture.height), y1 = inside(top + 1, picture.height);
  for (int c = 0; c < 3; ++c) {
    const double upper = picture.at(x0, y0)[c] * (1 - fx) + picture.at(x1, y0)[c] * fx;
    const double lower = picture.at(x0, y1)[c] * (1 - fx) + picture.at(x1, y1)[c] * fx;
    to[c] = static_cast<uint8_t>(round_half_up(upper * (1 - fy) + lower * fy));
  }
}

// The part of the picture inside a quad as an upright image, one pixel for a pixel.
LineCut cut_tilted(const RgbView& picture, const std::array<Point, 4>& quad) {
  const Point &origin = quad[0], &right = quad[1], &down = quad[3];
  const auto pixels = [&](const Point& end) {
    const double x = end.x - origin.x, y = end.y - origin.y;
    return static_cast<int>(
        std::max(1.0, round_half_up(std::sqrt(x * x + y * y))));  // a library's hypot may round otherwise
  };
  const int width = pixels(right), height = pixels(down);
  const Point along{(right.x - origin.x) / width, (right.y - origin.y) / width};
  const Point across{(down.x - origin.x) / height, (down.y - origin.y) / height};
  LineCut cut{RgbImage(width, height), {origin, along, across}};
  for (int v = 0; v < height; ++v) {
    uint8_t* to = cut.line.row(v);
    for (int u = 0; u < width; ++u, to += 3) {
      const double x = origin.x + along.x * (u + 0.5) + across.x * (v + 0.5) - 0.5;
      const double y = origin.y + along.y * (u + 0.5) + across.y * (v + 0.5) - 0.5;
      sample(picture, {x, y}, to);
    }
  }
  return cut;
}

std::vector<std::vector<LineCut>> ways_to_cut(const RgbView& picture, const TextBox& box) {
  const Bounds bounds = bounds_of(box.quad);
  std::vector<std::vector<LineCut>> lines;
  if (box.level) {
    for (LineCut& cell : cut_level(picture, bounds)) lines.emplace_back().push_back(std::move(cell));
    return lines;
  }
  std::vector<LineCut>& ways = lines.emplace_back();
  ways.push_back(cut_tilted(picture, box.quad));
  if (bounds.bottom - bounds.top <= kUpright * (bounds.right - bounds.left)) return lines;
  ways.push_back(cut_tilted(picture, {box.quad[2], box.quad[3], box.quad[0], box.quad[1]}));
  std::vector<LineCut> upright = cut_level(picture, bounds);
  if (upright.size() == 1) ways.push_back(std::move(upright[0]));
  return lines;
}

// Scaled to 48 rows; the last column is repeated until the width is a multiple of a step.
RgbImage to_crop(RgbImage line) {
  const int wide = static_cast<int>(std::max(1.0, round_half_up(line.width * kCropRows / (1.0 * line.height))));
  RgbImage scaled = bicubic(std::move(line), wide, kCropRows);
  const int columns = std::max(kLeastColumns, (wide + kStepColumns - 1) / kStepColumns * kStepColumns);
  if (columns == wide) return scaled;
  RgbImage wider(columns, kCropRows);
  for (int y = 0; y < kCropRows; ++y) {
    const uint8_t* from = scaled.row(y);
    uint8_t* to = std::copy_n(from, static_cast<size_t>(wide) * 3, wider.row(y));
    for (int x = wide; x < columns; ++x) to = std::copy_n(from + (wide - 1) * 3, 3, to);
  }
  return wider;
}

Cut to_cut(LineCut from, const std::unordered_set<std::string>& known) {
  const std::string size = std::to_string(from.line.width) + " " + std::to_string(from.line.height) + "\n";
  Cut cut{from.placement, Sha256().update(size).update(from.line.data.data(), from.line.data.size()).hex(), {}, {}};
  if (known.count(cut.hash)) return cut;
  cut.ink = text_ink(from.line.view()).ink;
  cut.crop = to_crop(std::move(from.line));
  return cut;
}

}  // namespace

std::vector<std::vector<Cut>> cut_lines(const RgbView& picture, const TextBox& box,
                                        const std::unordered_set<std::string>& known) {
  std::vector<std::vector<Cut>> lines;
  for (std::vector<LineCut>& ways : ways_to_cut(picture, box)) {
    std::vector<Cut>& cuts = lines.emplace_back();
    for (LineCut& way : ways) cuts.push_back(to_cut(std::move(way), known));
  }
  return lines;
}

}  // namespace afterimage
