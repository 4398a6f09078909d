// Linear by dot products: where simdgroup matrices are not to be had or may not be trusted, and for stored forms that
// linear_matrix.metal has not. One structure for one row and for many: a simdgroup computes 4 outputs of 1 or 8 rows,
// lanes share the columns and add up at the end, so a row's bits are the same whichever variant computed it. Weights
// are read once per 8 rows and never written back dequantized.
#include "common.h"
#include "linear_params.h"
#include "float_dot.h"
#include "quantized_format.h"

constant constexpr int kOuts = 4;

template <class W>
struct FloatDot {
  typedef W Data;
  template <int ROWS>
  static void sum(device const W* w, device const uchar* scales, device const uchar* biases,
                  constant QuantizedMatrix& m, uint first_out, device const float* x, thread const uint (&x_rows)[ROWS],
                  uint lane, thread float (&sums)[ROWS][kOuts]) {
    float_dot<W, ROWS, kOuts>(w, m.rows, m.columns, 0, first_out, x, x_rows, lane, sums);
  }
};

template <int FORMAT>
struct QuantizedDot {
  typedef uchar Data;
  template <int ROWS>
  static void sum(device const uchar* codes, device const uchar* scales, device const uchar* biases,
                  constant QuantizedMatrix& m, uint first_out, device const float* x, thread const uint (&x_rows)[ROWS],
                  uint lane, thread float (&sums)[ROWS][kOuts]) {
    quantized_dot<FORMAT, ROWS, kOuts>(m, codes, scales, biases, 0, first_out, x, x_rows, lane, sums);
  }
};

// grid: x = tiles of 16 outputs (4 simdgroups), y = tiles of ROWS rows
template <class Dot, int ROWS>
kernel void linear_dot(device const float* x [[buffer(0)]], device const typename Dot::Data* data [[buffer(1)]],
                       device const uchar* scales [[buffer(2)]], device const uchar* biases [[buffer(3)]],
                       device const float* bias [[buffer(4)]], device const float* residual [[buffer(5)]],
                       device float* y [[buffer(6)]], constant QuantizedMatrix& m [[buffer(7)]],
                       constant LinearDotParams& p [[buffer(8)]], uint2 group [[threadgroup_position_in_grid]],
                       uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  uint first_out = (group.x * 4 + simdgroup) * kOuts;
  uint first_row = group.y * ROWS;
  uint valid = min(p.rows - first_row, uint(ROWS));
  uint x_rows[ROWS];  // beyond the last the last, whose results are dropped
  UNROLL for (int r = 0; r < ROWS; ++r) x_rows[r] = first_row + min(uint(r), valid - 1);
  float sums[ROWS][kOuts];
  Dot::sum(data, scales, biases, m, first_out, x, x_rows, lane, sums);
  UNROLL for (int r = 0; r < ROWS; ++r) {
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

#define LINEAR_DOT(name, dot)                        \
  KERNEL(linear_dot_##name##_1, linear_dot<dot, 1>)  \
  KERNEL(linear_dot_##name##_8, linear_dot<dot, 8>)

LINEAR_DOT(f32, FloatDot<float>)
LINEAR_DOT(f16, FloatDot<half>)
LINEAR_DOT(bf16, FloatDot<bfloat>)
LINEAR_DOT(q2, QuantizedDot<2>)
LINEAR_DOT(q3, QuantizedDot<3>)
LINEAR_DOT(q4, QuantizedDot<4>)
LINEAR_DOT(q5, QuantizedDot<5>)
LINEAR_DOT(q6, QuantizedDot<6>)
LINEAR_DOT(q8, QuantizedDot<8>)
LINEAR_DOT(e2m1, QuantizedDot<14>)
LINEAR_DOT(e4m3, QuantizedDot<18>)
