// Full attention inside segments of rows (vision). Keys and values of a group of heads are packed into tiles of 64 rows
// of their segment, then every (head, chunk of a segment's rows) is a task. No matrix of rows × rows exists.
#include <algorithm>

#include "cpu/attention_rows.h"
#include "cpu/kv_tile.h"

namespace afterimage {
namespace {

struct Segment {
  int64_t first, rows, first_tile;  // first_tile: tiles of all segments before
  int64_t tiles() const { return (rows + kBlockPositions - 1) / kBlockPositions; }
};

struct SegmentTile {
  const Segment* segment;
  int64_t first_row;
};
struct Chunk {
  const Segment* segment;
  int64_t first_row;
  int rows;
};

class SegmentAttention {
 public:
  SegmentAttention(CpuContext& c, const Dispatch& d) : c_(c), d_(d), a_(*d.attrs) {
    check_head_width(a_);
    const TileForm values = d.precision == Precision::exact ? TileForm::f32
                            : c.kernels.native_bf16         ? TileForm::bf16
                            : c.kernels.pair_tiles          ? TileForm::pairs
                                                            : TileForm::f32;
    // What a row that sees a part of its segment gets must not depend on the rest, so no mean could be taken off there.
    const bool bytes = d.precision == Precision::faster && c.kernels.byte_tiles && !d.in[4];
    forms_ = {bytes ? TileForm::bytes : values, values};
    size_ = tile_size(a_.k_dim, a_.v_dim, forms_);
    scratch_bytes_ = AttentionRows::bytes(AttentionRows::kMost, a_.k_dim, a_.v_dim);
    read_segments();
  }

  void run() {
    if (tiles_.empty()) return;
    // Packed heads stay within this size together; one head is always possible.
    constexpr size_t kPackedBytes = size_t{32} << 20;
    const size_t head_bytes = tiles_.size() * size_.bytes();
    const auto heads =
        static_cast<int32_t>(std::clamp<size_t>(kPackedBytes / head_bytes, 1, static_cast<size_t>(a_.kv_heads)));
    packed_ = c_.tiles.reserve(static_cast<size_t>(heads) * head_bytes);
    for (Scratch& scratch : c_.thread_scratch) scratch.reserve(scratch_bytes_);
    if (forms_.keys == TileForm::bytes) find_means();
    for (int32_t first = 0; first < a_.kv_heads; first += heads) run_heads(first, std::min(heads, a_.kv_heads - first));
  }

 private:
  void read_segments() {
    const Tensor bounds = d_.in[3];
    segments_.reserve(static_cast<size_t>(bounds.rows));
    int64_t tiles = 0;
    for (int64_t s = 0; s + 1 < bounds.rows; ++s) {
      const int64_t first = std::clamp<int64_t>(bounds.at<int32_t>()[s], 0, d_.in[0].rows);
      const int64_t last = std::clamp<int64_t>(bounds.at<int32_t>()[s + 1], first, d_.in[0].rows);
      segments_.push_back({first, last - first, tiles});
      tiles += segments_.back().tiles();
    }
    for (const Segment& s : segments_) {
      for (int64_t r = 0; r < s.rows; r += kBlockPositions) tiles_.push_back({&s, s.first + r});
      for (int64_t r = 0; r < s.rows; r += AttentionRows::kMost)
        chunks_.push_back({&s, s.first + r, static_cast<int>(std::min<int64_t>(AttentionRows::kMost, s.rows - r))});
    }
  }

  uint8_t* packed_tile(int32_t head, int64_t tile) const {
    return packed_ + (static_cast<size_t>(head) * tiles_.size() + static_cast<size_t>(tile)) * size_.bytes();
  }

  // A number that all keys of a segment have in common moves all scores of a query alike, which softmax does not see,
  // but takes much of a byte: without it rounding is finer. Zhang et al. 2024 (SageAttention).
  void find_means() {
    means_.resize(segments_.size() * static_cast<size_t>(key_width()));
    c_.pool.for_each(static_cast<int64_t>(segments_.size()) * a_.kv_heads, [&](int64_t task, int) {
      const Segment& s = segments_[static_cast<size_t>(task / a_.kv_heads)];
      const int64_t column = task % a_.kv_heads * a_.k_dim;
      float* mean = means_.data() + task * a_.k_dim;
      const float factor = 1.0f / static_cast<float>(std::max<int64_t>(s.rows, 1));
      for (int64_t r = 0; r < s.rows; ++r)
        c_.kernels.accumulate(d_.in[1].at<float>(s.first + r) + column, factor, a_.k_dim, mean);
    });
  }
  int64_t key_width() const { return int64_t{a_.kv_heads} * a_.k_dim; }

