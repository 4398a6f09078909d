// Narrow floats in the low bits of each lane, widened to f32 (see number_formats.h for the scalar forms). Infinities
// and NaN are not treated: weights have none, and the cache saturates.
#pragma once
#include "cpu/vec.h"

namespace afterimage::CPU_ISA {

// Magnitude bits of a float with `Mantissa` mantissa bits and exponent bias `Bias`, without its sign. A zero exponent
// is read with one more implicit unit, which a subtraction takes away: f32 subnormals would stall the processor.
template <int Mantissa, int Bias>
CPU_INLINE VF widen_magnitude(VI bits) {
  const VI moved = bits << (23 - Mantissa);
  const VF normal = (VF)(moved + splat_bits((127 - Bias) << 23));
  const VI unit = splat_bits((128 - Bias) << 23);
  const VF subnormal = (VF)(moved + unit) - (VF)unit;
  return bits >= splat_bits(1 << Mantissa) ? normal : subnormal;
}
CPU_INLINE VF f16_lanes(VI half) {
#if defined(__AVX512F__)
  return (VF)_mm512_maskz_cvtph_ps(0xffff, _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)half));
#elif defined(__aarch64__)
  return (VF)vcvt_f32_f16((float16x4_t)vmovn_u32((uint32x4_t)half));
#else
  const VF magnitude = widen_magnitude<10, 15>(half & splat_bits(0x7fff));
  return (VF)((VI)magnitude | ((half & splat_bits(0x8000)) << 16));
#endif
}
// kLanes of them from memory.
CPU_INLINE VF load_f16(const void* p) {
#if defined(__F16C__) && !defined(__AVX512F__)
  return (VF)_mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
#elif defined(__aarch64__)
  return (VF)vcvt_f32_f16((float16x4_t)vld1_u16(static_cast<const uint16_t*>(p)));
#else
  return f16_lanes(load_half(p));
#endif
}
CPU_INLINE VF e4m3_lanes(VI code) {
  const VF magnitude = widen_magnitude<3, 7>(code & splat_bits(0x7f));
  return (VF)((VI)magnitude | ((code & splat_bits(0x80)) << 24));
}
CPU_INLINE VF e2m1_lanes(VI code) {
  const VF magnitude = widen_magnitude<1, 1>(code & splat_bits(7));
  return (VF)((VI)magnitude | ((code & splat_bits(8)) << 28));
}

}  // namespace afterimage::CPU_ISA
