// Linear on simdgroup matrices, for one row and for many: up to 8 rows are padded to 8, more are taken 32 at a time and
// the last of them in blocks of 8. Four simdgroups share the columns of one output tile in interleaved chunks of 16 and
// add their sums in order at the end: enough parallelism for one row, and the same order of additions in both. Weights
// are dequantized in threadgroup memory, a chunk at a time. Up to three matrices are multiplied with one x, which may be
// normed on the way.
#include "common.h"
#include "linear_params.h"
#include "quantized_format.h"
#include "row_squares.h"

constant constexpr uint kTileOuts = 32;
constant constexpr uint kChunk = 16;
constant constexpr uint kStride = 20;  // of a row of a chunk: rows begin in different banks
constant constexpr uint kSlices = 4;

// How weights are stored. stage() puts columns [column, column + 16) of rows [first_out, first_out + 32) into `target`;
// zero beyond the last column.
template <class T>
struct FloatRows {
  typedef T Data;
  static void stage(device const T* w, device const uchar* scales, device const uchar* biases,
                    constant LinearPart& part, uint columns, uint first_out, uint column, threadgroup float* target,
                    uint lane) {
    for (uint i = lane; i < kTileOuts * kChunk; i += 32) {
      uint row = first_out + i / kChunk;
      uint at = column + i % kChunk;
      bool inside = row < part.m.rows && at < columns;
      target[i / kChunk * kStride + i % kChunk] = inside ? float(w[ulong(row) * columns + at]) : 0.0f;
    }
  }
};

// A lane takes a row: its 16 columns have one scale.
template <int FORMAT, uint SCALE>
struct QuantizedRows {
  typedef uchar Data;
  static void stage(device const uchar* codes, device const uchar* scales, device const uchar* biases,
                    constant LinearPart& part, uint columns, uint first_out, uint column, threadgroup float* target,
                    uint lane) {
    constexpr uint bits = code_bits(FORMAT);
    uint row = min(first_out + lane, part.m.rows - 1);  // beyond the last the last, whose results are dropped
    ulong scale_row = ulong(row >> part.block_shift) * part.m.scale_row_bytes;
    uint group = column >> part.group_shift;
    float scale = scale_of<SCALE>(scales + scale_row, group);
    float bias = part.m.has_biases != 0 ? scale_of<SCALE>(biases + scale_row, group) : scale * part.m.bias_per_scale;
    device const uchar* run = codes + ulong(row) * part.m.row_bytes + ulong(column) * bits / 8;
    threadgroup float* to = target + lane * kStride;
    UNROLL for (uint first = 0; first < kChunk; first += 8) {
      float values[8];
      bool inside = column + first < columns;
      if (inside) unpack_run<FORMAT>(run + first * bits / 8, values);
      UNROLL for (uint i = 0; i < 8; ++i) to[first + i] = inside ? fma(scale, values[i], bias) : 0.0f;
    }
  }
};

