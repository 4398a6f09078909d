// The parts of an image that its encoder never lets see each other: the tiles into which a family cuts a large picture.
// What they are follows from the vision program and its inputs; no family says so. Two rows belong together where an
// operator reads one for the other: attention inside a segment, a gather by index, rows joined to one.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cache/tile_features.h"
#include "graph/program.h"
#include "session/named_input.h"

namespace afterimage {

class ImageTiles {
 public:
  // Absent where the rows of all the image see each other, or where the program mixes rows in a way not known here.
  // `program` must outlive it. The inputs fit the program.
  static std::optional<ImageTiles> find(const Program& program, const std::vector<NamedInput>& inputs);

  size_t count() const noexcept { return keys_.size(); }
  const std::vector<TileKey>& keys() const noexcept { return keys_; }
  // Rows of the tile that attention divides.
  int64_t patches(size_t tile) const { return patches_[tile]; }
  // Rows of the image's features that the tile makes, ascending.
  const std::vector<int32_t>& feature_rows(size_t tile) const { return feature_rows_[tile]; }
  // What the rows of the image's features are, from the first one on.
  std::vector<TileFeatures::Run> runs() const;
  // Of an image that has only these tiles. Its features are their rows, in ascending order. `chosen` is ascending.
  std::vector<NamedInput> inputs_of(const std::vector<size_t>& chosen) const;

 private:
  // How the values of an input are to be read where rows are left out.
  enum class Role : uint8_t { content, index, segments };
  struct Input {
    NamedInput given;
    Role role = Role::content;
    int32_t rows = -1;    // its row domain; segments: of the rows that they divide
    int32_t target = -1;  // index: the row domain that it points into
  };
  class Finder;

  std::vector<Input> inputs_;
  std::vector<std::vector<int32_t>> owners_;  // by row domain: the tile of each row
  std::vector<TileKey> keys_;
  std::vector<int64_t> patches_;
  std::vector<std::vector<int32_t>> feature_rows_;
};

}  // namespace afterimage
