// One step of the engine: an image through the vision encoder, or rows through the decoder.
#include <algorithm>

#include "session/admission.h"
#include "session/failure.h"
#include "session/scheduler.h"

namespace afterimage {

namespace {

class Running {
 public:
  Running(Interrupt& interrupt, std::span<Interrupt::Subject* const> subjects)
      : interrupt_(interrupt), begun_(interrupt.begin(subjects)) {}
  ~Running() { interrupt_.end(); }
  bool begun() const noexcept { return begun_; }

 private:
  Interrupt& interrupt_;
  const bool begun_;
};

// A low-priority image was given up; it starts again when nothing else has work.
struct GaveWay {};

}  // namespace

// Each program fits the scratch budget alone; the idle one gives its memory back where both do not.
void Scheduler::make_scratch_room(const std::map<std::string, int64_t>& symbols) {
  Executor& decoder = model_.decoder->executor();
  const size_t wanted =
      symbols.empty() ? model_.vision->executor().scratch_bytes() : model_.vision->predict_bytes(symbols);
  if (wanted + decoder.scratch_bytes() > options_.budgets.scratch_bytes) decoder.release_scratch();
}

void Scheduler::encode_image(const RequestPtr& request) {
  EncodeJob job = std::move(request->encode_job);
  const Sequence& sequence = request->timeline->sequence();
  const auto& spans = sequence.prompt().spans;
  const ImageSpan& span = *std::find_if(spans.begin(), spans.end(), [&](const auto& s) { return s.key == job.key; });
  const auto start = Clock::now();
  paused_ms_ = 0;
  try {
    FeatureCache::Held held = features_.find(job.key);
    if (!held) held = run_encoder(request, job, span);
    check_features(sequence, job.key, *held);
    request->features[job.key] = std::move(held);
  } catch (const GaveWay&) {
    request->encode_job = std::move(job);
    return lane(*request).push_front(request);
  } catch (...) {
    const Error error = error_of(std::current_exception());
    if (error.code() == "CANCELLED") ++counters_.runs_cancelled;
    request->encode_job.on_error = std::move(job.on_error);
    return fail(request, error);
  }
  Executor& vision = model_.vision->executor();
  const size_t decoder_bytes = std::max(decoder_scratch_, model_.decoder->executor().scratch_bytes());
  if (vision.scratch_bytes() + decoder_bytes > options_.budgets.scratch_bytes) vision.release_scratch();
  const double spent = milliseconds_since(start) - paused_ms_;
  request->plan.cache.encode_ms += spent;
  counters_.encode_ms += spent;
  std::erase(request->plan.needed, job.key);
  request->state = Request::State::planned;
  job.on_encoded();
}

FeatureCache::Held Scheduler::run_encoder(const RequestPtr& request, const EncodeJob& job, const ImageSpan& span) {
  Interrupt::Subject* subject = request.get();
  const Running running(interrupt_, {&subject, 1});
  if (!running.begun()) throw Error("CANCELLED", "The request was cancelled.");
  make_scratch_room(span.symbols);
  struct Encoding {
    RequestPtr& current;
    Encoding(RequestPtr& slot, const RequestPtr& given) : current(slot) { current = given; }
    ~Encoding() { current = nullptr; }
  } const encoding(encoding_, request);
  const auto pause = [&] {
    const auto begun = Clock::now();
    pause_for_others(request);
    paused_ms_ += milliseconds_since(begun);
  };
  auto held =
      features_.insert(job.key, model_.vision->encode(job.inputs, options_.pause_every, pause, interrupt_.flag()));
  ++counters_.images_encoded;
  return held;
}

// In the middle of an image. A low-priority one gives way to another request's image; rows run in between.
void Scheduler::pause_for_others(const RequestPtr& encoding) {
  on_pause();
  reap_cancelled();
  if (memory_changed_) admit_waiting();
  const auto images = [](const RequestPtr& request) { return request->state == Request::State::encoding; };
  const bool low = encoding->options.low_priority;
  if (low && std::any_of(turns_[0].begin(), turns_[0].end(), images)) throw GaveWay();
  if (rows_fit_beside_encoder()) {
    const std::vector<RequestPtr> answering = take_answering(false);
    const RequestPtr next = take_prefilling(false);
    if (next || !answering.empty()) run_rows(answering, next);
  }
  // Those runs had the interrupt for themselves.
  Interrupt::Subject* subject = encoding.get();
  if (!interrupt_.begin({&subject, 1})) throw Error("CANCELLED", "The request was cancelled.");
}

bool Scheduler::rows_fit_beside_encoder() const {
  const size_t rows = std::max(decoder_scratch_, model_.decoder->executor().scratch_bytes());
  return model_.vision->executor().scratch_bytes() + rows <= options_.budgets.scratch_bytes;
}

void Scheduler::run_rows(std::vector<RequestPtr> requests, const RequestPtr& prefilling) {
  if (prefilling) {
    Timeline& timeline = *prefilling->timeline;
    if (timeline.catch_up()) note_reuse(*prefilling);
    if (timeline.computed() == timeline.sequence().prompt_size()) {
      end(prefilling, StopReason::length);  // warming, and all of it is in the cache
    } else {
      requests.push_back(prefilling);
    }
  }
  const Run run = run_parts(requests);
  if (run == Run::failed)
    for (const RequestPtr& request : requests) run_parts({request});  // only the one at fault fails
  const bool waits = prefilling && prefilling->state == Request::State::prefilling;
  if (waits && run == Run::cancelled) lane(*prefilling).push_front(prefilling);
  if (waits && run != Run::cancelled) lane(*prefilling).push_back(prefilling);
}

int32_t Scheduler::next_end(const Request& request) const {
  const Timeline& timeline = *request.timeline;
  const int32_t from = timeline.computed();
  if (request.state == Request::State::decoding) return from + 1;
  const int32_t end = timeline.sequence().chunk_end(from, options_.chunk_rows);
  if (!kv_.recurrent()) return end;
  const auto& marks = timeline.sequence().marks();
  const auto mark = std::upper_bound(marks.begin(), marks.end(), from);
  return mark == marks.end() ? end : std::min(end, *mark);  // a state can be kept only between runs
}

Scheduler::Run Scheduler::run_parts(const std::vector<RequestPtr>& wanted) {
  std::vector<RequestPtr> requests;
  std::vector<Interrupt::Subject*> subjects;
  std::vector<DecoderRows> parts;
  for (const RequestPtr& request : wanted) {
    if (request->state == Request::State::ended) continue;
    const int32_t end = next_end(*request);
    const bool logits = end >= request->timeline->sequence().prompt_size() && request->options.max_tokens > 0;
    try {
      // A lone answer that is cancelled needs its state no more; any other may have to go back to it.
      request->timeline->prepare(end, wanted.size() > 1 || request->state == Request::State::prefilling);
    } catch (...) {
      fail(request, error_of(std::current_exception()));
      continue;
    }
    requests.push_back(request);
    subjects.push_back(request.get());
    parts.push_back({request->timeline.get(), &request->features, end, logits});
  }
  if (requests.empty()) return Run::done;

  const auto start = Clock::now();
  HostTensor logits;
  try {
    const Running running(interrupt_, subjects);
    if (!running.begun()) return Run::cancelled;
    logits = model_.decoder->run(parts, interrupt_.flag());
  } catch (...) {
    const Error error = error_of(std::current_exception());
    for (const RequestPtr& request : requests) request->timeline->roll_back();
    if (error.code() == "CANCELLED") {
      ++counters_.runs_cancelled;
      return Run::cancelled;
    }
    if (requests.size() > 1) return Run::failed;
    fail(requests.front(), error);
    return Run::done;
  }
  account(requests, parts, milliseconds_since(start));
  take_results(requests, parts, logits);
  return Run::done;
}

void Scheduler::account(const std::vector<RequestPtr>& requests, const std::vector<DecoderRows>& parts, double spent) {
  ++counters_.decoder_runs;
  bool prefill = false;
  for (size_t i = 0; i < requests.size(); ++i) {
    const bool chunk = requests[i]->state == Request::State::prefilling;
    (chunk ? counters_.prefill_rows : counters_.decode_rows) += static_cast<uint64_t>(parts[i].count());
    if (chunk) requests[i]->plan.cache.prefill_ms += spent;
    prefill = prefill || chunk;
  }
  (prefill ? counters_.prefill_ms : counters_.decode_ms) += spent;
}

void Scheduler::take_results(const std::vector<RequestPtr>& requests, const std::vector<DecoderRows>& parts,
                             const HostTensor& logits) {
  int64_t row = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    std::span<const float> mine;
    if (parts[i].logits) mine = {logits.data.data() + logits.width * row++, static_cast<size_t>(logits.width)};
    if (requests[i]->state == Request::State::prefilling) {
      prefilled(requests[i], parts[i].end, mine);
    } else {
      requests[i]->timeline->commit(parts[i].end);
      sample(requests[i], mine);
    }
  }
}

