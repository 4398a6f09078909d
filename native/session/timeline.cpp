#include "session/timeline.h"

#include <algorithm>
#include <cstring>

namespace afterimage {

Timeline::~Timeline() {
  give_up_reservation(reserved_);
  if (state_) kv_.pool().forget_state(*state_);
  if (state_before_) kv_.pool().forget_state(*state_before_);
  for (const Pending& pending : pending_) kv_.pool().forget_state(*pending.state);
}

size_t Timeline::branch_bytes(const KvCache& kv, int32_t computed, int32_t tokens) {
  const int32_t blocks = (computed + tokens + kBlockPositions - 1) / kBlockPositions - computed / kBlockPositions;
  return kv.bytes_for(blocks, 2);
}

std::unique_ptr<Timeline> Timeline::branch(const Timeline& trunk, std::span<const int32_t> tokens) {
  auto branch = std::make_unique<Timeline>(trunk.kv_, trunk.sequence_);
  branch->is_branch_ = true;
  for (int32_t token : tokens) branch->sequence_.append(token);
  branch->computed_ = trunk.computed_;
  branch->reserved_ = branch_bytes(trunk.kv_, trunk.computed_, static_cast<int32_t>(tokens.size()));
  trunk.kv_.reserve(branch->reserved_);
  const auto whole = static_cast<size_t>(trunk.computed_ / kBlockPositions);
  const int32_t part = trunk.computed_ % kBlockPositions;
  branch->blocks_.assign(trunk.blocks_.begin(), trunk.blocks_.begin() + static_cast<ptrdiff_t>(whole));
  if (part > 0) {
    branch->blocks_.push_back(branch->take_reserved_block());
    trunk.kv_.copy_positions(branch->blocks_.back().memory().host(), trunk.blocks_[whole].memory().host(), part);
  }
  if (trunk.kv_.recurrent()) {
    branch->state_ = branch->take_reserved_state();
    branch->state_before_ = branch->take_reserved_state();
    std::memcpy(branch->state_->host(), trunk.state_->host(), trunk.kv_.states().bytes);
  }
  return branch;
}

void Timeline::give_up_reservation(size_t bytes) noexcept {
  bytes = std::min(bytes, reserved_);
  reserved_ -= bytes;
  kv_.unreserve(bytes);
}

BlockRef Timeline::take_reserved_block() {
  BlockRef block = kv_.take_block();
  give_up_reservation(kv_.layout().block_bytes());
  return block;
}

std::unique_ptr<Memory> Timeline::take_reserved_state() {
  auto state = kv_.take_state();
  give_up_reservation(kv_.states().bytes);
  return state;
}

bool Timeline::open(int32_t positions, size_t beside, int32_t evaluated_at_least) {
  evaluated_at_least_ = evaluated_at_least;
  total_blocks_ = (positions + kBlockPositions - 1) / kBlockPositions;
  const Match match = kv_.tree().match(sequence_, kv_.recurrent());
  seen_version_ = kv_.tree().version();
  Reuse reuse = usable(match, match.length);
  while (!fits(match, reuse, beside)) {
    if (reuse.part() == 0) return false;
    // No room to copy part of a block beside its source: only whole blocks are shared.
    reuse = usable(match, reuse.end - reuse.part());
  }
  const Pin path(match.path.empty() ? nullptr : match.path.back());
  reserved_ = kv_.bytes_for(total_blocks_ - static_cast<int64_t>(reuse.whole_blocks()), 2);
  kv_.reserve(reserved_);
  if (kv_.recurrent()) {
    state_ = take_reserved_state();
    state_before_ = take_reserved_state();
  }
  BlockRef copy;
  if (reuse.part() > 0) copy = take_reserved_block();
  take_over(match, reuse, std::move(copy));
  return true;
}

int32_t Timeline::reusable(int32_t evaluated_at_least) {
  evaluated_at_least_ = evaluated_at_least;
  const Match match = kv_.tree().match(sequence_, kv_.recurrent());
  return usable(match, match.length).end;
}

Timeline::Reuse Timeline::usable(const Match& match, int32_t limit) {
  Reuse reuse{sequence_.reusable(std::min(match.length, limit), evaluated_at_least_), nullptr};
  if (!kv_.recurrent()) return reuse;
  const Snapshot* snapshot = kv_.tree().snapshot(match, reuse.end);
  if (!snapshot) return {};
  return {snapshot->position, snapshot->state};
}

bool Timeline::fits(const Match& match, const Reuse& reuse, size_t beside) const {
  const size_t whole = reuse.whole_blocks();
  const size_t touched = whole + (reuse.part() > 0 ? 1 : 0);
  const Pin path(touched > 0 ? match.path[touched - 1] : nullptr);
  const size_t needed = kv_.bytes_for(total_blocks_ - static_cast<int64_t>(whole), 2);
  return kv_.committed_bytes() + needed + beside <= kv_.pool().budget_bytes();
}

bool Timeline::catch_up() {
  if (seen_version_ == kv_.tree().version()) return false;
  const Match match = kv_.tree().match(sequence_, kv_.recurrent());
  seen_version_ = kv_.tree().version();
  Reuse reuse = usable(match, match.length);
  BlockRef copy;
  if (reuse.end > computed_ && reuse.part() > 0) {
    const Pin source(match.path[reuse.whole_blocks()]);
    copy = kv_.try_block();
    if (!copy) reuse = usable(match, reuse.end - reuse.part());
  }
  if (reuse.end <= computed_ || (reuse.part() > 0 && !copy)) return false;
  take_over(match, reuse, std::move(copy));
  give_up_reservation(reserved_);
  reserved_ = kv_.bytes_for(total_blocks_ - static_cast<int64_t>(blocks_.size()), 0);
  kv_.reserve(reserved_);
  return true;
}

void Timeline::take_over(const Match& match, const Reuse& reuse, BlockRef copy) {
  const size_t whole = reuse.whole_blocks();
  if (reuse.part() > 0)
    kv_.copy_positions(copy.memory().host(), match.path[whole]->block.memory().host(), reuse.part());
  if (reuse.state) std::memcpy(state_->host(), reuse.state->host(), kv_.states().bytes);
  settle_pending(match, whole);
  blocks_.clear();
  for (size_t i = 0; i < whole; ++i) blocks_.push_back(match.path[i]->block);
  if (whole > 0) tip_ = Pin(match.path[whole - 1]);
  published_ = static_cast<int32_t>(whole);
  computed_ = reuse.end;
  if (copy) blocks_.push_back(std::move(copy));
}

// Snapshots of blocks that someone else has published go to that path.
void Timeline::settle_pending(const Match& match, size_t whole_blocks) {
  std::erase_if(pending_, [&](Pending& pending) {
    const auto block = static_cast<size_t>((pending.position - 1) / kBlockPositions);
    if (block >= whole_blocks) return false;
    kv_.tree().add_snapshot(match.path[block], pending.position, std::move(pending.state));
    return true;
  });
}

void Timeline::prepare(int32_t end, bool keep_state) {
  while (static_cast<int32_t>(blocks_.size()) * kBlockPositions < end) {
    blocks_.push_back(take_reserved_block());
  }
  block_memory_.clear();
  for (const BlockRef& block : blocks_) block_memory_.push_back(&block.memory());
  state_saved_ = keep_state && kv_.recurrent();
  if (state_saved_) std::memcpy(state_before_->host(), state_->host(), kv_.states().bytes);
}

SequenceRows Timeline::rows(int32_t first_row, int32_t count) const noexcept {
  SequenceRows rows;
  rows.first_row = first_row;
  rows.rows = count;
  rows.first_position = computed_;
  rows.blocks = block_memory_;
  rows.state = state_.get();
  return rows;
}

SequenceRows Timeline::row_at(int32_t item) const noexcept {
  SequenceRows row;
  row.rows = 1;
  row.first_position = item;
  row.blocks = block_memory_;
  return row;
}

void Timeline::roll_back() noexcept {
  if (state_saved_) std::memcpy(state_->host(), state_before_->host(), kv_.states().bytes);
}

void Timeline::commit(int32_t end) {
  computed_ = end;
  if (is_branch_) return;
  while ((published_ + 1) * kBlockPositions <= computed_) {
    publish_block((published_ + 1) * kBlockPositions);
    ++published_;
  }
}

void Timeline::publish_block(int32_t end) {
  Node* node = kv_.tree().insert(tip_.node(), sequence_.block_items(published_, end), blocks_[published_]);
  std::erase_if(pending_, [&](Pending& pending) {
    if (pending.position > end) return false;
    kv_.tree().add_snapshot(node, pending.position, std::move(pending.state));
    return true;
  });
  if (end % kBlockPositions != 0) return;
  // Another request may have published the same items first; its block holds the same bytes.
  blocks_[published_] = node->block;
  tip_ = Pin(node);
}

void Timeline::snapshot() {
  if (!kv_.recurrent() || computed_ == 0) return;
  const auto exists = [&](const auto& kept) { return kept.position == computed_; };
  if (std::any_of(pending_.begin(), pending_.end(), exists)) return;
  auto copy = kv_.try_state();
  if (!copy) return;
  std::memcpy(copy->host(), state_->host(), kv_.states().bytes);
  if (computed_ == published_ * kBlockPositions && tip_.node()) {
    kv_.tree().add_snapshot(tip_.node(), computed_, std::move(copy));
  } else {
    pending_.push_back({computed_, std::move(copy)});
  }
}

void Timeline::publish_tail() {
  if (computed_ > published_ * kBlockPositions) publish_block(computed_);
}

}  // namespace afterimage
