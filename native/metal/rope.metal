// RopeTable and Rope (Su et al. 2021; three position axes for M-RoPE): one thread per element.
#include "common.h"
#include "rope_params.h"

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
  uint column = i % p.d;
  if (column < p.start || column >= p.start + 2 * p.n) {
    y[i] = x[i];
    return;
  }
  uint c = column - p.start;
  uint pair = p.interleaved != 0 ? c / 2 : c % p.n;
  bool second = p.interleaved != 0 ? (c & 1) != 0 : c >= p.n;
  uint distance = p.interleaved != 0 ? 1 : p.n;
  device const float* angles = table + ulong(i / (p.d * p.groups)) * 2 * p.n;
  float cosine = angles[pair];
  float sine = angles[p.n + pair];
  float other = second ? x[i - distance] : x[i + distance];
  y[i] = second ? x[i] * cosine + other * sine : x[i] * cosine - other * sine;
}
