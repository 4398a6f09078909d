// One panel (64 outputs) of a packed matrix times a chunk of rows: blocks ascending, one partial sum per block, added
// to the row's running sums in block order.
#pragma once
#include "cpu/amx.h"
#include "cpu/amx_integers.h"
#include "cpu/byte_tile.h"
#include "cpu/integer_tile.h"
#include "cpu/kernels.h"
#include "cpu/mmla.h"
#include "cpu/narrow_floats.h"
#include "cpu/pair_tile.h"
#include "cpu/tiles.h"

namespace afterimage::CPU_ISA {

// `count` 16-bit floats to f32; count is a multiple of kLanes.
CPU_INLINE void widen_scales(const uint8_t* from, ScaleType type, int count, float* to) {
  if (type == ScaleType::f32) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
    return;
  }
  for (int i = 0; i < count; i += kLanes) {
    const uint8_t* lanes = from + i * 2;
    store(to + i, type == ScaleType::f16 ? load_f16(lanes) : (VF)(load_half(lanes) << 16));
  }
}

// To the `index`th place of the scratch.
CPU_INLINE void load_scales(const PackedMatrix& m, const uint8_t* block, PanelScratch& s, int index = 0) {
  const int count = m.sets * kPanelRows;
  const uint8_t* from = block + m.code_bytes;
  widen_scales(from, m.scale_type, count, s.scales + index * count);
  if (m.biased)
    widen_scales(from + static_cast<size_t>(count * m.scale_size()), m.scale_type, count, s.biases + index * count);
}

template <CodeValue Value>
CPU_INLINE VF code_value(VI code, VF scale, VF bias) {
  if constexpr (Value == CodeValue::affine) return mul_add(to_float(code), scale, bias);
  if constexpr (Value == CodeValue::e2m1) return e2m1_lanes(code) * scale;
  return e4m3_lanes(code) * scale;
}

// Block of nibbles or bytes as f32 [64 k][64 outputs].
template <CodeValue Value>
static void widen_codes(const PackedMatrix& m, const uint8_t* block, const PanelScratch& s, float* out) {
  const int width = kBlockColumns / m.sets;
  for (int quad = 0; quad < 16; ++quad) {
    const int set = quad * 4 / width;
    for (int c = 0; c < kPanelRows; c += kLanes) {
      VI codes;
      if (m.kind == CodeKind::nibble) {
        const VI both = load_bits(block + (quad / 2) * 256 + c * 4);
        codes = (quad & 1 ? (VI)((VU)both >> 4) : both) & splat_bits(0x0f0f0f0f);
      } else {
        codes = load_bits(block + quad * 256 + c * 4);
      }
      const VF scale = load(s.scales + set * kPanelRows + c);
      const VF bias = m.biased ? load(s.biases + set * kPanelRows + c) : VF{};
      for (int i = 0; i < 4; ++i)
        store(out + (quad * 4 + i) * kPanelRows + c,
              code_value<Value>((VI)(((VU)codes >> (8 * i)) & 0xffu), scale, bias));
    }
  }
}

template <bool F16>
static void widen_pairs(const uint8_t* block, float* out) {
  for (int pair = 0; pair < kBlockColumns / 2; ++pair)
    for (int c = 0; c < kPanelRows; c += kLanes) {
      const VI both = load_bits(block + (pair * kPanelRows + c) * 4);
      const VF first = F16 ? f16_lanes(both) : (VF)(both << 16);
      const VF second = F16 ? f16_lanes((VI)((VU)both >> 16)) : (VF)(both & splat_bits(-65536));
      store(out + (2 * pair) * kPanelRows + c, first);
      store(out + (2 * pair + 1) * kPanelRows + c, second);
    }
}

// The block as f32 [64 k][64 outputs]: in place where it is stored so.
static const float* dense_block(const PackedMatrix& m, const uint8_t* block, PanelScratch& s) {
  if (m.value == CodeValue::f32) return reinterpret_cast<const float*>(block);
  if (m.value == CodeValue::bf16)
    widen_pairs<false>(block, s.dense);
  else if (m.value == CodeValue::f16)
    widen_pairs<true>(block, s.dense);
  else {
    load_scales(m, block, s);
    if (m.value == CodeValue::affine)
      widen_codes<CodeValue::affine>(m, block, s, s.dense);
    else if (m.value == CodeValue::e2m1)
      widen_codes<CodeValue::e2m1>(m, block, s, s.dense);
    else
      widen_codes<CodeValue::e4m3>(m, block, s, s.dense);
  }
  return s.dense;
}