// grid: x = tiles of 32 outputs of all parts, y = tiles of ROWS rows; 128 threads
template <class Rows, int ROWS>
kernel void linear_matrix(
    device const float* x [[buffer(0)]], device const typename Rows::Data* data [[buffer(1)]],
    device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
    device const float* bias [[buffer(4)]], device const float* residual [[buffer(5)]], device float* y [[buffer(6)]],
    device const typename Rows::Data* data1 [[buffer(7)]], device const uchar* scales1 [[buffer(8)]],
    device const uchar* biases1 [[buffer(9)]], device const float* bias1 [[buffer(10)]],
    device float* y1 [[buffer(11)]], device const typename Rows::Data* data2 [[buffer(12)]],
    device const uchar* scales2 [[buffer(13)]], device const uchar* biases2 [[buffer(14)]],
    device const float* bias2 [[buffer(15)]], device float* y2 [[buffer(16)]],
    device const float* norm_weight [[buffer(17)]], device float* normed [[buffer(18)]],
    constant LinearParams& p [[buffer(19)]], uint2 group [[threadgroup_position_in_grid]],
    uint index [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  // per simdgroup: x chunk [ROWS][16], then w chunk [32][16]; at the end its sums [ROWS][32]
  threadgroup float stage[kSlices][(ROWS + kTileOuts) * kStride];
  threadgroup float partial[8][8];  // of the squares of each row
  constexpr int kRowBlocks = ROWS / 8;
  constexpr int kOutBlocks = int(kTileOuts) / 8;
  uint number = group.x >= p.parts[2].first_tile ? 2 : (group.x >= p.parts[1].first_tile ? 1 : 0);
  constant LinearPart& part = p.parts[number];
  device const typename Rows::Data* w = number == 0 ? data : (number == 1 ? data1 : data2);
  device const uchar* w_scales = number == 0 ? scales : (number == 1 ? scales1 : scales2);
  device const uchar* w_biases = number == 0 ? biases : (number == 1 ? biases1 : biases2);
  uint first_row = group.y * ROWS;
  uint first_out = (group.x - part.first_tile) * kTileOuts;
  uint filled = min(uint(ROWS), (p.rows - first_row + 7) / 8 * 8);
  threadgroup float* x_chunk = stage[simdgroup];
  threadgroup float* w_chunk = x_chunk + ROWS * kStride;
  bool norms = ROWS == 8 && p.has_norm != 0;
  if (norms) {
    for (uint r = 0; r < 8 && first_row + r < p.rows; ++r)
      for (uint s = simdgroup; s < norm_simdgroups(p.columns); s += kSlices) {
        float sum = simd_sum(row_squares(x + ulong(first_row + r) * p.columns, p.columns, s * 32 + lane));
        if (lane == 0) partial[r][s] = sum;
      }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  simdgroup_float8x8 sums[kRowBlocks][kOutBlocks];
  UNROLL for (int i = 0; i < kRowBlocks; ++i) {
    UNROLL for (int j = 0; j < kOutBlocks; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }
  for (uint column = simdgroup * kChunk; column < p.columns; column += kSlices * kChunk) {
    for (uint i = lane; i < filled * kChunk; i += 32) {
      uint r = i / kChunk;
      uint at = column + i % kChunk;
      ulong from = ulong(first_row + r) * p.columns + at;
      bool inside = first_row + r < p.rows && at < p.columns;
      float value = inside ? x[from] : 0.0f;
      if (norms && inside) {
        value = normed_value(value, norm_factor(partial[r], p.columns, p.eps),
                             p.has_norm_weight != 0 ? norm_weight[at] + p.weight_offset : 1.0f);
        if (group.x == 0) normed[from] = value;
      }
      x_chunk[r * kStride + i % kChunk] = value;
    }
    Rows::stage(w, w_scales, w_biases, part, p.columns, first_out, column, w_chunk, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    UNROLL for (uint k = 0; k < kChunk; k += 8) {
      simdgroup_float8x8 left[kRowBlocks];
      UNROLL for (int i = 0; i < kRowBlocks; ++i)
        if (uint(i) * 8 < filled) simdgroup_load(left[i], x_chunk + i * 8 * kStride + k, kStride);
      UNROLL for (int j = 0; j < kOutBlocks; ++j) {
        simdgroup_float8x8 right;
        simdgroup_load(right, w_chunk + j * 8 * kStride + k, kStride, ulong2(0, 0), true);
        UNROLL for (int i = 0; i < kRowBlocks; ++i)
          if (uint(i) * 8 < filled) simdgroup_multiply_accumulate(sums[i][j], left[i], right, sums[i][j]);
      }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }

  UNROLL for (int i = 0; i < kRowBlocks; ++i) {
    UNROLL for (int j = 0; j < kOutBlocks; ++j)
      simdgroup_store(sums[i][j], x_chunk + i * 8 * kTileOuts + j * 8, kTileOuts);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  device const float* w_bias = number == 0 ? bias : (number == 1 ? bias1 : bias2);
  device float* out_rows = number == 0 ? y : (number == 1 ? y1 : y2);
  for (uint i = index; i < filled * kTileOuts; i += 32 * kSlices) {
    uint row = first_row + i / kTileOuts;
    uint out = first_out + i % kTileOuts;
    if (row >= p.rows || out >= part.m.rows) continue;
    float value = ((stage[0][i] + stage[1][i]) + stage[2][i]) + stage[3][i];
    ulong at = ulong(row) * part.m.rows + out;
    if (part.has_bias != 0) value += w_bias[out];
    value = activate(part.activation, value);
    if (number == 0 && p.has_residual != 0) value += residual[at];
    out_rows[at] = value;
  }
}

#define LINEAR_MATRIX(name, ...)                                  \
  KERNEL(linear_##name##_8, linear_matrix<__VA_ARGS__, 8>)        \
  KERNEL(linear_##name##_32, linear_matrix<__VA_ARGS__, 32>)
#define LINEAR_AFFINE(name, format)                                       \
  LINEAR_MATRIX(name##_f16, QuantizedRows<format, kScaleF16>)             \
  LINEAR_MATRIX(name##_bf16, QuantizedRows<format, kScaleBF16>)

LINEAR_MATRIX(f32, FloatRows<float>)
LINEAR_MATRIX(f16, FloatRows<half>)
LINEAR_MATRIX(bf16, FloatRows<bfloat>)
LINEAR_AFFINE(q2, 2)
LINEAR_AFFINE(q3, 3)
LINEAR_AFFINE(q4, 4)
LINEAR_AFFINE(q5, 5)
LINEAR_AFFINE(q6, 6)
LINEAR_AFFINE(q8, 8)
LINEAR_MATRIX(e2m1_e8m0, QuantizedRows<kFormatE2M1, kScaleE8M0>)
LINEAR_MATRIX(e2m1_e4m3, QuantizedRows<kFormatE2M1, kScaleE4M3>)
LINEAR_MATRIX(e4m3_e8m0, QuantizedRows<kFormatE4M3, kScaleE8M0>)
LINEAR_MATRIX(e4m3_f32, QuantizedRows<kFormatE4M3, kScaleF32>)
