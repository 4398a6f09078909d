// Attention over the KV cache. kv_store writes the rows' keys and values; attention then reads everything from the
// cache, so a key has the same bits whether it came with this run or an earlier one.
//
// One threadgroup serves up to SETS · QUERIES queries of one sequence and kv head (consecutive heads of the group, then
// consecutive rows), so that the heads that share keys and values read them at the same time. Four simdgroups make a set
// and work on QUERIES of them: simdgroup s of a set walks the blocks b ≡ s mod 4 in ascending order with an online
// softmax (Milakov and Gimelshein 2018); the four states are merged in order. Which block goes where depends on
// positions alone.
#include "common.h"
#include "attention_params.h"
#include "kv_element.h"
#include "rope_params.h"
#include "rope_element.h"

constant constexpr uint kPositions = 64;
constant constexpr uint kMaxDim = 256;
constant constexpr uint kSimdgroups = 4;

template <class T>
inline void store_row(device const float* source, device uchar* tile, uint dim, uint slot, uint lane) {
  device T* target = (device T*)tile + slot * dim;
  for (uint i = lane; i < dim; i += 32) target[i] = T(source[i]);
}

inline void store_row_q8(device const float* source, device uchar* tile, uint dim, uint slot, uint lane) {
  float largest = 0.0f;
  for (uint i = lane; i < dim; i += 32) largest = max(largest, fabs(source[i]));
  largest = simd_max(largest);
  float scale = largest / 127.0f;
  device uchar* target = tile + slot * dim;
  for (uint i = lane; i < dim; i += 32) {
    float code = scale > 0.0f ? rint(source[i] / scale) : 0.0f;
    target[i] = as_type<uchar>(char(int(clamp(code, -127.0f, 127.0f))));
  }
  if (lane == 0) ((device float*)(tile + 64 * dim))[slot] = scale;
}

template <int TYPE>
inline void store_as(device const float* source, device uchar* tile, uint dim, uint slot, uint lane) {
  if (TYPE == 0) store_row<float>(source, tile, dim, slot, lane);
  if (TYPE == 1) store_row<half>(source, tile, dim, slot, lane);
  if (TYPE == 2) store_row<bfloat>(source, tile, dim, slot, lane);
  if (TYPE == 3) store_row_q8(source, tile, dim, slot, lane);
}

// TYPE: KvType. grid: x = rows, y = kv heads, z = 0 keys, 1 values; one simdgroup each
template <int TYPE>
kernel void kv_store(device const float* k [[buffer(0)]], device const float* v [[buffer(1)]],
                     device const RowPlace* places [[buffer(2)]], device const KvBlock* blocks [[buffer(3)]],
                     constant AttentionParams& p [[buffer(4)]], uint3 at [[threadgroup_position_in_grid]],
                     uint lane [[thread_index_in_simdgroup]]) {
  bool is_key = at.z == 0;
  uint dim = is_key ? p.k_dim : p.v_dim;
  uint block = places[at.x].block;
  uint slot = places[at.x].slot;
  device uchar* tile = blocks[block].bytes + (is_key ? p.key_offset + at.y * p.key_stride : p.value_offset + at.y * p.value_stride);
  device const float* source = (is_key ? k : v) + (ulong(at.x) * p.kv_heads + at.y) * dim;
  store_as<TYPE>(source, tile, dim, slot, lane);
}

