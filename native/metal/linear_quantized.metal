// Linear on quantized weights. One structure for one row and for many: a simdgroup computes 4 outputs of 1 or 8 rows,
// lanes share the columns and add up at the end, so a row's bits are the same whichever variant computed it. Weights
// are read once per 8 rows and never written back dequantized.
#include "common.h"
#include "linear_params.h"
#include "quantized_format.h"

constant constexpr int kOuts = 4;

// grid: x = tiles of 16 outputs (4 simdgroups), y = tiles of ROWS rows
template <int FORMAT, int ROWS>
kernel void linear_quantized(device const float* x [[buffer(0)]], device const uchar* codes [[buffer(1)]],
                             device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
                             device const float* bias [[buffer(4)]], device const float* residual [[buffer(5)]],
                             device float* y [[buffer(6)]], constant QuantizedMatrix& m [[buffer(7)]],
                             constant LinearParams& p [[buffer(8)]], uint2 group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint first_out = (group.x * 4 + simdgroup) * kOuts;
  uint first_row = group.y * ROWS;
  uint valid = min(p.rows - first_row, uint(ROWS));
  uint x_rows[ROWS];  // beyond the last the last, whose results are dropped
  for (int r = 0; r < ROWS; ++r) x_rows[r] = first_row + min(uint(r), valid - 1);
  float sums[ROWS][kOuts];
  quantized_dot<FORMAT, ROWS, kOuts>(m, codes, scales, biases, 0, first_out, x, x_rows, lane, sums);
  for (int r = 0; r < ROWS; ++r) {
    float4 total = simd_sum(float4(sums[r][0], sums[r][1], sums[r][2], sums[r][3]));
    uint out = first_out + lane;
    if (lane < uint(kOuts) && out < m.rows && uint(r) < valid) {
      float value = lane == 0 ? total.x : (lane == 1 ? total.y : (lane == 2 ? total.z : total.w));
      ulong at = ulong(first_row + uint(r)) * m.rows + out;
      if (p.has_bias != 0) value += bias[out];
      value = activate(p.activation, value);
      if (p.has_residual != 0) value += residual[at];
      y[at] = value;
    }
  }
}

#define LINEAR_QUANTIZED(name, format)                       \
  KERNEL(linear_##name##_1, linear_quantized<format, 1>)     \
  KERNEL(linear_##name##_8, linear_quantized<format, 8>)

LINEAR_QUANTIZED(q2, 2)
LINEAR_QUANTIZED(q3, 3)
LINEAR_QUANTIZED(q4, 4)
LINEAR_QUANTIZED(q5, 5)
LINEAR_QUANTIZED(q6, 6)
LINEAR_QUANTIZED(q8, 8)
LINEAR_QUANTIZED(e2m1, 14)
LINEAR_QUANTIZED(e4m3, 18)
