#include "lines/ink.h"

#include <array>
#include <cmath>
#include <cstdlib>

namespace afterimage {
namespace {

// Levels of a channel that count as one colour when the background is looked for.
constexpr int kLevels = 16, kColourSide = 256 / kLevels;
// A line whose contrast (of 255) stays below has no ink of its own strength.
constexpr int kLeastContrast = 24;
// Rules are thin and soft: what is fainter parts them.
constexpr uint8_t kFaint = 40;
// A stretch of ink in one row that is longer than this many heights of the line underlines it, or frames it.
constexpr double kRule = 1.25;
// A column of ink through so much of the height is the side of a frame: brackets and bars are lower than the cut. And
// the same of one that runs from rule to rule.
constexpr double kSide = 0.94, kSideOfRules = 0.65;
// How far from a side its rules may begin: corners are round, and some frames are double.
constexpr int kCorner = 3;

int colour_key(const uint8_t* pixel) {
  return (pixel[0] / kLevels * kColourSide + pixel[1] / kLevels) * kColourSide + pixel[2] / kLevels;
}

// The colour that most pixels have, to within kLevels, as the mean of those pixels; of several the one that had so many
// first.
std::array<double, 3> background_of(const RgbView& line) {
  const size_t pixels = static_cast<size_t>(line.width) * line.height;
  std::vector<int> counts(kColourSide * kColourSide * kColourSide);
  int most = 0;
  for (size_t i = 0; i < pixels; ++i) {
    const int key = colour_key(line.data + i * 3);
    if (++counts[key] > counts[most]) most = key;
  }
  std::array<int64_t, 3> sums{};
  for (size_t i = 0; i < pixels; ++i)
    if (const uint8_t* pixel = line.data + i * 3; colour_key(pixel) == most)
      for (int c = 0; c < 3; ++c) sums[c] += pixel[c];
  std::array<double, 3> mean;
  for (int c = 0; c < 3; ++c) mean[c] = static_cast<double>(sums[c]) / counts[most];
  return mean;
}

// All that differs from the background, rules and frames too.
Ink ink_of(const RgbView& line) {
  const std::array<double, 3> background = background_of(line);
  std::array<std::array<uint8_t, 256>, 3> differences;
  for (int c = 0; c < 3; ++c)
    for (int v = 0; v < 256; ++v) differences[c][v] = static_cast<uint8_t>(std::abs(v - background[c]));
  Ink ink{line.width, line.height, std::vector<uint8_t>(static_cast<size_t>(line.width) * line.height)};
  uint8_t strongest = kLeastContrast;
  for (size_t i = 0; i < ink.contrast.size(); ++i) {
    const uint8_t* pixel = line.data + i * 3;
    ink.contrast[i] = std::max({differences[0][pixel[0]], differences[1][pixel[1]], differences[2][pixel[2]]});
    strongest = std::max(strongest, ink.contrast[i]);
  }
  std::array<uint8_t, 256> scaled{};
  for (int v = 0; v <= strongest; ++v)
    scaled[v] = static_cast<uint8_t>(std::floor(v * 255 / static_cast<double>(strongest) + 0.5));
  for (uint8_t& contrast : ink.contrast) contrast = scaled[contrast];
  return ink;
}

// One byte a pixel: whether a rule was there.
using Rules = std::vector<uint8_t>;

// Clears rules from the ink, and says where they were.
Rules take_rules(Ink& ink) {
  Rules rules(ink.contrast.size());
  for (int y = 0; y < ink.height; ++y) {
    uint8_t* row = ink.contrast.data() + static_cast<size_t>(y) * ink.width;
    for (int x = 0; x < ink.width; ++x) {
      const int start = x;
      while (x < ink.width && row[x] >= kFaint) ++x;
      if (x - start <= kRule * ink.height && x - start < ink.width) continue;
      std::fill(row + start, row + x, uint8_t{0});
      std::fill_n(rules.data() + (row - ink.contrast.data()) + start, x - start, uint8_t{1});
    }
  }
  return rules;
}

// Whether a rule is in row y between two columns, as far as there are such.
bool ruled(const Ink& ink, const Rules& rules, int y, int from, int to) {
  from = std::max(0, from);
  to = std::min(ink.width, to);
  const uint8_t* row = rules.data() + static_cast<size_t>(y) * ink.width;
  return from < to && std::find(row + from, row + to, 1) != row + to;
}

bool is_side(const Ink& ink, const Rules& rules, int x) {
  int rows = 0, longest = 0, top = 0;
  for (int y = 0, start = 0; y < ink.height; ++y) {
    if (ink.contrast[static_cast<size_t>(y) * ink.width + x] < kFaint) {
      start = y + 1;
      continue;
    }
    ++rows;
    if (y + 1 - start > longest) longest = y + 1 - start, top = start;
  }
  if (rows >= kSide * ink.height) return true;
  const auto meets_rule = [&](int y) {
    return y < 0 || y >= ink.height || ruled(ink, rules, y, x - kCorner, x + kCorner + 1);
  };
  return longest >= kSideOfRules * ink.height && meets_rule(top - 1) && meets_rule(top + longest);
}

std::vector<Side> take_sides(Ink& ink, const Rules& rules) {
  std::vector<Side> sides;
  for (int x = 0; x < ink.width; ++x) {
    if (!is_side(ink, rules, x)) continue;
    for (int y = 0; y < ink.height; ++y) ink.contrast[static_cast<size_t>(y) * ink.width + x] = 0;
    if (!sides.empty() && x - sides.back().right <= kCorner)
      sides.back().right = x + 1;
    else
      sides.push_back({x, x + 1, false});
  }
  const auto any_row = [&](int from, int to) {
    for (int y = 0; y < ink.height; ++y)
      if (ruled(ink, rules, y, from, to)) return true;
    return false;
  };
  for (Side& side : sides)
    side.parts = any_row(side.left - kCorner, side.left) && any_row(side.right, side.right + kCorner);
  return sides;
}

}  // namespace

TextInk text_ink(const RgbView& line) {
  TextInk text{ink_of(line), {}};
  const Rules rules = take_rules(text.ink);
  text.sides = take_sides(text.ink, rules);
  return text;
}

Rows text_rows(const Ink& ink) {
  const auto empty = [&](int y) {
    const uint8_t* row = ink.contrast.data() + static_cast<size_t>(y) * ink.width;
    return std::none_of(row, row + ink.width, [](uint8_t contrast) { return contrast >= kInk; });
  };
  Rows rows{static_cast<int>(std::floor(ink.height * 0.35)), static_cast<int>(std::ceil(ink.height * 0.65))};
  while (rows.top < rows.bottom - 1 && empty(rows.top)) ++rows.top;
  while (rows.bottom > rows.top + 1 && empty(rows.bottom - 1)) --rows.bottom;
  while (rows.top > 0 && !empty(rows.top - 1)) --rows.top;
  while (rows.bottom < ink.height && !empty(rows.bottom)) ++rows.bottom;
  return rows;
}

std::vector<uint8_t> column_ink(const Ink& ink, Rows rows) {
  std::vector<uint8_t> columns(static_cast<size_t>(ink.width));
  for (int y = rows.top; y < rows.bottom; ++y) {
    const uint8_t* row = ink.contrast.data() + static_cast<size_t>(y) * ink.width;
    for (int x = 0; x < ink.width; ++x) columns[x] = std::max(columns[x], row[x]);
  }
  return columns;
}

}  // namespace afterimage
