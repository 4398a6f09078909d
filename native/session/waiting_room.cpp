#include "session/waiting_room.h"

#include <algorithm>

#include "session/admission.h"

namespace afterimage {

void WaitingRoom::enter(const RequestPtr& request, Sequence sequence) {
  state_.requests.add(request);
  request->timeline = std::make_unique<Timeline>(state_.kv, std::move(sequence));
  const Sequence& items = request->timeline->sequence();
  try {
    if (!request->options.choices.empty())
      request->choices = std::make_unique<Choices>(state_.kv, request->options.choices);
    request->plan.max_tokens = clamp_answer(items, *request);
  } catch (const Error& error) {
    return state_.requests.fail(request, error);
  }
  std::vector<PrefixItems> files = state_.store.wanted(items, request->evaluated_at_least());
  if (files.empty()) return wait_for_memory(request);
  state_.disk.find(files, [this, request, files](DiskTier::Found found) {
    auto shared = std::make_shared<DiskTier::Found>(std::move(found));
    post_([this, request, files, shared] {
      if (request->state != Request::State::looking_up) return;
      request->restored_end = state_.store.restore(request->timeline->sequence(), files, *shared);
      wait_for_memory(request);
    });
  });
}

int32_t WaitingRoom::clamp_answer(const Sequence& sequence, const Request& request) const {
  const int32_t max_tokens = request.options.max_tokens;
  const int64_t context = state_.model.traits.context;
  const int64_t left = context - sequence.prompt_size();
  const int32_t least = request.choices ? request.choices->longest() : max_tokens > 0 ? 1 : 0;
  if (left < least)
    throw Error("CONTEXT_FULL", "The prompt has " + std::to_string(sequence.prompt_size()) +
                                    " tokens and the model's context is " + std::to_string(context) +
                                    "; use a shorter conversation, fewer images or a smaller max_pixels.");
  return static_cast<int32_t>(std::min<int64_t>(left, max_tokens));
}

void WaitingRoom::wait_for_memory(const RequestPtr& request) {
  request->state = Request::State::waiting;
  // Behind its equals, before low-priority ones.
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const RequestPtr& other) {
    return other->options.low_priority && !request->options.low_priority;
  });
  waiting_.insert(place, request);
  admit_waiting();
}

void WaitingRoom::admit_next() {
  if (memory_freed_) admit_waiting();
}

void WaitingRoom::admit_waiting() {
  memory_freed_ = false;
  while (!waiting_.empty()) {
    const RequestPtr request = waiting_.front();
    try {
      if (!admit(request)) return;
    } catch (const Error& error) {
      state_.requests.fail(request, error);
    }
  }
}

// Takes the request from the head of the queue if everything it needs can be pinned or reserved now.
bool WaitingRoom::admit(const RequestPtr& request) {
  Timeline& timeline = *request->timeline;
  const Sequence& sequence = timeline.sequence();
  const ModelTraits& traits = state_.model.traits;
  const int32_t positions = sequence.prompt_size() + request->plan.max_tokens;
  const auto images = images_after(sequence, timeline.reusable(request->evaluated_at_least()));
  const size_t beside = request->choices ? request->choices->bytes(sequence.prompt_size()) : 0;
  check_budgets(state_.model, state_.options, sequence, positions, beside, images);
  for (const ImageSpan* span : images)
    if (const FeatureCache::Held held = state_.features.find(span->key)) check_features(sequence, span->key, *held);
  if (state_.requests.promised_feature_bytes() + feature_bytes(traits, sequence, images) >
      state_.options.budgets.feature_bytes)
    return false;
  if (!timeline.open(positions, beside, request->evaluated_at_least())) return false;
  if (request->choices) request->choices->reserve(sequence.prompt_size());

  waiting_.pop_front();
  request->state = Request::State::planned;
  const auto needed = images_after(sequence, timeline.computed());
  state_.requests.promise_features(*request, feature_bytes(traits, sequence, needed));
  report_plan(request, needed);
  return true;
}

void WaitingRoom::report_plan(const RequestPtr& request, const std::vector<const ImageSpan*>& images) {
  const Sequence& sequence = request->timeline->sequence();
  Counters& counters = state_.counters;
  for (const ImageSpan* span : images) {
    if (auto held = state_.features.find(span->key)) {
      request->features[span->key] = std::move(held);
      request->plan.cache.source = CacheSource::features;
      ++counters.features.hits;
    } else {
      request->plan.needed.push_back(span->key);
      ++counters.features.misses;
    }
  }
  CacheReport& cache = request->plan.cache;
  cache.prompt_tokens = sequence.prompt_size();
  for (int32_t i = 0; i < sequence.prompt_size(); ++i) cache.image_tokens += sequence.feature_row(i) >= 0 ? 1 : 0;
  request->count_reuse();
  const auto reused = static_cast<uint64_t>(cache.prompt_tokens_reused);
  counters.kv.hits += reused;
  counters.kv.misses += static_cast<uint64_t>(cache.prompt_tokens) - reused;
  if (state_.kv.recurrent()) ++(reused > 0 ? counters.snapshots.hits : counters.snapshots.misses);
  const OnPlan on_plan = std::move(request->on_plan);
  on_plan(request->plan);
}

}  // namespace afterimage
