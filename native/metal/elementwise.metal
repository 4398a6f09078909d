// Add, Mul, Activation, GatedActivation, Softcap, Clamp: one thread per element.
#include "common.h"
#include "elementwise_params.h"

inline uint operand(constant ElementwiseParams& p, uint i) {
  return p.broadcast == 0 ? i : (p.broadcast == 1 ? i / p.width : i % p.width);
}

kernel void add(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]], device float* y [[buffer(2)]],
                constant ElementwiseParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = a[i] + b[operand(p, i)];
}

kernel void multiply(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]],
                     device float* y [[buffer(2)]], constant ElementwiseParams& p [[buffer(3)]],
                     uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = a[i] * b[operand(p, i)];
}

kernel void activation(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                       constant ElementwiseParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = activate(p.activation, x[i]) * p.scale;
}

kernel void gated_activation(device const float* gate [[buffer(0)]], device const float* up [[buffer(1)]],
                             device float* y [[buffer(2)]], constant ElementwiseParams& p [[buffer(3)]],
                             uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = activate(p.activation, gate[i]) * up[i];
}

kernel void softcap(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                    constant ElementwiseParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = p.cap * safe_tanh(x[i] / p.cap);
}

kernel void clamp_between(device const float* x [[buffer(0)]], device const float* low [[buffer(1)]],
                          device float* y [[buffer(2)]], constant ElementwiseParams& p [[buffer(3)]],
                          device const float* high [[buffer(4)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = min(max(x[i], low[0]), high[0]);
}
