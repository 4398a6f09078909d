// Attention over the KV cache. Rows write their keys and values first; then each task takes one kv head of some rows of
// one sequence and walks the blocks from the first any of them sees, so a tile is packed once for all its queries.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/attention_rows.h"
#include "cpu/kv_tile.h"

namespace afterimage {
namespace {

void write_cache(CpuContext& c, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const KvLayout& layout = *d.batch->kv;
  for (const SequenceRows& s : d.batch->sequences)
    c.for_rows(s.rows, int64_t{a.kv_heads} * (a.k_dim + a.v_dim) * 4, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        uint8_t* block = block_of(s, s.first_position + r);
        const int position = static_cast<int>((s.first_position + r) % kBlockPositions);
        for (int32_t h = 0; h < a.kv_heads; ++h) {
          store_kv(block + layout.key_offset(a.layer, h), layout.type(), position, a.k_dim,
                   d.in[1].at<float>(s.first_row + r) + h * a.k_dim);
          store_kv(block + layout.value_offset(a.layer, h), layout.type(), position, a.v_dim,
                   d.in[2].at<float>(s.first_row + r) + h * a.v_dim);
        }
      }
    });
}

// Rows [first, first + rows) of one sequence, for one kv head.
struct Task {
  const SequenceRows* sequence;
  int32_t first, rows, kv_head;
};

std::vector<Task> plan_tasks(const Dispatch& d, int32_t rows_per_task) {
  std::vector<Task> tasks;
  for (const SequenceRows& s : d.batch->sequences)
    for (int32_t first = 0; first < s.rows; first += rows_per_task)
      for (int32_t head = 0; head < d.attrs->kv_heads; ++head)
        tasks.push_back({&s, first, std::min(rows_per_task, s.rows - first), head});
  return tasks;
}

class CacheAttention {
 public:
  CacheAttention(CpuContext& c, const Dispatch& d) : c_(c), d_(d), a_(*d.attrs), layout_(*d.batch->kv) {
    group_ = a_.heads / a_.kv_heads;
    check_head_width(a_);
    form_ = c.kernels.native_bf16 && d.precision == Precision::fast ? TileForm::bf16 : TileForm::f32;
    rows_per_task_ = std::max(1, kMaxQueries / group_);
    size_ = tile_size(a_.k_dim, a_.v_dim, form_);
    const size_t widened = size_t{kBlockPositions} * static_cast<size_t>(std::max(a_.k_dim, a_.v_dim)) * 4;
    scratch_bytes_ = size_.bytes() + widened + AttentionRows::bytes(rows_per_task_ * group_, a_.k_dim, a_.v_dim);
  }

  void run() {
    const std::vector<Task> tasks = plan_tasks(d_, rows_per_task_);
    for (Scratch& scratch : c_.thread_scratch) scratch.reserve(scratch_bytes_);
    c_.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t task, int thread) {
      attend(tasks[static_cast<size_t>(task)], c_.thread_scratch[static_cast<size_t>(thread)].reserve(scratch_bytes_));
    });
  }

 private:
  // Cache positions [first, last) that row r of the batch sees.
  std::pair<int64_t, int64_t> visible(const Task& t, int32_t row) const {
    const int64_t position = t.sequence->first_position + row;
    const int64_t first = first_seen(a_, position);
    const int64_t end =
        a_.causal ? position + 1 : d_.batch->visible_end[static_cast<size_t>(t.sequence->first_row + row)];
    return {first, std::min<int64_t>(end, t.sequence->first_position + t.sequence->rows)};
  }

  void attend(const Task& t, uint8_t* scratch) {
    uint8_t *keys = scratch, *values = scratch + size_.keys;
    auto* widened = reinterpret_cast<float*>(values + size_.values);
    AttentionRows rows(widened + kBlockPositions * std::max(a_.k_dim, a_.v_dim), rows_per_task_ * group_, a_.k_dim,
                       a_.v_dim);
    int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
    for (int32_t r = t.first; r < t.first + t.rows; ++r) {
      const auto [first, last] = visible(t, r);
      begin = std::min(begin, first);
      end = std::max(end, last);
      for (int32_t g = 0; g < group_; ++g)
        rows.add(c_.kernels, d_.in[0].at<float>(t.sequence->first_row + r) + (t.kv_head * group_ + g) * a_.k_dim,
                 form_);
    }
    for (int64_t start = begin / kBlockPositions * kBlockPositions; start < end; start += kBlockPositions) {
      pack_tile(t, start, keys, values, widened);
      for (int32_t r = 0; r < t.rows; ++r) {
        const auto [first, last] = visible(t, t.first + r);
        for (int32_t g = 0; g < group_; ++g) rows.see(r * group_ + g, first - start, last - start);
      }
      c_.kernels.attend(rows.job({keys, values}, a_, form_));
    }
    for (int32_t r = 0; r < t.rows; ++r)
      for (int32_t g = 0; g < group_; ++g)
        rows.finish(c_.kernels, r * group_ + g,
                    d_.out[0].at<float>(t.sequence->first_row + t.first + r) + (t.kv_head * group_ + g) * a_.v_dim);
  }

  void pack_tile(const Task& t, int64_t start, uint8_t* keys, uint8_t* values, float* widened) const {
    const int64_t known = t.sequence->first_position + t.sequence->rows - start;
    const int count = static_cast<int>(std::min<int64_t>(known, kBlockPositions));
    const uint8_t* block = block_of(*t.sequence, start);
    const float* rows[kBlockPositions];
    load_kv(c_.kernels, block + layout_.key_offset(a_.layer, t.kv_head), layout_.type(), count, a_.k_dim, widened,
            rows);
    c_.kernels.pack_keys(rows, a_.k_dim, form_, keys);
    load_kv(c_.kernels, block + layout_.value_offset(a_.layer, t.kv_head), layout_.type(), count, a_.v_dim, widened,
            rows);
    c_.kernels.pack_values(rows, a_.v_dim, padded_width(a_.v_dim), form_, values);
  }

  static constexpr int kMaxQueries = AttentionRows::kMost;
  CpuContext& c_;
  const Dispatch& d_;
  const OpAttrs& a_;
  const KvLayout& layout_;
  int group_;
  TileForm form_;
  int32_t rows_per_task_;
  TileSize size_;
  size_t scratch_bytes_;
};

}  // namespace

void run_attention(CpuContext& c, const Dispatch& d) {
  if (d.in[1]) write_cache(c, d);
  CacheAttention(c, d).run();
}

}  // namespace afterimage