#if defined(CPU_BF16_DOT)
// The block as bf16 pairs [32][64 outputs]: in place where it is stored so.
static const uint32_t* pair_block(const PackedMatrix& m, const uint8_t* block, PanelScratch& s) {
  if (m.value == CodeValue::bf16) return reinterpret_cast<const uint32_t*>(block);
  const float* dense = dense_block(m, block, s);
  for (int pair = 0; pair < kBlockColumns / 2; ++pair)
    for (int c = 0; c < kPanelRows; c += kLanes) {
      const VU first = bf16_bits(load(dense + 2 * pair * kPanelRows + c));
      const VU second = bf16_bits(load(dense + (2 * pair + 1) * kPanelRows + c));
      store_bits(s.pairs + pair * kPanelRows + c, (VI)(first | (second << 16)));
    }
  return s.pairs;
}
#endif

#if defined(CPU_MMLA)
// The block as bf16 quads [16][64 outputs].
static const uint64_t* quad_block(const PackedMatrix& m, const uint8_t* block, PanelScratch& s) {
  const uint32_t* pairs = pair_block(m, block, s);
  auto* quads = reinterpret_cast<uint32_t*>(s.dense);  // of which the pairs have been made, if at all
  for (int row = 0; row < kBlockColumns / 2 * kPanelRows; row += 2 * kPanelRows)
    pairs_to_quads(pairs + row, pairs + row + kPanelRows, quads + row);
  return reinterpret_cast<const uint64_t*>(quads);
}
#endif

template <int Level = 3>
CPU_INLINE void prefetch_block(const uint8_t* block, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(block + i, 0, Level);
}

// Rows lie far apart, so nobody else asks for those of the next tile.
CPU_INLINE void prefetch_rows(const QuantBlock* const* x, int rows) {
  for (int r = 0; r < rows && r < kTileRows; ++r)
    prefetch_block(reinterpret_cast<const uint8_t*>(x[r]), sizeof(QuantBlock));
}

template <IntegerDot Dot, bool Nibble>
CPU_INLINE void integer_rows(const PackedMatrix& m, CodeStream codes, const PanelScratch& s, bool low_bytes, int rows,
                             const QuantBlock* const* x, float* const* sums, ReadAhead ahead) {
  const auto strips = [&]<int R>() __attribute__((always_inline)) {
    integer_strips<Dot, R, Nibble>(codes, s.scales, s.biases, m.sets, low_bytes, x, sums, ahead);
  };
  for (; rows >= kTileRows; rows -= kTileRows, x += kTileRows, sums += kTileRows) {
    prefetch_rows(x + kTileRows, rows - kTileRows);
    strips.template operator()<kTileRows>();
  }
  switch (rows) {
    case 5:
      return strips.template operator()<5>();
    case 4:
      return strips.template operator()<4>();
    case 3:
      return strips.template operator()<3>();
    case 2:
      return strips.template operator()<2>();
    case 1:
      return strips.template operator()<1>();
  }
}

// Nibbles as bytes in the `byte` layout, so that many row tiles unpack a block once.
[[maybe_unused]] static void spread_nibbles(const uint8_t* block, uint8_t* out) {
  const VI low = splat_bits(0x0f0f0f0f);
  for (int pair = 0; pair < 8; ++pair)
    for (int c = 0; c < 256; c += kLanes * 4) {
      const VI both = load_bits(block + pair * 256 + c);
      store_bits(out + pair * 512 + c, both & low);
      store_bits(out + pair * 512 + 256 + c, (VI)((VU)both >> 4) & low);
    }
}

// Codes of 4 or 8 bit as words [k-pair][64 outputs][2], in the order in which pairs meet their inputs.
template <bool Nibble>
static void spread_words(const uint8_t* block, uint8_t* out) {
  const VI mask = splat_bits(Nibble ? 0x000f000f : 0x00ff00ff);
  for (int row = 0; row < (Nibble ? 8 : 16); ++row, out += Nibble ? 1024 : 512)
    for (int c = 0; c < 256; c += kLanes * 4) {
      const VI bytes = load_bits(block + row * 256 + c);
      const VWords words = (VWords)bytes;
      store_bits(out + c, bytes & mask);
      if constexpr (Nibble) {
        store_bits(out + 256 + c, (VI)(words >> 8) & mask);
        store_bits(out + 512 + c, (VI)(words >> 4) & mask);
        store_bits(out + 768 + c, (VI)(words >> 12));
      } else {
        store_bits(out + 256 + c, (VI)(words >> 8));
      }
    }
}

