// Slice, Concat, Repeat, TransposeInner, Regroup: data movement, one thread per output element.
#include "common.h"
#include "layout_params.h"

// x[.., a] → columns [start, start + b) of each group of a
kernel void slice(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                  constant LayoutParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = x[ulong(i / p.b) * p.a + p.start + i % p.b];
}

// groups of a columns of x followed by b columns of z
kernel void concat(device const float* x [[buffer(0)]], device const float* z [[buffer(1)]],
                   device float* y [[buffer(2)]], constant LayoutParams& p [[buffer(3)]],
                   uint i [[thread_position_in_grid]]) {
  if (i >= p.count) return;
  uint group = i / (p.a + p.b);
  uint column = i % (p.a + p.b);
  y[i] = column < p.a ? x[ulong(group) * p.a + column] : z[ulong(group) * p.b + column - p.a];
}

// rows of a columns, b times
kernel void repeat(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                   constant LayoutParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = x[ulong(i / (p.a * p.b)) * p.a + i % p.a];
}

// rows [a,b] → [b,a]
kernel void transpose_inner(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                            constant LayoutParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i >= p.count) return;
  uint within = i % (p.a * p.b);
  y[i] = x[ulong(i - within) + ulong(within % p.a) * p.b + within / p.a];
}

kernel void copy_elements(device const uint* x [[buffer(0)]], device uint* y [[buffer(2)]],
                          constant LayoutParams& p [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < p.count) y[i] = x[i];
}
