// Decides what the engine thread does next. Each step is one run: rows (a decode row of every request that is
// answering, and beside them one prefill chunk) or one image through the vision encoder. An image takes seconds, so
// its run pauses for the others: they are admitted, cancelled and answered meanwhile.
#pragma once
#include <functional>

#include "cache/tree_listing.h"
#include "session/encode_step.h"
#include "session/engine_state.h"
#include "session/rows_step.h"
#include "session/waiting_room.h"

namespace afterimage {

class Scheduler {
 public:
  // `post` hands a function to the engine thread from another thread.
  Scheduler(const EngineOptions& options, Model& model, Interrupt& interrupt,
            std::function<void(std::function<void()>)> post);

  void begin(const RequestPtr& request, Sequence sequence) { waiting_room_.enter(request, std::move(sequence)); }
  void encode(const RequestPtr& request, EncodeJob job) { encode_step_.accept(request, std::move(job)); }
  void generate(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks) {
    rows_step_.accept(request, std::move(options), std::move(callbacks));
  }
  // Does one thing; false where there is nothing to do.
  bool step();
  void clear_memory();
  void fail_all(const Error& error) { state_.requests.fail_all(error); }
  // Ends every request with this error, and stops the disk tier.
  void close(const Error& error);

  DiskTier& disk() noexcept { return state_.disk; }
  HeldTree held_tree();
  Counters counters() const;
  // Called for each request that ended.
  std::function<void(RequestId)> on_ended;
  // Called in the middle of an image: does what was asked of the engine since.
  std::function<void()> on_pause;

 private:
  void pause_for_others(const RequestPtr& encoding);

  EngineState state_;
  WaitingRoom waiting_room_;
  EncodeStep encode_step_;
  RowsStep rows_step_;
  bool answers_next_ = false;  // an image was encoded: the answers in progress go on before the next one
};

}  // namespace afterimage
