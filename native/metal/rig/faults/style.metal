// Every line marked must be found by lint.ts, by the rule that it names; this one has no common.h. // wrong: contraction
#include <metal_stdlib>
using namespace metal;

static int counter;                                             // wrong: static
inline float f(float x) { return std::exp(x); }                 // wrong: std
inline float g(double x) { return float(x); }                   // wrong: double
inline float h(float* x) { return x[0]; }                       // wrong: address-space
kernel void no_index(device float* y, uint i [[thread_position_in_grid]]) {  // wrong: buffer-index
  auto add = [&](float v) { return v; };                        // wrong: lambda
  float4 v = (float4)int4(1);                                   // wrong: vector-cast
  float limit = -INFINITY;                                      // wrong: infinity
  y[i] = fast::exp(v.x);                                        // wrong: fast-math
}
kernel void texture(texture2d<float> image [[texture(0)]]) {}   // wrong: texture
kernel void leaves(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (i > 3) return;                                            // wrong: early-return
  threadgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_float8x8 m;
  m.thread_elements()[0] = y[i];                                // wrong: thread-elements
}
