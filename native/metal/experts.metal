// Route, ExpertLinear by dot products, ExpertSum: mixture-of-experts layers.
#include "common.h"
#include "expert_pairs.h"
#include "float_dot.h"
#include "quantized_format.h"

constant constexpr uint kMaxExperts = 1024;
constant constexpr uint kMaxGroups = 64;

// The largest entry, of equal ones the lowest index.
inline uint argmax(threadgroup const float* values, uint count, uint lane) {
  float best = -FLT_MAX;
  uint best_index = 0xffffffffu;
  for (uint i = lane; i < count; i += 32)
    if (values[i] > best) {
      best = values[i];
      best_index = i;
    }
  float top = simd_max(best);
  return simd_min(best == top ? best_index : 0xffffffffu);
}

// Keeps the `topk_groups` groups with the largest sum of their two best; the others' keys become -FLT_MAX.
inline void keep_best_groups(threadgroup float* keys, threadgroup float* group_keys, constant RouteParams& p,
                             uint lane) {
  uint size = p.experts / p.groups;
  for (uint g = lane; g < p.groups; g += 32) {
    float first = -FLT_MAX;
    float second = -FLT_MAX;
    for (uint i = g * size; i < (g + 1) * size; ++i) {
      second = max(second, min(first, keys[i]));
      first = max(first, keys[i]);
    }
    group_keys[g] = size > 1 ? first + second : first;
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 0; i < p.topk_groups; ++i) {
    uint g = argmax(group_keys, p.groups, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (lane == 0 && g < p.groups) group_keys[g] = -FLT_MAX;
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = lane; i < p.experts; i += 32)
    if (group_keys[i / size] > -FLT_MAX) keys[i] = -FLT_MAX;
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

// One simdgroup per row.
kernel void route(device const float* logits [[buffer(0)]], device const float* bias [[buffer(1)]],
                  device float* weights [[buffer(2)]], device int* ids [[buffer(3)]],
                  constant RouteParams& p [[buffer(4)]], uint row [[threadgroup_position_in_grid]],
                  uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float scores[kMaxExperts];
  threadgroup float keys[kMaxExperts];
  threadgroup float group_keys[kMaxGroups];
  device const float* x = logits + ulong(row) * p.experts;
  float largest = -FLT_MAX;
  for (uint i = lane; i < p.experts; i += 32) largest = max(largest, x[i]);
  largest = simd_max(largest);
  float sum = 0.0f;
  for (uint i = lane; i < p.experts; i += 32) {
    scores[i] = p.sigmoid_score != 0 ? sigmoid(x[i]) : exp(x[i] - largest);
    sum += scores[i];
  }
  sum = simd_sum(sum);
  for (uint i = lane; i < p.experts; i += 32) {
    if (p.sigmoid_score == 0) scores[i] /= sum;
    keys[i] = scores[i] + (p.has_bias != 0 ? bias[i] : 0.0f);
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  if (p.groups > 1) keep_best_groups(keys, group_keys, p, lane);

  float chosen_sum = 0.0f;
  for (uint i = 0; i < p.k; ++i) {
    uint best = min(argmax(keys, p.experts, lane), p.experts - 1);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    chosen_sum += scores[best];
    if (lane == 0) {
      keys[best] = -FLT_MAX;
      ids[row * p.k + i] = int(best);
      weights[row * p.k + i] = scores[best];
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  float factor = p.normalize != 0 ? p.scale / chosen_sum : p.scale;
  if (lane == 0)
    for (uint i = 0; i < p.k; ++i) weights[row * p.k + i] *= factor;
}

constant constexpr int kOuts = 4;

// The next pairs of `expert`, ascending, at most N; the rest of `pairs` repeats the last. Returns how many there are.
template <int N>
inline uint take_pairs(device const int* ids, constant ExpertParams& p, uint expert, uint lane, thread PairWalk& walk,
                       thread uint (&pairs)[N]) {
  uint taken = 0;
  while (taken < uint(N) && (walk.waiting != 0 || walk.next < p.pairs)) {
    if (walk.waiting == 0) {
      look_on(ids, p, expert, lane, walk);
    } else {
      uint pair = walk.next - 32 + ctz(walk.waiting);
      UNROLL for (uint i = 0; i < uint(N); ++i) pairs[i] = i >= taken ? pair : pairs[i];
      ++taken;
      walk.waiting &= walk.waiting - 1;
    }
  }
  return taken;
}

inline void write_outs(float4 total, uint first_out, uint outs, device float* y, uint lane) {
  if (lane >= 4 || first_out + lane >= outs) return;
  y[first_out + lane] = lane == 0 ? total.x : (lane == 1 ? total.y : (lane == 2 ? total.z : total.w));
}

// Outputs first_out … + 3 of `count` pairs of one expert. A pair's bits do not depend on N or on the other pairs.
template <int FORMAT, int N>
inline void quantized_pairs(device const float* x, device const uchar* codes, device const uchar* scales,
                            device const uchar* biases, device float* y, constant QuantizedMatrix& m,
                            constant ExpertParams& p, uint expert, uint first_out, thread const uint (&pairs)[N],
                            uint count, uint lane) {
  uint x_rows[N];
  UNROLL for (int i = 0; i < N; ++i) x_rows[i] = x_row_of(p, pairs[i]);
  float sums[N][kOuts];
  quantized_dot<FORMAT, N, kOuts>(m, codes, scales, biases, ulong(expert) * m.rows, first_out, x, x_rows, lane, sums);
  UNROLL for (int i = 0; i < N; ++i) {
    float4 total = simd_sum(float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]));
    if (uint(i) < count) write_outs(total, first_out, p.outs, y + ulong(pairs[i]) * p.outs, lane);
  }
}

template <class W, int N>
inline void float_pairs(device const float* x, device const W* w, device float* y, constant ExpertParams& p,
                        uint expert, uint first_out, thread const uint (&pairs)[N], uint count, uint lane) {
  uint x_rows[N];
  UNROLL for (int i = 0; i < N; ++i) x_rows[i] = x_row_of(p, pairs[i]);
  float sums[N][kOuts];
  float_dot<W, N, kOuts>(w, p.outs, p.columns, ulong(expert) * p.outs, first_out, x, x_rows, lane, sums);
  UNROLL for (int i = 0; i < N; ++i) {
    float4 total = simd_sum(float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]));
    if (uint(i) < count) write_outs(total, first_out, p.outs, y + ulong(pairs[i]) * p.outs, lane);
  }
}

// Few pairs: each reads its expert's weights. grid: x = tiles of 16 outputs (4 simdgroups), y = pairs
template <int FORMAT>
kernel void expert_quantized(device const float* x [[buffer(0)]], device const uchar* codes [[buffer(1)]],
                             device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
                             device const int* ids [[buffer(4)]], device float* y [[buffer(5)]],
                             constant QuantizedMatrix& m [[buffer(6)]], constant ExpertParams& p [[buffer(7)]],
                             uint2 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint pairs[1] = {group.y};
  quantized_pairs<FORMAT, 1>(x, codes, scales, biases, y, m, p, expert_of(ids, p, group.y),
                             (group.x * 4 + simdgroup) * kOuts, pairs, 1, lane);
}

// Many pairs: each expert's weights are read once for eight of its pairs. grid: x as above, y = experts
template <int FORMAT>
kernel void expert_quantized_grouped(
    device const float* x [[buffer(0)]], device const uchar* codes [[buffer(1)]],
    device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
    device const int* ids [[buffer(4)]], device float* y [[buffer(5)]], constant QuantizedMatrix& m [[buffer(6)]],
    constant ExpertParams& p [[buffer(7)]], uint2 group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  PairWalk walk = {0, 0};
  uint pairs[8];
  while (uint count = take_pairs(ids, p, group.y, lane, walk, pairs))
    quantized_pairs<FORMAT, 8>(x, codes, scales, biases, y, m, p, group.y, (group.x * 4 + simdgroup) * kOuts, pairs,
                               count, lane);
}

template <class W>
kernel void expert_float(device const float* x [[buffer(0)]], device const W* w [[buffer(1)]],
                         device const int* ids [[buffer(4)]], device float* y [[buffer(5)]],
                         constant ExpertParams& p [[buffer(7)]], uint2 group [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint pairs[1] = {group.y};
  float_pairs<W, 1>(x, w, y, p, expert_of(ids, p, group.y), (group.x * 4 + simdgroup) * kOuts, pairs, 1, lane);
}

template <class W>
kernel void expert_float_grouped(device const float* x [[buffer(0)]], device const W* w [[buffer(1)]],
                                 device const int* ids [[buffer(4)]], device float* y [[buffer(5)]],
                                 constant ExpertParams& p [[buffer(7)]], uint2 group [[threadgroup_position_in_grid]],
                                 uint lane [[thread_index_in_simdgroup]],
                                 uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  PairWalk walk = {0, 0};
  uint pairs[8];
  while (uint count = take_pairs(ids, p, group.y, lane, walk, pairs))
    float_pairs<W, 8>(x, w, y, p, group.y, (group.x * 4 + simdgroup) * kOuts, pairs, count, lane);
}

// y[r] = Σ_i weights[r,i] · x[r,i], i ascending. grid: x = columns, y = rows
kernel void expert_sum(device const float* x [[buffer(0)]], device const float* weights [[buffer(1)]],
                       device float* y [[buffer(5)]], constant ExpertParams& p [[buffer(7)]],
                       uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.outs) return;
  float sum = 0.0f;
  for (uint i = 0; i < p.k; ++i)
    sum = fma(weights[at.y * p.k + i], x[(ulong(at.y) * p.k + i) * p.outs + at.x], sum);
  y[ulong(at.y) * p.outs + at.x] = sum;
}

#define EXPERT(name, kernel_template, type)               \
  KERNEL(expert_##name, kernel_template<type>)            \
  KERNEL(expert_##name##_grouped, kernel_template##_grouped<type>)

EXPERT(f32, expert_float, float)
EXPERT(f16, expert_float, half)
EXPERT(bf16, expert_float, bfloat)
EXPERT(q2, expert_quantized, 2)
EXPERT(q3, expert_quantized, 3)
EXPERT(q4, expert_quantized, 4)
EXPERT(q5, expert_quantized, 5)
EXPERT(q6, expert_quantized, 6)
EXPERT(q8, expert_quantized, 8)
EXPERT(e2m1, expert_quantized, 14)
EXPERT(e4m3, expert_quantized, 18)
