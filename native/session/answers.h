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

  // The prompt is computed: `logits` is its last row, made of `hidden`. The request may end with it, as with take().
  void begin(const RequestPtr& request, std::span<const float> logits, std::span<const float> hidden);
  // Its rows of the next run, at most `most`, guesses included, prepared. `alone`: no other request is in that run.
  // Throws OUT_OF_MEMORY.
  DecoderRows rows(Request& request, int32_t most, const Drafter::Price& price, bool alone);
  // Of one request, of the last token and of what was guessed behind it; none where the run did not come so far.
  struct Rows {
    std::span<const float> logits, hidden;  // hidden: of models with a head
    size_t vocab, width;
  };
  // The run was completed.
  void take(const RequestPtr& request, const DecoderRows& rows, const Rows& results);

 private:
  std::optional<StopReason> sample(Request& request, std::span<const float> logits);
  static int32_t next_token(Request& request, std::span<const float> logits);
  std::vector<int32_t> guess(Request& request, int32_t most, Drafter::Price price);
  std::vector<int32_t> ask_head(Request& request, int32_t count);
  static void report(const Request& request);
  void count(Request& request, size_t drafted, size_t right);
  void keep(Request& request, int32_t kept, int32_t computed, bool ends);
  void compute_again(Request& request, int32_t end);

  EngineState& state_;
};

}  // namespace afterimage
