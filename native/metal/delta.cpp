#include "metal/delta_params.h"
#include "metal/operators.h"
#include "metal/sequence_state.h"

namespace afterimage::metal {

void encode_gated_delta(Encoder& encoder, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  if (a.k_dim > 256) throw KernelUnavailable("gated_delta", "key dimensions above 256 have no kernel");
  const auto states = sequence_states(d);
  const auto key_heads = static_cast<uint32_t>(d.in[0].width / a.k_dim);
  const auto value_heads = static_cast<uint32_t>(d.in[2].width / a.v_dim);
  encoder.kernel(plain_kernel(d.op), 32);
  for (uint32_t i = 0; i < 5; ++i) encoder.bind(i, d.in[i]);
  encoder.bind(5, weight_of(d, 0)->vector())
      .bind(6, weight_of(d, 1)->vector())
      .bind(7, encoder.upload(states))
      .bind(8, d.out[0]);
  encoder.constants(
      9, DeltaParams{key_heads, value_heads, static_cast<uint32_t>(a.k_dim), static_cast<uint32_t>(a.v_dim)});
  use_states(encoder, *d.batch);
  encoder.dispatch(static_cast<uint32_t>(a.v_dim), value_heads, static_cast<uint32_t>(states.size()));
}

}  // namespace afterimage::metal
