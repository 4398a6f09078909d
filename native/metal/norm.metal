// RmsNorm, LayerNorm and RowStatistic: one threadgroup per row and group of d columns. The number of threads depends on
// d alone, so the order of every sum does too.
#include "common.h"
#include "norm_params.h"
#include "row_squares.h"

constant constexpr uint kMaxSimdgroups = 8;

// Sum over the threadgroup; every thread gets it. `partial` may be used again after the next call's first barrier.
inline float group_sum(float value, threadgroup float* partial, uint lane, uint simdgroup, uint simdgroups) {
  float sum = simd_sum(value);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (lane == 0) partial[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float total = partial[0];
  for (uint i = 1; i < simdgroups; ++i) total += partial[i];
  return total;
}

kernel void rms_norm(device const float* x [[buffer(0)]], device const float* weight [[buffer(1)]],
                     device float* y [[buffer(3)]], constant NormParams& p [[buffer(4)]],
                     uint group [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]],
                     uint threads [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float partial[kMaxSimdgroups];
  device const float* row = x + ulong(group) * p.d;
  device float* out = y + ulong(group) * p.d;
  float squares = simd_sum(row_squares(row, p.d, index));
  if (lane == 0) partial[simdgroup] = squares;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float factor = norm_factor(partial, p.d, p.eps);
  for (uint i = index; i < p.d; i += threads)
    out[i] = normed_value(row[i], factor, p.has_weight != 0 ? weight[i] + p.weight_offset : 1.0f);
}

kernel void layer_norm(device const float* x [[buffer(0)]], device const float* weight [[buffer(1)]],
                       device const float* bias [[buffer(2)]], device float* y [[buffer(3)]],
                       constant NormParams& p [[buffer(4)]], uint group [[threadgroup_position_in_grid]],
                       uint index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]],
                       uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                       uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup float partial[kMaxSimdgroups];
  device const float* row = x + ulong(group) * p.d;
  device float* out = y + ulong(group) * p.d;
  float sum = 0.0f;
  for (uint i = index; i < p.d; i += threads) sum += row[i];
  float mean = group_sum(sum, partial, lane, simdgroup, simdgroups) / float(p.d);
  float squares = 0.0f;
  for (uint i = index; i < p.d; i += threads) squares = fma(row[i] - mean, row[i] - mean, squares);
  float scale = rsqrt(group_sum(squares, partial, lane, simdgroup, simdgroups) / float(p.d) + p.eps);
  for (uint i = index; i < p.d; i += threads) {
    float value = (row[i] - mean) * scale;
    if (p.has_weight != 0) value *= weight[i];
    if (p.has_bias != 0) value += bias[i];
    out[i] = value;
  }
}

kernel void row_statistic(device const float* x [[buffer(0)]], device float* y [[buffer(3)]],
                          constant StatisticParams& p [[buffer(4)]], uint group [[threadgroup_position_in_grid]],
                          uint index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]],
                          uint lane [[thread_index_in_simdgroup]],
                          uint simdgroup [[simdgroup_index_in_threadgroup]],
                          uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup float partial[kMaxSimdgroups];
  device const float* row = x + ulong(group) * p.d;
  float center = 0.0f;
  Statistic statistic = Statistic(p.statistic);
  if (statistic == Statistic::mean || statistic == Statistic::deviation) {
    float sum = 0.0f;
    for (uint i = index; i < p.d; i += threads) sum += row[i];
    center = group_sum(sum, partial, lane, simdgroup, simdgroups) / float(p.d);
  }
  float squares = 0.0f;
  for (uint i = index; i < p.d; i += threads) squares = fma(row[i] - center, row[i] - center, squares);
  squares = group_sum(squares, partial, lane, simdgroup, simdgroups) / float(p.d);
  if (index != 0) return;
  float value = center;
  if (statistic == Statistic::deviation) value = sqrt(squares);
  if (statistic == Statistic::rms) value = sqrt(max(squares, p.eps));
  if (statistic == Statistic::inverse_rms) value = 1.0f / sqrt(max(squares, p.eps));
  y[group] = value * p.scale;
}
