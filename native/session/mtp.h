// The head with which a model guesses its own next token but one: from its last hidden state and the token that came of
// it (multi-token prediction: Gloeckle et al. 2024; DeepSeek-V3, section 2.2). Its keys and values are the last layer
// of the decoder's cache, written by the decoder at each row for the row's token and the state before it, so that they
// are shared, kept and evicted with the others. A guess writes to that layer only, where the decoder will write the
// same positions itself before anybody else sees them.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "graph/executor.h"
#include "session/timeline.h"

namespace afterimage {

class Mtp {
 public:
  Mtp(std::unique_ptr<Executor> executor, const KvCache& kv, int32_t position_axes);

  struct Guess {
    std::vector<float> logits, hidden;  // [vocab], [hidden]
  };
  // Behind `token` at `item`, where `hidden` is the state of the item before it. The timeline is prepared up to there,
  // and the head's keys and values of all items before are there. Throws CANCELLED, OUT_OF_MEMORY, BACKEND_FAILED.
  Guess run(const Timeline& timeline, int32_t item, int32_t token, std::span<const float> hidden,
            const std::atomic<bool>& cancel);
  // Scratch of a run.
  size_t predict_bytes() const { return executor_->predict_bytes({{"rows", 1}}); }
  Executor& executor() noexcept { return *executor_; }

 private:
  std::unique_ptr<Executor> executor_;
  const KvCache& kv_;
  const int32_t position_axes_;
};

}  // namespace afterimage
