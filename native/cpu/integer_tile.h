// Weights of 4 or 8 bit times rows of 15-bit integers (QuantBlock), summed exactly in int32, so every instruction set
// and every grouping of rows gives the same bits. x ≈ scale·q, q = 128·hi + lo; over one scale set of a block
//   y += x.scale · (w.scale·Σ c·q + w.bias·Σ q)
// |Σ c·q| ≤ 255 · 16,256 · 64 < 2³¹.
#pragma once
#include "cpu/kernels.h"
#include "cpu/vec.h"

namespace afterimage::CPU_ISA {

// Ways to multiply: unsigned bytes by signed bytes, four at a time (hi and lo apart), or, nibbles by hi bytes alone,
// two at a time with sums of 16 bits; or 16-bit pairs, out of bytes or out of words that these became for many rows; or
// lane by lane.
enum class IntegerDot { none, quad_bytes, pair_bytes, pairs, words, lanes };
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
constexpr IntegerDot kByteDot = IntegerDot::quad_bytes, kWordDot = IntegerDot::none;
#elif defined(__AVX2__)
constexpr IntegerDot kByteDot = IntegerDot::pair_bytes, kWordDot = IntegerDot::pairs;
#elif defined(__SSE2__)
constexpr IntegerDot kByteDot = IntegerDot::none, kWordDot = IntegerDot::pairs;
#else
constexpr IntegerDot kByteDot = IntegerDot::none, kWordDot = IntegerDot::lanes;
#endif

// Where bytes go in pairs, hi and lo one after the other take as long as words do.
static RowForm integer_form(CodeKind kind, bool a8) {
  constexpr bool kEvery = kByteDot == IntegerDot::quad_bytes, kNibbles = kByteDot == IntegerDot::pair_bytes;
  const bool bytes = kEvery || (kNibbles && kind == CodeKind::nibble && a8);
  return !bytes ? RowForm::words : a8 ? RowForm::a8 : RowForm::a15;
}
// The processor's byte dot wants both operands signed: codes of 8 bit are shifted by −128, and 128·Σq is added back.
#if defined(__ARM_FEATURE_DOTPROD) && !defined(__ARM_FEATURE_MATMUL_INT8)
constexpr bool kSignedCodes = true;
#else
constexpr bool kSignedCodes = false;
#endif

// acc += Σ of four byte products in each lane; `codes` unsigned (below 128 where kSignedCodes).
CPU_INLINE VI dot_quad(VI acc, VI codes, VI x) {
#if defined(__AVX512VNNI__)
  return (VI)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)codes, (__m512i)x);
#elif defined(__AVXVNNI__)
  return (VI)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)codes, (__m256i)x);
#elif defined(__ARM_FEATURE_MATMUL_INT8)
  return (VI)vusdotq_s32((int32x4_t)acc, (uint8x16_t)codes, (int8x16_t)x);
#elif defined(__ARM_FEATURE_DOTPROD)
  return (VI)vdotq_s32((int32x4_t)acc, (int8x16_t)codes, (int8x16_t)x);
#else
  (void)codes, (void)x;
  return acc;
#endif
}

// acc + products of the two 16-bit halves of each lane.
CPU_INLINE VI dot_halves(VI acc, VI a, VI b) {
#if defined(__AVX512VNNI__)
  return (VI)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif defined(__AVXVNNI__)
  return (VI)_mm256_dpwssd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b);
#elif defined(__AVX2__)
  return acc + (VI)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return acc + (VI)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  (void)a, (void)b;
  return acc;
#endif
}

// Words of acc += products of bytes 2i and 2i + 1; `codes` unsigned.
CPU_INLINE VI dot_byte_pairs(VI acc, VI codes, VI x) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  return (VI)_mm256_add_epi16((__m256i)acc, _mm256_maddubs_epi16((__m256i)codes, (__m256i)x));
#else
  (void)codes, (void)x;
  return acc;
#endif
}

