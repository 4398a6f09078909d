// Attention over the KV cache. Rows write their keys and values first; then each task takes one kv head of some rows of
// one sequence and walks the blocks from the first any of them sees, so a tile is packed once for all its queries.
#include <algorithm>
#include <atomic>
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

// Tiles of one task that are taken together; `remaining`, of the task, counts those that are not done.
struct Span {
  const Task* task;
  int64_t begin, end, first_state;  // tiles; the state of the first of all of the task's tiles
  std::atomic<int64_t>* remaining;
};

class CacheAttention {
 public:
  CacheAttention(CpuContext& c, const Dispatch& d) : c_(c), d_(d), a_(*d.attrs), layout_(*d.batch->kv) {
    group_ = a_.heads / a_.kv_heads;
    check_head_width(a_);
    form_ = c.kernels.bf16_cache && d.precision != Precision::exact ? TileForm::bf16 : TileForm::f32;
    rows_per_task_ = std::max(1, kMaxQueries / group_);
    v_stride_ = padded_width(a_.v_dim);
    tile_bytes_ = tile_size(a_.k_dim, a_.v_dim, {form_, form_}).bytes();
    const size_t widened = size_t{kBlockPositions} * static_cast<size_t>(std::max(a_.k_dim, a_.v_dim)) * 4;
    scratch_bytes_ = tile_bytes_ + widened + AttentionRows::bytes(rows_per_task_ * group_, a_.k_dim, a_.v_dim);
  }

