// Softmax attention over one tile of 64 keys. Per row: scores, the tile's own maximum and sum, weighted values; then the
// tile's partial is merged into the running state:
//   M = max(m, m_t);  l = l·e^{m−M} + l_t·e^{m_t−M};  o = o·e^{m−M} + o_t·e^{m_t−M}
// A tile in which a row sees nothing leaves its state bitwise unchanged.
// Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022.
#pragma once
#include <cmath>

#include "cpu/elementary.h"
#include "cpu/kernels.h"
#include "cpu/narrow_floats.h"
#include "cpu/tiles.h"

namespace afterimage::CPU_ISA {

constexpr int kKeys = 64;
constexpr int kMaxValueStride = 576;

// Scores of one row to weights e^{s−m} in place. Returns the tile's maximum and sum.
struct TileSum {
  float maximum, total;
};

static TileSum tile_weights(float* scores, float scale, float softcap, int first, int last) {
  const VF lowest = splat(-INFINITY);
  VI lane;
  for (int l = 0; l < kLanes; ++l) lane[l] = l;
  VF peak = lowest;
  for (int j = 0; j < kKeys; j += kLanes) {
    VF s = load(scores + j) * splat(scale);
    if (softcap > 0) s = splat(softcap) * tanh(s / splat(softcap));
    const VI position = lane + splat_bits(j);
    s = (position >= splat_bits(first)) & (position < splat_bits(last)) ? s : lowest;
    store(scores + j, s);
    peak = max(peak, s);
  }
  const float maximum = max_lanes(peak);
  const VF shift = splat(maximum == -INFINITY ? 0.0f : maximum);
  VF total = {};
  for (int j = 0; j < kKeys; j += kLanes) {
    const VF p = exp(load(scores + j) - shift);
    // −∞ is clamped inside exp; a weight there must be exactly 0.
    const VF weight = load(scores + j) > lowest ? p : VF{};
    store(scores + j, weight);
    total += weight;
  }
  return {maximum, sum_lanes(total)};
}

static void to_pairs(const float* x, uint32_t* out) {
  for (int j = 0; j < kKeys; j += kLanes) {
    const VU bits = bf16_bits(load(x + j));
    uint16_t half[kLanes];
    for (int l = 0; l < kLanes; ++l) half[l] = static_cast<uint16_t>(bits[l]);
    std::memcpy(out + j / 2, half, sizeof half);
  }
}

CPU_INLINE float exp_one(float x) { return exp(splat(x))[0]; }

static void merge_tile(const TileSum& tile, const float* tile_values, int v_stride, float* maximum, float* total,
                       float* values) {
  if (tile.maximum == -INFINITY) return;
  const float top = tile.maximum > *maximum ? tile.maximum : *maximum;
  const float keep = *maximum == -INFINITY ? 0.0f : exp_one(*maximum - top), take = exp_one(tile.maximum - top);
  *maximum = top;
  *total = *total * keep + tile.total * take;
  for (int c = 0; c < v_stride; c += kLanes)
    store(values + c, mul_add(load(tile_values + c), splat(take), load(values + c) * splat(keep)));
}

static void attend(const AttendJob& job) {
  alignas(64) float scores[kTileRows][kKeys];
  alignas(64) uint32_t pairs[kTileRows][kKeys / 2];
  alignas(64) float partial[kTileRows][kMaxValueStride];
  float *score_rows[kTileRows], *partial_rows[kTileRows];
  const uint32_t* pair_rows[kTileRows];
  for (int i = 0; i < kTileRows; ++i) score_rows[i] = scores[i], partial_rows[i] = partial[i], pair_rows[i] = pairs[i];
  for (int r = 0; r < job.rows; r += kTileRows) {
    const int rows = job.rows - r < kTileRows ? job.rows - r : kTileRows;
    bool seen = false;
    for (int i = 0; i < rows; ++i) seen = seen || job.first[r + i] < job.last[r + i];
    if (!seen) continue;
    if (job.bf16)
      run_tiles<TileBf16<false>>(rows, reinterpret_cast<const uint32_t* const*>(job.queries + r),
                                 static_cast<const uint32_t*>(job.tile.keys), kKeys, (job.k_dim + 1) / 2, kKeys,
                                 score_rows);
    else
      run_tiles<TileF32<false>>(rows, reinterpret_cast<const float* const*>(job.queries + r),
                                static_cast<const float*>(job.tile.keys), kKeys, job.k_dim, kKeys, score_rows);
    TileSum sums[kTileRows];
    for (int i = 0; i < rows; ++i) {
      sums[i] = tile_weights(scores[i], job.scale, job.softcap, job.first[r + i], job.last[r + i]);
      if (job.bf16) to_pairs(scores[i], pairs[i]);
    }
    if (job.bf16)
      run_tiles<TileBf16<false>>(rows, pair_rows, static_cast<const uint32_t*>(job.tile.values), job.v_stride, kKeys / 2,
                                 job.v_stride, partial_rows);
    else
      run_tiles<TileF32<false>>(rows, const_cast<const float* const*>(score_rows),
                                static_cast<const float*>(job.tile.values), job.v_stride, kKeys, job.v_stride,
                                partial_rows);
    for (int i = 0; i < rows; ++i)
      merge_tile(sums[i], partial[i], job.v_stride, job.maxima + r + i, job.totals + r + i,
                 job.values + (r + i) * job.v_stride);
  }
}

// Adding 0 makes the sign of a zero independent of tiles in which the row saw nothing.
static void attend_finish(const float* values, float total, int v_dim, float* out) {
  const float inverse = total > 0 ? 1.0f / total : 0.0f;
  for (int c = 0; c < v_dim; ++c) out[c] = values[c] * inverse + 0.0f;
}

static void pack_keys(const float* const* rows, int k_dim, bool bf16, void* out) {
  if (!bf16) {
    float* to = static_cast<float*>(out);
    for (int j = 0; j < kKeys; ++j)
      for (int d = 0; d < k_dim; ++d) to[d * kKeys + j] = rows[j] ? rows[j][d] : 0.0f;
    return;
  }
  uint16_t* to = static_cast<uint16_t*>(out);
  for (int j = 0; j < kKeys; ++j)
    for (int d = 0; d < ((k_dim + 1) & ~1); ++d) {
      const float x = rows[j] && d < k_dim ? rows[j][d] : 0.0f;
      to[(d / 2 * kKeys + j) * 2 + (d & 1)] = static_cast<uint16_t>(bf16_bits(splat(x))[0]);
    }
}

static void pack_values(const float* const* rows, int v_dim, int v_stride, bool bf16, void* out) {
  if (!bf16) {
    float* to = static_cast<float*>(out);
    for (int j = 0; j < kKeys; ++j)
      for (int d = 0; d < v_stride; ++d) to[j * v_stride + d] = rows[j] && d < v_dim ? rows[j][d] : 0.0f;
    return;
  }
  uint16_t* to = static_cast<uint16_t*>(out);
  for (int j = 0; j < kKeys; ++j)
    for (int d = 0; d < v_stride; ++d) {
      const float x = rows[j] && d < v_dim ? rows[j][d] : 0.0f;
      to[(j / 2 * v_stride + d) * 2 + (j & 1)] = static_cast<uint16_t>(bf16_bits(splat(x))[0]);
    }
}

static void widen_f16(const uint16_t* x, int count, float* out) {
  for (int i = 0; i < count; i += kLanes) {
    const int n = count - i < kLanes ? count - i : kLanes;
    VI half = {};
    for (int l = 0; l < n; ++l) half[l] = x[i + l];
    store_n(out + i, f16_lanes(half), n);
  }
}

static void widen_bf16(const uint16_t* x, int count, float* out) {
  for (int i = 0; i < count; ++i) {
    const uint32_t bits = uint32_t{x[i]} << 16;
    std::memcpy(out + i, &bits, 4);
  }
}

static void widen_q8(const int8_t* x, float scale, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(x[i]) * scale;
}

}  // namespace afterimage::CPU_ISA
