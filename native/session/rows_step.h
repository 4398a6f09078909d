// One run of rows through the decoder: the next token of every request that is answering, and beside them one chunk of
// a prompt.
#pragma once
#include <span>
#include <vector>

#include "session/engine_state.h"

namespace afterimage {

class RowsStep {
 public:
  explicit RowsStep(EngineState& state) : state_(state) {}

  // Checks that everything is there for the prefill and lets the request take turns.
  void accept(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks);
  // `prefilling` may be null.
  void run(std::vector<RequestPtr> requests, const RequestPtr& prefilling);

 private:
  struct Batch {
    std::vector<RequestPtr> requests;
    std::vector<Interrupt::Subject*> subjects;
    std::vector<DecoderRows> parts;
  };
  enum class Outcome : uint8_t { done, cancelled, failed };

  bool features_complete(Request& request) const;
  Outcome run_batch(const std::vector<RequestPtr>& wanted);
  Batch prepare(const std::vector<RequestPtr>& wanted);
  Outcome give_up(const Batch& batch, const Error& error);
  int32_t next_end(const Request& request) const;
  void count(const Batch& batch, double spent_ms);
  void take_results(const Batch& batch, const HostTensor& logits);
  void take_chunk(const RequestPtr& request, int32_t end, std::span<const float> logits);
  void sample(const RequestPtr& request, std::span<const float> logits);

  EngineState& state_;
};

}  // namespace afterimage
