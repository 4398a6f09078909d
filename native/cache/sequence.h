// A timeline of items: the prompt's tokens and what was generated after them. An item is a token with its positions,
// its feature row and, inside an image, the image's key and the offset in it; two items are the same only if all of
// these are equal. Items are compared in the grid of KV blocks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cache/prompt.h"

namespace afterimage {

// The items of one block (the last block of a path may hold fewer than 64).
struct BlockItems {
  struct Piece {  // items [begin, end) of the block lie in one image, from `offset` in it
    int32_t begin, end, offset;
    ImageKey key;
  };
  int32_t count = 0;
  int32_t stride = 0;         // 2 + position axes
  std::vector<int32_t> rows;  // [count][stride]: token id, feature row, position ids
  std::vector<Piece> pieces;  // ascending
  // For whoever lists the tree, and part of no comparison.
  std::vector<std::string> images;  // labels of the images that begin here
  std::vector<int32_t> image_ends;  // of Sequence::image_ends(), those in here
};

// Number of leading items that are the same.
int32_t common_prefix(const BlockItems& a, const BlockItems& b) noexcept;

class Sequence {
 public:
  // Throws INVALID_ARGUMENT with the field that is malformed.
  Sequence(Prompt prompt, int32_t axes, Visibility visibility);

  int32_t size() const noexcept { return static_cast<int32_t>(prompt_.ids.size()); }
  int32_t prompt_size() const noexcept { return prompt_size_; }
  int32_t axes() const noexcept { return axes_; }
  const Prompt& prompt() const noexcept { return prompt_; }
  // The generated token at index size().
  void append(int32_t token);
  // Takes back the last tokens that were appended.
  void cut(size_t tokens);

  int32_t id(int32_t item) const noexcept { return prompt_.ids[item]; }
  int32_t feature_row(int32_t item) const noexcept { return prompt_.feature_index[item]; }
  std::span<const int32_t> positions(int32_t item) const noexcept;
  // The image span that holds the item, or null.
  const ImageSpan* span_at(int32_t item) const noexcept;
  // First cache index that the item must not see.
  int32_t visible_end(int32_t item) const noexcept {
    return visible_end_.empty() || item >= prompt_size_ ? item + 1 : visible_end_[item];
  }

  // Whether no item sees one behind it.
  bool causal() const noexcept { return visibility_ == Visibility::causal; }
  // The same with `other` in the place of `image`.
  Sequence with_image(const ImageKey& image, const ImageKey& other) const;
  // End of the items before the first one of `image` that has feature row `rows` or a later one.
  int32_t shared_end(const ImageKey& image, int32_t rows) const noexcept;

  // Items [64·block, end), end within the block.
  BlockItems block_items(int32_t block, int32_t end) const;
  // How much of `matched` equal leading items can be reused: the keys and values of an item are complete only with
  // all that it sees, and `evaluated_at_least` items are left to evaluate.
  int32_t reusable(int32_t matched, int32_t evaluated_at_least) const noexcept;
  // End of the run of rows from `from`: about `rows` of them, and no two items that see each other apart.
  int32_t chunk_end(int32_t from, int32_t rows) const noexcept;
  // Prompt positions after which a path is worth a file: image ends, or the end of the bidirectional prefix.
  const std::vector<int32_t>& image_ends() const noexcept { return image_ends_; }
  // Prompt positions worth a state snapshot, ascending: image ends and marks.
  const std::vector<int32_t>& marks() const noexcept { return marks_; }
  // Everything that identifies items [0, end), as bytes.
  std::vector<std::byte> identity(int32_t end) const;

 private:
  struct Range {  // items [begin, end) that share a key
    int32_t begin, end;
    ImageKey key;
  };
  void check() const;
  void find_visible_ends();
  void name_ranges();
  void append_identity(int32_t begin, int32_t end, const std::vector<Range>& ranges, std::vector<std::byte>& out) const;

  Prompt prompt_;  // ids, positions and feature rows grow with append()
  const int32_t axes_;
  const Visibility visibility_;
  const int32_t prompt_size_;
  std::vector<int32_t> visible_end_;  // of prompt items; empty: causal
  // Image spans by their key; items that see each other by a digest of them all, because what one of them holds
  // depends on every other.
  std::vector<Range> ranges_;
  std::vector<int32_t> image_ends_, marks_;
};

}  // namespace afterimage
