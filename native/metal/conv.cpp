#include "metal/conv_params.h"
#include "metal/operators.h"
#include "metal/sequence_state.h"

namespace afterimage::metal {

void encode_short_conv(Encoder& encoder, const Dispatch& d) {
  const MetalWeight& w = *weight_of(d, 0);
  const auto channels = static_cast<uint32_t>(d.in[0].width);
  const auto states = sequence_states(d);
  const Placement sequences = encoder.upload(states);
  const Placement row_sequences = encoder.tables(*d.batch).row_sequences;
  const auto taps = static_cast<uint32_t>(w.rows() * w.columns() / channels);
  const ConvParams params{channels, taps, static_cast<uint32_t>(d.attrs->activation), d.weights[1] != nullptr};
  encoder.kernel("conv", "short_conv", 256).bind(0, d.in[0]).bind(1, w.vector());
  d.weights[1] ? encoder.bind(2, weight_of(d, 1)->vector()) : encoder.bind_unused(2);
  encoder.bind(3, sequences).bind(4, row_sequences).bind(5, d.out[0]).constants(6, params);
  use_states(encoder, *d.batch);
  encoder.dispatch(tiles_of(channels, 256), static_cast<uint32_t>(d.in[0].rows));
  encoder.barrier();  // the new state takes the old one's place
  encoder.kernel("conv", "short_conv_state", 256).bind(0, d.in[0]).bind(3, sequences).constants(6, params);
  use_states(encoder, *d.batch);
  encoder.dispatch(tiles_of(channels, 256), static_cast<uint32_t>(states.size()));
}

}  // namespace afterimage::metal