void Scheduler::prefilled(const RequestPtr& request, int32_t end, std::span<const float> logits) {
  Timeline& timeline = *request->timeline;
  const Sequence& sequence = timeline.sequence();
  const int32_t from = timeline.computed();
  timeline.commit(end);
  request->noted = end;
  if (std::binary_search(sequence.marks().begin(), sequence.marks().end(), end)) timeline.snapshot();
  store_.stage(sequence, timeline.blocks(), timeline.state(), from, end);
  if (request->callbacks.on_progress) request->callbacks.on_progress(Stage::prefill, end, sequence.prompt_size());
  if (end < sequence.prompt_size()) return;
  request->features.clear();
  feature_bytes_ -= request->feature_bytes;
  request->feature_bytes = 0;
  memory_changed_ = true;
  if (request->options.max_tokens == 0) return this->end(request, StopReason::length);
  request->state = Request::State::decoding;
  request->decode_start = Clock::now();
  sample(request, logits);
}

void Scheduler::sample(const RequestPtr& request, std::span<const float> logits) {
  const GenerateOptions& options = request->generate_options;
  GenerateResult& result = request->result;
  int32_t token;
  try {
    token = request->sampler->sample(logits);
  } catch (...) {
    return fail(request, error_of(std::current_exception()));
  }
  if (options.capture_logits) result.logits.emplace_back(logits.begin(), logits.end());
  if (std::count(options.stop_ids.begin(), options.stop_ids.end(), token) > 0) return end(request, StopReason::end);
  result.tokens.push_back(token);
  request->timeline->sequence().append(token);
  if (request->callbacks.on_token) request->callbacks.on_token(token);
  const auto count = static_cast<int32_t>(result.tokens.size());
  if (request->callbacks.on_progress) request->callbacks.on_progress(Stage::decode, count, request->plan.max_tokens);
  if (count >= request->plan.max_tokens) return end(request, StopReason::length);
  if (request->finishing) return end(request, StopReason::finished);
}

}  // namespace afterimage