CPU_INLINE VI broadcast_word(const void* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return splat_bits(word);
}

// How a lane's four codes are multiplied: all at once, or for pairs those of bytes 0 and 2 and those of 1 and 3.
template <IntegerDot Dot>
constexpr int kCodeParts = Dot == IntegerDot::pairs ? 2 : 1;

// Without this GCC multiplies all rows of a tile before it adds, and keeps the products in memory.
CPU_INLINE void settle_sum([[maybe_unused]] VI& sum) {
#if defined(__SSE2__) && defined(__GNUC__)
  asm("" : "+x"(sum));
#endif
}

// sum += codes of vector v · q of k-quad `quad`; Low: the lo bytes.
template <IntegerDot Dot, bool Low, int V>
CPU_INLINE void dot_codes(VI& sum, const VI (&codes)[kCodeParts<Dot>][V], int v, const int8_t* x, int quad) {
  if constexpr (Dot == IntegerDot::quad_bytes) {
    sum = dot_quad(sum, codes[0][v], broadcast_word(x + quad * 4 + (Low ? 64 : 0)));
  } else if constexpr (Dot == IntegerDot::pair_bytes) {
    sum = dot_byte_pairs(sum, codes[0][v], broadcast_word(x + quad * 4 + (Low ? 64 : 0)));
    settle_sum(sum);
  } else if constexpr (Dot == IntegerDot::pairs) {
    sum = dot_halves(sum, codes[0][v], broadcast_word(x + quad * 8));
    sum = dot_halves(sum, codes[kCodeParts<Dot> - 1][v], broadcast_word(x + quad * 8 + 4));
    settle_sum(sum);
  } else {
    int16_t q[4];
    std::memcpy(q, x + quad * 8, 8);
    for (int i = 0; i < 4; ++i) sum += (VI)(((VU)codes[0][v] >> (8 * i)) & 0xffu) * splat_bits(q[i]);
  }
}

// Blocks that few rows ask for ahead of the next one, for the second-level cache. Measured on Emerald Rapids: memory
// then gives one row a fifth more; three to sixteen blocks do the same. Elsewhere not measured, or none is best.
#if defined(__AVX512F__)
constexpr int kFarBlocks = 4;
#else
constexpr int kFarBlocks = 0;
#endif

// Codes, those of the next block and of the one kFarBlocks ahead; null where nobody needs to ask for these.
struct CodeStream {
  const uint8_t* codes;
  const uint8_t* next = nullptr;
  const uint8_t* far = nullptr;
};

// In the order of memory, line by line between the products: many at once would hold up all loads.
template <int Bytes, int Level = 3>
CPU_INLINE void prefetch_lines(const uint8_t* from) {
  for (int i = 0; i < Bytes; i += 64) __builtin_prefetch(from + i, 0, Level);
}

// Lines in equal shares, one of them at a time.
struct ReadAhead {
  const uint8_t* next = nullptr;
  int lines = 0, share = 0;
  ReadAhead() = default;
  ReadAhead(LinesAhead ahead, int shares)
      : next(ahead.from), lines(ahead.lines), share((ahead.lines + shares - 1) / shares) {}
  void ask() {
    for (int i = 0; i < share && lines > 0; ++i, --lines, next += 64) __builtin_prefetch(next, 0, 3);
  }
};

// The codes of one k-quad for V vectors of outputs. Nibbles of two quads, the even one low, share their bytes.
template <IntegerDot Dot, bool Nibble, bool Odd, int V>
CPU_INLINE void load_codes(const uint8_t* quad, VI (&codes)[kCodeParts<Dot>][V]) {
  constexpr int kShift = Nibble && Odd ? 4 : 0;
  for (int v = 0; v < V; ++v) {
    const VI bytes = load_bits(quad + v * kLanes * 4);
    if constexpr (Dot == IntegerDot::pairs) {
      const VI mask = splat_bits(Nibble ? 0x000f000f : 0x00ff00ff);
      const VI second = (VI)((VWords)bytes >> (8 + kShift));
      codes[0][v] = (VI)((VWords)bytes >> kShift) & mask;
      codes[kCodeParts<Dot> - 1][v] = Nibble && !Odd ? second & mask : second;
    } else if constexpr (Nibble) {
      codes[0][v] = (VI)((VU)bytes >> kShift) & splat_bits(0x0f0f0f0f);
    } else {
      codes[0][v] = kSignedCodes ? bytes ^ splat_bits(static_cast<int32_t>(0x80808080u)) : bytes;
    }
  }
}

