// Register tiles: R rows × V vectors of columns, k ascending, one accumulator per (row, column). R and V choose how
// many results are computed together, never the order inside one.
#pragma once
#include "cpu/narrow_floats.h"
#include "cpu/vec.h"

namespace afterimage::CPU_ISA {

// Numbers of 16 bits, and memory beside them that is asked for while they are read: a byte for each, or two.
template <int Bytes>
struct Halves {
  const uint16_t* at;
  const uint8_t* beside;
  Halves operator+(int64_t count) const { return {at + count, beside + count * Bytes}; }
  Halves& operator+=(int64_t count) { return *this = *this + count; }
};

// Vector v of them.
template <bool F16, int Bytes>
CPU_INLINE VF load_wide(Halves<Bytes> b, int v) {
  if (v * kLanes * Bytes % 64 == 0) __builtin_prefetch(b.beside, 0, 3);
  return F16 ? load_f16(b.at) : (VF)(load_half(b.at) << 16);
}

// sums[r][c] = Σ_k x[r][k] · b[k·stride + c] (+ sums[r][c] where Add); `load_wide` reads vector v, from b on, as f32.
template <int R, int V, bool Add, class B, class Load>
CPU_INLINE void tile_f32_body(const float* const* x, B b, int64_t stride, int64_t count, float* const* sums,
                              Load load_wide) {
  VF part[R][V] = {};
  for (int64_t k = 0; k < count; ++k) {
    VF w[V];
    for (int v = 0; v < V; ++v) w[v] = load_wide(b + (k * stride + v * kLanes), v);
    for (int r = 0; r < R; ++r) {
      const VF xk = splat(x[r][k]);
      for (int v = 0; v < V; ++v) part[r][v] = mul_add(xk, w[v], part[r][v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) {
      float* to = sums[r] + v * kLanes;
      store(to, Add ? load(to) + part[r][v] : part[r][v]);
    }
}

#if defined(CPU_BF16_DOT) && !defined(CPU_MMLA)
// The same over pairs of bf16 numbers: x[r] holds `count` pairs, b [count][stride] pairs.
template <int R, int V, bool Add>
CPU_INLINE void tile_bf16_body(const uint32_t* const* x, const uint32_t* b, int64_t stride, int64_t count,
                               float* const* sums) {
  VF part[R][V] = {};
  for (int64_t k = 0; k < count; ++k) {
    VI w[V];
    for (int v = 0; v < V; ++v) w[v] = load_bits(b + k * stride + v * kLanes);
    for (int r = 0; r < R; ++r) {
      const VI xk = splat_bits(static_cast<int32_t>(x[r][k]));
      for (int v = 0; v < V; ++v) part[r][v] = (VF)_mm512_dpbf16_ps((__m512)part[r][v], (__m512bh)w[v], (__m512bh)xk);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) {
      float* to = sums[r] + v * kLanes;
      store(to, Add ? load(to) + part[r][v] : part[r][v]);
    }
}

#endif

template <bool Add>
struct TileF32 {
  using Element = float;
  template <int R, int V>
  static void run(const float* const* x, const float* b, int64_t stride, int64_t count, float* const* sums) {
    tile_f32_body<R, V, Add>(x, b, stride, count, sums, [](const float* p, int) { return load(p); });
  }
};
// The same where b is stored in 16 bits.
template <bool F16>
struct TileHalf {
  using Element = float;
  template <int R, int V, int Bytes>
  static void run(const float* const* x, Halves<Bytes> b, int64_t stride, int64_t count, float* const* sums) {
    tile_f32_body<R, V, false>(
        x, b, stride, count, sums,
        [](Halves<Bytes> p, int v) __attribute__((always_inline)) { return load_wide<F16>(p, v); });
  }
};
#if defined(CPU_BF16_DOT) && !defined(CPU_MMLA)
template <bool Add>
struct TileBf16 {
  using Element = uint32_t;
  template <int R, int V>
  static void run(const uint32_t* const* x, const uint32_t* b, int64_t stride, int64_t count, float* const* sums) {
    tile_bf16_body<R, V, Add>(x, b, stride, count, sums);
  }
};
#endif

// All `columns` (a multiple of kLanes) for up to kTileRows rows.
template <class Tile, int R, class X, class B>
static void run_strips(const X* const* x, B b, int64_t stride, int64_t count, int columns, float* const* sums) {
  constexpr int kMost = kTileVecs > 2 || R > 3 ? kTileVecs : R == 3 ? 3 : 4;  // few rows leave registers
  float* to[R];
  for (int r = 0; r < R; ++r) to[r] = sums[r];
  // As few strips as the register file allows, of nearly equal width: 5 vectors are 3 + 2, not 4 + 1.
  int vectors = columns / kLanes;
  for (int strips = (vectors + kMost - 1) / kMost; strips > 0; --strips) {
    const int width = (vectors + strips - 1) / strips;
    if (width == 4)
      Tile::template run<R, kMost>(x, b, stride, count, to);
    else if (width == 3)
      Tile::template run<R, (kMost > 2 ? 3 : 1)>(x, b, stride, count, to);
    else if (width == 2)
      Tile::template run<R, 2>(x, b, stride, count, to);
    else
      Tile::template run<R, 1>(x, b, stride, count, to);
    vectors -= width;
    b += width * kLanes;
    for (int r = 0; r < R; ++r) to[r] += width * kLanes;
  }
}

// Any number of rows.
template <class Tile, class X, class B>
CPU_INLINE void run_tiles(int rows, const X* const* x, B b, int64_t stride, int64_t count, int columns,
                          float* const* sums) {
  int r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) run_strips<Tile, kTileRows>(x + r, b, stride, count, columns, sums + r);
  x += r, sums += r;
  switch (rows - r) {
    case 5:
      return run_strips<Tile, 5>(x, b, stride, count, columns, sums);
    case 4:
      return run_strips<Tile, 4>(x, b, stride, count, columns, sums);
    case 3:
      return run_strips<Tile, 3>(x, b, stride, count, columns, sums);
    case 2:
      return run_strips<Tile, 2>(x, b, stride, count, columns, sums);
    case 1:
      return run_strips<Tile, 1>(x, b, stride, count, columns, sums);
  }
}

}  // namespace afterimage::CPU_ISA
