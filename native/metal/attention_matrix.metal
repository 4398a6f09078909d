// Attention over the KV cache on simdgroup matrices, after kv_store (attention.metal). A simdgroup works on 8 queries of
// one sequence and kv head: consecutive heads of the group, then consecutive rows.
//
// Positions are taken in spans of 128 from 0 on. Within a span, tiles of KEYS positions meet an online softmax (Dao
// 2023); the spans' states are folded in ascending order (Dao et al. 2023, flash decoding). A query's bits depend on its
// own positions alone: attention_matrix walks all spans and folds on the way, attention_split gives each span to a
// simdgroup of its own and attention_merge folds, and both do the same to every element in the same order. Tiles that
// none of the 8 queries sees change nothing and are left out, and so are 8-column blocks that a head does not reach.
#include "common.h"
#include "attention_params.h"
#include "kv_element.h"

constant constexpr uint kSimdgroups = 4;
constant constexpr uint kSplitSimdgroups = 2;

// What a lane knows of the query of its row, lane / 4.
struct Query {
  uint row;   // of the run
  uint head;
  int begin;  // visible positions
  int end;
};

inline Query query_of(device const RowPlace* places, device const QueryTile& tile, constant AttentionParams& p,
                      uint kv_head, uint number) {
  uint group = p.heads / p.kv_heads;
  uint u = min(tile.first + number, tile.first + tile.count - 1);  // beyond the last the last
  Query query;
  query.row = tile.first_row + u / group;
  query.head = kv_head * group + u % group;
  query.end = p.causal ? places[query.row].position + 1 : places[query.row].visible_end;
  int position = places[query.row].position;
  query.begin = max(min(position, int(p.start)), p.window == 0 ? 0 : position - int(p.window) + 1);
  return query;
}

// Positions [position, position + count) × columns, as f32 in rows of `stride`; zero beyond `dim` and where no query
// looks: such a position may never have been written.
template <class Element>
inline void stage_positions(device const uchar* bytes, uint dim, int position, uint count, int lowest, int highest,
                            uint stride, threadgroup float* target, uint index, uint threads) {
  for (uint i = index; i < count * stride; i += threads) {
    int at = position + int(i / stride);
    uint column = i % stride;
    bool inside = at >= lowest && at < highest && column < dim;
    target[i] = inside ? Element::load(bytes, dim, uint(at) % 64, column) : 0.0f;
  }
}

// 8 queries from number `first` of the tile on, scaled, in rows of `stride`.
inline void stage_queries(device const float* q, device const RowPlace* places, device const QueryTile& tile,
                          constant AttentionParams& p, uint kv_head, uint first, uint stride,
                          threadgroup float* target, uint index, uint threads) {
  for (uint i = index; i < 8 * stride; i += threads) {
    Query query = query_of(places, tile, p, kv_head, first + i / stride);
    uint column = i % stride;
    target[i] = column < p.k_dim ? q[(ulong(query.row) * p.heads + query.head) * p.k_dim + column] * p.scale : 0.0f;
  }
}

// Softmax of one tile: `scores` [8][KEYS] become shares, `diagonal` what is kept of the earlier output. Four lanes share
// a query; each takes a quarter of the positions.
template <int KEYS>
inline void soften(threadgroup float* scores, threadgroup float* diagonal, Query query, int position, float cap,
                   uint lane, thread float& running_max, thread float& running_sum) {
  uint row = lane / 4;
  uint quarter = (lane % 4) * (KEYS / 4);
  float largest = -FLT_MAX;
  for (uint c = quarter; c < quarter + KEYS / 4; ++c) {
    int at = position + int(c);
    float score = scores[row * KEYS + c];
    if (cap > 0.0f) score = cap * safe_tanh(score / cap);
    if (at < query.begin || at >= query.end) score = -FLT_MAX;
    scores[row * KEYS + c] = score;
    largest = max(largest, score);
  }
  largest = max(largest, simd_shuffle_xor(largest, 1));
  largest = max(largest, simd_shuffle_xor(largest, 2));
  float new_max = max(running_max, largest);
  float keep = exp(running_max - new_max);
  float sum = 0.0f;
  for (uint c = quarter; c < quarter + KEYS / 4; ++c) {
    float score = scores[row * KEYS + c];
    float share = score > -FLT_MAX ? exp(score - new_max) : 0.0f;
    scores[row * KEYS + c] = share;
    sum += share;
  }
  sum += simd_shuffle_xor(sum, 1);
  sum += simd_shuffle_xor(sum, 2);
  running_sum = fma(running_sum, keep, sum);
  running_max = new_max;
  if (lane % 4 == 0) diagonal[row * 8 + row] = keep;
}