// body(quad, its codes) for quads [first, first + count), both even.
template <IntegerDot Dot, int V, bool Nibble, class Body>
CPU_INLINE void for_quads(CodeStream strip, int first, int count, Body body) {
  constexpr int kQuadBytes = 256, kPairBytes = Nibble ? kQuadBytes : 2 * kQuadBytes;
  for (int quad = first; quad < first + count; quad += 2) {
    const uint8_t* pair = strip.codes + quad / 2 * kPairBytes;
    constexpr int kRead = V * kLanes * 4 * (Nibble ? 1 : 2);
    if (strip.next) prefetch_lines<kRead>(strip.next + quad / 2 * kRead);
    if (strip.far) prefetch_lines<kRead, 2>(strip.far + quad / 2 * kRead);
    VI codes[kCodeParts<Dot>][V];
    load_codes<Dot, Nibble, false>(pair, codes);
    body(quad, codes);
    load_codes<Dot, Nibble, true>(Nibble ? pair : pair + kQuadBytes, codes);
    body(quad + 1, codes);
  }
}

// sums[r][v] += Σ over quads [first, first + count) of one half (or both, where they are not apart).
template <IntegerDot Dot, int R, int V, bool Nibble, bool Low>
CPU_INLINE void dot_quads(CodeStream strip, const QuantBlock* const* x, int first, int count, VI (&sums)[R][V]) {
  for_quads<Dot, V, Nibble>(
      strip, first, count, [&](int quad, const auto& codes) __attribute__((always_inline)) {
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) dot_codes<Dot, Low>(sums[r][v], codes, v, x[r]->codes, quad);
      });
}

// Both halves in one pass.
template <IntegerDot Dot, int R, int V, bool Nibble>
CPU_INLINE void dot_quads_twice(CodeStream strip, const QuantBlock* const* x, int first, int count, VI (&high)[R][V],
                                VI (&low)[R][V]) {
  for_quads<Dot, V, Nibble>(
      strip, first, count, [&](int quad, const auto& codes) __attribute__((always_inline)) {
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) {
            dot_codes<Dot, false>(high[r][v], codes, v, x[r]->codes, quad);
            dot_codes<Dot, true>(low[r][v], codes, v, x[r]->codes, quad);
          }
      });
}

// sums[r][v] += Σ over k-pairs [first, first + count) of codes that are words already: [k-pair][64 outputs][2].
template <int R, int V>
CPU_INLINE void dot_words(const uint8_t* strip, const QuantBlock* const* x, int first, int count, VI (&sums)[R][V]) {
  for (int pair = first; pair < first + count; ++pair) {
    VI codes[V];
    for (int v = 0; v < V; ++v) codes[v] = load_bits(strip + pair * 256 + v * kLanes * 4);
    for (int r = 0; r < R; ++r) {
      const VI q = broadcast_word(x[r]->codes + pair * 4);
      for (int v = 0; v < V; ++v) {
        sums[r][v] = dot_halves(sums[r][v], codes[v], q);
        settle_sum(sums[r][v]);
      }
    }
  }
}

