// Matrix tiles of AMX: eight registers of 16 rows of 64 bytes, and products of two of them: 16 × 16 sums over 32 bf16
// or 64 bytes each in 16 cycles. Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
//
// Sums over bytes are exact, so many rows of integers go through tiles (amx_integers.h) and few through the vectors of
// integer_tile.h, with the same bits. Sums over bf16 are made in tiles alone: their order is not that of vectors.
#pragma once
#include "cpu/kernels.h"
#include "cpu/tiles.h"

#if defined(CPU_AMX)
namespace afterimage::CPU_ISA {

constexpr int kAmxRows = 16, kAmxColumns = 16;

// The shapes of the eight registers, as ldtilecfg reads them.
struct alignas(64) AmxShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
  void set(int tile, int tile_rows, int bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};

// Tiles hold these shapes as long as it lives; released tiles cost a thread's switches nothing. Instructions are
// written as text because GCC 12 takes its own for ones that read no memory.
class AmxTiles {
 public:
  AmxTiles() = default;
  explicit AmxTiles(const AmxShapes& shapes) { reshape(shapes); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
  ~AmxTiles() {
    if (used_) asm volatile("tilerelease" ::: "memory");
  }
  void reshape(const AmxShapes& shapes) {
    asm volatile("ldtilecfg %0" ::"m"(shapes) : "memory");
    used_ = true;
  }

 private:
  bool used_ = false;
};

template <int T>
CPU_INLINE void amx_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(T));
}
template <int T>
CPU_INLINE void amx_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
}
template <int T>
CPU_INLINE void amx_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
}
// Sum += A · B over pairs of bf16.
template <int Sum, int A, int B>
CPU_INLINE void amx_dot_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(A), "i"(B));
}
// Sum += A · B over signed bytes of A and unsigned ones of B.
template <int Sum, int A, int B>
CPU_INLINE void amx_dot_bytes() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(A), "i"(B));
}

// Up to 16 rows that pointers name: where they lie at one distance, as it is, else one by one.
template <class T>
struct AmxRows {
  T* const* rows;
  int count;
  int64_t stride;  // bytes; 0: none

  AmxRows(T* const* from, int n) : rows(from), count(n), stride(n > 1 ? distance(0) : int64_t{64}) {
    for (int r = 1; r + 1 < n; ++r)
      if (distance(r) != stride) stride = 0;
  }
  int64_t distance(int r) const {
    return static_cast<int64_t>(reinterpret_cast<intptr_t>(rows[r + 1]) - reinterpret_cast<intptr_t>(rows[r]));
  }
};

template <int T>
CPU_INLINE void amx_load_rows(const AmxRows<const uint32_t>& x, int64_t offset, int words) {
  if (x.stride) return amx_load<T>(x.rows[0] + offset, x.stride);
  alignas(64) uint32_t copy[kAmxRows][16];
  for (int r = 0; r < x.count; ++r) std::memcpy(copy[r], x.rows[r] + offset, static_cast<size_t>(words) * 4);
  amx_load<T>(copy, sizeof copy[0]);
}
template <int T>
CPU_INLINE void amx_load_sums(const AmxRows<float>& sums, int64_t column) {
  if (sums.stride) return amx_load<T>(sums.rows[0] + column, sums.stride);
  alignas(64) float copy[kAmxRows][kAmxColumns];
  for (int r = 0; r < sums.count; ++r) std::memcpy(copy[r], sums.rows[r] + column, sizeof copy[r]);
  amx_load<T>(copy, sizeof copy[0]);
}
template <int T>
CPU_INLINE void amx_store_sums(const AmxRows<float>& sums, int64_t column) {
  if (sums.stride) return amx_store<T>(sums.rows[0] + column, sums.stride);
  alignas(64) float copy[kAmxRows][kAmxColumns];
  amx_store<T>(copy, sizeof copy[0]);
  for (int r = 0; r < sums.count; ++r) std::memcpy(sums.rows[r] + column, copy[r], sizeof copy[r]);
}

// Words of one product: at most 16, and as many in each, by the number of words alone.
CPU_INLINE int amx_step(int64_t words) {
  int64_t steps = (words + 15) / 16;
  while (words % steps) ++steps;
  return static_cast<int>(words / steps);
}

// What a word holds of rows and weights, and a lane of sums.
struct AmxBf16 {  // two, f32
  template <int Sum, int A, int B>
  __attribute__((always_inline)) static void dot() {
    amx_dot_bf16<Sum, A, B>();
  }
};
struct AmxBytes {  // four, int32
  template <int Sum, int A, int B>
  __attribute__((always_inline)) static void dot() {
    amx_dot_bytes<Sum, A, B>();
  }
};

// Registers: sums 0 to 3 of two halves of rows and columns, rows 4 and 5, weights 6 and 7.
CPU_INLINE AmxShapes square_shapes(int rows, int step) {
  AmxShapes s;
  const int upper = rows < kAmxRows ? rows : kAmxRows, lower = rows - upper;
  for (int i = 0; i < 2; ++i) {
    s.set(i, upper, 64);
    s.set(2 + i, lower ? lower : upper, 64);
    s.set(4 + i, i && lower ? lower : upper, step * 4);
    s.set(6 + i, step, 64);
  }
  return s;
}

