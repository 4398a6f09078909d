// The functions one instruction set provides. Every one works on a single row, or on rows that do not influence each
// other, in one order of arithmetic that depends on widths only; operators (linear.cpp, attention.cpp, …) choose rows,
// tasks and threads freely.
#pragma once
#include <cstdint>
#include <cstring>

#include "cpu/packed_kernel.h"
#include "cpu/packed_matrix.h"
#include "graph/kv_layout.h"
#include "graph/ops.h"

namespace afterimage {

// How Linear reads its input rows.
//   f32   the row itself; weights are dequantized to f32
//   bf16  the row rounded to bf16, padded with zeros to whole blocks; weights bf16
//   a15   QuantBlocks: x ≈ scale · q, |q| ≤ 16,256, products summed exactly in int32; q = 128·hi + lo in bytes
//   a8    the same with |q| ≤ 127 · 128 in steps of 128: lo is zero
//   words a15 or a8 in 16-bit integers
//   pairs QuantBlocks of 16-bit integers, |q| ≤ kMostPairInput, for weights of the same kind
//   bytes int8[64·blocks] and a ByteTail, x ≈ scale · q with one scale for the row, for weights of the same kind
enum class RowForm : uint8_t { f32, bf16, a15, a8, words, pairs, bytes };

// 64 inputs of a row for a15, a8, words and pairs. `codes`: hi[64] and lo[64], or 64 words in the order in which its
// instruction set multiplies them.
struct alignas(64) QuantBlock {
  int8_t codes[128];
  float scale;
  float sums[4];      // Σq over each of the weight's scale sets, for all but pairs
  int16_t begins[2];  // of a8 with one scale set: −8 · Σhi over bytes 0 and 1, over bytes 2 and 3 of all k-quads
};

// Behind the codes of a row of bytes.
struct ByteTail {
  float scale;
  int32_t sum;  // Σq
};
inline ByteTail tail_of(const void* row, int64_t codes) {
  ByteTail tail;
  std::memcpy(&tail, static_cast<const uint8_t*>(row) + codes, sizeof tail);
  return tail;
}
// Bytes of a row of so many codes, a multiple of 64.
constexpr size_t byte_row_size(int64_t codes) { return static_cast<size_t>(codes) + 64; }
// Sums of 255 · 127 for so many inputs fit 32 bits.
constexpr int64_t kMostByteColumns = 66310;

constexpr int kMaxChunkRows = 384;
// Attention keeps a tile's vectors on the stack; operators refuse wider heads.
constexpr int kMaxKeyDim = 1024, kMaxValueDim = 1024;

// Blocks that matrix tiles take together.
constexpr int kSliceBlocks = 4;

// Per-thread memory of panel kernels.
struct alignas(64) PanelScratch {
  float dense[kBlockColumns * kPanelRows];
  uint32_t pairs[kBlockColumns / 2 * kPanelRows];
  uint8_t codes[kSliceBlocks * kBlockColumns * kPanelRows];
  float scales[2 * kSliceBlocks * 4 * kPanelRows], biases[2 * kSliceBlocks * 4 * kPanelRows];
  float sums[kMaxChunkRows * kPanelRows];
};

// sums[r][64] = x_r · (64 outputs of one panel)ᵀ for r < rows ≤ kMaxChunkRows.
struct PanelJob {
  const PackedMatrix* matrix;
  int64_t expert, panel;
  int rows;
  const void* const* x;  // per row: float[columns], uint16_t[64·blocks] or QuantBlock[blocks]
  float* const* sums;    // per row: 64 floats
  RowForm form;
  PanelScratch* scratch;
  bool grouped;          // x[r] of every 16th row: the blocks of a row group
  bool begins;           // the first of panels that are read one behind the other
  const uint8_t* after;  // what is read behind the panel, or null
};

// y = f(sums + bias) + residual over `count` ≤ 64 columns; bias and residual may be null.
struct PanelFinish {
  const float* sums;
  const float* bias;
  const float* residual;
  float* out;
  int count;
  Activation activation;
};

// Lines of 64 bytes that are asked for while something else is read.
struct LinesAhead {
  const uint8_t* from = nullptr;
  int lines = 0;
};

// Keys and values of up to 64 positions, packed for one kv head.
//   f32   keys [k_dim][64], values [64][v_stride]
//   bf16  keys [2·⌈k_dim/4⌉][64] pairs, values [32][v_stride] pairs of consecutive positions; or, as kernels multiply
//         them, [⌈k_dim/4⌉][64] and [16][v_stride] quads
//   pairs keys [⌈k_dim/2⌉][64] and values as above, of 16-bit integers; behind them [64] scales of the keys, and
//         [v_stride] of the values' columns
//   bytes keys alone: [⌈k_dim/4⌉][64][4] of q + 128, behind them [64] scales
enum class TileForm : uint8_t { f32, bf16, pairs, bytes };
struct TileForms {
  TileForm keys, values;
};

struct KvTile {
  const void* keys;
  const void* values;
  // In the f32 form alone: how many values exist; either may be of 16 bits, as it is stored.
  int positions = kBlockPositions;
  KvType key_type = KvType::f32, value_type = KvType::f32;
  // What is asked for while those of 16 bits are read: half as much memory as keys have, as much as values have.
  const uint8_t *beside_keys = nullptr, *beside_values = nullptr;
};

// Running softmax of some query vectors: each one's largest score (−∞ at the start), Σ exp and [v_stride] Σ exp·v.
struct SoftmaxState {
  float* maxima;
  float* totals;
  float* values;
};

// Online softmax over one tile for `rows` query vectors: each row's partial over the tile (own maximum, sum, weighted
// values) is merged into its running state. Positions outside [first, last) of a row weigh nothing.
struct AttendJob {
  int rows;
  const void* const* queries;  // per row: float[k_dim], bf16 or bytes padded to quads, or integer pairs to even
  const float* query_scales;   // of integers, per row
  KvTile tile;
  TileForms forms;
  int k_dim, v_dim, v_stride;  // v_stride: v_dim rounded up to 16
  float scale, softcap;
  const int32_t* first;  // per row
  const int32_t* last;
  SoftmaxState state;
};

// What becomes of sums: y = f(y + bias) · scale + shift; bias may be null.
struct Settling {
  const float* bias = nullptr;
  Activation activation = Activation::none;
  float scale = 1, shift = 0;
  bool changes() const { return bias || activation != Activation::none || scale != 1 || shift != 0; }
};

// out[r][0, outs) = the convolution's settled sums of row r: x[r·taps + t] points to `channels` inputs of tap t. x and
// out have kSpareRows further rows that may be read and written.
struct ConvolveJob {
  const uint8_t* weights;  // PackedKernel
  const float* scales;     // of pairs; null: f32
  int64_t outs, channels;
  int taps, rows;
  const void* const* x;     // f32, or pairs of 16-bit integers
  const float* row_scales;  // of pairs, by row
  float* const* out;
  Settling settling = {};
};
constexpr int kSpareRows = 8;

// Settled sums of `count` output pixels from `first` on in one row of an image. rows[ky] is the first pixel of the row
// of x that row ky of the kernel sees, null outside the image; each has `width` pixels, `pixel` floats apart, of which
// `channels` are seen.
struct DepthwiseJob {
  const float* const* rows;
  const float* weights;  // [kernel_y · kernel_x][pixel]
  int64_t channels, pixel, width, first, count;
  int kernel_y, kernel_x, stride_x, pad_x;
  float* out;  // pixel i at out + i · out_stride
  int64_t out_stride;
  Settling settling;
};

// `count` rows settled in place.
struct SettleJob {
  float* const* rows;
  int64_t count, width;
  Settling settling;
};

struct KernelTable {
  const char* name;
  bool native_bf16;           // rows meet weights of 16 bits in bf16
  bool bf16_cache;            // and queries the cache
  bool pair_tiles;            // whether products of integer pairs are faster than those of f32 or bf16
  bool byte_tiles;            // whether those of bytes are faster than either
  int row_tile, most_rows;    // rows that kernels take at a time, and of a panel's job that pay, ≤ kMaxChunkRows
  int lanes, kernel_vectors;  // of PackedKernel in f32
  int pair_vectors;           // the same in pairs; 0 where their products are no faster than f32
  int fewest_pair_columns;    // of a kernel that is worth pairs

