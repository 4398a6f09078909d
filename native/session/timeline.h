// The KV of one running request: shared blocks of the prefix tree, then private ones that it fills and publishes.
// Everything up to computed() is sound; what a cancelled run wrote lies beyond it and is overwritten or dropped.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "cache/sequence.h"
#include "graph/backend.h"

namespace afterimage {

class Timeline {
 public:
  Timeline(KvCache& kv, Sequence sequence) : kv_(kv), sequence_(std::move(sequence)) {}
  ~Timeline();
  // Goes on behind what `trunk` has computed, beside it: whole blocks are shared, the block in progress and the state
  // are copied, and nothing of it becomes visible to others. Promises itself branch_bytes(); throws OUT_OF_MEMORY.
  static std::unique_ptr<Timeline> branch(const Timeline& trunk, std::span<const int32_t> tokens);
  static size_t branch_bytes(const KvCache& kv, int32_t computed, int32_t tokens);
  Timeline(const Timeline&) = delete;

  Sequence& sequence() noexcept { return sequence_; }
  const Sequence& sequence() const noexcept { return sequence_; }
  int32_t computed() const noexcept { return computed_; }

  // Reserves room for `positions` positions, state buffers included, and takes over what the tree has. False where
  // the budget does not allow it, and `beside` more bytes that the caller is about to reserve, beside what is in use
  // now. At least `evaluated_at_least` items stay to be evaluated.
  bool open(int32_t positions, size_t beside, int32_t evaluated_at_least);
  // What open() would take over now.
  int32_t reusable(int32_t evaluated_at_least);
  // Takes over what others have computed of this sequence since; true if that is more than before.
  bool catch_up();

  // Blocks for [0, end) and a copy of the state to go back to. Throws OUT_OF_MEMORY.
  void prepare(int32_t end, bool keep_state);
  SequenceRows rows(int32_t first_row, int32_t count) const noexcept;
  // One row at `item`, whatever is computed, that leaves the state alone.
  SequenceRows row_at(int32_t item) const noexcept;
  // The run was completed: items up to `end` are sound. Full blocks become visible to others.
  void commit(int32_t end);
  // The run was not completed: the state goes back to where it was.
  void roll_back() noexcept;
  // Recurrent models: keeps the state at computed(), where memory allows.
  void snapshot();
  // Publishes the block in progress; the timeline is read-only from here on.
  void publish_tail();

  const std::vector<BlockRef>& blocks() const noexcept { return blocks_; }
  Memory* state() const noexcept { return state_.get(); }

 private:
  struct Pending {
    int32_t position;
    std::unique_ptr<Memory> state;
  };
  // A part of a matched path that can be taken over, with the recurrent state that goes with it.
  struct Reuse {
    int32_t end = 0;
    std::shared_ptr<Memory> state;
    size_t whole_blocks() const noexcept { return static_cast<size_t>(end / kBlockPositions); }
    int32_t part() const noexcept { return end % kBlockPositions; }
  };
  Reuse usable(const Match& match, int32_t limit);
  bool fits(const Match& match, const Reuse& reuse, size_t beside) const;
  void take_over(const Match& match, const Reuse& reuse, BlockRef copy);
  void settle_pending(const Match& match, size_t whole_blocks);
  void publish_block(int32_t end);
  BlockRef take_reserved_block();
  std::unique_ptr<Memory> take_reserved_state();
  void give_up_reservation(size_t bytes) noexcept;

  KvCache& kv_;
  Sequence sequence_;
  int32_t evaluated_at_least_ = 1;
  int64_t total_blocks_ = 0;  // of the whole request
  int32_t computed_ = 0;
  int32_t published_ = 0;  // full blocks that are in the tree
  Pin tip_;                // node of the last of them
  std::vector<BlockRef> blocks_;
  std::vector<Memory*> block_memory_;
  std::unique_ptr<Memory> state_, state_before_;
  bool state_saved_ = false;
  bool is_branch_ = false;
  std::vector<Pending> pending_;
  size_t reserved_ = 0;
  uint64_t seen_version_ = 0;
};

}  // namespace afterimage