// The next block, if any, in shares for a tile of rows and a strip of outputs each.
CPU_INLINE ReadAhead read_ahead(const PanelJob& job, const uint8_t* next, int tile_rows = kTileRows,
                                int strip = kStrip) {
  const int lines = next ? static_cast<int>((job.matrix->block_bytes + 63) / 64) : 0;
  const int strips = (job.rows + tile_rows - 1) / tile_rows * (kPanelRows / strip);
  return {{next, lines}, strips};
}

#if defined(CPU_MMLA)
// A block of codes, whose scales are loaded, for many rows.
static void matrix_block(const PanelJob& job, const uint8_t* block, const uint8_t* next, bool low_bytes,
                         const QuantBlock* const* x) {
  const PackedMatrix& m = *job.matrix;
  PanelScratch& s = *job.scratch;
  m.kind == CodeKind::nibble ? codes_to_octets<true>(block, s.codes) : codes_to_octets<false>(block, s.codes);
  ReadAhead ahead = read_ahead(job, next, kMatrixRows, kMatrixColumns);
  for (int r = 0; r < job.rows; r += kMatrixRows) {
    const int count = job.rows - r < kMatrixRows ? job.rows - r : kMatrixRows;
    const RowOctets rows(x + r, count, low_bytes);
    const auto strips = [&]<int P>() __attribute__((always_inline)) {
      for (int c = 0; c < kPanelRows; c += kMatrixColumns) {
        ahead.ask();
        matrix_tile<P>(s.codes, s.scales, s.biases, m.sets, low_bytes, rows, count, x + r, job.sums + r, c);
      }
    };
    if (count > 6)
      strips.template operator()<4>();
    else if (count > 4)
      strips.template operator()<3>();
    else if (count > 2)
      strips.template operator()<2>();
    else
      strips.template operator()<1>();
  }
}
#endif

template <IntegerDot Dot>
static void integer_block(const PanelJob& job, CodeStream block, const uint8_t* next, const QuantBlock* const* x) {
  const PackedMatrix& m = *job.matrix;
  PanelScratch& s = *job.scratch;
  const bool low_bytes = job.form == RowForm::a15, nibble = m.kind == CodeKind::nibble;
  if (block.next) prefetch_block(block.next + m.code_bytes, m.block_bytes - m.code_bytes);
  if (block.far) prefetch_block<2>(block.far + m.code_bytes, m.block_bytes - m.code_bytes);
  load_scales(m, block.codes, s);
#if defined(CPU_MMLA)
  if (job.rows >= kFewestMatrixRows) return matrix_block(job, block.codes, next, low_bytes, x);
#endif
  const ReadAhead ahead = block.next ? ReadAhead{} : read_ahead(job, next);
  const auto rows = [&]<IntegerDot D, bool Nibble>(CodeStream codes) __attribute__((always_inline)) {
    integer_rows<D, Nibble>(m, codes, s, low_bytes, job.rows, x, job.sums, ahead);
  };
  const bool spread = job.rows > kTileRows && !kSignedCodes;
  if constexpr (Dot == IntegerDot::pairs) {
    if (spread) {
      auto* words = reinterpret_cast<uint8_t*>(s.pairs);
      nibble ? spread_words<true>(block.codes, words) : spread_words<false>(block.codes, words);
      return rows.template operator()<IntegerDot::words, false>({words});
    }
  }
  if (!nibble) {
    if constexpr (Dot != IntegerDot::pair_bytes) rows.template operator()<Dot, false>(block);
  } else if (spread) {
    if constexpr (Dot != IntegerDot::pairs) {
      spread_nibbles(block.codes, s.codes);
      rows.template operator()<Dot, false>({s.codes});
    }
  } else {
    rows.template operator()<Dot, true>(block);
  }
}

#if defined(CPU_PAIR_DOT)
static void pair_rows(const PanelJob& job, const uint8_t* block, const uint8_t* next, const QuantBlock* const* x) {
  ReadAhead ahead = read_ahead(job, next);
  ahead.share *= kPanelRows / kStrip;
  for (int r = 0; r < job.rows; r += kTileRows) {
    ahead.ask();
    prefetch_rows(x + r + kTileRows, job.rows - r - kTileRows);
    run_tiles<TilePairBlock>(job.rows - r < kTileRows ? job.rows - r : kTileRows,
                             reinterpret_cast<const int32_t* const*>(x + r), reinterpret_cast<const int32_t*>(block),
                             kPanelRows, kBlockColumns / 2, kPanelRows, job.sums + r);
  }
}
#endif

