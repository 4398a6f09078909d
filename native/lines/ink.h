// Where a line of text has ink: how far its pixels differ from the background, without lines drawn under and around
// it, which are no ink of it: underlines, and the sides of fields and of a table's cells.
#pragma once
#include "lines/rgb_image.h"

namespace afterimage {

// Parts of 255 from which a pixel is ink: fainter ones are the soft edges of letters.
constexpr uint8_t kInk = 80;

struct Ink {
  int width = 0, height = 0;
  std::vector<uint8_t> contrast;  // to the background, in parts of 255 of the line's strongest; row-major
};

// The side of a frame, in columns [left, right) of the line.
struct Side {
  int left, right;
  bool parts;  // rules run on to both sides of it: what it parts are cells of a table
};

struct TextInk {
  Ink ink;
  std::vector<Side> sides;
};

TextInk text_ink(const RgbView& line);

// Rows [top, bottom) that belong to the line: from its middle outwards to the first empty row on each side, so that the
// edges of neighbours and frames stay out.
struct Rows {
  int top, bottom;
};
Rows text_rows(const Ink& ink);

// The strongest contrast of each column in some rows.
std::vector<uint8_t> column_ink(const Ink& ink, Rows rows);

}  // namespace afterimage