  void (*row_to_bf16)(const float* x, int64_t count, int64_t padded, uint16_t* out);
  float (*row_to_pairs)(const float* x, int count, int16_t* out);  // returns what a unit is worth
  // The form in which integers of 15 bits, or 8 where a8, meet codes of this kind: a15, a8 or words.
  RowForm (*integer_form)(CodeKind kind, bool a8);
  void (*quantize_row)(const float* x, int64_t columns, int sets, bool a8, RowForm form, QuantBlock* out);
  // Rows of a15 (and a8) are taken 16 at a time, `group_bytes` for each 64 inputs, where a run has at least so many;
  // 0: never. The bits are those of rows that are not.
  int fewest_grouped, fewest_grouped_a8;
  size_t group_bytes;
  void (*quantize_grouped)(const float* x, int row, bool last, int64_t columns, int sets, bool a8, void* group);
  void (*row_to_pair_blocks)(const float* x, int64_t columns, QuantBlock* out);
  // Weights, up to 64 of an output, as pairs of a PackedMatrix by pair_factor(), padded with a zero to whole pairs;
  // returns what a unit is worth. Null but where pair_tiles.
  float (*weights_to_pairs)(const float* x, int count, int16_t* out);
  // x [count] ≈ scale · q, padded with zeros, and its ByteTail.
  void (*row_to_bytes)(const float* x, int64_t count, int64_t padded, void* out);
  void (*panel)(const PanelJob& job);
  void (*finish)(const PanelFinish& finish);