// dots[r][v] = Σ codes · q over quads [first, first + count), lo bytes being zero. Sums of 16 bits hold 8 quads of
// nibbles times hi bytes: 15 · 2 · 127 · 8 < 2¹⁵. Sixteen may go round, but those of (code − 8) · hi do not:
// 8 · 2 · 127 · 16 < 2¹⁵, so the sums begin at −8 · Σ hi, and that is added back.
template <int R, int V, bool Nibble>
CPU_INLINE void dot_nibbles(CodeStream strip, const QuantBlock* const* x, int first, int count, VI (&dots)[R][V]) {
  const bool whole = count == 16;
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) dots[r][v] = whole ? broadcast_word(x[r]->begins) : VI{};
  dot_quads<IntegerDot::pair_bytes, R, V, Nibble, false>(strip, x, first, count, dots);
  const VI factors = splat_bits(128 << 16 | 128);
  for (int r = 0; r < R; ++r) {
    const VI begun = whole ? dot_halves(VI{}, broadcast_word(x[r]->begins), factors) : VI{};
    for (int v = 0; v < V; ++v) dots[r][v] = dot_halves(VI{}, dots[r][v], factors) - begun;
  }
}

// One strip (V vectors of outputs) of a block for R rows. scales/biases: f32 [sets][64] at the strip's first output.
template <IntegerDot Dot, int R, int V, bool Nibble>
static void integer_tile(CodeStream strip, const float* scales, const float* biases, int sets, bool low_bytes,
                         const QuantBlock* const* x, float* const* sums) {
  const int quads = 16 / sets;
  for (int set = 0; set < sets; ++set) {
    VI dots[R][V] = {};
    if constexpr (Dot == IntegerDot::words) {
      dot_words<R, V>(strip.codes, x, set * quads * 2, quads * 2, dots);
    } else if constexpr (Dot == IntegerDot::pair_bytes) {
      dot_nibbles<R, V, Nibble>(strip, x, set * quads, quads, dots);
    } else if constexpr (Dot != IntegerDot::quad_bytes) {
      dot_quads<Dot, R, V, Nibble, false>(strip, x, set * quads, quads, dots);
    } else if constexpr (R <= 2) {
      VI low[R][V] = {};
      dot_quads_twice<Dot, R, V, Nibble>(strip, x, set * quads, quads, dots, low);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) dots[r][v] = (dots[r][v] << 7) + low[r][v];
    } else {
      dot_quads<Dot, R, V, Nibble, false>(strip, x, set * quads, quads, dots);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) dots[r][v] <<= 7;
      if (low_bytes) dot_quads<Dot, R, V, Nibble, true>({strip.codes}, x, set * quads, quads, dots);
    }
    for (int r = 0; r < R; ++r) {
      const VF total = splat(x[r]->sums[set]), row_scale = splat(x[r]->scale);
      for (int v = 0; v < V; ++v) {
        if constexpr (kSignedCodes && !Nibble) dots[r][v] += splat_bits(128 * static_cast<int32_t>(x[r]->sums[set]));
        const int c = set * kPanelRows + v * kLanes;
        float* to = sums[r] + v * kLanes;
        const VF value = fma(load(biases + c), total, load(scales + c) * to_float(dots[r][v]));
        store(to, fma(value, row_scale, load(to)));
      }
    }
  }
}

template <IntegerDot Dot, int R, bool Nibble>
static void integer_strips(CodeStream block, const float* scales, const float* biases, int sets, bool low_bytes,
                           const QuantBlock* const* x, float* const* sums, ReadAhead& ahead) {
  // A single row leaves registers for wider strips, which read its inputs half as often.
  constexpr int V = R == 1 && kTileVecs == 2 ? 2 * kTileVecs : kTileVecs;
  float* to[R];
  for (int c = 0; c < kPanelRows; c += V * kLanes) {
    ahead.ask();
    for (int r = 0; r < R; ++r) to[r] = sums[r] + c;
    const auto share = [c](const uint8_t* ahead) { return ahead ? ahead + c * (Nibble ? 32 : 64) : nullptr; };
    integer_tile<Dot, R, V, Nibble>({block.codes + c * 4, share(block.next), share(block.far)}, scales + c, biases + c,
                                    sets, low_bytes, x, to);
  }
}

