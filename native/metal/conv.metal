// ShortConv: causal depthwise convolution whose first inputs come from the sequence's state, then the state's update.
// Two dispatches, because every row of the run reads the old state.
#include "common.h"
#include "conv_params.h"
#include "sequence_state_params.h"

// Input number `index` of the sequence, counted from the oldest of the state.
inline float sequence_input(device const float* x, device const SequenceState* s, constant ConvParams& p,
                            uint channel, uint index) {
  if (index + 1 >= p.taps) return x[ulong(s->first_row + index + 1 - p.taps) * p.channels + channel];
  return s->fresh != 0 ? 0.0f : s->state[channel * (p.taps - 1) + index];
}

// grid: x = channels, y = rows
kernel void short_conv(device const float* x [[buffer(0)]], device const float* w [[buffer(1)]],
                       device const float* bias [[buffer(2)]], device const SequenceState* sequences [[buffer(3)]],
                       device const uint* sequence_of_row [[buffer(4)]], device float* y [[buffer(5)]],
                       constant ConvParams& p [[buffer(6)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.channels) return;
  device const SequenceState* s = sequences + sequence_of_row[at.y];
  uint row = at.y - s->first_row;
  float sum = 0.0f;
  for (uint tap = 0; tap < p.taps; ++tap)
    sum = fma(w[at.x * p.taps + tap], sequence_input(x, s, p, at.x, row + tap), sum);
  if (p.has_bias != 0) sum += bias[at.x];
  y[ulong(at.y) * p.channels + at.x] = activate(p.activation, sum);
}

// grid: x = channels, y = sequences. Entry i takes input i + rows, which lies behind it: one thread, ascending.
kernel void short_conv_state(device const float* x [[buffer(0)]],
                             device const SequenceState* sequences [[buffer(3)]],
                             constant ConvParams& p [[buffer(6)]], uint2 at [[thread_position_in_grid]]) {
  if (at.x >= p.channels) return;
  device const SequenceState* s = sequences + at.y;
  for (uint i = 0; i + 1 < p.taps; ++i)
    s->state[at.x * (p.taps - 1) + i] = sequence_input(x, s, p, at.x, i + s->rows);
}
