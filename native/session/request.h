// One request from begin to its end. Only `cancelled` and `finishing` are touched by other threads; the rest belongs
// to the engine thread.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "session/answer.h"
#include "session/choices.h"
#include "session/decoder.h"
#include "session/drafter.h"
#include "session/interrupt.h"
#include "session/named_input.h"
#include "session/timeline.h"

namespace afterimage {

using Clock = std::chrono::steady_clock;

inline double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct EncodeJob {
  ImageKey key{};
  std::vector<NamedInput> inputs;
  OnEncoded on_encoded;
  OnError on_error;
};

struct Request : Interrupt::Subject {
  // begun → looking_up (disk) → waiting (memory) → planned ⇄ encoding → prefilling → decoding or weighing → ended
  enum class State : uint8_t { looking_up, waiting, planned, encoding, prefilling, decoding, weighing, ended };

  Request(RequestId request, const RequestOptions& request_options) : id(request), options(request_options) {}

  const RequestId id;
  const RequestOptions options;
  std::atomic<bool> finishing{false};

  State state = State::looking_up;
  OnPlan on_plan;
  OnError on_error;  // of the plan
  std::unique_ptr<Timeline> timeline;
  std::unique_ptr<Choices> choices;  // null: an answer, or nothing, is wanted
  HeldFeatures features;
  size_t feature_bytes = 0;  // promised for its images
  int32_t restored_end = 0;  // end of what came from disk
  int32_t counted_end = 0;   // end of the items that are counted as reused or computed
  PlanReport plan;

  EncodeJob encode_job;
  GenerateOptions generate_options;
  GenerateCallbacks callbacks;
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Drafter> drafter;  // null: nothing is guessed
  std::vector<int32_t> draft;        // at the end of the sequence while they are run
  bool draft_of_head = false;        // guessed by the model's own head
  std::vector<float> hidden;         // from which the last token came; empty without a head
  GenerateResult result;
  Clock::time_point decode_start;

  bool generating() const noexcept {
    return state == State::prefilling || state == State::decoding || state == State::weighing;
  }
  // An answer and choices need the logits of the prompt's last item.
  bool wants_logits() const noexcept { return options.max_tokens > 0 || !options.choices.empty(); }
  // Items at the end of the prompt that are evaluated whatever is cached.
  int32_t evaluated_at_least() const noexcept { return wants_logits() ? 1 : 0; }
  // Items of the answer that are not computed yet: one, or more where a recurrent state had to be taken back.
  int32_t owed() const noexcept { return timeline->sequence().size() - timeline->computed(); }
  // Guesses that may be run beside what is owed, `rows` rows in all.
  int32_t most_guesses(int32_t rows) const noexcept;
  // Guesses become the end of the sequence, until they are taken from it again.
  void append_draft(std::vector<int32_t> tokens);
  std::vector<int32_t> take_draft();
  // Takes over what others have computed meanwhile.
  void catch_up();
  // Counts everything up to computed() that this request did not run itself.
  void count_reuse();
};

using RequestPtr = std::shared_ptr<Request>;

}  // namespace afterimage