// Up to 32 rows (Lower: more than 16) and up to 32 columns (Right: more than 16) of amx_products().
template <class Dot, bool Add, bool Lower, bool Right>
CPU_INLINE void amx_square(const AmxRows<const uint32_t>& x, const AmxRows<const uint32_t>& below, const uint32_t* b,
                           int64_t stride, int64_t words, int step, int64_t column, const AmxRows<float>& sums,
                           const AmxRows<float>& sums_below) {
  if constexpr (Add) {
    amx_load_sums<0>(sums, column);
    if constexpr (Right) amx_load_sums<1>(sums, column + kAmxColumns);
    if constexpr (Lower) amx_load_sums<2>(sums_below, column);
    if constexpr (Lower && Right) amx_load_sums<3>(sums_below, column + kAmxColumns);
  } else {
    amx_zero<0>(), amx_zero<1>(), amx_zero<2>(), amx_zero<3>();
  }
  const uint32_t* weights = b + column;
  for (int64_t k = 0; k < words; k += step, weights += step * stride) {
    amx_load<6>(weights, stride * 4);
    amx_load_rows<4>(x, k, step);
    Dot::template dot<0, 4, 6>();
    if constexpr (Right) {
      amx_load<7>(weights + kAmxColumns, stride * 4);
      Dot::template dot<1, 4, 7>();
    }
    if constexpr (Lower) {
      amx_load_rows<5>(below, k, step);
      Dot::template dot<2, 5, 6>();
      if constexpr (Right) Dot::template dot<3, 5, 7>();
    }
  }
  amx_store_sums<0>(sums, column);
  if constexpr (Right) amx_store_sums<1>(sums, column + kAmxColumns);
  if constexpr (Lower) amx_store_sums<2>(sums_below, column);
  if constexpr (Lower && Right) amx_store_sums<3>(sums_below, column + kAmxColumns);
}

// sums[r][c] = Σ_k x[r][k] · b[k·stride + c] (+ sums[r][c] where Add) over so many words, of what Dot says they hold,
// for all `columns`, a multiple of 16, and any number of rows. A row's bits do not depend on the rows beside it.
template <class Dot, bool Add>
static void amx_products(int rows, const uint32_t* const* x, const uint32_t* b, int64_t stride, int64_t words,
                         int columns, float* const* sums, ReadAhead ahead = {}) {
  const int step = amx_step(words);
  AmxTiles tiles;
  int shaped = 0;
  for (int r = 0; r < rows; r += 2 * kAmxRows) {
    const int count = rows - r < 2 * kAmxRows ? rows - r : 2 * kAmxRows;
    if (count != shaped) tiles.reshape(square_shapes(shaped = count, step));
    const int upper = count < kAmxRows ? count : kAmxRows, lower = count - upper;
    const AmxRows<const uint32_t> in(x + r, upper), in_below(x + r + upper, lower);
    const AmxRows<float> out(sums + r, upper), out_below(sums + r + upper, lower);
    const auto square = [&]<bool Lower, bool Right>(int c) __attribute__((always_inline)) {
      amx_square<Dot, Add, Lower, Right>(in, in_below, b, stride, words, step, c, out, out_below);
    };
    for (int c = 0; c < columns; c += 2 * kAmxColumns) {
      const bool right = columns - c > kAmxColumns;
      ahead.ask();
      if (lower)
        right ? square.template operator()<true, true>(c) : square.template operator()<true, false>(c);
      else
        right ? square.template operator()<false, true>(c) : square.template operator()<false, false>(c);
    }
  }
}

// amx_products() for a panel, [words][64 outputs]: so many inputs at a time that rows and weights stay in the
// first-level cache, and meanwhile the next panel's are asked for.
template <class Dot>
static void amx_panel_products(const PanelJob& job, const uint32_t* weights, int64_t words) {
  constexpr int64_t kSlice = 128;
  const uint32_t* x[kMaxChunkRows];
  const int squares = (job.rows + 2 * kAmxRows - 1) / (2 * kAmxRows) * (kPanelRows / (2 * kAmxColumns));
  for (int64_t from = 0; from < words; from += kSlice) {
    const int64_t count = words - from < kSlice ? words - from : kSlice;
    const auto* slice = weights + from * kPanelRows;
    for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const uint32_t*>(job.x[r]) + from;
    ReadAhead ahead;
    if (job.after) ahead = {{job.after + from * kPanelRows * 4, static_cast<int>(count * kPanelRows / 16)}, squares};
    if (from == 0)
      amx_products<Dot, false>(job.rows, x, slice, kPanelRows, count, kPanelRows, job.sums, ahead);
    else
      amx_products<Dot, true>(job.rows, x, slice, kPanelRows, count, kPanelRows, job.sums, ahead);
  }
}

}  // namespace afterimage::CPU_ISA
#endif

#if defined(CPU_BF16_DOT) && !defined(CPU_MMLA)
namespace afterimage::CPU_ISA {

using Bf16Unit = uint32_t;  // of keys and values

// run_tiles() over pairs of bf16, by what this instruction set has for them.
template <bool Add>
CPU_INLINE void run_bf16_tiles(int rows, const uint32_t* const* x, const uint32_t* b, int64_t stride, int64_t pairs,
                               int columns, float* const* sums) {
#if defined(CPU_AMX)
  amx_products<AmxBf16, Add>(rows, x, b, stride, pairs, columns, sums);
#else
  run_tiles<TileBf16<Add> >(rows, x, b, stride, pairs, columns, sums);
#endif
}

}  // namespace afterimage::CPU_ISA
#endif
