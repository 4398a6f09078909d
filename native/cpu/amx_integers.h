// Rows of integers (a15, a8) times a panel of codes through matrix tiles, with the bits of integer_tile.h. A tile's
// sums are 16 rows by 16 outputs, and each scale set's go through memory to be scaled: while vectors scale those of
// one, the tile unit makes the next.
//
// Measured on Emerald Rapids: a product of tiles takes 16 cycles, a stored tile 16 of port 5, however few its rows are,
// and while tile instructions run, port 5 adds but neither multiplies nor converts. So vectors bound a step.
#pragma once
#include "cpu/amx.h"
#include "cpu/integer_tile.h"
#include "cpu/kernels.h"

#if defined(CPU_AMX)
#define AMX_INLINE __attribute__((always_inline))
namespace afterimage::CPU_ISA {

// 64 inputs of 16 rows as tiles read them. Beside lo bytes, which are then doubled as Σq is and scales are halved,
// 256·hi takes the place of 128·hi; powers of two change no bit. Alone, hi bytes leave them undefined. Rows that do not
// exist are zero.
struct alignas(64) AmxRowBlock {
  int8_t high[kAmxRows][64], low[kAmxRows][64];
  float scales[kAmxRows], sums[4][kAmxRows];  // as QuantBlock's
};

// Row `row` of a group's blocks; the rows behind the `last` become zero.
static void quantize_grouped(const float* x, int row, bool last, int64_t columns, int sets, bool a8, void* group) {
  auto* to = static_cast<AmxRowBlock*>(group);
  const auto missing = static_cast<size_t>(last ? kAmxRows - 1 - row : 0);
  const float twice = a8 ? 1.0f : 2.0f;
  for (int64_t start = 0; start < columns; start += kBlockColumns, ++to) {
    const int64_t count = columns - start < kBlockColumns ? columns - start : kBlockColumns;
    QuantBlock block;
    quantize_blocks(x + start, count, sets, a8, a8 ? RowForm::a8 : RowForm::a15, &block);
    for (int i = 0; i < kBlockColumns; i += kLanes) {  // as they were written: wider, reads would wait for the cache
      VBytes high, low;
      std::memcpy(&high, block.codes + i, sizeof high);
      std::memcpy(to->high[row] + i, &high, sizeof high);
      if (a8) continue;
      std::memcpy(&low, block.codes + 64 + i, sizeof low);
      low += low;
      std::memcpy(to->low[row] + i, &low, sizeof low);
    }
    to->scales[row] = block.scale / twice;
    for (int set = 0; set < 4; ++set) to->sums[set][row] = block.sums[set] * twice;
    if (missing == 0) continue;
    std::memset(to->high[row + 1], 0, missing * 64);
    std::memset(to->low[row + 1], 0, missing * 64);
    std::memset(to->scales + row + 1, 0, missing * 4);
    for (auto& sums : to->sums) std::memset(sums + row + 1, 0, missing * 4);
  }
}

// Registers: sums of hi bytes 0 and of lo bytes 1 of one step, 2 and 3 of the next; hi bytes 4 and lo bytes 5 of the
// rows, or hi bytes alone of one step and of the next; codes 6 and 7 of these.
CPU_INLINE AmxShapes byte_shapes(int rows, int sets) {
  AmxShapes s;
  for (int i = 0; i < 4; ++i) s.set(i, rows, 64);
  for (int i = 4; i < 6; ++i) s.set(i, rows, 64 / sets);
  for (int i = 6; i < 8; ++i) s.set(i, 16 / sets, 64);
  return s;
}

// Where one scale set's inputs lie: in bytes from a group's first block of the slice, and its codes from the slice's.
struct AmxInputs {
  int32_t high, scales, totals, codes;
};

// A panel for all rows of a task, some blocks (a slice) for all groups before the next, so that these blocks stay in
// the first-level cache.
struct AmxPanel {
  int groups, sets, slice_blocks;
  int64_t blocks;
  const AmxInputs* inputs;       // [slice_blocks · sets]
  const AmxRowBlock* const* x;   // by group
  const float *scales, *biases;  // [2 slices by turns][slice_blocks · sets][64]
  float* sums;                   // [row][64]

