// Rows and weights, or queries and keys, as bytes with one scale each (W8A8): four products of a lane in one
// instruction, sums exact in 32 bits and scaled once, so every grouping of rows gives the same bits. Codes of weights
// and keys are stored plus 128, as processors multiply them that want one operand unsigned; 128 · Σq is taken off.
#pragma once
#include "cpu/amx.h"
#include "cpu/image_kernels.h"
#include "cpu/integer_tile.h"
#include "cpu/tiles.h"
#include "cpu/transpose.h"

namespace afterimage::CPU_ISA {

constexpr bool kByteTiles = kByteDot == IntegerDot::quad_bytes;

static void row_to_bytes(const float* x, int64_t count, int64_t padded, void* out) {
  const float most = largest(x, count);
  // Below 2⁻¹¹⁰ the factor would overflow; such a row is zero for every purpose.
  const bool zero = !(most > 0x1p-110f);
  const VF factor = splat(zero ? 0.0f : 127.0f / most), limit = splat(127.0f);
  auto* q = static_cast<int8_t*>(out);
  VI sums = {};
  const auto rounded = [&](VF v) { return round_to_int(max(min(v * factor, limit), -limit)); };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VI codes = rounded(load(x + i));
    sums += codes;
    store_bytes(q + i, codes);
  }
  if (i < count) {
    const VI codes = rounded(load_n(x + i, static_cast<int>(count - i)));
    sums += codes;
    const VBytes bytes = __builtin_convertvector(codes, VBytes);
    std::memcpy(q + i, &bytes, static_cast<size_t>(count - i));
  }
  std::memset(q + count, 0, static_cast<size_t>(padded - count));
  ByteTail tail{zero ? 0.0f : most / 127.0f, 0};
  for (int lane = 0; lane < kLanes; ++lane) tail.sum += sums[lane];
  std::memcpy(q + padded, &tail, sizeof tail);
}

// Σ of products with codes that are stored plus 128, as a float.
CPU_INLINE VF byte_sum(VI products, int32_t sum) {
  return to_float(kSignedCodes ? products : products - splat_bits(128 * sum));
}

#if defined(CPU_AMX)
CPU_INLINE void byte_products(int rows, const uint32_t* const* x, const uint32_t* b, int64_t quads,
                              float* const* sums) {
  amx_products<AmxBytes, false>(rows, x, b, kKeys, quads, kKeys, sums);
}
CPU_INLINE void byte_products(const PanelJob& job, const uint32_t* codes, int64_t quads) {
  amx_panel_products<AmxBytes>(job, codes, quads);
}
#else
// Sums are int32 in the place of floats.
template <bool Add>
struct TileBytes {
  using Element = uint32_t;
  template <int R, int V>
  static void run(const uint32_t* const* x, const uint32_t* b, int64_t stride, int64_t count, float* const* sums) {
    VI part[R][V] = {};
    if constexpr (Add)
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) part[r][v] = load_bits(sums[r] + v * kLanes);
    for (int64_t k = 0; k < count; ++k) {
      VI w[V];
      for (int v = 0; v < V; ++v) {
        w[v] = load_bits(b + k * stride + v * kLanes);
        if (kSignedCodes) w[v] ^= splat_bits(static_cast<int32_t>(0x80808080u));
      }
      for (int r = 0; r < R; ++r) {
        const VI q = splat_bits(static_cast<int32_t>(x[r][k]));
        for (int v = 0; v < V; ++v) part[r][v] = dot_quad(part[r][v], w[v], q);
      }
    }
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) store_bits(sums[r] + v * kLanes, part[r][v]);
  }
};
CPU_INLINE void byte_products(int rows, const uint32_t* const* x, const uint32_t* b, int64_t quads,
                              float* const* sums) {
  run_tiles<TileBytes<false> >(rows, x, b, kKeys, quads, kKeys, sums);
}
// So many inputs at a time as lie in the first-level cache for all rows.
static void byte_products(const PanelJob& job, const uint32_t* codes, int64_t quads) {
  constexpr int64_t kSlice = 128;
  const uint32_t* x[kMaxChunkRows];
  for (int64_t from = 0; from < quads; from += kSlice) {
    const int64_t count = quads - from < kSlice ? quads - from : kSlice;
    const auto* slice = codes + from * kPanelRows;
    for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const uint32_t*>(job.x[r]) + from;
    if (from == 0)
      run_tiles<TileBytes<false> >(job.rows, x, slice, kPanelRows, count, kPanelRows, job.sums);
    else
      run_tiles<TileBytes<true> >(job.rows, x, slice, kPanelRows, count, kPanelRows, job.sums);
  }
}
#endif

static void byte_panel(const PanelJob& job) {
  const PackedMatrix& m = *job.matrix;
  const int64_t quads = m.blocks * kBlockColumns / 4;
  byte_products(job, reinterpret_cast<const uint32_t*>(m.block(job.expert, job.panel, 0)), quads);
  const float* scales = m.scales.data() + (job.expert * m.panels + job.panel) * kPanelRows;
  for (int r = 0; r < job.rows; ++r) {
    const ByteTail tail = tail_of(job.x[r], quads * 4);
    float* to = job.sums[r];
    for (int c = 0; c < kPanelRows; c += kLanes)
      store(to + c, byte_sum(load_bits(to + c), tail.sum) * (splat(tail.scale) * load(scales + c)));
  }
}

// scores[r][64] = Σ q_r · key, without either's scale.
[[maybe_unused]] static void byte_scores(int rows, const void* const* queries, const void* keys, int k_dim,
                                         float* const* scores) {
  const int quads = (k_dim + 3) / 4;
  byte_products(rows, reinterpret_cast<const uint32_t* const*>(queries), static_cast<const uint32_t*>(keys), quads,
                scores);
  for (int r = 0; r < rows; ++r) {
    const int32_t sum = tail_of(queries[r], quads * 4).sum;
    for (int j = 0; j < kKeys; j += kLanes) store(scores[r] + j, byte_sum(load_bits(scores[r] + j), sum));
  }
}

static const float* byte_key_scales(const void* keys, int k_dim) {
  return static_cast<const float*>(keys) + (k_dim + 3) / 4 * kKeys;
}

static void pack_byte_keys(const float* const* rows, int k_dim, uint32_t* out) {
  const int quads = (k_dim + 3) / 4;
  alignas(64) uint32_t codes[kKeys][kMaxKeyDim / 4 + sizeof(ByteTail) / 4];
  const uint32_t* code_rows[kKeys];
  auto* scales = reinterpret_cast<float*>(out) + quads * kKeys;
  for (int j = 0; j < kKeys; ++j) {
    code_rows[j] = rows[j] ? codes[j] : nullptr;
    scales[j] = 0;
    if (!rows[j]) continue;
    row_to_bytes(rows[j], k_dim, quads * 4, codes[j]);
    scales[j] = tail_of(codes[j], quads * 4).scale;
    for (int k = 0; k < quads; ++k) codes[j][k] ^= 0x80808080u;
  }
  transpose_rows(code_rows, quads, out);
}

}  // namespace afterimage::CPU_ISA
