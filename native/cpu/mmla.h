// Products of small matrices on NEON: two rows times two outputs in one instruction, over eight bytes or four bf16. Arm
// Architecture Reference Manual, USMMLA and BFMMLA.
//
// Sums over bytes are exact, so many rows of integers go this way and few through integer_tile.h, with the same bits.
// Sums over bf16 go this way alone, even those of a single row, and no number of a 2 × 2 depends on the other three.
#pragma once
#include "cpu/integer_tile.h"
#include "cpu/kernels.h"
#include "cpu/tiles.h"

#if defined(CPU_MMLA)
namespace afterimage::CPU_ISA {

// Words of `even` and `odd` by turns: the first half, the second half.
struct Interleaved {
  VI first, second;
  Interleaved(VI even, VI odd)
      : first(__builtin_shufflevector(even, odd, 0, 4, 1, 5)), second(__builtin_shufflevector(even, odd, 2, 6, 3, 7)) {}
};
CPU_INLINE void store_interleaved(void* to, VI even, VI odd) {
  const Interleaved both(even, odd);
  store_bits(to, both.first);
  store_bits(static_cast<uint8_t*>(to) + sizeof(VI), both.second);
}

// Weights or keys as [k-quad][stride] of four inputs each, or as [k-pair][stride] of two.
struct Bf16Weights {
  bfloat16x8_t part[2];  // two outputs each
};
CPU_INLINE Bf16Weights load_quads(const uint64_t* b, int64_t stride, int64_t k, int column) {
  const uint64_t* from = b + k * stride + column;
  return {{(bfloat16x8_t)load_bits(from), (bfloat16x8_t)load_bits(from + 2)}};
}
CPU_INLINE Bf16Weights load_quads(const uint32_t* b, int64_t stride, int64_t k, int column) {
  const uint32_t* from = b + 2 * k * stride + column;
  const Interleaved both(load_bits(from), load_bits(from + stride));
  return {{(bfloat16x8_t)both.first, (bfloat16x8_t)both.second}};
}

// tile_f32_body() over quads of bf16 numbers: x[r] holds `count` of them.
template <int R, int V, bool Add, class B>
CPU_INLINE void tile_bf16_body(const uint64_t* const* x, const B* b, int64_t stride, int64_t count,
                               float* const* sums) {
  constexpr int kPairs = (R + 1) / 2;
  const uint64_t *upper[kPairs], *lower[kPairs];  // an odd last row stands twice
  for (int p = 0; p < kPairs; ++p) upper[p] = x[2 * p], lower[p] = x[2 * p + 1 < R ? 2 * p + 1 : 2 * p];
  float32x4_t part[kPairs][V][2] = {};
  for (int64_t k = 0; k < count; ++k) {
    bfloat16x8_t rows[kPairs];
    for (int p = 0; p < kPairs; ++p)
      rows[p] = (bfloat16x8_t)vcombine_u64(vld1_u64(upper[p] + k), vld1_u64(lower[p] + k));
    for (int v = 0; v < V; ++v) {
      const Bf16Weights w = load_quads(b, stride, k, v * kLanes);
      for (int p = 0; p < kPairs; ++p)
        for (int i = 0; i < 2; ++i) part[p][v][i] = vbfmmlaq_f32(part[p][v][i], rows[p], w.part[i]);
      asm volatile("" ::: "memory");  // or GCC loads all weights first and has no registers left for the sums
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const VF first = (VF)part[r / 2][v][0], second = (VF)part[r / 2][v][1];
      const VF sum = r % 2 ? __builtin_shufflevector(first, second, 2, 3, 6, 7)
                           : __builtin_shufflevector(first, second, 0, 1, 4, 5);
      float* to = sums[r] + v * kLanes;
      store(to, Add ? load(to) + sum : sum);
    }
}

template <bool Add>
struct TileBf16 {
  using Element = uint64_t;
  template <int R, int V, class B>
  static void run(const uint64_t* const* x, const B* b, int64_t stride, int64_t count, float* const* sums) {
    tile_bf16_body<R, V, Add>(x, b, stride, count, sums);
  }
};

using Bf16Unit = uint64_t;  // of keys and values

// run_tiles() over pairs of bf16 numbers; b [k-quad][stride] or [k-pair][stride], padded with zeros to whole quads.
template <bool Add, class B>
CPU_INLINE void run_bf16_tiles(int rows, const uint32_t* const* x, const B* b, int64_t stride, int64_t pairs,
                               int columns, float* const* sums) {
  run_tiles<TileBf16<Add> >(rows, reinterpret_cast<const uint64_t* const*>(x), b, stride, (pairs + 1) / 2, columns,
                            sums);
}

// Two rows of 64 k-pairs as one of 64 k-quads.
CPU_INLINE void pairs_to_quads(const uint32_t* even, const uint32_t* odd, uint32_t* out) {
  for (int c = 0; c < kPanelRows; c += kLanes) store_interleaved(out + 2 * c, load_bits(even + c), load_bits(odd + c));
}

constexpr int kMatrixRows = 8, kMatrixColumns = 8;  // of a register tile
constexpr int kFewestMatrixRows = 4;

// Codes of a block as [8 k-octets][64 outputs][8].
template <bool Nibble>
static void codes_to_octets(const uint8_t* block, uint8_t* out) {
  const VI low = splat_bits(0x0f0f0f0f);
  for (int octet = 0; octet < 8; ++octet, block += Nibble ? 256 : 512, out += 512)
    for (int c = 0; c < 256; c += kLanes * 4) {
      const VI bytes = load_bits(block + c);
      if constexpr (Nibble)
        store_interleaved(out + 2 * c, bytes & low, (VI)((VU)bytes >> 4) & low);
      else
        store_interleaved(out + 2 * c, bytes, load_bits(block + 256 + c));
    }
}

// The rows of a register tile: hi bytes as [8 k-octets][4 pairs of rows][2][8], then the lo bytes.
struct alignas(64) RowOctets {
  int8_t half[2][8][kMatrixRows / 2][16];

  RowOctets(const QuantBlock* const* x, int rows, bool low_bytes) {
    for (int r = 0; r < rows; r += 2) {
      const int8_t *upper = x[r]->codes, *lower = x[r + 1 < rows ? r + 1 : r]->codes;
      for (int i = 0; i < (low_bytes ? 16 : 8); i += 2, upper += 16, lower += 16) {
        const VI a = load_bits(upper), b = load_bits(lower);
        store_bits(half[i / 8][i % 8][r / 2], __builtin_shufflevector(a, b, 0, 1, 4, 5));
        store_bits(half[i / 8][i % 8 + 1][r / 2], __builtin_shufflevector(a, b, 2, 3, 6, 7));
      }
    }
  }
};

// dots[p][i] += two outputs times two rows each over octets [first, first + count).
template <int P>
CPU_INLINE void dot_octets(const uint8_t* codes, const int8_t (&rows)[8][kMatrixRows / 2][16], int first, int count,
                           int32x4_t (&dots)[P][kMatrixColumns / 2]) {
  for (int octet = first; octet < first + count; ++octet) {
    uint8x16_t w[kMatrixColumns / 2];
    for (int i = 0; i < kMatrixColumns / 2; ++i) w[i] = vld1q_u8(codes + octet * 512 + i * 16);
    for (int p = 0; p < P; ++p) {
      const int8x16_t q = vld1q_s8(rows[octet][p]);
      for (int i = 0; i < kMatrixColumns / 2; ++i) dots[p][i] = vusmmlaq_s32(dots[p][i], w[i], q);
    }
  }
}

// integer_tile() for P pairs of rows, of which `count` rows exist, and the kMatrixColumns outputs from `column` on.
template <int P>
static void matrix_tile(const uint8_t* codes, const float* scales, const float* biases, int sets, bool low_bytes,
                        const RowOctets& rows, int count, const QuantBlock* const* x, float* const* sums, int column) {
  const int octets = 8 / sets;
  for (int set = 0; set < sets; ++set) {
    int32x4_t dots[P][kMatrixColumns / 2] = {};
    dot_octets<P>(codes + column * 8, rows.half[0], set * octets, octets, dots);
    for (int p = 0; p < P; ++p)
      for (int i = 0; i < kMatrixColumns / 2; ++i) dots[p][i] = vshlq_n_s32(dots[p][i], 7);
    if (low_bytes) dot_octets<P>(codes + column * 8, rows.half[1], set * octets, octets, dots);
    const int c = set * kPanelRows + column;
    const VF scale[] = {load(scales + c), load(scales + c + kLanes)};
    const VF bias[] = {load(biases + c), load(biases + c + kLanes)};
#pragma GCC unroll 8
    for (int r = 0; r < 2 * P; ++r) {
      if (r == count) break;
      const VF total = splat(x[r]->sums[set]), row_scale = splat(x[r]->scale);
      float* to = sums[r] + column;
      for (int v = 0; v < 2; ++v, to += kLanes) {
        const int32x4_t a = dots[r / 2][2 * v], b = dots[r / 2][2 * v + 1];
        const VF value = fma(bias[v], total, scale[v] * to_float((VI)(r % 2 ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b))));
        store(to, fma(value, row_scale, load(to)));
      }
    }
  }
}

}  // namespace afterimage::CPU_ISA
#endif
