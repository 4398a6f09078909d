// Vectors of one instruction set: f32 and i32 lanes with the few operations kernels need. Included once per instruction
// set inside its own namespace CPU_ISA, so that no two translation units share an inline function built for different
// processors. Arithmetic is plain operators on GNU vectors; only what has no operator is an intrinsic.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include <cstdint>
#include <cstring>

#define CPU_INLINE static inline __attribute__((always_inline))

namespace afterimage::CPU_ISA {

// kTileVecs × kTileRows accumulators fill the register file: 24 of 32, or 12 of 16.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kTileVecs = 4;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kTileVecs = 2;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kTileVecs = 4;
#else
constexpr int kLanes = 4, kTileVecs = 2;
#endif
constexpr int kTileRows = 6;
constexpr int kStrip = kTileVecs * kLanes;  // columns of one register tile; divides 64

#if defined(CPU_BF16_DOT)
constexpr bool kNativeBf16 = true;
#else
constexpr bool kNativeBf16 = false;
#endif
// Few queries take longer to put a tile of the cache into pairs than f32 takes for all of it.
#if defined(CPU_AMX) || defined(CPU_MMLA)
constexpr bool kBf16Cache = false;
#else
constexpr bool kBf16Cache = kNativeBf16;
#endif

typedef float VF __attribute__((vector_size(kLanes * 4)));
typedef int32_t VI __attribute__((vector_size(kLanes * 4)));
typedef uint32_t VU __attribute__((vector_size(kLanes * 4)));
typedef uint16_t VWords __attribute__((vector_size(kLanes * 4)));  // two to a lane
typedef float VFmem __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t VImem __attribute__((vector_size(kLanes * 4), aligned(1), may_alias));

CPU_INLINE VF load(const float* p) { return *reinterpret_cast<const VFmem*>(p); }
CPU_INLINE void store(float* p, VF v) { *reinterpret_cast<VFmem*>(p) = v; }
CPU_INLINE VI load_bits(const void* p) { return *reinterpret_cast<const VImem*>(p); }
CPU_INLINE void store_bits(void* p, VI v) { *reinterpret_cast<VImem*>(p) = v; }

// 16-bit elements, one per lane.
typedef uint16_t VH __attribute__((vector_size(kLanes * 2)));
typedef uint16_t VHmem __attribute__((vector_size(kLanes * 2), aligned(1), may_alias));
CPU_INLINE VI load_half(const void* p) { return __builtin_convertvector(*reinterpret_cast<const VHmem*>(p), VI); }
CPU_INLINE void store_half(void* p, VU v) { *reinterpret_cast<VHmem*>(p) = __builtin_convertvector(v, VH); }

// 8-bit integers, one per lane.
typedef int8_t VBytes __attribute__((vector_size(kLanes)));
CPU_INLINE void store_bytes(void* p, VI v) {
  const VBytes bytes = __builtin_convertvector(v, VBytes);
  std::memcpy(p, &bytes, sizeof bytes);
}

// The first n <= kLanes lanes; the others are zero, or left alone.
#if defined(__AVX512F__)
CPU_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
CPU_INLINE VF load_n(const float* p, int n) { return (VF)_mm512_maskz_loadu_ps(first_lanes(n), p); }
CPU_INLINE void store_n(float* p, VF v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
#elif defined(__AVX2__)
CPU_INLINE VF load_n(const float* p, int n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (VF)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes));
}
// Masked stores are slow on some processors; branches on a count that stays the same are not.
CPU_INLINE void store_n(float* p, VF v, int n) {
  __m128 part = _mm256_castps256_ps128((__m256)v);
  if (n & 8) return _mm256_storeu_ps(p, (__m256)v);
  if (n & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps((__m256)v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), part);
    part = _mm_movehl_ps(part, part);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, part);
}
#else
CPU_INLINE VF load_n(const float* p, int n) {
  VF v = {};
  std::memcpy(&v, p, static_cast<size_t>(n) * 4);
  return v;
}
CPU_INLINE void store_n(float* p, VF v, int n) { std::memcpy(p, &v, static_cast<size_t>(n) * 4); }
#endif

