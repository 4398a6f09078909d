// Rows of words to columns, for tiles of keys.
#pragma once
#include <utility>

#include "cpu/vec.h"

namespace afterimage::CPU_ISA {

constexpr int kKeys = 64;

// `x` [kLanes] rows to columns: log2(kLanes) rounds of interleaving the upper with the lower half of the rows.
template <size_t... I>
CPU_INLINE VI interleave_low(VI a, VI b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + I / 2)...);
}
template <size_t... I>
CPU_INLINE VI interleave_high(VI a, VI b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + kLanes / 2 + I / 2)...);
}
CPU_INLINE void transpose(VI (&x)[kLanes]) {
  constexpr std::make_index_sequence<kLanes> lanes;
  for (int round = 1; round < kLanes; round *= 2) {
    VI y[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) {
      y[2 * i] = interleave_low(x[i], x[i + kLanes / 2], lanes);
      y[2 * i + 1] = interleave_high(x[i], x[i + kLanes / 2], lanes);
    }
    for (int i = 0; i < kLanes; ++i) x[i] = y[i];
  }
}

// Columns of 16-bit numbers: in every eight lanes a square of its own.
#if defined(__AVX2__)
constexpr int kHalves = 16;
#else
constexpr int kHalves = 8;
#endif
typedef uint16_t VHalves __attribute__((vector_size(kHalves * 2)));
typedef uint16_t VEight __attribute__((vector_size(16)));
CPU_INLINE VEight load_eight(const uint16_t* p, int n) {
  VEight x = {};
  if (n == 8)
    std::memcpy(&x, p, 16);
  else
    std::memcpy(&x, p, static_cast<size_t>(n) * 2);
  return x;
}
// n ≤ 8 from p on, in every eight lanes `step` further.
CPU_INLINE VHalves load_halves(const uint16_t* p, [[maybe_unused]] int step, int n) {
#if defined(__AVX2__)
  return __builtin_shufflevector(load_eight(p, n), load_eight(p + step, n), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                 13, 14, 15);
#else
  return load_eight(p, n);
#endif
}
template <int First, size_t... I>
CPU_INLINE VHalves interleave_halves(VHalves a, VHalves b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kHalves + I / 8 * 8 + First + I % 8 / 2)...);
}
CPU_INLINE void transpose_halves(VHalves (&x)[8]) {
  constexpr std::make_index_sequence<kHalves> lanes;
  for (int round = 0; round < 3; ++round) {
    VHalves y[8];
    for (int i = 0; i < 4; ++i) {
      y[2 * i] = interleave_halves<0>(x[i], x[i + 4], lanes);
      y[2 * i + 1] = interleave_halves<4>(x[i], x[i + 4], lanes);
    }
    for (int i = 0; i < 8; ++i) x[i] = y[i];
  }
}

// kKeys rows of `width` words to [width][kKeys]; null rows are zero.
static void transpose_rows(const uint32_t* const* rows, int width, uint32_t* out) {
  for (int j = 0; j < kKeys; j += kLanes)
    for (int d = 0; d < width; d += kLanes) {
      const int n = width - d < kLanes ? width - d : kLanes;
      VI x[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        if (!rows[j + i])
          x[i] = VI{};
        else if (n == kLanes)
          x[i] = load_bits(rows[j + i] + d);
        else
          x[i] = (VI)load_n(reinterpret_cast<const float*>(rows[j + i]) + d, n);
      }
      transpose(x);
      for (int i = 0; i < n; ++i) store_bits(out + (d + i) * kKeys + j, x[i]);
    }
}

}  // namespace afterimage::CPU_ISA