  // `key_rows[j]`/`value_rows[j]` are f32 vectors of position j, null for positions that do not exist.
  void (*pack_keys)(const float* const* key_rows, int k_dim, TileForm form, void* out);
  void (*pack_values)(const float* const* value_rows, int v_dim, int v_stride, TileForm form, void* out);
  // 16-bit keys [count][k_dim] as they are stored to [k_dim][64]; columns from `count` on are undefined. Meanwhile
  // both of `ahead` are asked for.
  void (*pack_half_keys)(const uint16_t* keys, int count, int k_dim, const LinesAhead (&ahead)[2], uint16_t* out);
  void (*attend)(const AttendJob& job);
  // A tile's states, which began at the start, onto running ones: the bits that attend() gives in one go.
  void (*attend_merge)(const SoftmaxState& tile, int rows, int v_stride, const SoftmaxState& state);
  // out[v_dim] = values / total, 0 where the row saw nothing.
  void (*attend_finish)(const float* values, float total, int v_dim, float* out);
  // Stored keys or values as f32: `type` as in KvType (f16, bf16, q8 with its scale).
  void (*widen_f16)(const uint16_t* x, int count, float* out);
  void (*widen_bf16)(const uint16_t* x, int count, float* out);
  void (*widen_q8)(const int8_t* x, float scale, int count, float* out);

  // One group of `width` columns. weight and bias may be null.
  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, int64_t width, float* y);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t width, float* y);
  // As RowStatistic, without its scale.
  float (*statistic)(const float* x, int64_t width, Statistic kind, float eps);
  void (*activation)(const float* x, int64_t count, Activation activation, float scale, float* y);
  void (*gated)(const float* gate, const float* up, int64_t count, Activation activation, float* y);
  void (*softcap)(const float* x, int64_t count, float cap, float* y);
  void (*clamp)(const float* x, int64_t count, float low, float high, float* y);
  void (*add)(const float* a, const float* b, int64_t count, float* y);
  void (*multiply)(const float* a, const float* b, int64_t count, float* y);
  void (*shift)(const float* a, float offset, int64_t count, float* y);
  void (*scale)(const float* a, float factor, int64_t count, float* y);
  // y += factor · x
  void (*accumulate)(const float* x, float factor, int64_t count, float* y);
  // y[c] = Σ_t weight[t,c] · rows[t][c], t ascending; a null row adds nothing.
  void (*depthwise)(const float* const* rows, const float* weight, int taps, int64_t width, float* y);
  void (*convolve)(const ConvolveJob& job);
  // q = round(x · factor), |q| ≤ kMostPairInput, padded with a zero to whole pairs.
  void (*to_pairs)(const float* x, int64_t count, float factor, int16_t* q);
  float (*largest)(const float* x, int64_t count);  // max |x|
  void (*depthwise_pixels)(const DepthwiseJob& job);
  void (*settle)(const SettleJob& job);
  // The transforms of winograd.h: pixels[36] → out[point · stride + c], and sums[point · stride + o] → out[16][o].
  void (*winograd_inputs)(const float* const* pixels, int64_t channels, float* out, int64_t stride);
  void (*winograd_outputs)(const float* sums, int64_t stride, int64_t outs, float* const* out);
  // y[2], as BestClass
  void (*best_class)(const float* x, int64_t width, float* y);
  // Rotates n pairs (a[i], b[i]) with step `step` between pairs.
  void (*rotate)(const float* a, const float* b, const float* cosines, const float* sines, int n, int step, float* ya,
                 float* yb);
  // One step of the gated delta rule for one head; q and k already normalised. state [k_dim][v_dim].
  void (*delta_step)(const float* q, const float* k, const float* v, float decay, float beta, int k_dim, int v_dim,
                     float* state, float* scratch, float* out);
};

// Null where this build has no such kernels.
const KernelTable* portable_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx2_vnni_kernels();
const KernelTable* avx512_kernels();
const KernelTable* avx512_bf16_kernels();
const KernelTable* amx_kernels();
const KernelTable* neon_kernels();
const KernelTable* neon_i8mm_kernels();

}  // namespace afterimage
