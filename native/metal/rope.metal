// RopeTable and Rope (Su et al. 2021; three position axes for M-RoPE): one thread per element.
#include "common.h"
#include "rope_params.h"
#include "rope_element.h"

// table[R,2n] = [cos | sin]
kernel void rope_table(device const int* positions [[buffer(0)]], device const float* inv_freq [[buffer(1)]],
                       device const int* axis [[buffer(2)]], device float* table [[buffer(3)]],
                       constant RopeTableParams& p [[buffer(4)]], uint i [[thread_position_in_grid]]) {
  if (i >= p.rows * p.n) return;
  uint row = i / p.n;
  uint frequency = i % p.n;
  float angle = float(positions[row * p.axes + uint(axis[frequency])]) * inv_freq[frequency];
  device float* out = table + ulong(row) * 2 * p.n;
  out[frequency] = precise::cos(angle) * p.scale;
  out[p.n + frequency] = precise::sin(angle) * p.scale;
}

kernel void rope(device const float* x [[buffer(0)]], device const float* table [[buffer(1)]],
                 device float* y [[buffer(2)]], constant RopeParams& p [[buffer(3)]],
                 uint i [[thread_position_in_grid]]) {
  if (i >= p.count) return;
  device const float* angles = table + ulong(i / (p.d * p.groups)) * 2 * p.n;
  y[i] = roped(x + i / p.d * p.d, i % p.d, angles, p);
}
