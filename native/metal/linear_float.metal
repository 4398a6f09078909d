// Linear on f32, f16 and bf16 weights with simdgroup matrices. Four simdgroups share the columns of one output tile in
// interleaved chunks of 16 and add their sums in order at the end: enough parallelism for one row, and the same order
// of additions for 8- and 32-row tiles.
#include "common.h"
#include "linear_params.h"

constant constexpr uint kTileOuts = 32;
constant constexpr uint kChunk = 16;
constant constexpr uint kSlices = 4;

// rows [first, first + count) × columns [column, column + 16) of `source` as f32; zero outside the matrix
template <class T>
inline void stage_chunk(device const T* source, uint rows, uint columns, uint first, uint count, uint column,
                        threadgroup float* target, uint lane) {
  for (uint i = lane; i < count * kChunk; i += 32) {
    uint row = first + i / kChunk;
    uint at = column + i % kChunk;
    target[i] = row < rows && at < columns ? float(source[ulong(row) * columns + at]) : 0.0f;
  }
}

// grid: x = tiles of 32 outputs, y = tiles of ROWS rows; 128 threads
template <class W, int ROWS>
kernel void linear_float(device const float* x [[buffer(0)]], device const W* w [[buffer(1)]],
                         device const float* bias [[buffer(4)]], device const float* residual [[buffer(5)]],
                         device float* y [[buffer(6)]], constant LinearParams& p [[buffer(7)]],
                         uint2 group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                         uint lane [[thread_index_in_simdgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  // per simdgroup: x chunk [ROWS][16], then w chunk [32][16]; at the end its sums [ROWS][32]
  threadgroup float stage[kSlices][(ROWS + kTileOuts) * kChunk];
  constexpr int kRowBlocks = ROWS / 8;
  constexpr int kOutBlocks = int(kTileOuts) / 8;
  uint first_row = group.y * ROWS;
  uint first_out = group.x * kTileOuts;
  threadgroup float* x_chunk = stage[simdgroup];
  threadgroup float* w_chunk = x_chunk + ROWS * kChunk;
  simdgroup_float8x8 sums[kRowBlocks][kOutBlocks];
  for (int i = 0; i < kRowBlocks; ++i)
    for (int j = 0; j < kOutBlocks; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);

  for (uint column = simdgroup * kChunk; column < p.columns; column += kSlices * kChunk) {
    stage_chunk(x, p.rows, p.columns, first_row, ROWS, column, x_chunk, lane);
    stage_chunk(w, p.outs, p.columns, first_out, kTileOuts, column, w_chunk, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint k = 0; k < kChunk; k += 8) {
      simdgroup_float8x8 left[kRowBlocks];
      for (int i = 0; i < kRowBlocks; ++i) simdgroup_load(left[i], x_chunk + i * 8 * kChunk + k, kChunk);
      for (int j = 0; j < kOutBlocks; ++j) {
        simdgroup_float8x8 right;
        simdgroup_load(right, w_chunk + j * 8 * kChunk + k, kChunk, ulong2(0, 0), true);
        for (int i = 0; i < kRowBlocks; ++i) simdgroup_multiply_accumulate(sums[i][j], left[i], right, sums[i][j]);
      }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }

  for (int i = 0; i < kRowBlocks; ++i)
    for (int j = 0; j < kOutBlocks; ++j)
      simdgroup_store(sums[i][j], x_chunk + i * 8 * kTileOuts + j * 8, kTileOuts);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = index; i < ROWS * kTileOuts; i += 32 * kSlices) {
    uint row = first_row + i / kTileOuts;
    uint out = first_out + i % kTileOuts;
    if (row >= p.rows || out >= p.outs) continue;
    float value = ((stage[0][i] + stage[1][i]) + stage[2][i]) + stage[3][i];
    ulong at = ulong(row) * p.outs + out;
    if (p.has_bias != 0) value += bias[out];
    value = activate(p.activation, value);
    if (p.has_residual != 0) value += residual[at];
    y[at] = value;
  }
}

#define LINEAR_FLOAT(name, type)                       \
  KERNEL(linear_##name##_8, linear_float<type, 8>)     \
  KERNEL(linear_##name##_32, linear_float<type, 32>)

LINEAR_FLOAT(f32, float)
LINEAR_FLOAT(f16, half)
LINEAR_FLOAT(bf16, bfloat)
