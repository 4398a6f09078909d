#include "session/scheduler.h"

namespace afterimage {

Scheduler::Scheduler(const EngineOptions& options, Model& model, Interrupt& interrupt,
                     std::function<void(std::function<void()>)> post)
    : state_(options, model, interrupt),
      waiting_room_(state_, std::move(post)),
      encode_step_(state_),
      rows_step_(state_) {
  state_.requests.on_memory_freed = [this] { waiting_room_.memory_freed(); };
  state_.requests.on_ended = [this](const RequestPtr& request) {
    waiting_room_.leave(request);
    state_.turns.leave(request);
    on_ended(request->id);
  };
  encode_step_.on_pause = [this](const RequestPtr& encoding) { pause_for_others(encoding); };
}

bool Scheduler::step() {
  state_.requests.end_cancelled(nullptr);
  waiting_room_.admit_next();
  const bool low = state_.turns.low_priority();
  const std::vector<RequestPtr> answering = state_.turns.answering(low);
  if (answers_next_ && !answering.empty()) {
    answers_next_ = false;
    rows_step_.run(answering, nullptr);
    return true;
  }
  const RequestPtr next = state_.turns.take(low);
  if (!next && answering.empty()) return false;
  if (next && next->state == Request::State::encoding) {
    encode_step_.run(next);
    answers_next_ = true;
  } else {
    rows_step_.run(answering, next);
  }
  return true;
}

// In the middle of an image. A low-priority one gives way to another request's image; rows run in between.
void Scheduler::pause_for_others(const RequestPtr& encoding) {
  on_pause();
  state_.requests.end_cancelled(encoding);
  waiting_room_.admit_next();
  if (encoding->options.low_priority && state_.turns.image_waits(false)) throw EncodeStep::Preempted();
  if (!encode_step_.rows_fit_beside()) return;
  const std::vector<RequestPtr> answering = state_.turns.answering(false);
  const RequestPtr next = state_.turns.take_rows(false);
  if (next || !answering.empty()) rows_step_.run(answering, next);
}

void Scheduler::clear_memory() {
  state_.kv.tree().clear();
  state_.kv.pool().release_free();
  state_.features.clear();
}

HeldTree Scheduler::held_tree() {
  return list_tree(state_.kv.tree(), state_.disk, state_.kv.layout().block_bytes(), state_.kv.states().bytes);
}

void Scheduler::close(const Error& error) {
  fail_all(error);
  state_.disk.close();
  clear_memory();
}

Counters Scheduler::counters() const {
  Counters now = state_.counters;
  KvCache& kv = state_.kv;
  now.kv.evictions = kv.tree().evicted_nodes();
  now.kv.bytes = kv.pool().blocks_in_use() * kv.layout().block_bytes();
  now.snapshots.evictions = kv.tree().evicted_snapshots();
  now.snapshots.bytes = kv.pool().state_bytes();
  now.features.evictions = state_.features.evictions();
  now.features.bytes = state_.features.bytes();
  now.blocks_in_use = kv.pool().blocks_in_use();
  now.bytes_reserved = kv.reserved_bytes();
  now.requests_waiting = waiting_room_.size();
  now.requests_active = state_.requests.all().size();
  now.weight_bytes = state_.model.weight_bytes();
  now.scratch_bytes = state_.model.scratch_bytes();
  return now;
}

}  // namespace afterimage
