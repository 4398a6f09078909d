// The kernel W[out, taps·C] of a convolution as register tiles read it: strips of a few vectors of outputs, each
// [taps·C][lanes of the strip] f32, so that one stream of memory feeds a tile. Outputs past the end are zero.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/aligned_bytes.h"
#include "weights/weight_source.h"

namespace afterimage {

struct PackedKernel {
  int64_t outs = 0, columns = 0;
  AlignedBytes bytes;
  const float* values() const noexcept { return reinterpret_cast<const float*>(bytes.data()); }
};

// Widths in vectors of the strips that cover `outs` outputs: as few as `widest` allows, nearly equal.
std::vector<int> strip_widths(int64_t outs, int lanes, int widest);

PackedKernel pack_kernel(const WeightSource& source, int lanes, int widest);

}  // namespace afterimage
