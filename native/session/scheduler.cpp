#include "session/scheduler.h"

#include <algorithm>

#include "session/admission.h"

namespace afterimage {

Scheduler::Scheduler(const EngineOptions& options, Model& model, Interrupt& interrupt,
                     std::function<void(std::function<void()>)> post)
    : options_(options),
      model_(model),
      kv_(*model.kv),
      features_(options.budgets.feature_bytes),
      disk_(options.disk, model.format),
      store_(kv_, disk_),
      interrupt_(interrupt),
      post_(std::move(post)),
      decoder_scratch_(model.decoder->predict_bytes(options.chunk_rows, 1)) {}

bool Scheduler::step() {
  reap_cancelled();
  if (memory_changed_) admit_waiting();
  const bool low = turns_[0].empty() && !anyone_answers(false);
  const std::vector<RequestPtr> answering = take_answering(low);
  if (decode_next_ && !answering.empty()) {
    decode_next_ = false;
    run_rows(answering, nullptr);
    return true;
  }
  const RequestPtr next = take_turn(low);
  if (!next && answering.empty()) return false;
  if (next && next->state == Request::State::encoding) {
    encode_image(next);
    decode_next_ = true;
  } else {
    run_rows(answering, next);
  }
  return true;
}

RequestPtr Scheduler::take_turn(bool low) {
  Lane& lane = turns_[low ? 1 : 0];
  if (lane.empty()) return nullptr;
  RequestPtr next = std::move(lane.front());
  lane.pop_front();
  return next;
}

RequestPtr Scheduler::take_prefilling(bool low) {
  Lane& lane = turns_[low ? 1 : 0];
  const auto found = std::find_if(
      lane.begin(), lane.end(), [](const RequestPtr& request) { return request->state == Request::State::prefilling; });
  if (found == lane.end()) return nullptr;
  RequestPtr next = *found;
  lane.erase(found);
  return next;
}

bool Scheduler::anyone_answers(bool low) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const RequestPtr& request) {
    return request->state == Request::State::decoding && request->options.low_priority == low;
  });
}

std::vector<RequestPtr> Scheduler::take_answering(bool low) {
  std::vector<RequestPtr> answering;
  for (const RequestPtr& request : requests_)
    if (request->state == Request::State::decoding && request->options.low_priority == low)
      answering.push_back(request);
  // Memory was predicted for so many rows; more answers take turns.
  if (answering.size() > kMostAnswers) {
    first_answer_ = (first_answer_ + kMostAnswers) % answering.size();
    std::rotate(answering.begin(), answering.begin() + static_cast<std::ptrdiff_t>(first_answer_), answering.end());
    answering.resize(kMostAnswers);
  }
  return answering;
}

void Scheduler::encode(const RequestPtr& request, EncodeJob job) {
  if (request->state == Request::State::ended) return job.on_error(Error("CANCELLED", "The request has ended."));
  const auto& needed = request->plan.needed;
  const bool listed = std::find(needed.begin(), needed.end(), job.key) != needed.end();
  if (request->state != Request::State::planned || !listed || !model_.vision)
    return job.on_error(Error("INVALID_ARGUMENT", "Expected an image that the plan of an idle request lists."));
  request->encode_job = std::move(job);
  request->state = Request::State::encoding;
  lane(*request).push_back(request);
}

void Scheduler::generate(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks) {
  if (request->state == Request::State::ended) return callbacks.on_error(Error("CANCELLED", "The request has ended."));
  if (request->state != Request::State::planned)
    return callbacks.on_error(Error("INVALID_ARGUMENT", "Expected a planned and idle request."));
  request->generate_options = std::move(options);
  request->callbacks = std::move(callbacks);
  try {
    if (!ready_to_generate(*request))
      throw Error("INVALID_ARGUMENT", "Expected features of every image that the plan lists; call encode first.");
    const auto& ids = request->timeline->sequence().prompt().ids;
    request->sampler = std::make_unique<Sampler>(request->generate_options.sampling, ids, model_.traits.vocab);
  } catch (const Error& error) {
    request->state = Request::State::prefilling;
    return fail(request, error);
  }
  request->state = Request::State::prefilling;
  lane(*request).push_back(request);
}

bool Scheduler::ready_to_generate(Request& request) {
  if (request.timeline->catch_up()) note_reuse(request);
  for (const ImageSpan* span : images_after(request.timeline->sequence(), request.timeline->computed()))
    if (!request.features.contains(span->key)) return false;
  return true;
}

void Scheduler::reap_cancelled() {
  for (const RequestPtr& request : std::vector<RequestPtr>(requests_)) {
    if (!request->cancelled || request == encoding_) continue;  // its run ends by itself
    if (request->state == Request::State::prefilling || request->state == Request::State::decoding) {
      end(request, StopReason::cancelled);
    } else {
      fail(request, Error("CANCELLED", "The request was cancelled."));
    }
  }
}

void Scheduler::end(const RequestPtr& request, StopReason stop) {
  // A lone answer that was cancelled in the middle of a run has lost its state; see run_parts().
  if (request->state == Request::State::prefilling || stop != StopReason::cancelled) request->timeline->snapshot();
  if (request->result.tokens.size() > 0) request->result.decode_ms = milliseconds_since(request->decode_start);
  request->result.stop = stop;
  request->result.cache = request->plan.cache;
  release(request);
  request->callbacks.on_done(std::move(request->result));
}

void Scheduler::fail(const RequestPtr& request, const Error& error) {
  const Request::State state = request->state;
  release(request);
  if (state == Request::State::looking_up || state == Request::State::waiting) request->on_error(error);
  if (state == Request::State::encoding) request->encode_job.on_error(error);
  if (state == Request::State::prefilling || state == Request::State::decoding) request->callbacks.on_error(error);
}

// What was computed stays in the tree; all else that the request holds is given back before its last callback.
void Scheduler::release(const RequestPtr& request) {
  if (request->state == Request::State::prefilling || request->state == Request::State::decoding)
    request->timeline->publish_tail();
  request->state = Request::State::ended;
  request->timeline.reset();
  request->features.clear();
  feature_bytes_ -= request->feature_bytes;
  request->feature_bytes = 0;
  std::erase(requests_, request);
  std::erase(waiting_, request);
  std::erase(turns_[0], request);
  std::erase(turns_[1], request);
  memory_changed_ = true;
  on_ended(request->id);
}

void Scheduler::clear_memory() {
  kv_.tree().clear();
  kv_.pool().release_free();
  features_.clear();
}

void Scheduler::fail_all(const Error& error) {
  for (const RequestPtr& request : std::vector<RequestPtr>(requests_)) fail(request, error);
}

void Scheduler::close(const Error& error) {
  fail_all(error);
  disk_.close();
  clear_memory();
}

Counters Scheduler::counters() const {
  Counters now = counters_;
  const PrefixTree& tree = kv_.tree();
  now.kv.evictions = tree.evicted_nodes();
  now.kv.bytes = kv_.pool().blocks_in_use() * kv_.layout().block_bytes();
  now.snapshots.evictions = tree.evicted_snapshots();
  now.snapshots.bytes = kv_.pool().state_bytes();
  now.features.evictions = features_.evictions();
  now.features.bytes = features_.bytes();
  now.blocks_in_use = kv_.pool().blocks_in_use();
  now.bytes_reserved = kv_.reserved_bytes();
  now.requests_waiting = waiting_.size();
  now.requests_active = requests_.size();
  now.weight_bytes = model_.weight_bytes();
  now.scratch_bytes = model_.scratch_bytes();
  return now;
}

}  // namespace afterimage