  int slice_inputs(int64_t first) const {
    const int64_t left = blocks - first;
    return static_cast<int>(left < slice_blocks ? left : slice_blocks) * sets;
  }
  int64_t slice_steps(int64_t first) const {
    return int64_t{groups} * (kPanelRows / kAmxColumns) * slice_inputs(first);
  }
};

// A slice's codes [k-quad][64 outputs][4] of each block, and what is read after it, in shares for a step each.
struct AmxSlice {
  const uint8_t* codes;
  ReadAhead ahead;
};

// A step multiplies a group's rows by 16 outputs' codes of one scale set. Steps follow each other by inputs, outputs,
// group and slice, so that the sums of 16 outputs stay in registers. Behind the last comes the last slice again.
struct AmxStep {
  const AmxInputs *input, *end;
  int outputs = 0, group = 0;
  int64_t first = 0, turn = 0;  // block of the slice, and [slice_blocks · sets][64] in the scales
  const uint8_t* x;

  AMX_INLINE explicit AmxStep(const AmxPanel& p) { enter(p); }
  // Whether the next step has other sums.
  AMX_INLINE bool advance(const AmxPanel& p) {
    if (++input != end) return false;
    input = p.inputs;
    outputs += kAmxColumns;
    if (outputs != kPanelRows) return true;
    outputs = 0;
    if (++group == p.groups) {
      group = 0;
      if (first + p.slice_blocks < p.blocks) first += p.slice_blocks, turn = 1 - turn;
    }
    enter(p);
    return true;
  }
  AMX_INLINE void enter(const AmxPanel& p) {
    input = p.inputs;
    end = input + p.slice_inputs(first);
    x = reinterpret_cast<const uint8_t*>(p.x[group] + first);
  }
  AMX_INLINE int64_t scale_index(const AmxPanel& p) const {
    return (turn * p.slice_blocks * p.sets + (input - p.inputs)) * kPanelRows + outputs;
  }
};

// Sums of hi bytes and of lo bytes.
using AmxProducts = int32_t[2][kAmxRows][kAmxColumns];

// sums[row][64] = x · codes, with what integer_tile() makes of its sums in the same order of arithmetic. At each step
// products of the second ahead begin, those of the next are stored and its own are settled. unpack(first, turn)
// readies the slice that begins at a block, and its scales. No lambdas here: GCC would keep in memory what they refer
// to.
template <bool LowBytes, int Rows, class Unpack>
class AmxRun {
 public:
  AMX_INLINE AmxRun(const AmxPanel& p, AmxProducts* products, const Unpack& unpack)
      : p_(p), products_(products), unpack_(unpack), ahead_(p), step_(p) {
    // 256·x in a lane by a shuffle of its bytes. Clang would make it the shift that it is.
    times_256_ = (VI)_mm512_set4_epi32(0x0e0d0c80, 0x0a090880, 0x06050480, 0x02010080);
    asm("" : "+v"(times_256_));
  }
  AMX_INLINE void run() {
    slice_ = unpack_(0, 0);
    fetch<0>();
    multiply_both<0>();
    fetch<1>();
    keep<0, false>();
    if constexpr (LowBytes) keep<0, true>();
    multiply_both<1>();
    fetch<0>();
    read_sums<0>();
    for (int64_t left = p_.groups * p_.blocks * p_.sets * (kPanelRows / kAmxColumns); left > 0; left -= 2) {
      settle<0>();
      settle<1>();
    }
  }

 private:
  // Registers of step P (even or odd).
  template <int P, bool Low>
  static constexpr int kSums = 2 * P + Low;
  template <int P, bool Low>
  static constexpr int kRows = 4 + (LowBytes ? Low : P);
  template <int P>
  static constexpr int kCodes = 6 + P;

