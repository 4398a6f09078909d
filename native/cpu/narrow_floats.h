// Narrow floats in the low bits of each lane, widened to f32 (see number_formats.h for the scalar forms).
#pragma once
#include "cpu/vec.h"

namespace afterimage::CPU_ISA {

// f16 bits in the low half of each lane, without infinities (weights have none, caches saturate).
CPU_INLINE VF f16_lanes(VI half) {
  const VF magnitude = (VF)((half & splat_bits(0x7fff)) << 13) * splat(0x1p112f);
  return (VF)((VI)magnitude | ((half & splat_bits(0x8000)) << 16));
}
CPU_INLINE VF e4m3_lanes(VI code) {
  const VF magnitude = (VF)((code & splat_bits(0x7f)) << 20) * splat(0x1p120f);
  return (VF)((VI)magnitude | ((code & splat_bits(0x80)) << 24));
}
// Magnitudes 0, ½, 1, 1½, 2, 3, 4, 6: exponent and mantissa bits moved in place, 0 and ½ by the same multiplication.
CPU_INLINE VF e2m1_lanes(VI code) {
  const VF magnitude = (VF)((code & splat_bits(7)) << 22) * splat(0x1p126f);
  return (VF)((VI)magnitude | ((code & splat_bits(8)) << 28));
}

}  // namespace afterimage::CPU_ISA
