// A full prompt as the session layer and the cache see it: token rows, positions and image spans. It knows no text.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace afterimage {

// SHA-256 over {weights digest, processor identity, width, height, pixels}, made by the caller.
using ImageKey = std::array<uint8_t, 32>;

struct ImageSpan {
  int32_t start = 0, end = 0;  // tokens [start, end): everything the image stands for, markers included
  ImageKey key{};
  // Row counts of the vision program for this image by symbol ("patches", "tokens", …): its memory is predicted from
  // them before anything runs.
  std::map<std::string, int64_t> symbols;
  // Written into files of this image, for whoever lists them: text of the caller's, and no part of any comparison.
  std::string label = {};
};

// causal: a cached path may be cut anywhere. block: tokens of one image see each other, so a path is cut at the edge
// of an image. prefix: the first `prefix_length` tokens see each other, so they are reused as a whole or not at all.
enum class Visibility : uint8_t { causal, block, prefix };

struct Prompt {
  std::vector<int32_t> ids;            // [n]
  std::vector<int32_t> position_ids;   // [n][axes], row-major: token t, axis a at t·axes + a
  std::vector<int32_t> feature_index;  // [n]: row of the image's features, −1 for text and markers
  std::vector<ImageSpan> spans;        // ascending, disjoint
  std::vector<int32_t> marks;          // token counts worth a state snapshot beside image ends (turn ends); any order
  int32_t rope_delta = 0;              // the token generated at cache index i has position i + rope_delta on all axes
  int32_t prefix_length = 0;           // Visibility::prefix only
};

}  // namespace afterimage
