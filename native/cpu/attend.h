// Softmax attention over one tile of 64 keys. Per row: scores, the tile's own maximum and sum, weighted values; then
// the tile's partial is merged into the running state:
//   M = max(m, m_t);  l = l·e^{m−M} + l_t·e^{m_t−M};  o = o·e^{m−M} + o_t·e^{m_t−M}
// A tile in which a row sees nothing leaves its state bitwise unchanged.
// Milakov & Gimelshein 2018 (online softmax); Dao et al. 2022.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/attend_pairs.h"
#include "cpu/elementary.h"
#include "cpu/kernels.h"
#include "cpu/narrow_floats.h"
#include "cpu/panel.h"
#include "cpu/tiles.h"
#include "cpu/transpose.h"

namespace afterimage::CPU_ISA {

// Rows of one pass over keys, then values: either stays in the first-level cache while all of them use it. Whole
// vectors.
constexpr int kPassRows = 16 * kTileRows;
// Rows that go through tiles together.
#if defined(CPU_AMX)
constexpr int kAttendRows = kAmxRows;
#else
constexpr int kAttendRows = kTileRows;
#endif

// Scores of one row to weights e^{s−m} in place. Returns the tile's maximum and sum.
struct TileSum {
  float maximum, total;
};

// `key_scales` of integers, by key; null: the scores are whole.
static TileSum tile_weights(float* scores, const float* key_scales, float scale, float softcap, int first, int last) {
  constexpr int kVecs = kKeys / kLanes;
  const VF lowest = splat(-INFINITY);
  VF s[kVecs], peak = lowest, total = {};
  for (int v = 0; v < kVecs; ++v) {
    s[v] = load(scores + v * kLanes) * splat(scale);
    if (key_scales) s[v] = s[v] * load(key_scales + v * kLanes);
    if (softcap > 0) s[v] = splat(softcap) * tanh(s[v] / splat(softcap));
  }
  const bool whole = first <= 0 && last >= kKeys;
  if (!whole) {
    VI lane;
    for (int l = 0; l < kLanes; ++l) lane[l] = l;
    for (int v = 0; v < kVecs; ++v) {
      const VI position = lane + splat_bits(v * kLanes);
      s[v] = ((position >= splat_bits(first)) & (position < splat_bits(last))) ? s[v] : lowest;
    }
  }
  for (int v = 0; v < kVecs; ++v) peak = max(peak, s[v]);
  const float maximum = max_lanes(peak);
  const VF shift = splat(maximum == -INFINITY ? 0.0f : maximum);
  for (int v = 0; v < kVecs; ++v) {
    VF weight = exp(s[v] - shift);
    if (!whole) weight = s[v] > lowest ? weight : VF{};  // −∞ is clamped inside exp; a weight there must be exactly 0
    store(scores + v * kLanes, weight);
    total += weight;
  }
  return {maximum, sum_lanes(total)};
}

#if defined(CPU_BF16_DOT)
static void to_bf16_pairs(const float* x, uint32_t* out) {
  for (int j = 0; j < kKeys; j += kLanes) store_half(reinterpret_cast<uint16_t*>(out) + j, bf16_bits(load(x + j)));
}
#endif

// Factors by which rows' running states and tiles are scaled when they are merged; all rows' exponentials in one go.
struct MergeFactors {
  float keep[kPassRows], take[kPassRows];
};

// `tiles`: the rows' maxima in the tile, −∞ where they saw nothing.
static void merge_factors(const float* tiles, int rows, float* maxima, MergeFactors& f) {
  const int padded = (rows + kLanes - 1) / kLanes * kLanes;
  for (int r = 0; r < padded; ++r) {
    const bool seen = r < rows && tiles[r] > -INFINITY;
    const float old = seen ? maxima[r] : 0.0f, now = seen ? tiles[r] : 0.0f, top = now > old ? now : old;
    f.keep[r] = old - top;  // −∞ at the first tile: keeps nothing
    f.take[r] = now - top;
    if (seen) maxima[r] = top;
  }
  for (int i = 0; i < padded; i += kLanes) {
    const VF keep = load(f.keep + i);
    store(f.keep + i, keep > splat(-INFINITY) ? exp(keep) : VF{});
    store(f.take + i, exp(load(f.take + i)));
  }
}

// `scales` of pairs, by column; null: the tile's values are whole.
static void merge_row(const float* tile_values, const float* scales, int v_stride, float keep, float take,
                      float* values) {
  for (int c = 0; c < v_stride; c += kLanes) {
    const VF added = scales ? load(tile_values + c) * load(scales + c) : load(tile_values + c);
    store(values + c, mul_add(added, splat(take), load(values + c) * splat(keep)));
  }
}

// scores[i][64] = q_{r+i} · keys.
static void score_tile(const AttendJob& job, int r, int rows, float* const* scores) {
  if constexpr (kByteTiles)
    if (job.forms.keys == TileForm::bytes) return byte_scores(rows, job.queries + r, job.tile.keys, job.k_dim, scores);
#if defined(CPU_PAIR_DOT)
  if (job.forms.keys == TileForm::pairs)
    return run_tiles<TilePairs>(rows, reinterpret_cast<const int32_t* const*>(job.queries + r),
                                static_cast<const int32_t*>(job.tile.keys), kKeys, (job.k_dim + 1) / 2, kKeys, scores);
#endif
#if defined(CPU_BF16_DOT)
  if (job.forms.keys == TileForm::bf16)
    return run_bf16_tiles<false>(rows, reinterpret_cast<const uint32_t* const*>(job.queries + r),
                                 static_cast<const Bf16Unit*>(job.tile.keys), kKeys, (job.k_dim + 1) / 2, kKeys,
                                 scores);
#endif
  const auto* queries = reinterpret_cast<const float* const*>(job.queries + r);
  const Halves<1> halves{static_cast<const uint16_t*>(job.tile.keys), job.tile.beside_keys};
  if (job.tile.key_type == KvType::f16)
    return run_tiles<TileHalf<true>>(rows, queries, halves, kKeys, job.k_dim, kKeys, scores);
  if (job.tile.key_type == KvType::bf16)
    return run_tiles<TileHalf<false>>(rows, queries, halves, kKeys, job.k_dim, kKeys, scores);
  run_tiles<TileF32<false>>(rows, queries, static_cast<const float*>(job.tile.keys), kKeys, job.k_dim, kKeys, scores);
}

// Of the f32 form: values that exist.
template <class Tile, class B>
CPU_INLINE void weigh_values(const AttendJob& job, int rows, float* const* weights, B values, float* const* partial) {
  run_tiles<Tile>(rows, const_cast<const float* const*>(weights), values, job.v_stride, job.tile.positions,
                  job.v_stride, partial);
}

// partial[i][v_stride] = weights_i · values.
static void value_tile(const AttendJob& job, int rows, float* const* weights, float* const* partial) {
#if defined(CPU_PAIR_DOT)
  if (job.forms.values == TileForm::pairs) {
    alignas(64) int32_t pairs[kAttendRows][kKeys / 2];
    const int32_t* pair_rows[kAttendRows];
    for (int i = 0; i < rows; ++i) {
      weights_to_pairs(weights[i], pairs[i]);
      pair_rows[i] = pairs[i];
    }
    return run_tiles<TilePairs>(rows, pair_rows, static_cast<const int32_t*>(job.tile.values), job.v_stride, kKeys / 2,
                                job.v_stride, partial);
  }
#endif
#if defined(CPU_BF16_DOT)
  if (job.forms.values == TileForm::bf16) {
    alignas(64) uint32_t pairs[kAttendRows][kKeys / 2];
    const uint32_t* pair_rows[kAttendRows];
    for (int i = 0; i < rows; ++i) {
      to_bf16_pairs(weights[i], pairs[i]);
      pair_rows[i] = pairs[i];
    }
    return run_bf16_tiles<false>(rows, pair_rows, static_cast<const Bf16Unit*>(job.tile.values), job.v_stride,
                                 kKeys / 2, job.v_stride, partial);
  }
#endif
  const Halves<2> halves{static_cast<const uint16_t*>(job.tile.values), job.tile.beside_values};
  if (job.tile.value_type == KvType::f16) return weigh_values<TileHalf<true>>(job, rows, weights, halves, partial);
  if (job.tile.value_type == KvType::bf16) return weigh_values<TileHalf<false>>(job, rows, weights, halves, partial);
  weigh_values<TileF32<false>>(job, rows, weights, static_cast<const float*>(job.tile.values), partial);
}

static bool any_sees(const AttendJob& job, int r, int rows) {
  for (int i = r; i < r + rows; ++i)
    if (job.first[i] < job.last[i]) return true;
  return false;
}

static int tile_rows(const AttendJob& job, int r) { return job.rows - r < kAttendRows ? job.rows - r : kAttendRows; }

// Null where keys, like their queries, are whole.
static const float* key_scales_of(const AttendJob& job) {
  if (job.forms.keys == TileForm::bytes) return byte_key_scales(job.tile.keys, job.k_dim);
  return job.forms.keys == TileForm::pairs ? pair_key_scales(job.tile.keys, job.k_dim) : nullptr;
}

static void attend_pass(const AttendJob& job, int begin, int end) {
  alignas(64) float scores[kPassRows][kKeys];
  alignas(64) float partial[kAttendRows * kMaxValueDim];
  float *score_rows[kPassRows], *partial_rows[kAttendRows];
  float maxima[kPassRows], totals[kPassRows];
  const float* key_scales = key_scales_of(job);
  const float* value_scales =
      job.forms.values == TileForm::pairs ? pair_value_scales(job.tile.values, job.v_stride) : nullptr;
  std::fill_n(maxima, kPassRows, -INFINITY);
  for (int i = 0; i < end - begin; ++i) score_rows[i] = scores[i];
  for (int i = 0; i < kAttendRows; ++i) partial_rows[i] = partial + i * job.v_stride;
  for (int r = begin; r < end; r += kAttendRows) {
    const int rows = tile_rows(job, r);
    if (!any_sees(job, r, rows)) continue;
    score_tile(job, r, rows, score_rows + (r - begin));
    for (int i = r; i < r + rows; ++i) {
      const TileSum sum =
          tile_weights(scores[i - begin], key_scales, key_scales ? job.scale * job.query_scales[i] : job.scale,
                       job.softcap, job.first[i], job.last[i]);
      maxima[i - begin] = sum.maximum;
      totals[i - begin] = sum.total;
    }
  }
  MergeFactors f;
  merge_factors(maxima, end - begin, job.state.maxima + begin, f);
  for (int r = begin; r < end; r += kAttendRows) {
    const int rows = tile_rows(job, r);
    if (!any_sees(job, r, rows)) continue;
    value_tile(job, rows, score_rows + (r - begin), partial_rows);
    for (int i = r; i < r + rows; ++i) {
      const int at = i - begin;
      if (maxima[at] == -INFINITY) continue;
      job.state.totals[i] = job.state.totals[i] * f.keep[at] + totals[at] * f.take[at];
      merge_row(partial_rows[i - r], value_scales, job.v_stride, f.keep[at], f.take[at],
                job.state.values + i * job.v_stride);
    }
  }
}

static void attend(const AttendJob& job) {
  for (int r = 0; r < job.rows; r += kPassRows)
    attend_pass(job, r, job.rows - r < kPassRows ? job.rows : r + kPassRows);
}

// A state that began at the start holds the tile's own maximum, sum and values: e⁰ is 1.
static void attend_merge(const SoftmaxState& tile, int rows, int v_stride, const SoftmaxState& state) {
  for (int begin = 0; begin < rows; begin += kPassRows) {
    const int end = rows - begin < kPassRows ? rows : begin + kPassRows;
    MergeFactors f;
    merge_factors(tile.maxima + begin, end - begin, state.maxima + begin, f);
    for (int i = begin; i < end; ++i) {
      if (tile.maxima[i] == -INFINITY) continue;
      state.totals[i] = state.totals[i] * f.keep[i - begin] + tile.totals[i] * f.take[i - begin];
      merge_row(tile.values + i * v_stride, nullptr, v_stride, f.keep[i - begin], f.take[i - begin],
                state.values + i * v_stride);
    }
  }
}

// Adding 0 makes the sign of a zero independent of tiles in which the row saw nothing.
static void attend_finish(const float* values, float total, int v_dim, float* out) {
  const float inverse = total > 0 ? 1.0f / total : 0.0f;
  for (int c = 0; c < v_dim; ++c) out[c] = values[c] * inverse + 0.0f;
}

static void pack_keys(const float* const* rows, int k_dim, TileForm form, void* out) {
  if (form == TileForm::bytes) return pack_byte_keys(rows, k_dim, static_cast<uint32_t*>(out));
  if (form == TileForm::pairs) return pack_pair_keys(rows, k_dim, static_cast<int32_t*>(out));
  if (form == TileForm::f32)
    return transpose_rows(reinterpret_cast<const uint32_t* const*>(rows), k_dim, static_cast<uint32_t*>(out));
  const int width = (k_dim + 3) / 4 * 2;
  alignas(64) uint32_t pairs[kKeys][kMaxKeyDim / 2];
  const uint32_t* pair_rows[kKeys];
  for (int j = 0; j < kKeys; ++j) {
    pair_rows[j] = rows[j] ? pairs[j] : nullptr;
    if (rows[j]) row_to_bf16(rows[j], k_dim, 2 * width, reinterpret_cast<uint16_t*>(pairs[j]));
  }
  auto* columns = static_cast<uint32_t*>(out);
  transpose_rows(pair_rows, width, columns);
#if defined(CPU_MMLA)
  for (int row = 0; row < width; row += 2, columns += 2 * kKeys) {
    uint32_t both[2][kKeys];
    std::memcpy(both, columns, sizeof both);
    pairs_to_quads(both[0], both[1], columns);
  }
#endif
}

static void pack_half_keys(const uint16_t* keys, int count, int k_dim, const LinesAhead (&ahead)[2], uint16_t* out) {
  const int squares = (count + kHalves - 1) / kHalves * ((k_dim + 7) / 8);
  ReadAhead first(ahead[0], squares), second(ahead[1], squares);
  const auto square = [&](int j, int d, int n) __attribute__((always_inline)) {
    first.ask();
    second.ask();
    VHalves x[8];
    for (int i = 0; i < 8; ++i) x[i] = load_halves(keys + (j + i) * k_dim + d, 8 * k_dim, n);
    transpose_halves(x);
    for (int i = 0; i < n; ++i) std::memcpy(out + (d + i) * kKeys + j, &x[i], sizeof x[i]);
  };
  for (int j = 0; j < count; j += kHalves) {
    int d = 0;
    for (; d + 8 <= k_dim; d += 8) square(j, d, 8);
    if (d < k_dim) square(j, d, k_dim - d);
  }
}

static void pack_values(const float* const* rows, int v_dim, int v_stride, TileForm form, void* out) {
  if (form == TileForm::pairs) return pack_pair_values(rows, v_dim, v_stride, static_cast<int32_t*>(out));
  const bool bf16 = form == TileForm::bf16;
  const auto part = [&](int j, int d) {
    const int n = v_dim - d < kLanes ? v_dim - d : kLanes;
    return rows[j] && n > 0 ? (n == kLanes ? load(rows[j] + d) : load_n(rows[j] + d, n)) : VF{};
  };
  const auto pair = [&](int j, int d) { return (VI)(bf16_bits(part(j, d)) | (bf16_bits(part(j + 1, d)) << 16)); };
#if defined(CPU_MMLA)
  if (bf16) {
    for (int j = 0; j < kKeys; j += 4)
      for (int d = 0; d < v_stride; d += kLanes)
        store_interleaved(static_cast<uint64_t*>(out) + j / 4 * v_stride + d, pair(j, d), pair(j + 2, d));
    return;
  }
#endif
  for (int j = 0; j < kKeys; j += bf16 ? 2 : 1)
    for (int d = 0; d < v_stride; d += kLanes) {
      if (bf16)
        store_bits(static_cast<uint32_t*>(out) + j / 2 * v_stride + d, pair(j, d));
      else
        store(static_cast<float*>(out) + j * v_stride + d, part(j, d));
    }
}

static void widen_f16(const uint16_t* x, int count, float* out) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, load_f16(x + i));
  for (; i < count; ++i) out[i] = f16_lanes(splat_bits(x[i]))[0];
}

static void widen_bf16(const uint16_t* x, int count, float* out) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, (VF)(load_half(x + i) << 16));
  for (; i < count; ++i) out[i] = ((VF)(splat_bits(x[i]) << 16))[0];
}

static void widen_q8(const int8_t* x, float scale, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(x[i]) * scale;
}

}  // namespace afterimage::CPU_ISA
