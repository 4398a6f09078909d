// The rows of requests that are answering, and what is taken from them. Behind the last token stand those that are
// guessed to follow. A guess is never more than a row: a token is what the sampler takes from the row before it, and
// where that is the one that was guessed, its own row is there already. So answers have the bits that they have without
// guesses, sampled ones too: "take the guess with its probability, else draw among the others" (Leviathan, Kalman,
// Matias 2023) is, with the same draw, "draw, and see whether it is the guess".
#pragma once
#include <optional>
#include <span>

#include "session/engine_state.h"

namespace afterimage {

class Answers {
 public:
  explicit Answers(EngineState& state) : state_(state) {}

  // The prompt is computed: `logits` is its last row. The request may end with it, as with take().
  void begin(const RequestPtr& request, std::span<const float> logits);
  // Its rows of the next run, at most `most`, guesses included, prepared. `alone`: no other request is in that run.
  // Throws OUT_OF_MEMORY.
  DecoderRows rows(Request& request, int32_t most, const Drafter::Price& price, bool alone) const;
  // The run was completed. `logits`: of the last token and of what was guessed behind it, `width` wide; none where the
  // run did not come so far.
  void take(const RequestPtr& request, const DecoderRows& rows, std::span<const float> logits, int64_t width);

 private:
  std::optional<StopReason> sample(Request& request, std::span<const float> logits);
  static int32_t next_token(Request& request, std::span<const float> logits);
  void count(Request& request, size_t drafted, size_t right);
  void keep(Request& request, int32_t kept, int32_t computed, bool ends);
  void compute_again(Request& request, int32_t end);

  EngineState& state_;
};

}  // namespace afterimage
