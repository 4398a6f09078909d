// Kernels that keep an array in memory of each thread, marked, and one that keeps it in registers: for stack-lint.ts.
#include <metal_stdlib>
using namespace metal;

kernel void dynamic_index(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],  // wrong: stack
                          uint i [[thread_index_in_threadgroup]]) {
  float values[8];
  for (uint k = 0; k < 8; ++k) values[k] = x[8 * i + k];
  y[i] = values[uint(x[0]) % 8];
}

// Its bounds are constant, but nothing says that it is to be unrolled.
kernel void loop_not_unrolled(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],  // wrong: stack
                              uint i [[thread_index_in_threadgroup]]) {
  simdgroup_float8x8 sums[4];
  for (uint k = 0; k < 4; ++k) simdgroup_load(sums[k], x + 64 * k, 8);
  for (uint k = 0; k < 4; ++k) simdgroup_store(sums[k], y + 64 * k, 8);
}

kernel void loop_unrolled(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                          uint i [[thread_index_in_threadgroup]]) {
  float values[8];
  _Pragma("clang loop unroll(full)") for (uint k = 0; k < 8; ++k) values[k] = x[8 * i + k];
  float sum = 0.0f;
  _Pragma("clang loop unroll(full)") for (uint k = 0; k < 8; ++k) sum += values[7 - k];
  y[i] = sum;
}
