// Rows as 16-bit integers, two products of them in one instruction: twice the rate of f32 where there is no dot of
// bf16, at a sixteenth of its rounding. Sums are exact in 32 bits, so every grouping of rows gives the same bits.
#pragma once
#include "cpu/image_kernels.h"
#include "cpu/integer_tile.h"
#include "cpu/tiles.h"

namespace afterimage::CPU_ISA {

// Measured on Zen 3 and, in 512 bits, on Emerald Rapids. Where bf16 is fast, bf16 it is.
#if defined(__AVX2__) && !defined(CPU_BF16_DOT)
#define CPU_PAIR_DOT
constexpr bool kPairTiles = true;
#else
constexpr bool kPairTiles = false;
#endif

// x ≈ scale · q for each 64 columns, |q| ≤ kMostPairInput, two of them in the place of a lane.
static void row_to_pair_blocks(const float* x, int64_t columns, QuantBlock* out) {
  for (int64_t start = 0; start < columns; start += kBlockColumns, ++out) {
    const int64_t count = columns - start < kBlockColumns ? columns - start : kBlockColumns;
    const float most = largest(x + start, count), limit = static_cast<float>(kMostPairInput);
    // Below 2⁻¹¹⁰ the factor would overflow; such a block is zero for every purpose.
    const bool zero = !(most > 0x1p-110f);
    auto* q = reinterpret_cast<int16_t*>(out->codes);
    if (count < kBlockColumns) std::memset(q, 0, sizeof out->codes);
    to_pairs(x + start, count, zero ? 0.0f : limit / most, q);
    out->scale = zero ? 0.0f : most / limit;
  }
}

#if defined(CPU_PAIR_DOT)
// The sums of pair_factor(), in its order.
CPU_INLINE double weight_factor(const float* x, int count) {
  typedef float VFour __attribute__((vector_size(16)));
  typedef double VDouble __attribute__((vector_size(32)));
  VDouble low = {}, high = {};
  VF most = {};
  int k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    const VF size = magnitude(load(x + k));
    alignas(64) float sizes[kLanes];
    store(sizes, size);
    for (int i = 0; i < kLanes; i += 8) {
      VFour first, second;
      std::memcpy(&first, sizes + i, sizeof first);
      std::memcpy(&second, sizes + i + 4, sizeof second);
      low += __builtin_convertvector(first, VDouble);
      high += __builtin_convertvector(second, VDouble);
    }
    most = max(size, most);
  }
  float largest = max_lanes(most);
  for (; k < count; ++k) {
    const float size = x[k] < 0 ? -x[k] : x[k];
    low[0] += size;
    largest = largest < size ? size : largest;
  }
  if (largest == 0) return 1;
  const double sum = low[0] + low[1] + low[2] + low[3] + high[0] + high[1] + high[2] + high[3];
  const double by_size = 32767 / static_cast<double>(largest);
  const double by_sum = (2147483647.0 / kMostPairInput - 0.5 * static_cast<double>(count)) / sum;
  return by_sum < by_size ? by_sum : by_size;
}

static float weights_to_pairs(const float* x, int count, int16_t* out) {
  const double factor = weight_factor(x, count);
  const VF by = splat(static_cast<float>(factor));
  const auto rounded = [&](VF v) { return (VU)round_to_int(v * by); };
  int k = 0;
  for (; k + kLanes <= count; k += kLanes) store_half(out + k, rounded(load(x + k)));
  if (k < count) {
    int16_t rest[kLanes];
    store_half(rest, rounded(load_n(x + k, count - k)));
    std::memcpy(out + k, rest, static_cast<size_t>(count - k) * sizeof(int16_t));
  }
  if (count % 2) out[count] = 0;
  return static_cast<float>(1 / factor);
}

// part[r][v] = Σ_k x[r][k] · b[k·stride + v's lanes] over pairs of integers.
template <int R, int V>
CPU_INLINE void pair_products(const int32_t* const* x, const int32_t* b, int64_t stride, int64_t count,
                              VI (&part)[R][V]) {
  for (int64_t k = 0; k < count; ++k) {
    VI w[V];
    for (int v = 0; v < V; ++v) w[v] = load_bits(b + k * stride + v * kLanes);
    for (int r = 0; r < R; ++r) {
      const VI xk = splat_bits(x[r][k]);
      for (int v = 0; v < V; ++v) part[r][v] = dot_halves(part[r][v], xk, w[v]);
    }
  }
}

// A block of PackedMatrix times rows of QuantBlocks, added to their sums: the outputs' scales lie behind the pairs.
struct TilePairBlock {
  using Element = int32_t;
  template <int R, int V>
  static void run(const int32_t* const* x, const int32_t* b, int64_t stride, int64_t count, float* const* sums) {
    VI part[R][V] = {};
    pair_products(x, b, stride, count, part);
    const auto* scales = reinterpret_cast<const float*>(b + count * stride);
    for (int r = 0; r < R; ++r) {
      const VF row_scale = splat(reinterpret_cast<const QuantBlock*>(x[r])->scale);
      for (int v = 0; v < V; ++v) {
        float* to = sums[r] + v * kLanes;
        store(to, fma(to_float(part[r][v]), row_scale * load(scales + v * kLanes), load(to)));
      }
    }
  }
};
#endif

}  // namespace afterimage::CPU_ISA
