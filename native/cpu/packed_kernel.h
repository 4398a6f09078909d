// The kernel W[out, taps·C] of a convolution as register tiles read it: strips of a few vectors of outputs, each
// [taps·C][lanes of the strip] f32, so that one stream of memory feeds a tile. Outputs past the end are zero.
// Or, in `fast` precision, [taps·C/2][lanes][2] of 16-bit integers, w ≈ scale[out] · q: with inputs of |q| ≤ 4,095 no
// sum leaves 32 bits, so sums are exact and only the rounding of inputs and weights to 13 and up to 16 bits is lost.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/aligned_bytes.h"
#include "weights/weight_source.h"

namespace afterimage {

constexpr int kMostPairInput = 4095;

struct PackedKernel {
  int64_t outs = 0, columns = 0;
  AlignedBytes bytes;
  std::vector<float> scales;  // of pairs, padded to whole vectors; empty: f32
  bool pairs() const noexcept { return !scales.empty(); }
};

// The largest factor by which `count` weights become integers of 16 bits whose sums of products with any inputs of
// |q| ≤ kMostPairInput fit 32 bits.
double pair_factor(const float* weights, int64_t count);

// Widths in vectors of the strips that cover `outs` outputs: as few as `widest` allows, nearly equal.
std::vector<int> strip_widths(int64_t outs, int lanes, int widest);

PackedKernel pack_kernel(const WeightSource& source, int lanes, int widest);
// The columns of W are taken in pairs, so each tap's channels must be even in number.
PackedKernel pack_kernel_pairs(const WeightSource& source, int lanes, int widest);

// Bytes of their results.
size_t kernel_bytes(int64_t outs, int64_t columns, int lanes, bool pairs);

}  // namespace afterimage
