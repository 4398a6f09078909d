// The query vectors of one attention task and their running softmax state, in memory given by the caller.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/kv_tile.h"

namespace afterimage {

class AttentionRows {
 public:
  static constexpr int kMost = 96;  // query vectors of one task; more only when one row has more heads per kv head

  static size_t bytes(int most, int k_dim, int v_dim) {
    const auto rows = static_cast<size_t>(std::max(most, kMost));
    return rows * (static_cast<size_t>(padded_width(k_dim) + padded_width(v_dim) + 3) * 4 + 2 * 4 + sizeof(void*));
  }

  AttentionRows(float* memory, int most, int k_dim, int v_dim) : k_dim_(k_dim), v_dim_(v_dim) {
    const int rows = std::max(most, kMost);
    queries_ = memory;
    values_ = queries_ + rows * padded_width(k_dim);
    maxima_ = values_ + rows * padded_width(v_dim);
    totals_ = maxima_ + rows;
    scales_ = totals_ + rows;
    first_ = reinterpret_cast<int32_t*>(scales_ + rows);
    last_ = first_ + rows;
    pointers_ = reinterpret_cast<const void**>(last_ + rows);
  }

  // `query` must stay where it is while the task runs (f32 form reads it in place).
  void add(const KernelTable& kernels, const float* query, TileForm form) {
    pointers_[count_] = query;
    if (form != TileForm::f32) {
      float* to = queries_ + count_ * padded_width(k_dim_);
      if (form == TileForm::bf16) {
        kernels.row_to_bf16(query, k_dim_, (k_dim_ + 3) & ~3, reinterpret_cast<uint16_t*>(to));
      } else if (form == TileForm::bytes) {
        kernels.row_to_bytes(query, k_dim_, (k_dim_ + 3) & ~3, to);
        scales_[count_] = tail_of(to, (k_dim_ + 3) & ~3).scale;
      } else {
        scales_[count_] = kernels.row_to_pairs(query, k_dim_, reinterpret_cast<int16_t*>(to));
      }
      pointers_[count_] = to;
    }
    maxima_[count_] = -INFINITY;
    totals_[count_] = 0;
    std::memset(values_ + count_ * padded_width(v_dim_), 0, static_cast<size_t>(padded_width(v_dim_)) * 4);
    ++count_;
  }

  // Positions [first, last) of the current tile that row i sees; both may lie outside the tile.
  void see(int i, int64_t first, int64_t last) {
    first_[i] = static_cast<int32_t>(std::clamp<int64_t>(first, 0, kBlockPositions));
    last_[i] = static_cast<int32_t>(std::clamp<int64_t>(last, 0, kBlockPositions));
  }

  AttendJob job(KvTile tile, const OpAttrs& a, TileForms forms) const {
    return {count_,  pointers_, scales_, tile,  forms,  k_dim_, v_dim_, padded_width(v_dim_),
            a.scale, a.softcap, first_,  last_, state()};
  }

  int count() const { return count_; }
  SoftmaxState state() const { return {maxima_, totals_, values_}; }

  void finish(const KernelTable& kernels, int i, float* out) const {
    kernels.attend_finish(values_ + i * padded_width(v_dim_), totals_[i], v_dim_, out);
  }

 private:
  int k_dim_, v_dim_, count_ = 0;
  float *queries_, *values_, *maxima_, *totals_, *scales_;
  int32_t *first_, *last_;
  const void** pointers_;
};

}  // namespace afterimage