#if defined(CPU_AMX)
// A panel of codes for groups of rows; nibbles become bytes once for all of them.
template <bool LowBytes>
static void amx_integers(const PanelJob& job) {
  const PackedMatrix& m = *job.matrix;
  PanelScratch& s = *job.scratch;
  const bool nibble = m.kind == CodeKind::nibble;
  const auto code_stride = static_cast<int64_t>(nibble ? sizeof s.codes / kSliceBlocks : m.block_bytes);
  const AmxRowBlock* x[kMaxChunkRows / kAmxRows];
  AmxInputs inputs[kSliceBlocks * 4];
  AmxPanel p{
      (job.rows + kAmxRows - 1) / kAmxRows, m.sets, kSliceBlocks, m.blocks, inputs, x, s.scales, s.biases, job.sums[0]};
  if (p.groups <= 2) p.slice_blocks /= 2;  // measured
  for (int g = 0; g < p.groups; ++g) x[g] = static_cast<const AmxRowBlock*>(job.x[g * kAmxRows]);
  for (int i = 0; i < p.slice_blocks * m.sets; ++i) {
    const int block = i / m.sets, set = i % m.sets, from = set * (kBlockColumns / m.sets);
    const auto start = static_cast<int32_t>(block * sizeof(AmxRowBlock));
    inputs[i] = {start + from, static_cast<int32_t>(start + offsetof(AmxRowBlock, scales)),
                 static_cast<int32_t>(start + offsetof(AmxRowBlock, sums) + set * sizeof(float[kAmxRows])),
                 static_cast<int32_t>(block * code_stride + from * kPanelRows)};
  }
  const auto unpack = [&](int64_t first, int64_t turn) {
    const int blocks = p.slice_inputs(first) / m.sets;
    const uint8_t* block = m.block(job.expert, job.panel, first);
    const uint8_t* codes = nibble ? s.codes : block;
    for (int i = 0; i < blocks; ++i, block += m.block_bytes) {
      load_scales(m, block, s, static_cast<int>(turn) * p.slice_blocks + i);
      if (nibble) spread_nibbles(block, s.codes + i * code_stride);
    }
    const int64_t left = m.blocks - first - blocks, steps = p.slice_steps(first);
    const uint8_t* next = left > 0 ? block : job.after;
    const int64_t coming = !next ? 0 : left > 0 && left < p.slice_blocks ? left : p.slice_blocks;
    const auto lines = static_cast<int>(coming * static_cast<int64_t>(m.block_bytes) / 64);
    return AmxSlice{codes, ReadAhead({next, lines}, static_cast<int>(steps))};
  };
  if (job.rows > 8) return amx_panel<LowBytes, 16>(p, unpack);
  job.rows > 4 ? amx_panel<LowBytes, 8>(p, unpack) : amx_panel<LowBytes, 4>(p, unpack);
}
#endif

// Tiles multiply so fast that weights must serve many rows: else they wait for memory.
#if defined(CPU_AMX)
constexpr int kRowTile = 2 * kAmxRows, kMostRows = kMaxChunkRows;
#else
constexpr int kRowTile = kTileRows, kMostRows = 96;
#endif

