// A box of the text detector → the pixels that the recogniser reads. Level boxes are brought to rest on the ink inside
// them: the detector's answer shifts a little when something changes elsewhere in the picture, and a line that did not
// change must give the same crop, hence the same text, to the bit.
#pragma once
#include <array>
#include <string>
#include <unordered_set>

#include "lines/ink.h"

namespace afterimage {

struct Point {
  double x, y;
};

struct TextBox {
  std::array<Point, 4> quad;  // top left, top right, bottom right, bottom left, as the text is read
  bool level;                 // its sides are those of the picture
};

// How a cut's own pixels lie in the picture it came from: its top left corner, one pixel along the line, and one across
// it, downwards.
struct Placement {
  Point origin, along, across;
};

struct Cut {
  Placement placement;
  std::string hash;  // of its pixels: lines that look the same read the same
  // What it takes to read it; both empty where its text is known.
  RgbImage crop;  // 48 rows, columns a multiple of 8
  Ink ink;        // in the cut's own pixels
};

// For each line in the box the ways to look at it: one, or where a box stands upright all that its text may run.
// `known`: hashes of cuts whose text is known.
std::vector<std::vector<Cut>> cut_lines(const RgbView& picture, const TextBox& box,
                                        const std::unordered_set<std::string>& known);

}  // namespace afterimage
