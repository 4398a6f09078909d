// From begin to the plan: what disk has, whether the budgets allow it, what is reused.
#include <algorithm>

#include "session/admission.h"
#include "session/scheduler.h"

namespace afterimage {

void Scheduler::begin(RequestPtr request, Sequence sequence) {
  requests_.push_back(request);
  request->timeline = std::make_unique<Timeline>(kv_, std::move(sequence));
  try {
    request->plan.max_tokens = clamp_answer(request->timeline->sequence(), request->options.max_tokens);
  } catch (const Error& error) {
    return fail(request, error);
  }
  std::vector<PrefixItems> files = store_.wanted(request->timeline->sequence(), request->keep());
  if (files.empty()) return wait_for_memory(request);
  disk_.find(files, [this, request, files](DiskTier::Found found) {
    auto shared = std::make_shared<DiskTier::Found>(std::move(found));
    post_([this, request, files, shared] {
      if (request->state != Request::State::looking_up) return;
      request->restored_end = store_.restore(request->timeline->sequence(), files, *shared);
      wait_for_memory(request);
    });
  });
}

int32_t Scheduler::clamp_answer(const Sequence& sequence, int32_t max_tokens) const {
  const int64_t left = model_.traits.context - sequence.prompt_size();
  if (left < (max_tokens > 0 ? 1 : 0))
    throw Error("CONTEXT_FULL", "The prompt has " + std::to_string(sequence.prompt_size()) +
                                    " tokens and the model's context is " + std::to_string(model_.traits.context) +
                                    "; use a shorter conversation, fewer images or a smaller max_pixels.");
  return static_cast<int32_t>(std::min<int64_t>(left, max_tokens));
}

void Scheduler::wait_for_memory(const RequestPtr& request) {
  request->state = Request::State::waiting;
  // Behind its equals, before low-priority ones.
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const RequestPtr& other) {
    return other->options.low_priority && !request->options.low_priority;
  });
  waiting_.insert(place, request);
  admit_waiting();
}

void Scheduler::admit_waiting() {
  memory_changed_ = false;
  while (!waiting_.empty()) {
    const RequestPtr request = waiting_.front();
    try {
      if (!admit(request)) return;
    } catch (const Error& error) {
      fail(request, error);
    }
  }
}

// Takes the request from the head of the queue if everything it needs can be pinned or reserved now.
bool Scheduler::admit(const RequestPtr& request) {
  const Sequence& sequence = request->timeline->sequence();
  const int32_t positions = sequence.prompt_size() + request->plan.max_tokens;
  const auto images = images_after(sequence, request->timeline->reusable(request->keep()));
  check_budgets(model_, options_, sequence, positions, images);
  size_t bytes = 0;
  for (const ImageSpan* span : images) {
    bytes += feature_bytes(model_.traits, sequence, *span);
    if (const FeatureCache::Held held = features_.find(span->key)) check_features(sequence, span->key, *held);
  }
  if (feature_bytes_ + bytes > options_.budgets.feature_bytes) return false;
  if (!request->timeline->open(positions, request->keep())) return false;

  waiting_.pop_front();
  request->state = Request::State::planned;
  const auto needed = images_after(sequence, request->timeline->computed());
  request->feature_bytes = 0;
  for (const ImageSpan* span : needed) request->feature_bytes += feature_bytes(model_.traits, sequence, *span);
  feature_bytes_ += request->feature_bytes;
  report_plan(request, needed);
  return true;
}

void Scheduler::report_plan(const RequestPtr& request, const std::vector<const ImageSpan*>& images) {
  const Sequence& sequence = request->timeline->sequence();
  bool remembered = false;
  for (const ImageSpan* span : images) {
    if (auto held = features_.find(span->key)) {
      request->features[span->key] = std::move(held);
      remembered = true;
      ++counters_.features.hits;
    } else {
      request->plan.needed.push_back(span->key);
      ++counters_.features.misses;
    }
  }
  CacheReport& cache = request->plan.cache;
  cache.prompt_tokens = sequence.prompt_size();
  for (int32_t i = 0; i < sequence.prompt_size(); ++i) cache.image_tokens += sequence.feature_row(i) >= 0 ? 1 : 0;
  if (remembered) cache.source = CacheSource::features;
  note_reuse(*request);
  const auto reused = static_cast<uint64_t>(cache.prompt_tokens_reused);
  counters_.kv.hits += reused;
  counters_.kv.misses += static_cast<uint64_t>(cache.prompt_tokens) - reused;
  if (kv_.recurrent()) ++(reused > 0 ? counters_.snapshots.hits : counters_.snapshots.misses);
  const OnPlan on_plan = std::move(request->on_plan);
  on_plan(request->plan);
}

// Everything up to computed() that this request did not run itself.
void Scheduler::note_reuse(Request& request) {
  CacheReport& cache = request.plan.cache;
  const Sequence& sequence = request.timeline->sequence();
  for (int32_t i = request.noted; i < std::min(request.timeline->computed(), sequence.prompt_size()); ++i) {
    ++cache.prompt_tokens_reused;
    if (sequence.feature_row(i) < 0) continue;
    ++cache.image_tokens_reused;
    const CacheSource source = i < request.restored_end ? CacheSource::disk : CacheSource::memory;
    cache.source = std::max(cache.source, source);
  }
  request.noted = request.timeline->computed();
}

}  // namespace afterimage
