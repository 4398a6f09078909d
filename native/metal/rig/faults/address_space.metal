// Must not pass the strict check: device memory handed on as thread memory, threadgroup memory as device memory.
#include <metal_stdlib>
using namespace metal;

inline float first(thread const float* values) {
  return values[0];
}
inline float second(device const float* values) {
  return values[1];
}

kernel void mixed_spaces(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                         uint i [[thread_index_in_threadgroup]]) {
  threadgroup float tile[64];
  tile[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = first(x) + second(tile);
}
