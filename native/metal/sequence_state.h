// Recurrent state of a batch's sequences as conv.metal and delta.metal read it.
#pragma once
#include "metal/encoder.h"
#include "metal/sequence_state_params.h"

namespace afterimage::metal {

inline std::vector<SequenceState> sequence_states(const Dispatch& d) {
  std::vector<SequenceState> states;
  const size_t offset = d.batch->states->offsets[static_cast<size_t>(d.attrs->layer)];
  for (const SequenceRows& s : d.batch->sequences)
    states.push_back({buffer_of(s.state).gpu_address() + offset, static_cast<uint32_t>(s.first_row),
                      static_cast<uint32_t>(s.rows), s.first_position == 0, 0});
  return states;
}

inline void use_states(Encoder& encoder, const RowBatch& batch) {
  for (const SequenceRows& s : batch.sequences) encoder.use(*s.state);
}

}  // namespace afterimage::metal
