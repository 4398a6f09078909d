// Linear on simdgroup matrices (matrix_tile.h), for one row and for many: up to 8 rows are padded to 8, more are taken
// 32 at a time and the last of them in blocks of 8. Up to three matrices are multiplied with one x, which may be normed
// on the way.
#include "common.h"
#include "linear_params.h"
#include "matrix_tile.h"
#include "row_squares.h"

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
  threadgroup float stage[kSlices][stage_floats(ROWS)];
  threadgroup float partial[8][8];  // of the squares of each row
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

  simdgroup_float8x8 sums[ROWS / 8][kOutBlocks];
  clear_sums(sums);
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
    Rows::stage(w, w_scales, w_biases, part.matrix, p.columns, 0, first_out, column, w_chunk, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    multiply_chunk(x_chunk, w_chunk, filled, sums);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }

  store_sums(sums, x_chunk);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  device const float* w_bias = number == 0 ? bias : (number == 1 ? bias1 : bias2);
  device float* out_rows = number == 0 ? y : (number == 1 ? y1 : y2);
  for (uint i = index; i < filled * kTileOuts; i += 32 * kSlices) {
    uint row = first_row + i / kTileOuts;
    uint out = first_out + i % kTileOuts;
    if (row >= p.rows || out >= part.matrix.stored.rows) continue;
    float value = ((stage[0][i] + stage[1][i]) + stage[2][i]) + stage[3][i];
    ulong at = ulong(row) * part.matrix.stored.rows + out;
    if (part.has_bias != 0) value += w_bias[out];
    value = activate(part.activation, value);
    if (number == 0 && p.has_residual != 0) value += residual[at];
    out_rows[at] = value;
  }
}

#define LINEAR_MATRIX(name, ...)                             \
  KERNEL(linear_##name##_8, linear_matrix<__VA_ARGS__, 8>)   \
  KERNEL(linear_##name##_32, linear_matrix<__VA_ARGS__, 32>)

STORED_MATRICES(LINEAR_MATRIX)
