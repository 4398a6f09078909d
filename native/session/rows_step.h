// One run of rows through the decoder: the next token of every request that is answering, what is guessed to follow it,
// and beside them one chunk of a prompt, or rows of the choices of a request.
#pragma once
#include <span>
#include <vector>

#include "session/answers.h"
#include "session/engine_state.h"

namespace afterimage {

class RowsStep {
 public:
  explicit RowsStep(EngineState& state) : state_(state), answers_(state) {}

  // Checks that everything is there for the prefill and lets the request take turns.
  void accept(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks);
  // `next`, which may be null, is prefilling or weighing.
  void run(std::vector<RequestPtr> requests, const RequestPtr& next);

 private:
  // What a request contributes to a run: rows of its own timeline or of those of its choices.
  struct Part {
    RequestPtr request;
    Timeline* timeline;
    Choices::Rows choice;
  };
  struct Batch {
    std::vector<Interrupt::Subject*> subjects;
    std::vector<Part> parts;
    std::vector<DecoderRows> rows;  // of each part
  };
  enum class Outcome : uint8_t { done, cancelled, failed };

  bool features_complete(Request& request) const;
  static void check_room(const Request& request);
  Outcome run_batch(const std::vector<RequestPtr>& wanted);
  Batch prepare(const std::vector<RequestPtr>& wanted);
  void add_chunk(const RequestPtr& request, Batch& batch) const;
  void add_choices(const RequestPtr& request, int32_t most, Batch& batch) const;
  static void take_back(const Batch& batch);
  Outcome give_up(const Batch& batch, const Error& error);
  int32_t next_end(const Request& request) const;
  Drafter::Price price_of(const std::vector<RequestPtr>& wanted, int32_t answers) const;
  void count(const Batch& batch, double spent_ms);
  void take_results(const Batch& batch, const DecoderResult& results);
  void take_chunk(const RequestPtr& request, int32_t end, const Answers::Rows& results);
  void begin_weighing(const RequestPtr& request, std::span<const float> logits);
  void weigh(const RequestPtr& request, const Choices::Rows& rows, std::span<const float> logits, int64_t width);

  EngineState& state_;
  Answers answers_;
};

}  // namespace afterimage
