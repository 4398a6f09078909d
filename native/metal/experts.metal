// Route, ExpertLinear, ExpertSum: mixture-of-experts layers.
#include "common.h"
#include "quantized_format.h"

struct RouteParams {
  uint experts;
  uint k;
  uint groups;
  uint topk_groups;
  uint sigmoid_score;
  uint normalize;
  uint has_bias;
  float scale;
};

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

struct ExpertParams {
  uint k;
  uint per_expert;
  uint columns;
  uint outs;
  uint experts;
};

constant constexpr int kOuts = 4;

inline void write_outs(float4 total, uint first_out, uint outs, device float* y, uint lane) {
  if (lane >= 4 || first_out + lane >= outs) return;
  y[first_out + lane] = lane == 0 ? total.x : (lane == 1 ? total.y : (lane == 2 ? total.z : total.w));
}

// grid: x = tiles of 16 outputs (4 simdgroups), y = R·k
template <int FORMAT>
kernel void expert_quantized(device const float* x [[buffer(0)]], device const uchar* codes [[buffer(1)]],
                             device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
                             device const int* ids [[buffer(4)]], device float* y [[buffer(5)]],
                             constant QuantizedMatrix& m [[buffer(6)]], constant ExpertParams& p [[buffer(7)]],
                             uint2 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint first_out = (group.x * 4 + simdgroup) * kOuts;
  uint source = p.per_expert != 0 ? group.y : group.y / p.k;
  ulong expert = ulong(clamp(ids[group.y], 0, int(p.experts) - 1));
  float sums[1][kOuts];
  quantized_dot<FORMAT, 1, kOuts>(m, codes, scales, biases, expert * m.rows, first_out,
                                  x + ulong(source) * m.columns, 1, lane, sums);
  float4 total = simd_sum(float4(sums[0][0], sums[0][1], sums[0][2], sums[0][3]));
  write_outs(total, first_out, p.outs, y + ulong(group.y) * p.outs, lane);
}

template <class W>
kernel void expert_float(device const float* x [[buffer(0)]], device const W* w [[buffer(1)]],
                         device const int* ids [[buffer(4)]], device float* y [[buffer(5)]],
                         constant ExpertParams& p [[buffer(7)]], uint2 group [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint first_out = (group.x * 4 + simdgroup) * kOuts;
  uint source = p.per_expert != 0 ? group.y : group.y / p.k;
  ulong expert = ulong(clamp(ids[group.y], 0, int(p.experts) - 1));
  float sums[kOuts] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (uint column = lane; column < p.columns; column += 32) {
    float value = x[ulong(source) * p.columns + column];
    for (int o = 0; o < kOuts; ++o) {
      ulong out = expert * p.outs + min(first_out + uint(o), p.outs - 1);
      sums[o] = fma(float(w[out * p.columns + column]), value, sums[o]);
    }
  }
  float4 total = simd_sum(float4(sums[0], sums[1], sums[2], sums[3]));
  write_outs(total, first_out, p.outs, y + ulong(group.y) * p.outs, lane);
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

KERNEL(expert_f32, expert_float<float>)
KERNEL(expert_f16, expert_float<half>)
KERNEL(expert_bf16, expert_float<bfloat>)
KERNEL(expert_q2, expert_quantized<2>)
KERNEL(expert_q3, expert_quantized<3>)
KERNEL(expert_q4, expert_quantized<4>)
KERNEL(expert_q5, expert_quantized<5>)
KERNEL(expert_q6, expert_quantized<6>)
KERNEL(expert_q8, expert_quantized<8>)
KERNEL(expert_e2m1, expert_quantized<14>)
KERNEL(expert_e4m3, expert_quantized<18>)
