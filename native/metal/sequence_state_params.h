// Of conv.metal and delta.metal.
#pragma once
#include "params.h"

namespace afterimage {
namespace metal {

// One sequence of the run and its state, f32: [C][K − 1], oldest first, of a convolution; [value heads][k_dim][v_dim]
// of a gated delta rule.
struct SequenceState {
  DEVICE_POINTER(float) state;
  uint32_t first_row;
  uint32_t rows;
  uint32_t fresh;  // the sequence starts here: the state counts as zero
  uint32_t unused;
};
PARAMS_LAYOUT(SequenceState, unused, 20, 24);

}  // namespace metal
}  // namespace afterimage