// Rope of queries and keys, whose results are written too, with kv_store. grid: x = rows, y = heads, then kv heads of
// keys, then of values; one simdgroup each
template <int TYPE>
kernel void rope_store(device const float* q [[buffer(0)]], device const float* k [[buffer(1)]],
                       device const float* v [[buffer(2)]], device const float* table [[buffer(3)]],
                       device float* q_roped [[buffer(4)]], device float* k_roped [[buffer(5)]],
                       device const RowPlace* places [[buffer(6)]], device const KvBlock* blocks [[buffer(7)]],
                       constant AttentionParams& p [[buffer(8)]], constant RopeParams& rope [[buffer(9)]],
                       uint2 at [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  bool is_query = at.y < p.heads;
  bool is_key = !is_query && at.y < p.heads + p.kv_heads;
  uint head = is_query ? at.y : (is_key ? at.y - p.heads : at.y - p.heads - p.kv_heads);
  uint dim = is_query || is_key ? p.k_dim : p.v_dim;
  uint heads = is_query ? p.heads : p.kv_heads;
  ulong first = (ulong(at.x) * heads + head) * dim;
  if (is_query || is_key) {
    device const float* from = (is_query ? q : k) + first;
    device float* to = (is_query ? q_roped : k_roped) + first;
    for (uint i = lane; i < dim; i += 32) to[i] = roped(from, i, table + ulong(at.x) * 2 * rope.n, rope);
  }
  if (is_query) return;  // uniform: one simdgroup a threadgroup
  // A lane stores the columns that it wrote.
  device uchar* tile = blocks[places[at.x].block].bytes +
                       (is_key ? p.key_offset + head * p.key_stride : p.value_offset + head * p.value_stride);
  if (is_key)
    store_as<TYPE>(k_roped + first, tile, dim, places[at.x].slot, lane);
  else
    store_as<TYPE>(v + first, tile, dim, places[at.x].slot, lane);
}

// scores[q][t] = query q · key 8·t + lane / 4. Four lanes share a key: lane % 4 takes runs of 4 columns.
template <class Element, int QUERIES>
inline void key_products(device const uchar* tile, uint dim, threadgroup const float* query, uint lane,
                         thread float (&scores)[QUERIES][8]) {
  UNROLL for (uint t = 0; t < 8; ++t) {
    float sums[QUERIES];
    UNROLL for (int q = 0; q < QUERIES; ++q) sums[q] = 0.0f;
    uint position = t * 8 + lane / 4;
    for (uint run = (lane % 4) * 4; run < dim; run += 16)
      for (uint column = run; column < min(run + 4, dim); ++column) {
        float key = Element::load(tile, dim, position, column);
        UNROLL for (int q = 0; q < QUERIES; ++q) sums[q] = fma(query[uint(q) * kMaxDim + column], key, sums[q]);
      }
    UNROLL for (int q = 0; q < QUERIES; ++q) scores[q][t] = sums[q];
  }
  UNROLL for (int q = 0; q < QUERIES; ++q) {
    UNROLL for (uint h = 0; h < 8; h += 4) {
      float4 s = float4(scores[q][h], scores[q][h + 1], scores[q][h + 2], scores[q][h + 3]);
      s += simd_shuffle_xor(s, 1);
      s += simd_shuffle_xor(s, 2);
      scores[q][h] = s.x;
      scores[q][h + 1] = s.y;
      scores[q][h + 2] = s.z;
      scores[q][h + 3] = s.w;
    }
  }
}

// grid: x = query tiles, y = kv heads from p.first_kv_head on; 128 · SETS threads
template <class Element, int QUERIES, int SETS>
kernel void attention(device const float* q [[buffer(0)]], device const RowPlace* places [[buffer(1)]],
                      device const QueryTile* tiles [[buffer(2)]], device const KvBlock* blocks [[buffer(3)]],
                      device float* y [[buffer(4)]], constant AttentionParams& p [[buffer(5)]],
                      uint2 at [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]],
                      uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float queries[SETS][QUERIES * kMaxDim];
  threadgroup float shares[SETS * kSimdgroups][QUERIES][kPositions];
  threadgroup float maxima[SETS * kSimdgroups];
  threadgroup float totals[SETS * kSimdgroups];
  threadgroup float partial[SETS * kSimdgroups][kMaxDim];
  uint kv_head = p.first_kv_head + at.y;
  uint first_row = tiles[at.x].first_row;
  uint first_block = tiles[at.x].first_block;
  uint set = simdgroup / kSimdgroups;
  uint member = simdgroup % kSimdgroups;
  uint thread_of_set = index % 128;
  uint first = tiles[at.x].first + set * uint(QUERIES);
  uint last = tiles[at.x].first + tiles[at.x].count - 1;
  uint group = p.heads / p.kv_heads;
  threadgroup float* query = queries[set];

  int begin[QUERIES];
  int end[QUERIES];
  int lowest = 0x7fffffff;
  int highest = 0;
  UNROLL for (int i = 0; i < QUERIES; ++i) {
    uint u = min(first + uint(i), last);
    uint row = first_row + u / group;
    uint head = kv_head * group + u % group;
    end[i] = p.causal ? places[row].position + 1 : places[row].visible_end;
    int position = places[row].position;
    begin[i] = max(min(position, int(p.start)), p.window == 0 ? 0 : position - int(p.window) + 1);
    lowest = min(lowest, begin[i]);
    highest = max(highest, end[i]);
    for (uint c = thread_of_set; c < p.k_dim; c += 128)
      query[uint(i) * kMaxDim + c] = q[(ulong(row) * p.heads + head) * p.k_dim + c] * p.scale;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  float running_max[QUERIES];
  float running_sum[QUERIES];
  float out[QUERIES][kMaxDim / 32];
  UNROLL for (int i = 0; i < QUERIES; ++i) {
    running_max[i] = -FLT_MAX;
    running_sum[i] = 0.0f;
    UNROLL for (uint c = 0; c < kMaxDim / 32; ++c) out[i][c] = 0.0f;
  }

  for (int block = int(member); block * 64 < highest; block += int(kSimdgroups)) {
    if (block * 64 + 64 <= lowest) continue;
    device const uchar* bytes = blocks[first_block + uint(block)].bytes;
    float scores[QUERIES][8];
    key_products<Element, QUERIES>(bytes + p.key_offset + kv_head * p.key_stride, p.k_dim, query, lane, scores);
    UNROLL for (int i = 0; i < QUERIES; ++i) {
      float largest = -FLT_MAX;
      UNROLL for (uint t = 0; t < 8; ++t) {
        int position = block * 64 + int(t * 8 + lane / 4);
        bool visible = position >= begin[i] && position < end[i];
        if (p.softcap > 0.0f) scores[i][t] = p.softcap * safe_tanh(scores[i][t] / p.softcap);
        if (!visible) scores[i][t] = -FLT_MAX;
        largest = max(largest, scores[i][t]);
      }
      float new_max = max(running_max[i], simd_max(largest));
      float keep = exp(running_max[i] - new_max);
      float sum = 0.0f;
      UNROLL for (uint t = 0; t < 8; ++t) {
        float share = scores[i][t] > -FLT_MAX ? exp(scores[i][t] - new_max) : 0.0f;
        if (lane % 4 == 0) {
          shares[simdgroup][i][t * 8 + lane / 4] = share;
          sum += share;
        }
      }
      running_sum[i] = fma(running_sum[i], keep, simd_sum(sum));
      running_max[i] = new_max;
      UNROLL for (uint c = 0; c < kMaxDim / 32; ++c) out[i][c] *= keep;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    // Positions that no query sees may never have been written: they are not read.
    device const uchar* values = bytes + p.value_offset + kv_head * p.value_stride;
    uint from = uint(max(lowest - block * 64, 0));
    uint to = uint(min(highest - block * 64, 64));
    for (uint position = from; position < to; ++position) {
      UNROLL for (uint c = 0; c < kMaxDim / 32; ++c)
        if (c * 32 + lane < p.v_dim) {
          float value = Element::load(values, p.v_dim, position, c * 32 + lane);
          UNROLL for (int i = 0; i < QUERIES; ++i) out[i][c] = fma(shares[simdgroup][i][position], value, out[i][c]);
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }

  // One query of each set after the other, through the same memory.
  UNROLL for (int i = 0; i < QUERIES; ++i) {
    if (lane == 0) {
      maxima[simdgroup] = running_max[i];
      totals[simdgroup] = running_sum[i];
    }
    UNROLL for (uint c = 0; c < kMaxDim / 32; ++c) partial[simdgroup][c * 32 + lane] = out[i][c];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint from = set * kSimdgroups;
    float top = max(max(maxima[from], maxima[from + 1]), max(maxima[from + 2], maxima[from + 3]));
    float factors[kSimdgroups];
    float total = 0.0f;
    UNROLL for (uint s = 0; s < kSimdgroups; ++s) {
      factors[s] = exp(maxima[from + s] - top);
      total = fma(factors[s], totals[from + s], total);
    }
    uint u = first + uint(i);
    ulong to = (ulong(first_row + u / group) * p.heads + kv_head * group + u % group) * p.v_dim;
    if (u <= last)
      for (uint c = thread_of_set; c < p.v_dim; c += 128) {
        float sum = 0.0f;
        UNROLL for (uint s = 0; s < kSimdgroups; ++s) sum = fma(factors[s], partial[from + s][c], sum);
        y[to + c] = total > 0.0f ? sum / total : 0.0f;
      }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

KERNEL(rope_store_f32, rope_store<0>)
KERNEL(rope_store_f16, rope_store<1>)
KERNEL(rope_store_bf16, rope_store<2>)
KERNEL(rope_store_q8, rope_store<3>)
KERNEL(kv_store_f32, kv_store<0>)
KERNEL(kv_store_f16, kv_store<1>)
KERNEL(kv_store_bf16, kv_store<2>)
KERNEL(kv_store_q8, kv_store<3>)
#define ATTENTION(name, element)                        \
  KERNEL(attention_##name##_1, attention<element, 1, 1>) \
  KERNEL(attention_##name##_4, attention<element, 4, 1>) \
  KERNEL(attention_##name##_8, attention<element, 4, 2>)

ATTENTION(f32, KvF32)
ATTENTION(f16, KvF16)
ATTENTION(bf16, KvBF16)
ATTENTION(q8, KvQ8)