  void run() {
    const std::vector<Task> tasks = plan_tasks(d_, rows_per_task_);
    for (Scratch& scratch : c_.thread_scratch) scratch.reserve(scratch_bytes_);
    if (run_in_spans(tasks)) return;
    c_.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
      const Task& t = tasks[static_cast<size_t>(index)];
      const Work work = begin(t, thread);
      const auto [first, last] = tiles(t);
      for (int64_t tile = first; tile < last; ++tile) attend(t, work, tile, last, work.rows.state());
      finish(t, work.rows);
    });
  }

 private:
  // A task's query vectors and a thread's memory for its tiles.
  struct Work {
    uint8_t* packed;
    float* widened;
    AttentionRows rows;
  };

  Work begin(const Task& t, int thread) {
    uint8_t* packed = c_.thread_scratch[static_cast<size_t>(thread)].reserve(scratch_bytes_);
    auto* widened = reinterpret_cast<float*>(packed + tile_bytes_);
    Work work{packed, widened,
              AttentionRows(widened + kBlockPositions * std::max(a_.k_dim, a_.v_dim), rows_per_task_ * group_, a_.k_dim,
                            a_.v_dim)};
    for (int32_t r = t.first; r < t.first + t.rows; ++r)
      for (int32_t g = 0; g < group_; ++g)
        work.rows.add(c_.kernels, d_.in[0].at<float>(t.sequence->first_row + r) + (t.kv_head * group_ + g) * a_.k_dim,
                      form_);
    return work;
  }

  // Few tasks leave threads idle: then each one's tiles are taken in spans, every tile to a state of its own, and who
  // ends the last span of a task merges them in order. The bits are those of one walk.
  bool run_in_spans(const std::vector<Task>& tasks) {
    constexpr size_t kMostBytes = size_t{16} << 20;
    const auto wanted = int64_t{4} * c_.pool.threads(), known = static_cast<int64_t>(tasks.size());
    if (c_.pool.threads() == 1 || known >= wanted) return false;
    const auto each = (wanted + known - 1) / known;
    std::vector<std::atomic<int64_t>> remaining(tasks.size());
    std::vector<Span> spans;
    int64_t states = 0;
    for (size_t i = 0; i < tasks.size(); ++i) {
      const auto [first, last] = tiles(tasks[i]);
      const int64_t count = std::max<int64_t>(1, (last - first + each - 1) / each);
      for (int64_t begin = first; begin == first || begin < last; begin += count, ++remaining[i])
        spans.push_back({&tasks[i], begin, std::min(begin + count, last), states, &remaining[i]});
      states += (last - first) * tasks[i].rows * group_;
    }
    const size_t row_bytes = static_cast<size_t>(v_stride_ + 2) * 4;
    if (spans.size() == tasks.size() || static_cast<size_t>(states) * row_bytes > kMostBytes) return false;
    auto* memory = reinterpret_cast<float*>(c_.tiles.reserve(static_cast<size_t>(states) * row_bytes));
    const SoftmaxState all{memory + states * v_stride_, memory + states * (v_stride_ + 1), memory};
    std::fill_n(all.maxima, states, -INFINITY);
    c_.pool.for_each(static_cast<int64_t>(spans.size()), [&](int64_t index, int thread) {
      const Span& span = spans[static_cast<size_t>(index)];
      const Task& t = *span.task;
      const Work work = begin(t, thread);
      const int64_t first = tiles(t).first, rows = work.rows.count();
      const auto state_of = [&](int64_t tile) {
        const int64_t at = span.first_state + (tile - first) * rows;
        return SoftmaxState{all.maxima + at, all.totals + at, all.values + at * v_stride_};
      };
      for (int64_t tile = span.begin; tile < span.end; ++tile) {
        const SoftmaxState state = state_of(tile);
        std::fill_n(state.totals, rows, 0.0f);
        std::fill_n(state.values, rows * v_stride_, 0.0f);
        attend(t, work, tile, span.end, state);
      }
      if (span.remaining->fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      const int64_t last = tiles(t).second;
      for (int64_t tile = first; tile < last; ++tile)
        c_.kernels.attend_merge(state_of(tile), static_cast<int>(rows), v_stride_, work.rows.state());
      finish(t, work.rows);
    });
    return true;
  }

  // Cache positions [first, last) that row r of the batch sees.
  std::pair<int64_t, int64_t> visible(const Task& t, int32_t row) const {
    const int64_t position = t.sequence->first_position + row;
    const int64_t first = first_seen(a_, position);
    const int64_t end =
        a_.causal ? position + 1 : d_.batch->visible_end[static_cast<size_t>(t.sequence->first_row + row)];
    return {first, std::min<int64_t>(end, t.sequence->first_position + t.sequence->rows)};
  }

  // Tiles [first, last) that any row of the task sees.
  std::pair<int64_t, int64_t> tiles(const Task& t) const {
    int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
    for (int32_t r = t.first; r < t.first + t.rows; ++r) {
      const auto [first, last] = visible(t, r);
      begin = std::min(begin, first);
      end = std::max(end, last);
    }
    begin /= kBlockPositions;
    return {begin, std::max(begin, (end + kBlockPositions - 1) / kBlockPositions)};
  }

  // Tile `tile` of those up to `end`, which are taken one after the other.
  void attend(const Task& t, Work work, int64_t tile, int64_t end, const SoftmaxState& state) const {
    const int64_t start = tile * kBlockPositions;
    const int64_t known = t.sequence->first_position + t.sequence->rows - start;
    const size_t keys = layout_.key_offset(a_.layer, t.kv_head), values = layout_.value_offset(a_.layer, t.kv_head);
    const uint8_t* block = block_of(*t.sequence, start);
    const StoredTile stored{block + keys,
                            block + values,
                            tile + 1 < end ? block_of(*t.sequence, start + kBlockPositions) + keys : nullptr,
                            layout_.type(),
                            static_cast<int>(std::min<int64_t>(known, kBlockPositions)),
                            a_.k_dim,
                            a_.v_dim};
    for (int32_t r = 0; r < t.rows; ++r) {
      const auto [first, last] = visible(t, t.first + r);
      for (int32_t g = 0; g < group_; ++g) work.rows.see(r * group_ + g, first - start, last - start);
    }
    const bool few_rows = work.rows.count() <= kFewQueries;
    AttendJob job =
        work.rows.job(pack_tile(c_.kernels, stored, form_, few_rows, work.packed, work.widened), a_, {form_, form_});
    job.state = state;
    c_.kernels.attend(job);
  }

  void finish(const Task& t, const AttentionRows& rows) const {
    for (int32_t r = 0; r < t.rows; ++r)
      for (int32_t g = 0; g < group_; ++g)
        rows.finish(c_.kernels, r * group_ + g,
                    d_.out[0].at<float>(t.sequence->first_row + t.first + r) + (t.kv_head * group_ + g) * a_.v_dim);
  }

  static constexpr int kMaxQueries = AttentionRows::kMost;
  static constexpr int kFewQueries = 12;  // two tiles of registers
  CpuContext& c_;
  const Dispatch& d_;
  const OpAttrs& a_;
  const KvLayout& layout_;
  int group_, v_stride_;
  TileForm form_;
  int32_t rows_per_task_;
  size_t tile_bytes_, scratch_bytes_;
};

}  // namespace

void run_attention(CpuContext& c, const Dispatch& d) {
  if (d.in[1]) write_cache(c, d);
  CacheAttention(c, d).run();
}

}  // namespace afterimage
