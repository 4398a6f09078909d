// SegmentAttention (vision towers): full softmax attention inside each segment of rows, for one segment or thousands of
// windows alike. 32 queries of one head per threadgroup, 8 per simdgroup; keys in tiles of 32 from the segment's start,
// so a row's bits do not depend on what other segments share the run. Dao 2023, on simdgroup matrices: the running
// output is rescaled by a product with a diagonal matrix, because a matrix's elements cannot be addressed.
#include "common.h"
#include "segment_attention_params.h"

constant constexpr uint kQueries = 32;

// rows [first, first + count) × dim of one head as f32, padded with zeros to `stride` columns and beyond `last`
inline void stage_rows(device const float* source, uint row_width, uint offset, uint dim, uint first, uint count,
                       uint last, uint stride, float scale, threadgroup float* target, uint index, uint threads) {
  for (uint i = index; i < count * stride; i += threads) {
    uint row = first + i / stride;
    uint column = i % stride;
    target[i] = row < last && column < dim ? source[ulong(row) * row_width + offset + column] * scale : 0.0f;
  }
}

// BLOCKS: 8-column blocks of the larger head dimension at most; those that a head does not reach are passed over (SAM's
// towers carry places in their keys, three times as wide as the values). grid: x = tiles from p.first_tile on, y = heads
template <int BLOCKS, int KEYS>
kernel void segment_attention(device const float* q [[buffer(0)]], device const float* k [[buffer(1)]],
                              device const float* v [[buffer(2)]], device const int* segments [[buffer(3)]],
                              device float* y [[buffer(4)]], constant SegmentAttentionParams& p [[buffer(5)]],
                              device const int* visible [[buffer(6)]], uint2 at [[threadgroup_position_in_grid]],
                              uint index [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                              uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float tile[KEYS * BLOCKS * 8];
  threadgroup float scores[4][8 * KEYS];
  threadgroup float diagonal[4][64];
  constexpr uint stride = BLOCKS * 8;
  constexpr uint key_blocks = KEYS / 8;

  uint own_tile = at.x + p.first_tile;
  uint before = 0;
  uint start = 0;
  uint end = 0;
  for (uint s = 0; s < p.segments; ++s) {
    uint from = uint(segments[s]);
    uint to = uint(segments[s + 1]);
    uint tiles = to > from ? (to - from + kQueries - 1) / kQueries : 0;
    if (own_tile >= before && own_tile < before + tiles) {
      start = from;
      end = to;
      break;
    }
    before += tiles;
  }
  if (end == start) return;  // uniform: the whole threadgroup has no tile
  uint first = start + (own_tile - before) * kQueries;
  uint kv_head = at.y * p.kv_heads / p.heads;

  // The queries of this simdgroup, through its part of the key tile's memory in passes of 8 rows.
  simdgroup_float8x8 query[BLOCKS];
  for (uint s = 0; s < 4; ++s) {
    stage_rows(q, p.heads * p.k_dim, at.y * p.k_dim, p.k_dim, first + s * 8, 8, end, stride, p.scale, tile, index, 128);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == s) {
      UNROLL for (int b = 0; b < BLOCKS; ++b)
        if (uint(b) * 8 < p.k_dim) simdgroup_load(query[b], tile + b * 8, stride);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  simdgroup_float8x8 out[BLOCKS];
  UNROLL for (int b = 0; b < BLOCKS; ++b) out[b] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  float running_max = -FLT_MAX;  // of query row lane / 4
  float running_sum = 0.0f;
  for (uint i = lane; i < 64; i += 32) diagonal[simdgroup][i] = 0.0f;
  threadgroup float* own = scores[simdgroup];
  uint query_row = first + simdgroup * 8 + lane / 4;
  uint seen = p.limited != 0 && query_row < end ? clamp(uint(visible[query_row]), start + 1, end) : end;

  for (uint key = start; key < end; key += KEYS) {
    stage_rows(k, p.kv_heads * p.k_dim, kv_head * p.k_dim, p.k_dim, key, KEYS, end, stride, 1.0f, tile, index, 128);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint j = 0; j < key_blocks; ++j) {
      simdgroup_float8x8 sum = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
      UNROLL for (int b = 0; b < BLOCKS; ++b) {
        if (uint(b) * 8 >= p.k_dim) continue;
        simdgroup_float8x8 keys;
        simdgroup_load(keys, tile + j * 8 * stride + b * 8, stride, ulong2(0, 0), true);
        simdgroup_multiply_accumulate(sum, query[b], keys, sum);
      }
      simdgroup_store(sum, own + j * 8, KEYS);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    stage_rows(v, p.kv_heads * p.v_dim, kv_head * p.v_dim, p.v_dim, key, KEYS, end, stride, 1.0f, tile, index, 128);

    // Four lanes share a query row; each takes a quarter of the keys.
    uint row = lane / 4;
    uint quarter = (lane % 4) * (KEYS / 4);
    float largest = -FLT_MAX;
    for (uint c = quarter; c < quarter + KEYS / 4; ++c)
      if (key + c < seen) largest = max(largest, own[row * KEYS + c]);
    largest = max(largest, simd_shuffle_xor(largest, 1));
    largest = max(largest, simd_shuffle_xor(largest, 2));
    float new_max = max(running_max, largest);
    float keep = exp(running_max - new_max);
    float sum = 0.0f;
    for (uint c = quarter; c < quarter + KEYS / 4; ++c) {
      float share = key + c < seen ? exp(own[row * KEYS + c] - new_max) : 0.0f;
      own[row * KEYS + c] = share;
      sum += share;
    }
    sum += simd_shuffle_xor(sum, 1);
    sum += simd_shuffle_xor(sum, 2);
    running_sum = fma(running_sum, keep, sum);
    running_max = new_max;
    if (lane % 4 == 0) diagonal[simdgroup][row * 8 + row] = keep;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    simdgroup_float8x8 factor;
    simdgroup_load(factor, diagonal[simdgroup], 8);
    UNROLL for (int b = 0; b < BLOCKS; ++b) {
      if (uint(b) * 8 >= p.v_dim) continue;
      simdgroup_float8x8 scaled;
      simdgroup_multiply(scaled, factor, out[b]);
      for (uint j = 0; j < key_blocks; ++j) {
        simdgroup_float8x8 share;
        simdgroup_float8x8 values;
        simdgroup_load(share, own + j * 8, KEYS);
        simdgroup_load(values, tile + j * 8 * stride + b * 8, stride);
        simdgroup_multiply_accumulate(scaled, share, values, scaled);
      }
      out[b] = scaled;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

  if (lane % 4 == 0) diagonal[simdgroup][(lane / 4) * 8 + lane / 4] = 1.0f / running_sum;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_float8x8 factor;
  simdgroup_load(factor, diagonal[simdgroup], 8);
  UNROLL for (int b = 0; b < BLOCKS; ++b) {
    if (uint(b) * 8 >= p.v_dim) continue;
    simdgroup_float8x8 result;
    simdgroup_multiply(result, factor, out[b]);
    simdgroup_store(result, own, 8);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = lane; i < 64; i += 32) {
      uint row = first + simdgroup * 8 + i / 8;
      uint column = uint(b) * 8 + i % 8;
      if (row < end && column < p.v_dim) y[(ulong(row) * p.heads + at.y) * p.v_dim + column] = own[i];
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

KERNEL(segment_attention_32, segment_attention<4, 32>)
KERNEL(segment_attention_64, segment_attention<8, 32>)
KERNEL(segment_attention_72, segment_attention<9, 32>)
KERNEL(segment_attention_80, segment_attention<10, 32>)
KERNEL(segment_attention_128, segment_attention<16, 32>)
KERNEL(segment_attention_256, segment_attention<32, 16>)
