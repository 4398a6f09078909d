#include "session/encode_step.h"

#include <algorithm>

#include "session/admission.h"
#include "session/failure.h"

namespace afterimage {

void EncodeStep::accept(const RequestPtr& request, EncodeJob job) {
  if (request->state == Request::State::ended) return job.on_error(Error("CANCELLED", "The request has ended."));
  const auto& needed = request->plan.needed;
  const bool listed = std::find(needed.begin(), needed.end(), job.key) != needed.end();
  if (request->state != Request::State::planned || !listed || !state_.model.vision)
    return job.on_error(Error("INVALID_ARGUMENT", "Expected an image that the plan of an idle request lists."));
  request->encode_job = std::move(job);
  request->state = Request::State::encoding;
  state_.turns.join(request);
}

void EncodeStep::run(const RequestPtr& request) {
  EncodeJob job = std::move(request->encode_job);
  const Sequence& sequence = request->timeline->sequence();
  const auto& spans = sequence.prompt().spans;
  const ImageSpan& span = *std::find_if(spans.begin(), spans.end(), [&](const auto& s) { return s.key == job.key; });
  const auto start = Clock::now();
  paused_ms_ = 0;
  try {
    FeatureCache::Held held = state_.features.find(job.key);
    if (!held) held = run_encoder(request, job, span);
    check_features(sequence, job.key, *held);
    request->features[job.key] = std::move(held);
  } catch (const Preempted&) {
    request->encode_job = std::move(job);
    return state_.turns.go_first(request);
  } catch (...) {
    const Error error = error_of(std::current_exception());
    if (error.is("CANCELLED")) ++state_.counters.runs_cancelled;
    request->encode_job.on_error = std::move(job.on_error);
    return state_.requests.fail(request, error);
  }
  if (!rows_fit_beside()) state_.model.vision->executor().release_scratch();
  const double spent = milliseconds_since(start) - paused_ms_;
  request->plan.cache.encode_ms += spent;
  state_.counters.encode_ms += spent;
  std::erase(request->plan.needed, job.key);
  request->state = Request::State::planned;
  job.on_encoded();
}

FeatureCache::Held EncodeStep::run_encoder(const RequestPtr& request, const EncodeJob& job, const ImageSpan& span) {
  Interrupt::Subject* subject = request.get();
  const InterruptibleRun run(state_.interrupt, {&subject, 1});
  if (!run.begun()) throw Error("CANCELLED", "The request was cancelled.");
  make_scratch_room(span.symbols);
  ImageFeatures features = state_.model.vision->encode(
      job.inputs, state_.options.pause_every, [&] { pause(request); }, state_.interrupt.flag());
  state_.model.require_intact();
  auto held = state_.features.insert(job.key, std::move(features));
  ++state_.counters.images_encoded;
  return held;
}

void EncodeStep::pause(const RequestPtr& request) {
  const auto begun = Clock::now();
  on_pause(request);
  paused_ms_ += milliseconds_since(begun);
  // The runs of the others had the interrupt for themselves.
  Interrupt::Subject* subject = request.get();
  if (!state_.interrupt.begin({&subject, 1})) throw Error("CANCELLED", "The request was cancelled.");
}

// Each program fits the scratch budget alone; the idle one gives its memory back where both do not.
void EncodeStep::make_scratch_room(const std::map<std::string, int64_t>& symbols) {
  Executor& decoder = state_.model.decoder->executor();
  Vision& vision = *state_.model.vision;
  const size_t wanted = symbols.empty() ? vision.executor().scratch_bytes() : vision.predict_bytes(symbols);
  if (wanted + decoder.scratch_bytes() > state_.options.budgets.scratch_bytes) decoder.release_scratch();
}

bool EncodeStep::rows_fit_beside() const {
  const size_t rows = std::max(decoder_scratch_, state_.model.decoder->executor().scratch_bytes());
  return state_.model.vision->executor().scratch_bytes() + rows <= state_.options.budgets.scratch_bytes;
}

}  // namespace afterimage