// x ≈ scale · q per 64 columns, |q| ≤ 16,256 (a8: 128·127 in steps of 128, which is the same scale with 8 bits).
CPU_INLINE void quantize_blocks(const float* x, int64_t columns, int sets, bool a8, RowForm form, QuantBlock* out) {
  for (int64_t start = 0; start < columns; start += kBlockColumns, ++out) {
    alignas(64) float rest[kBlockColumns];
    alignas(64) int32_t q[kBlockColumns];
    const float* values = x + start;
    if (columns - start < kBlockColumns) {
      std::memset(rest, 0, sizeof rest);
      std::memcpy(rest, values, static_cast<size_t>(columns - start) * 4);
      values = rest;
    }
    VF peak = {};
    for (int i = 0; i < kBlockColumns; i += kLanes) peak = max(magnitude(load(values + i)), peak);
    const float largest = max_lanes(peak), limit = a8 ? 127.0f : 16256.0f;
    // Below 2⁻¹¹⁰ the inverse would overflow; such a block is zero for every purpose.
    const bool zero = !(largest > 0x1p-110f);
    const VF inverse = splat(zero ? 0.0f : limit / largest);
    for (int i = 0; i < kBlockColumns; i += kLanes) {
      // The bound holds anyway for finite rows; it keeps a NaN from becoming an integer that overflows.
      VI rounded = round_to_int(max(min(load(values + i) * inverse, splat(limit)), splat(-limit)));
      if (a8) rounded <<= 7;
      store_bits(q + i, rounded);
    }
    out->scale = zero ? 0.0f : (a8 ? largest / (127.0f * 128.0f) : largest / limit);
    const int width = kBlockColumns / (sets ? sets : 1);
    for (int set = 0; set < 4; ++set) {
      out->sums[set] = 0;
      if (set * width >= kBlockColumns) continue;
      VI sum = {};
      for (int i = 0; i < width; i += kLanes) sum += load_bits(q + set * width + i);
      int32_t lanes[kLanes];
      std::memcpy(lanes, &sum, sizeof lanes);
#pragma GCC unroll 4
      for (int half = kLanes / 2; half >= 4; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      const int32_t parts[2] = {lanes[0] + lanes[1], lanes[2] + lanes[3]};
      out->sums[set] = static_cast<float>(parts[0] + parts[1]);
      if (set == 0 && form == RowForm::a8)
        for (int i = 0; i < 2; ++i) out->begins[i] = static_cast<int16_t>(-8 * (parts[i] / 128));
    }
    if (form != RowForm::words) {
      for (int i = 0; i < kBlockColumns; i += kLanes) {
        const VI codes = load_bits(q + i), hi = (codes + splat_bits(64)) >> 7;
        store_bytes(out->codes + i, hi);
        store_bytes(out->codes + 64 + i, codes - (hi << 7));
      }
    } else if constexpr (kWordDot == IntegerDot::pairs) {
      // Pairs multiply bytes 0 and 2 of a quad together, then 1 and 3: words q0, q2, q1, q3.
      constexpr uint64_t kLowWords = 0x0000ffff0000ffff;
      for (int i = 0; i < kBlockColumns; i += 4) {
        uint64_t halves[2];
        std::memcpy(halves, q + i, 16);
        const uint64_t words = (halves[0] & kLowWords) | (halves[1] & kLowWords) << 16;
        std::memcpy(out->codes + i * 2, &words, 8);
      }
    } else {
      for (int i = 0; i < kBlockColumns; ++i) {
        const int16_t value = static_cast<int16_t>(q[i]);
        std::memcpy(out->codes + i * 2, &value, 2);
      }
    }
  }
}

static void quantize_row(const float* x, int64_t columns, int sets, bool a8, RowForm form, QuantBlock* out) {
  quantize_blocks(x, columns, sets, a8, form, out);
}

}  // namespace afterimage::CPU_ISA
