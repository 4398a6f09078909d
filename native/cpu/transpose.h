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