  template <int P, bool Low>
  AMX_INLINE void fetch_rows() {
    amx_load<kRows<P, Low>>(ahead_.x + ahead_.input->high + Low * sizeof AmxRowBlock::high, 64);
  }
  template <int P>
  AMX_INLINE void fetch_codes() {
    amx_load<kCodes<P>>(slice_.codes + ahead_.input->codes + ahead_.outputs * 4, 4 * kPanelRows);
  }
  AMX_INLINE void advance() {
    const int64_t first = ahead_.first;
    ahead_.advance(p_);
    if (ahead_.first != first) slice_ = unpack_(ahead_.first, ahead_.turn);
  }
  template <int P>
  AMX_INLINE void fetch() {
    fetch_codes<P>();
    fetch_rows<P, false>();
    if constexpr (LowBytes) fetch_rows<P, true>();
    advance();
  }
  template <int P, bool Low>
  AMX_INLINE void multiply() {
    amx_zero<kSums<P, Low>>();
    amx_dot_bytes<kSums<P, Low>, kRows<P, Low>, kCodes<P>>();
  }
  template <int P>
  AMX_INLINE void multiply_both() {
    multiply<P, false>();
    if constexpr (LowBytes) multiply<P, true>();
  }
  template <int P, bool Low>
  AMX_INLINE void keep() {
    amx_store<kSums<P, Low>>(products_[P][Low], 64);
  }
  AMX_INLINE float* sums_of_step() const { return p_.sums + step_.group * kAmxRows * kPanelRows + step_.outputs; }
  template <int R>
  AMX_INLINE void read_sums() {
    sums_[R] = step_.first == 0 ? VF{} : load(sums_of_step() + R * kPanelRows);
    if constexpr (R + 1 < Rows) read_sums<R + 1>();
  }
  template <int R>
  AMX_INLINE void write_sums(float* to) const {
    store(to + R * kPanelRows, sums_[R]);
    if constexpr (R + 1 < Rows) write_sums<R + 1>(to);
  }
  // As float, with little for port 0: 256·hi by a shuffle. 128·hi alone is added to the bits of a float whose unit is
  // 128, which is exact because |Σ c·hi| ≤ 255 · 127 · 64 < 2²².
  template <int P>
  AMX_INLINE VF whole_product(int row) const {
    const VI high = load_bits(products_[P][0][row]);
    if constexpr (LowBytes)
      return to_float((VI)_mm512_shuffle_epi8((__m512i)high, (__m512i)times_256_) + load_bits(products_[P][1][row]));
    constexpr float kBase = 0x1.8p30f;
    return (VF)(high + (VI)splat(kBase)) - splat(kBase);
  }
  template <int P, int R, int End>
  AMX_INLINE void settle_rows(VF scale, VF bias, const float* totals, const float* scales) {
    const VF value = fma(bias, splat(totals[R]), scale * whole_product<P>(R));
    sums_[R] = fma(value, splat(scales[R]), sums_[R]);
    if constexpr (R + 1 < End) settle_rows<P, R + 1, End>(scale, bias, totals, scales);
  }
  template <int P>
  AMX_INLINE void settle() {
    constexpr int kPart = Rows / 4;
    const int64_t at = step_.scale_index(p_);
    const VF scale = load(p_.scales + at), bias = load(p_.biases + at);
    const auto* totals = reinterpret_cast<const float*>(step_.x + step_.input->totals);
    const auto* scales = reinterpret_cast<const float*>(step_.x + step_.input->scales);
    multiply<P, false>();
    settle_rows<P, 0, kPart>(scale, bias, totals, scales);
    if constexpr (LowBytes) multiply<P, true>();
    settle_rows<P, kPart, 2 * kPart>(scale, bias, totals, scales);
    fetch_codes<1 - P>();
    keep<1 - P, false>();
    slice_.ahead.ask();
    settle_rows<P, 2 * kPart, 3 * kPart>(scale, bias, totals, scales);
    fetch_rows<1 - P, false>();
    if constexpr (LowBytes) keep<1 - P, true>();
    settle_rows<P, 3 * kPart, Rows>(scale, bias, totals, scales);
    if constexpr (LowBytes) fetch_rows<1 - P, true>();
    advance();
    float* to = sums_of_step();
    if (!step_.advance(p_)) return;
    write_sums<0>(to);
    read_sums<0>();
  }

  const AmxPanel& p_;
  AmxProducts* products_;
  const Unpack& unpack_;
  AmxSlice slice_;
  AmxStep ahead_, step_;
  VI times_256_;
  VF sums_[Rows];
};

template <bool LowBytes, int Rows, class Unpack>
static void amx_panel(const AmxPanel& p, const Unpack& unpack) {
  const AmxTiles tiles(byte_shapes(Rows, p.sets));
  alignas(64) AmxProducts products[2];
  AmxRun<LowBytes, Rows, Unpack>(p, products, unpack).run();
}

}  // namespace afterimage::CPU_ISA
#endif
