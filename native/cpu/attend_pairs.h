// Tiles of keys and values as pairs of 16-bit integers (pair_tile.h). Each query, each key and each column of a tile's
// values has a scale of its own; they are multiplied in once a tile's sums, which fit 32 bits, are floats. What a scale
// depends on never is another query. For segments only: the scales of a tile that a cache still fills would change with
// each position.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/pair_tile.h"
#include "cpu/transpose.h"

namespace afterimage::CPU_ISA {

// The largest number of either factor with which a sum of so many products fits 31 bits.
static float pair_limit(int products) {
  return std::min<float>(kMostPairInput, std::floor(std::sqrt(2147483647.0f / static_cast<float>(products))));
}

// What the largest number becomes `limit` by; 0 where all are zero. The scale is what a unit is worth.
struct PairScale {
  float factor, scale;
  PairScale(float largest, float limit)
      : factor(largest > 0x1p-100f ? limit / largest : 0.0f), scale(largest > 0x1p-100f ? largest / limit : 0.0f) {}
};

// Rounded to `out`, padded with a zero to whole pairs; the scale is returned.
static float row_to_pairs(const float* x, int count, int16_t* out) {
  const PairScale s(largest(x, count), pair_limit((count + 1) & ~1));
  to_pairs(x, count, s.factor, out);
  return s.scale;
}

static const float* pair_key_scales(const void* keys, int k_dim) {
  return static_cast<const float*>(keys) + (k_dim + 1) / 2 * kKeys;
}
static const float* pair_value_scales(const void* values, int v_stride) {
  return static_cast<const float*>(values) + kKeys / 2 * v_stride;
}

static void pack_pair_keys(const float* const* rows, int k_dim, int32_t* out) {
  alignas(64) int16_t pairs[kKeys][kMaxKeyDim];
  const uint32_t* pair_rows[kKeys];
  auto* scales = reinterpret_cast<float*>(out) + (k_dim + 1) / 2 * kKeys;
  for (int j = 0; j < kKeys; ++j) {
    pair_rows[j] = rows[j] ? reinterpret_cast<const uint32_t*>(pairs[j]) : nullptr;
    scales[j] = rows[j] ? row_to_pairs(rows[j], k_dim, pairs[j]) : 0.0f;
  }
  transpose_rows(pair_rows, (k_dim + 1) / 2, reinterpret_cast<uint32_t*>(out));
}

static void pack_pair_values(const float* const* rows, int v_dim, int v_stride, int32_t* out) {
  // Weights' own factor is divided out here.
  const float limit = pair_limit(kKeys);
  auto* scales = reinterpret_cast<float*>(out) + kKeys / 2 * v_stride;
  for (int d = 0; d < v_stride; d += kLanes) {
    const int n = std::min(v_dim - d, kLanes);
    const auto part = [&](int j) { return rows[j] && n > 0 ? load_n(rows[j] + d, n) : VF{}; };
    VF most = {};
    for (int j = 0; j < kKeys; ++j) most = max(magnitude(part(j)), most);
    const VF factor = most > splat(0x1p-100f) ? splat(limit) / most : VF{};
    store(scales + d, most > splat(0x1p-100f) ? most / splat(limit * limit) : VF{});
    for (int j = 0; j < kKeys; j += 2) {
      const VI even = round_to_int(part(j) * factor), odd = round_to_int(part(j + 1) * factor);
      store_bits(out + j / 2 * v_stride + d, (even & splat_bits(0xffff)) | (odd << 16));
    }
  }
}

#if defined(CPU_PAIR_DOT)
// sums[r][c] = Σ_k x[r][k] · b[k·stride + c] over pairs of integers, as floats.
struct TilePairs {
  using Element = int32_t;
  template <int R, int V>
  static void run(const int32_t* const* x, const int32_t* b, int64_t stride, int64_t count, float* const* sums) {
    VI part[R][V] = {};
    pair_products(x, b, stride, count, part);
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) store(sums[r] + v * kLanes, to_float(part[r][v]));
  }
};

// Weights of a tile lie between 0 and 1.
static void weights_to_pairs(const float* weights, int32_t* out) {
  const VF factor = splat(pair_limit(kKeys));
  for (int j = 0; j < kKeys; j += kLanes)
    store_half(reinterpret_cast<uint16_t*>(out) + j, (VU)round_to_int(load(weights + j) * factor));
}
#endif

}  // namespace afterimage::CPU_ISA