#if defined(__AVX512F__)
CPU_INLINE VF splat(float x) { return (VF)_mm512_set1_ps(x); }
CPU_INLINE VI splat_bits(int32_t x) { return (VI)_mm512_set1_epi32(x); }
CPU_INLINE VF fma(VF a, VF b, VF c) { return (VF)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
CPU_INLINE VI round_to_int(VF a) { return (VI)_mm512_maskz_cvtps_epi32(0xffff, (__m512)a); }
#elif defined(__AVX2__)
CPU_INLINE VF splat(float x) { return (VF)_mm256_set1_ps(x); }
CPU_INLINE VI splat_bits(int32_t x) { return (VI)_mm256_set1_epi32(x); }
CPU_INLINE VF fma(VF a, VF b, VF c) { return (VF)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
CPU_INLINE VI round_to_int(VF a) { return (VI)_mm256_cvtps_epi32((__m256)a); }
#else
CPU_INLINE VF splat(float x) { return VF{x, x, x, x}; }
CPU_INLINE VI splat_bits(int32_t x) { return VI{x, x, x, x}; }
#if defined(__aarch64__)
CPU_INLINE VF fma(VF a, VF b, VF c) { return (VF)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
CPU_INLINE VI round_to_int(VF a) { return (VI)vcvtnq_s32_f32((float32x4_t)a); }
#else
CPU_INLINE VF fma(VF a, VF b, VF c) {
  VF y;
  for (int i = 0; i < kLanes; ++i) y[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return y;
}
CPU_INLINE VI round_to_int(VF a) {
#if defined(__SSE2__)
  return (VI)_mm_cvtps_epi32((__m128)a);
#else
  VI y;
  for (int i = 0; i < kLanes; ++i) y[i] = static_cast<int32_t>(__builtin_rintf(a[i]));
  return y;
#endif
}
#endif
#endif

// a·b + c: fused where the processor fuses at full speed, so its bits differ between instruction sets.
CPU_INLINE VF mul_add(VF a, VF b, VF c) {
#if defined(__FMA__) || defined(__aarch64__)
  return fma(a, b, c);
#else
  return a * b + c;
#endif
}

CPU_INLINE VF to_float(VI v) { return __builtin_convertvector(v, VF); }
// b where a is not the larger (smaller) one, also where either is not a number: what the instructions do.
#if defined(__AVX512F__)
CPU_INLINE VF max(VF a, VF b) { return (VF)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b); }
CPU_INLINE VF min(VF a, VF b) { return (VF)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b); }
#elif defined(__AVX2__)
CPU_INLINE VF max(VF a, VF b) { return (VF)_mm256_max_ps((__m256)a, (__m256)b); }
CPU_INLINE VF min(VF a, VF b) { return (VF)_mm256_min_ps((__m256)a, (__m256)b); }
#else
CPU_INLINE VF max(VF a, VF b) { return a > b ? a : b; }
CPU_INLINE VF min(VF a, VF b) { return a < b ? a : b; }
#endif
CPU_INLINE VF magnitude(VF a) { return (VF)((VI)a & splat_bits(0x7fffffff)); }

// Lanes combined as a balanced tree, upper half onto lower: one order for every caller.
#if defined(__AVX2__)
template <class Join>
CPU_INLINE float fold_lanes(VF v, Join join) {
#if defined(__AVX512F__)
  const __m512d wide = (__m512d)v;
  const __m256 eight =
      join((__m256)_mm512_maskz_extractf64x4_pd(0xf, wide, 0), (__m256)_mm512_maskz_extractf64x4_pd(0xf, wide, 1));
#else
  const __m256 eight = (__m256)v;
#endif
  const __m128 four = join(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = join(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(join(two, _mm_movehdup_ps(two)));
}
struct AddLanes {
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_add_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_add_ps(a, b); }
};
struct MaxLanes {
  __m256 operator()(__m256 a, __m256 b) const { return _mm256_max_ps(a, b); }
  __m128 operator()(__m128 a, __m128 b) const { return _mm_max_ps(a, b); }
};
CPU_INLINE float sum_lanes(VF v) { return fold_lanes(v, AddLanes{}); }
CPU_INLINE float max_lanes(VF v) { return fold_lanes(v, MaxLanes{}); }
#else
CPU_INLINE float sum_lanes(VF v) {
  float a[kLanes];
  std::memcpy(a, &v, sizeof a);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a[i] += a[i + half];
  return a[0];
}
CPU_INLINE float max_lanes(VF v) {
  float a[kLanes];
  std::memcpy(a, &v, sizeof a);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a[i] = a[i] > a[i + half] ? a[i] : a[i + half];
  return a[0];
}
#endif

// Nearest-even bf16 of each lane, in the low 16 bits.
CPU_INLINE VU bf16_bits(VF v) {
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  return (VU)vmovl_u16((uint16x4_t)vcvt_bf16_f32((float32x4_t)v));
#else
  VU u = (VU)v;
  return (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
#endif
}

}  // namespace afterimage::CPU_ISA