static void panel(const PanelJob& job) {
  const PackedMatrix& m = *job.matrix;
#if defined(CPU_AMX)
  if (job.form == RowForm::bf16 && m.value == CodeValue::bf16) {
    const auto* weights = reinterpret_cast<const uint32_t*>(m.block(job.expert, job.panel, 0));
    return amx_panel_products<AmxBf16>(job, weights, m.blocks * kBlockColumns / 2);
  }
  if (job.grouped) return job.form == RowForm::a15 ? amx_integers<true>(job) : amx_integers<false>(job);
#endif
  if (job.form == RowForm::bytes) return byte_panel(job);
  for (int r = 0; r < job.rows; ++r) std::memset(job.sums[r], 0, kPanelRows * sizeof(float));
  const void* x[kMaxChunkRows];
  // The next block, also that of the next panel, is asked for while one is multiplied. Measured on Zen 3: two or more
  // blocks ahead instead are slower, and so is asking for a whole block at once where few rows leave little to
  // multiply.
  const auto ask = [&](const uint8_t* block) { prefetch_block(block, m.block_bytes); };
  if (job.begins) ask(m.block(job.expert, job.panel, 0));
  const bool shares = job.form != RowForm::f32 && job.form != RowForm::bf16;
  const bool by_codes = shares && job.form != RowForm::pairs && job.rows <= kTileRows;
  for (int64_t b = 0; b < m.blocks; ++b) {
    const uint8_t* block = m.block(job.expert, job.panel, b);
    const auto ahead = [&](int64_t count) -> const uint8_t* {
      const int64_t past = b + count - m.blocks;
      if (past >= 0 && !job.after) return nullptr;
      return past < 0 ? block + static_cast<size_t>(count) * m.block_bytes
                      : job.after + static_cast<size_t>(past) * m.block_bytes;
    };
    const uint8_t* next = ahead(1);
    if (next && !shares) ask(next);
    const CodeStream codes =
        by_codes ? CodeStream{block, next, kFarBlocks > 0 ? ahead(kFarBlocks) : nullptr} : CodeStream{block};
    const int64_t start = b * kBlockColumns;
    const int64_t count = m.columns - start < kBlockColumns ? m.columns - start : kBlockColumns;
    switch (job.form) {
      case RowForm::f32:
        for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const float*>(job.x[r]) + start;
        run_tiles<TileF32<true>>(job.rows, reinterpret_cast<const float* const*>(x),
                                 dense_block(m, block, *job.scratch), kPanelRows, count, kPanelRows, job.sums);
        break;
      case RowForm::bf16:
#if defined(CPU_BF16_DOT)
        for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const uint16_t*>(job.x[r]) + start;
#if defined(CPU_MMLA)
        if (job.rows > kTileRows) {
          run_bf16_tiles<true>(job.rows, reinterpret_cast<const uint32_t* const*>(x),
                               quad_block(m, block, *job.scratch), kPanelRows, (count + 1) / 2, kPanelRows, job.sums);
          break;
        }
#endif
        run_bf16_tiles<true>(job.rows, reinterpret_cast<const uint32_t* const*>(x), pair_block(m, block, *job.scratch),
                             kPanelRows, (count + 1) / 2, kPanelRows, job.sums);
#endif
        break;
      case RowForm::pairs:
#if defined(CPU_PAIR_DOT)
        for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const QuantBlock*>(job.x[r]) + b;
        pair_rows(job, block, next, reinterpret_cast<const QuantBlock* const*>(x));
#endif
        break;
      case RowForm::a15:
      case RowForm::a8:
        for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const QuantBlock*>(job.x[r]) + b;
        if constexpr (kByteDot != IntegerDot::none)
          integer_block<kByteDot>(job, codes, next, reinterpret_cast<const QuantBlock* const*>(x));
        break;
      case RowForm::words:
        for (int r = 0; r < job.rows; ++r) x[r] = static_cast<const QuantBlock*>(job.x[r]) + b;
        if constexpr (kWordDot != IntegerDot::none)
          integer_block<kWordDot>(job, codes, next, reinterpret_cast<const QuantBlock* const*>(x));
        break;
      case RowForm::bytes:
        break;  // taken above
    }
  }
}

static void row_to_bf16(const float* x, int64_t count, int64_t padded, uint16_t* out) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_half(out + i, bf16_bits(load(x + i)));
  for (; i < padded; ++i) out[i] = i < count ? static_cast<uint16_t>(bf16_bits(splat(x[i]))[0]) : uint16_t{0};
}

template <Activation A>
CPU_INLINE void finish_as(const PanelFinish& f) {
  const auto finished = [&](int c, auto read) {
    VF y = load(f.sums + c);
    if (f.bias) y += read(f.bias + c);
    y = activate<A>(y);
    return f.residual ? y + read(f.residual + c) : y;
  };
  int c = 0;
  for (; c + kLanes <= f.count; c += kLanes) store(f.out + c, finished(c, [](const float* p) { return load(p); }));
  const int n = f.count - c;
  if (n > 0) store_n(f.out + c, finished(c, [n](const float* p) { return load_n(p, n); }), n);
}

static void finish(const PanelFinish& f) {
  with_activation(f.activation, [&]<Activation A>() { finish_as<A>(f); });
}

}  // namespace afterimage::CPU_ISA