// How two states, the earlier first, become one.
struct Fold {
  float maximum;
  float earlier;  // factors
  float later;
};

inline Fold fold_of(float earlier_max, float later_max) {
  Fold fold;
  fold.maximum = max(earlier_max, later_max);
  fold.earlier = exp(earlier_max - fold.maximum);
  fold.later = exp(later_max - fold.maximum);
  return fold;
}

inline float folded(Fold fold, float earlier, float later) { return fma(fold.later, later, fold.earlier * earlier); }

// BLOCKS: 8-column blocks of the larger head dimension. grid: x = query tiles of at most 32, y = kv heads from
// p.first_kv_head on; 128 threads
template <class Element, int BLOCKS, int KEYS>
kernel void attention_matrix(device const float* q [[buffer(0)]], device const RowPlace* places [[buffer(1)]],
                             device const QueryTile* tiles [[buffer(2)]], device const KvBlock* blocks [[buffer(3)]],
                             device float* y [[buffer(4)]], constant AttentionParams& p [[buffer(5)]],
                             uint2 at [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float staged[KEYS * BLOCKS * 8];
  threadgroup float scores[kSimdgroups][8 * KEYS];
  threadgroup float diagonal[kSimdgroups][64];
  threadgroup float factors[kSimdgroups][2][8];  // of the earlier spans and of the last, by query
  threadgroup int bounds[kSimdgroups][2];
  constexpr uint stride = BLOCKS * 8;
  uint kv_head = p.first_kv_head + at.y;
  device const QueryTile& tile = tiles[at.x];
  Query query = query_of(places, tile, p, kv_head, simdgroup * 8 + lane / 4);
  int lowest = simd_min(query.begin);
  int highest = simd_max(query.end);
  if (lane == 0) {
    bounds[simdgroup][0] = lowest;
    bounds[simdgroup][1] = highest;
  }
  simdgroup_float8x8 loaded[BLOCKS];
  for (uint s = 0; s < kSimdgroups; ++s) {
    stage_queries(q, places, tile, p, kv_head, s * 8, stride, staged, index, 128);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == s) {
      UNROLL for (int b = 0; b < BLOCKS; ++b)
        if (uint(b) * 8 < p.k_dim) simdgroup_load(loaded[b], staged + b * 8, stride);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint s = 0; s < kSimdgroups; ++s) {
    lowest = min(lowest, bounds[s][0]);
    highest = max(highest, bounds[s][1]);
  }
  for (uint i = lane; i < 64; i += 32) diagonal[simdgroup][i] = 0.0f;
  threadgroup float* own = scores[simdgroup];
  float whole_max = -FLT_MAX;  // of the spans folded so far
  float whole_sum = 0.0f;

  for (int span = lowest / kSpan * kSpan; span < highest; span += kSpan) {
    simdgroup_float8x8 out[BLOCKS];
    UNROLL for (int b = 0; b < BLOCKS; ++b) out[b] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    float running_max = -FLT_MAX;
    float running_sum = 0.0f;
    for (int position = span; position < min(span + kSpan, highest); position += KEYS) {
      if (position + KEYS <= lowest) continue;
      device const uchar* bytes = blocks[tile.first_block + uint(position) / 64].bytes;
      stage_positions<Element>(bytes + p.key_offset + kv_head * p.key_stride, p.k_dim, position, KEYS, lowest, highest,
                               stride, staged, index, 128);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (uint j = 0; j < KEYS / 8; ++j) {
        simdgroup_float8x8 sum = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        UNROLL for (int b = 0; b < BLOCKS; ++b) {
          if (uint(b) * 8 >= p.k_dim) continue;
          simdgroup_float8x8 keys;
          simdgroup_load(keys, staged + j * 8 * stride + b * 8, stride, ulong2(0, 0), true);
          simdgroup_multiply_accumulate(sum, loaded[b], keys, sum);
        }
        simdgroup_store(sum, own + j * 8, KEYS);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      stage_positions<Element>(bytes + p.value_offset + kv_head * p.value_stride, p.v_dim, position, KEYS, lowest,
                               highest, stride, staged, index, 128);
      soften<KEYS>(own, diagonal[simdgroup], query, position, p.softcap, lane, running_max, running_sum);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      simdgroup_float8x8 keep;
      simdgroup_load(keep, diagonal[simdgroup], 8);
      UNROLL for (int b = 0; b < BLOCKS; ++b) {
        if (uint(b) * 8 >= p.v_dim) continue;
        simdgroup_float8x8 sum;
        simdgroup_multiply(sum, keep, out[b]);
        for (uint j = 0; j < KEYS / 8; ++j) {
          simdgroup_float8x8 share;
          simdgroup_float8x8 values;
          simdgroup_load(share, own + j * 8, KEYS);
          simdgroup_load(values, staged + j * 8 * stride + b * 8, stride);
          simdgroup_multiply_accumulate(sum, share, values, sum);
        }
        out[b] = sum;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // The output so far lies in y, not divided yet.
    Fold fold = fold_of(whole_max, running_max);
    whole_sum = folded(fold, whole_sum, running_sum);
    whole_max = fold.maximum;
    if (lane % 4 == 0) {
      factors[simdgroup][0][lane / 4] = fold.earlier;
      factors[simdgroup][1][lane / 4] = fold.later;
    }
    bool first_span = span <= lowest;
    bool last_span = span + kSpan >= highest;
    float divisor = whole_sum > 0.0f ? whole_sum : 1.0f;
    UNROLL for (int b = 0; b < BLOCKS; ++b) {
      if (uint(b) * 8 >= p.v_dim) continue;
      simdgroup_store(out[b], own, 8);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (uint i = lane; i < 64; i += 32) {
        uint row = i / 8;
        uint number = simdgroup * 8 + row;
        uint column = uint(b) * 8 + i % 8;
        float all = simd_shuffle(divisor, ushort(row * 4));
        if (number < tile.count && column < p.v_dim) {
          Query mine = query_of(places, tile, p, kv_head, number);
          ulong to = (ulong(mine.row) * p.heads + mine.head) * p.v_dim + column;
          fold.earlier = factors[simdgroup][0][row];
          fold.later = factors[simdgroup][1][row];
          float value = folded(fold, first_span ? 0.0f : y[to], own[i]);
          y[to] = last_span ? value / all : value;
        }
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
}

// One span of one tile of 8 queries a simdgroup; `partial` receives maximum, sum and output of each query, a record of
// v_dim + 2 floats: [tiles][kv heads][spans][8]. grid: x = spans, y = kv heads from p.first_kv_head on, z = tiles;
// 64 threads
template <class Element, int BLOCKS, int KEYS>
kernel void attention_split(device const float* q [[buffer(0)]], device const RowPlace* places [[buffer(1)]],
                            device const QueryTile* tiles [[buffer(2)]], device const KvBlock* blocks [[buffer(3)]],
                            device float* partial [[buffer(4)]], constant AttentionParams& p [[buffer(5)]],
                            uint3 at [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                            uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float memory[kSplitSimdgroups][8 * BLOCKS * 8];
  threadgroup float scores[kSplitSimdgroups][8 * KEYS];
  threadgroup float diagonal[kSplitSimdgroups][64];
  constexpr uint stride = BLOCKS * 8;
  uint kv_head = p.first_kv_head + at.y;
  uint number = at.x * kSplitSimdgroups + simdgroup;
  if (number >= p.spans) return;  // uniform: the simdgroup has no span, and no barrier is the threadgroup's
  int span = int(p.first_span + number) * kSpan;
  device const QueryTile& tile = tiles[at.z];
  threadgroup float* staged = memory[simdgroup];
  threadgroup float* own = scores[simdgroup];
  Query query = query_of(places, tile, p, kv_head, lane / 4);
  int lowest = simd_min(query.begin);
  int highest = simd_max(query.end);
  simdgroup_float8x8 loaded[BLOCKS];
  stage_queries(q, places, tile, p, kv_head, 0, stride, staged, lane, 32);
  for (uint i = lane; i < 64; i += 32) diagonal[simdgroup][i] = 0.0f;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  UNROLL for (int b = 0; b < BLOCKS; ++b)
    if (uint(b) * 8 < p.k_dim) simdgroup_load(loaded[b], staged + b * 8, stride);
  simdgroup_float8x8 out[BLOCKS];
  UNROLL for (int b = 0; b < BLOCKS; ++b) out[b] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  float running_max = -FLT_MAX;
  float running_sum = 0.0f;
  for (int position = span; position < min(span + kSpan, highest); position += KEYS) {
    if (position + KEYS <= lowest) continue;
    device const uchar* bytes = blocks[tile.first_block + uint(position) / 64].bytes;
    for (int j = 0; j < KEYS / 8; ++j) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      stage_positions<Element>(bytes + p.key_offset + kv_head * p.key_stride, p.k_dim, position + j * 8, 8, lowest,
                               highest, stride, staged, lane, 32);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      simdgroup_float8x8 sum = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
      UNROLL for (int b = 0; b < BLOCKS; ++b) {
        if (uint(b) * 8 >= p.k_dim) continue;
        simdgroup_float8x8 keys;
        simdgroup_load(keys, staged + b * 8, stride, ulong2(0, 0), true);
        simdgroup_multiply_accumulate(sum, loaded[b], keys, sum);
      }
      simdgroup_store(sum, own + j * 8, KEYS);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    soften<KEYS>(own, diagonal[simdgroup], query, position, p.softcap, lane, running_max, running_sum);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    simdgroup_float8x8 keep;
    simdgroup_load(keep, diagonal[simdgroup], 8);
    UNROLL for (int b = 0; b < BLOCKS; ++b) {
      if (uint(b) * 8 >= p.v_dim) continue;
      simdgroup_float8x8 sum;
      simdgroup_multiply(sum, keep, out[b]);
      out[b] = sum;
    }
    for (int j = 0; j < KEYS / 8; ++j) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      stage_positions<Element>(bytes + p.value_offset + kv_head * p.value_stride, p.v_dim, position + j * 8, 8, lowest,
                               highest, stride, staged, lane, 32);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      simdgroup_float8x8 share;
      simdgroup_load(share, own + j * 8, KEYS);
      UNROLL for (int b = 0; b < BLOCKS; ++b) {
        if (uint(b) * 8 >= p.v_dim) continue;
        simdgroup_float8x8 values;
        simdgroup_load(values, staged + b * 8, stride);
        simdgroup_multiply_accumulate(out[b], share, values, out[b]);
      }
    }
  }

  ulong record = p.v_dim + 2;
  device float* to = partial + ((ulong(at.z) * p.kv_heads + kv_head) * p.spans + number) * 8 * record;
  if (lane % 4 == 0) {
    to[(lane / 4) * record] = running_max;
    to[(lane / 4) * record + 1] = running_sum;
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  UNROLL for (int b = 0; b < BLOCKS; ++b) {
    if (uint(b) * 8 >= p.v_dim) continue;
    simdgroup_store(out[b], own, 8);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = lane; i < 64; i += 32) {
      uint column = uint(b) * 8 + i % 8;
      if (column < p.v_dim) to[(i / 8) * record + 2 + column] = own[i];
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

// Folds the spans of attention_split. grid: x = queries of a tile, y = kv heads from p.first_kv_head on, z = tiles; 256
// threads, one a column
kernel void attention_merge(device const float* partial [[buffer(0)]], device const RowPlace* places [[buffer(1)]],
                            device const QueryTile* tiles [[buffer(2)]], device float* y [[buffer(4)]],
                            constant AttentionParams& p [[buffer(5)]], uint3 at [[threadgroup_position_in_grid]],
                            uint column [[thread_index_in_threadgroup]]) {
  uint kv_head = p.first_kv_head + at.y;
  device const QueryTile& tile = tiles[at.z];
  if (at.x >= tile.count || column >= p.v_dim) return;
  Query query = query_of(places, tile, p, kv_head, at.x);
  ulong record = p.v_dim + 2;
  device const float* from = partial + (ulong(at.z) * p.kv_heads + kv_head) * p.spans * 8 * record + at.x * record;
  float whole_max = -FLT_MAX;
  float whole_sum = 0.0f;
  float value = 0.0f;
  for (uint span = uint(query.begin) / kSpan; span * kSpan < uint(query.end); ++span) {
    device const float* state = from + ulong(span - p.first_span) * 8 * record;
    Fold fold = fold_of(whole_max, state[0]);
    whole_sum = folded(fold, whole_sum, state[1]);
    value = folded(fold, value, state[2 + column]);
    whole_max = fold.maximum;
  }
  y[(ulong(query.row) * p.heads + query.head) * p.v_dim + column] = value / (whole_sum > 0.0f ? whole_sum : 1.0f);
}

#define ATTENTION_DIM(name, element, dim, blocks, keys)                                 \
  KERNEL(attention_matrix_##name##_##dim, attention_matrix<element, blocks, keys>)      \
  KERNEL(attention_split_##name##_##dim, attention_split<element, blocks, keys>)
#define ATTENTION(name, element)               \
  ATTENTION_DIM(name, element, 64, 8, 32)      \
  ATTENTION_DIM(name, element, 128, 16, 32)    \
  ATTENTION_DIM(name, element, 256, 32, 16)

ATTENTION(f32, KvF32)
ATTENTION(f16, KvF16)
ATTENTION(bf16, KvBF16)
ATTENTION(q8, KvQ8)