  // kv heads [first, first + count).
  void run_heads(int32_t first, int32_t count) {
    const auto tiles = static_cast<int64_t>(tiles_.size()), chunks = static_cast<int64_t>(chunks_.size());
    c_.pool.for_each(tiles * count, [&](int64_t task, int thread) {
      pack(first + static_cast<int32_t>(task / tiles), task % tiles,
           c_.thread_scratch[static_cast<size_t>(thread)].reserve(scratch_bytes_),
           packed_tile(static_cast<int32_t>(task / tiles), task % tiles));
    });
    const int32_t group = a_.heads / a_.kv_heads;
    c_.pool.for_each(chunks * count * group, [&](int64_t task, int thread) {
      const auto head = static_cast<int32_t>(task / chunks);  // counted from this group's first query head
      attend(chunks_[static_cast<size_t>(task % chunks)], first * group + head, head / group,
             c_.thread_scratch[static_cast<size_t>(thread)].reserve(scratch_bytes_));
    });
  }

  void pack(int32_t kv_head, int64_t index, uint8_t* scratch, uint8_t* to) const {
    const SegmentTile& tile = tiles_[static_cast<size_t>(index)];
    const int64_t left = tile.segment->first + tile.segment->rows - tile.first_row;
    const float *keys[kBlockPositions], *values[kBlockPositions];
    for (int64_t j = 0; j < kBlockPositions; ++j) {
      keys[j] = j < left ? d_.in[1].at<float>(tile.first_row + j) + kv_head * a_.k_dim : nullptr;
      values[j] = j < left ? d_.in[2].at<float>(tile.first_row + j) + kv_head * a_.v_dim : nullptr;
    }
    if (!means_.empty()) take_off_mean(tile, kv_head, reinterpret_cast<float*>(scratch), keys);
    c_.kernels.pack_keys(keys, a_.k_dim, forms_.keys, to);
    c_.kernels.pack_values(values, a_.v_dim, padded_width(a_.v_dim), forms_.values, to + size_.keys);
  }

  // `centred` [64][k_dim]
  void take_off_mean(const SegmentTile& tile, int32_t kv_head, float* centred, const float** keys) const {
    const float* mean = means_.data() + (tile.segment - segments_.data()) * key_width() + int64_t{kv_head} * a_.k_dim;
    for (int64_t j = 0; j < kBlockPositions && keys[j]; ++j, centred += a_.k_dim) {
      std::copy_n(keys[j], a_.k_dim, centred);
      c_.kernels.accumulate(mean, -1, a_.k_dim, centred);
      keys[j] = centred;
    }
  }

  void attend(const Chunk& chunk, int32_t head, int32_t packed_head, uint8_t* scratch) const {
    AttentionRows rows(reinterpret_cast<float*>(scratch), AttentionRows::kMost, a_.k_dim, a_.v_dim);
    for (int r = 0; r < chunk.rows; ++r)
      rows.add(c_.kernels, d_.in[0].at<float>(chunk.first_row + r) + head * a_.k_dim, forms_.keys);
    const Segment& s = *chunk.segment;
    for (int64_t t = 0; t < s.tiles(); ++t) {
      for (int r = 0; r < chunk.rows; ++r) rows.see(r, 0, seen(s, chunk.first_row + r) - t * kBlockPositions);
      uint8_t* tile = packed_tile(packed_head, s.first_tile + t);
      c_.kernels.attend(rows.job({tile, tile + size_.keys}, a_, forms_));
    }
    for (int r = 0; r < chunk.rows; ++r)
      rows.finish(c_.kernels, r, d_.out[0].at<float>(chunk.first_row + r) + head * a_.v_dim);
  }

  // Rows of its segment that this one sees, from the first on.
  int64_t seen(const Segment& s, int64_t row) const {
    return d_.in[4] ? std::clamp<int64_t>(*d_.in[4].at<int32_t>(row) - s.first, 1, s.rows) : s.rows;
  }

  CpuContext& c_;
  const Dispatch& d_;
  const OpAttrs& a_;
  TileForms forms_;
  TileSize size_;
  size_t scratch_bytes_;
  uint8_t* packed_ = nullptr;
  std::vector<float> means_;  // of keys in bytes: [segments][kv_heads][k_dim]
  std::vector<Segment> segments_;
  std::vector<SegmentTile> tiles_;
  std::vector<Chunk> chunks_;
};

}  // namespace

void run_segment_attention(CpuContext& c, const Dispatch& d) { SegmentAttention(c, d).run(); }

}  // namespace afterimage
