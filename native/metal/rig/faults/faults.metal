// Kernels with one mistake each, and `reverse`, which has none: y[i] = x[n − 1 − i] in groups of 64. metal_rig checks
// that each is caught.
#include <metal_stdlib>
using namespace metal;

kernel void reverse(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                    uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}

kernel void missing_barrier(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                            uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  y[i] = tile[63 - i];
}

// The barrier orders nothing: only a data race detector sees it where the schedule happens to be kind.
kernel void barrier_without_memory(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                                   uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_none);
  y[i] = tile[63 - i];
}

kernel void wrong_stride(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                         uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[8][8];
  tile[i / 8][i % 8] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[7 - i / 8][(63 - i) % 7];
}

kernel void off_by_one_tile(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                            uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  for (uint k = i; k < 63; k += 64) tile[k] = x[k];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}

kernel void divergent_barrier(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                              uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  if (i < 32) threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}

kernel void early_return(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                         uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  if (i == 63) return;  // leaves the others at the barrier
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}

kernel void uninitialised_memory(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                                 uint i [[thread_index_in_threadgroup]]) {
  threadgroup float sums[64];
  sums[i] += x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = sums[63 - i];
}

// Adds all into y[0]: groups and threads overwrite each other's sums on a GPU.
kernel void non_atomic_sum(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                           uint i [[thread_index_in_threadgroup]]) {
  y[0] += x[i];
}

kernel void race_between_groups(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                                uint i [[thread_index_in_threadgroup]], uint group [[threadgroup_position_in_grid]]) {
  if (i == 0) y[0] = x[group];
}

kernel void device_out_of_bounds(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                                 uint i [[thread_index_in_threadgroup]]) {
  y[i + 1] = x[63 - i];
}

kernel void threadgroup_out_of_bounds(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                                      uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  threadgroup float* end = tile + 64;
  y[i] = *(end - i);
}

// The bits of four integers are not their values.
kernel void float4_bitcast(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                           uint i [[thread_index_in_threadgroup]]) {
  int4 whole = int4(int(x[63 - i]), 0, 0, 0);
  float4 value = as_type<float4>(whole);
  y[i] = value.x;
}

// The conversion that should have been: not a fault.
kernel void float4_conversion(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                              uint i [[thread_index_in_threadgroup]]) {
  int4 whole = int4(int(x[63 - i]), 0, 0, 0);
  float4 value = float4(whole);
  y[i] = value.x;
}

kernel void divergent_simd_sum(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                               uint i [[thread_index_in_threadgroup]]) {
  float sum = x[63 - i];
  if (i % 32 < 16) sum = simd_sum(sum);
  y[i] = sum;
}

kernel void divergent_matrix(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                             uint i [[thread_index_in_threadgroup]]) {
  simdgroup_float8x8 m;
  simdgroup_load(m, x, 8);
  if (i % 32 < 16) simdgroup_multiply(m, m, m);
  simdgroup_barrier(mem_flags::mem_none);
  y[i] = x[63 - i];
}

kernel void too_much_memory(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                            uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64 * 200];
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}
