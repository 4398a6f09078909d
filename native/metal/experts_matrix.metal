// ExpertLinear on simdgroup matrices (matrix_tile.h). Where there are few pairs each is padded to 8 rows; where there are
// many those of one expert are taken 32 at a time, and the last of them in blocks of 8. A pair's bits are the same in
// both, whatever the other pairs are.
#include "common.h"
#include "expert_pairs.h"
#include "matrix_tile.h"

// The next pairs of `expert` before `end`, ascending, at most N. Returns how many there are.
template <uint N>
inline uint take_pairs(device const int* ids, constant ExpertParams& p, uint expert, uint end, uint lane,
                       thread PairWalk& walk, threadgroup uint* pairs) {
  uint taken = 0;
  while (taken < N && (walk.waiting != 0 || walk.next < end)) {
    if (walk.waiting == 0) look_on(ids, p, expert, lane, walk);
    bool mine = ((walk.waiting >> lane) & 1) != 0;
    uint place = taken + popcount(walk.waiting & ((1u << lane) - 1));
    if (mine && place < N) pairs[place] = walk.next - 32 + lane;
    taken = min(N, taken + popcount(walk.waiting));
    walk.waiting = simd_sum(mine && place >= N ? 1u << lane : 0u);
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  return taken;
}

// grid: x = tiles of 32 outputs, y = pairs where ROWS is 8 and experts where it is 32; 128 threads
template <class Rows, int ROWS>
kernel void expert_matrix(
    device const float* x [[buffer(0)]], device const typename Rows::Data* w [[buffer(1)]],
    device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
    device const int* ids [[buffer(4)]], device float* y [[buffer(5)]], constant TiledMatrix& matrix [[buffer(6)]],
    constant ExpertParams& p [[buffer(7)]], uint2 group [[threadgroup_position_in_grid]],
    uint index [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float stage[kSlices][stage_floats(ROWS)];
  threadgroup uint taken[kSlices][ROWS];  // each simdgroup looks for itself and finds the same
  threadgroup float* x_chunk = stage[simdgroup];
  threadgroup float* w_chunk = x_chunk + ROWS * kStride;
  threadgroup uint* pairs = taken[simdgroup];
  constexpr bool kAlone = ROWS == 8;
  uint expert = kAlone ? expert_of(ids, p, group.y) : group.y;
  uint first_out = group.x * kTileOuts;
  PairWalk walk = {kAlone ? group.y + 32 : 0, kAlone ? 1u : 0u};  // one pair is found already
  uint end = kAlone ? 0 : p.pairs;
  while (uint count = take_pairs<ROWS>(ids, p, expert, end, lane, walk, pairs)) {
    uint filled = (count + 7) / 8 * 8;
    simdgroup_float8x8 sums[ROWS / 8][kOutBlocks];
    clear_sums(sums);
    for (uint column = simdgroup * kChunk; column < p.columns; column += kSlices * kChunk) {
      for (uint i = lane; i < filled * kChunk; i += 32) {
        uint r = i / kChunk;
        uint at = column + i % kChunk;
        bool inside = r < count && at < p.columns;
        x_chunk[r * kStride + i % kChunk] = inside ? x[ulong(x_row_of(p, pairs[r])) * p.columns + at] : 0.0f;
      }
      Rows::stage(w, scales, biases, matrix, p.columns, ulong(expert) * p.outs, first_out, column, w_chunk, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      multiply_chunk(x_chunk, w_chunk, filled, sums);
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
    store_sums(sums, x_chunk);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = index; i < count * kTileOuts; i += 32 * kSlices) {
      uint out = first_out + i % kTileOuts;
      float value = ((stage[0][i] + stage[1][i]) + stage[2][i]) + stage[3][i];
      if (out < p.outs) y[ulong(pairs[i / kTileOuts]) * p.outs + out] = value;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the next pairs' chunks are where the sums were
  }
}

#define EXPERT_MATRIX(name, ...)                                     \
  KERNEL(expert_matrix_##name##_8, expert_matrix<__VA_ARGS__, 8>)   \
  KERNEL(expert_matrix_##name##_32, expert_matrix<__VA_ARGS__, 32>)

STORED_MATRICES(EXPERT_MATRIX)
