#include "session/rows_step.h"

#include <algorithm>
#include <cmath>

#include "session/admission.h"
#include "session/failure.h"

namespace afterimage {

namespace {

bool answers_now(const RequestPtr& request) { return request->state == Request::State::decoding; }

}  // namespace

void RowsStep::accept(const RequestPtr& request, GenerateOptions options, GenerateCallbacks callbacks) {
  if (request->state == Request::State::ended) return callbacks.on_error(Error("CANCELLED", "The request has ended."));
  if (request->state != Request::State::planned)
    return callbacks.on_error(Error("INVALID_ARGUMENT", "Expected a planned and idle request."));
  request->generate_options = std::move(options);
  request->callbacks = std::move(callbacks);
  try {
    if (!features_complete(*request))
      throw Error("INVALID_ARGUMENT", "Expected features of every image that the plan lists; call encode first.");
    const auto& ids = request->timeline->sequence().prompt().ids;
    request->sampler = std::make_unique<Sampler>(request->generate_options.sampling, ids, state_.model.traits.vocab);
    check_room(*request);
  } catch (const Error& error) {
    request->state = Request::State::prefilling;
    return state_.requests.fail(request, error);
  }
  request->state = Request::State::prefilling;
  state_.turns.join(request);
}

void RowsStep::check_room(const Request& request) {
  const auto& constraint = request.generate_options.constraint;
  if (!constraint || !request.wants_logits() || constraint->needed() <= request.plan.max_tokens) return;
  throw Error("INVALID_ARGUMENT", "An answer by this schema may take " + std::to_string(constraint->needed()) +
                                      " tokens but only " + std::to_string(request.plan.max_tokens) +
                                      " are left for it; raise max_tokens, or ask for less.");
}

bool RowsStep::features_complete(Request& request) const {
  request.catch_up();
  for (const ImageSpan* span : images_after(request.timeline->sequence(), request.timeline->computed()))
    if (!request.features.contains(span->key)) return false;
  return true;
}

void RowsStep::run(std::vector<RequestPtr> requests, const RequestPtr& next) {
  if (next) {
    if (next->state == Request::State::prefilling) next->catch_up();
    const Timeline& timeline = *next->timeline;
    if (next->state == Request::State::prefilling && timeline.computed() == timeline.sequence().prompt_size()) {
      state_.requests.end(next, StopReason::length);  // warming, and all of it is in the cache
    } else {
      requests.push_back(next);
    }
  }
  const Outcome outcome = run_batch(requests);
  if (outcome == Outcome::failed)
    for (const RequestPtr& request : requests) run_batch({request});  // only the one at fault fails
  if (!next || !(next->state == Request::State::prefilling || next->state == Request::State::weighing)) return;
  outcome == Outcome::cancelled ? state_.turns.go_first(next) : state_.turns.join(next);
}

int32_t RowsStep::next_end(const Request& request) const {
  const Timeline& timeline = *request.timeline;
  const int32_t from = timeline.computed();
  const int32_t end = timeline.sequence().chunk_end(from, state_.options.chunk_rows);
  if (!state_.kv.recurrent()) return end;
  const auto& marks = timeline.sequence().marks();
  const auto mark = std::upper_bound(marks.begin(), marks.end(), from);
  return mark == marks.end() ? end : std::min(end, *mark);  // a state can be kept only between runs
}

RowsStep::Batch RowsStep::prepare(const std::vector<RequestPtr>& wanted) {
  Batch batch;
  // Memory was predicted for so many rows of answers, so they share them.
  auto rows = static_cast<int32_t>(kMostAnswers);
  auto answers = static_cast<int32_t>(std::count_if(wanted.begin(), wanted.end(), answers_now));
  const Drafter::Price price = price_of(wanted, answers);
  for (const RequestPtr& request : wanted) {
    if (request->state == Request::State::ended) continue;
    try {
      switch (request->state) {
        case Request::State::decoding:
          batch.rows.push_back(answers_.rows(*request, rows / answers--, price, wanted.size() == 1));
          batch.parts.push_back({request, request->timeline.get(), {}});
          rows -= batch.rows.back().count();
          break;
        case Request::State::weighing:
          // And for so many logits beside those of the answers.
          add_choices(request, static_cast<int32_t>(kMostAnswers + 2 - wanted.size()), batch);
          break;
        default:
          add_chunk(request, batch);
      }
    } catch (...) {
      state_.requests.fail(request, error_of(std::current_exception()));
      continue;
    }
    batch.subjects.push_back(request.get());
  }
  return batch;
}

void RowsStep::add_chunk(const RequestPtr& request, Batch& batch) const {
  const int32_t end = next_end(*request);
  const bool logits = end >= request->timeline->sequence().prompt_size() && request->wants_logits();
  request->timeline->prepare(end, true);
  batch.parts.push_back({request, request->timeline.get(), {}});
  batch.rows.push_back({request->timeline.get(), &request->features, end, logits ? end - 1 : end});
}

// Where choices wait they get the rows, so nothing is guessed.
Drafter::Price RowsStep::price_of(const std::vector<RequestPtr>& wanted, int32_t answers) const {
  int64_t rows = 0;
  for (const RequestPtr& request : wanted) {
    if (request->state == Request::State::weighing) return Drafter::Price::of(HUGE_VAL, 1, HUGE_VAL);
    if (request->state == Request::State::prefilling) rows += state_.options.chunk_rows;
    if (answers_now(request)) rows += request->owed();
  }
  Drafter::Price price{state_.row_price.more_in_runs_of(rows), static_cast<double>(answers),
                       state_.row_price.guess_in_runs_of(rows)};
  // Of a wrong guess in a recurrent model, what came before it is computed again.
  if (state_.kv.recurrent())
    for (double& more : price.rows) more *= 2;
  return price;
}

void RowsStep::add_choices(const RequestPtr& request, int32_t most, Batch& batch) const {
  const std::vector<Choices::Rows> choices = request->choices->next(*request->timeline, most);
  for (const Choices::Rows& choice : choices) choice.timeline->prepare(choice.end, true);
  for (const Choices::Rows& choice : choices) {
    batch.parts.push_back({request, choice.timeline, choice});
    batch.rows.push_back({choice.timeline, &request->features, choice.end, choice.timeline->computed()});
  }
}

RowsStep::Outcome RowsStep::run_batch(const std::vector<RequestPtr>& wanted) {
  const Batch batch = prepare(wanted);
  if (batch.parts.empty()) return Outcome::done;
  const auto start = Clock::now();
  DecoderResult results;
  try {
    const InterruptibleRun run(state_.interrupt, batch.subjects);
    if (!run.begun()) {
      take_back(batch);
      return Outcome::cancelled;
    }
    results = state_.model.decoder->run(batch.rows, state_.interrupt.flag());
    state_.model.require_intact();
  } catch (...) {
    return give_up(batch, error_of(std::current_exception()));
  }
  count(batch, milliseconds_since(start));
  take_results(batch, results);
  return Outcome::done;
}

void RowsStep::take_back(const Batch& batch) {
  for (const Part& part : batch.parts) {
    part.timeline->roll_back();
    part.request->take_draft();
  }
}

RowsStep::Outcome RowsStep::give_up(const Batch& batch, const Error& error) {
  take_back(batch);
  if (error.is("CANCELLED")) {
    ++state_.counters.runs_cancelled;
    return Outcome::cancelled;
  }
  if (batch.subjects.size() > 1) return Outcome::failed;
  state_.requests.fail(batch.parts.front().request, error);
  return Outcome::done;
}

void RowsStep::count(const Batch& batch, double spent_ms) {
  Counters& counters = state_.counters;
  ++counters.decoder_runs;
  bool prefill = false;
  int64_t rows = 0;
  for (size_t i = 0; i < batch.parts.size(); ++i) {
    Request& request = *batch.parts[i].request;
    const bool chunk = request.state == Request::State::prefilling;
    const auto own = static_cast<uint64_t>(batch.rows[i].count());
    if (chunk) counters.prefill_rows += own;
    if (request.state == Request::State::weighing) counters.decode_rows += own;
    if (chunk) request.plan.cache.prefill_ms += spent_ms;
    prefill = prefill || chunk;
    rows += batch.rows[i].count();
  }
  (prefill ? counters.prefill_ms : counters.decode_ms) += spent_ms;
  if (!prefill) state_.row_price.saw(rows, spent_ms);
}

void RowsStep::take_results(const Batch& batch, const DecoderResult& results) {
  const auto vocab = static_cast<size_t>(results.logits.width), width = static_cast<size_t>(results.hidden.width);
  std::span<const float> logits(results.logits.data), hidden(results.hidden.data);
  for (size_t i = 0; i < batch.parts.size(); ++i) {
    const auto& [request, timeline, choice] = batch.parts[i];
    const DecoderRows& rows = batch.rows[i];
    const auto count = static_cast<size_t>(rows.end - rows.logits_from);
    const Answers::Rows own{logits.first(count * vocab), hidden.first(count * width), vocab, width};
    logits = logits.subspan(own.logits.size());
    hidden = hidden.subspan(own.hidden.size());
    if (request->state == Request::State::prefilling) {
      take_chunk(request, rows.end, own);
    } else if (request->state == Request::State::weighing) {
      weigh(request, choice, own.logits, results.logits.width);
    } else if (request->state == Request::State::decoding) {
      answers_.take(request, rows, own);
    }
  }
}

void RowsStep::begin_weighing(const RequestPtr& request, std::span<const float> logits) {
  request->state = Request::State::weighing;
  request->decode_start = Clock::now();
  try {
    request->choices->begin(logits, request->generate_options.stop_ids);
  } catch (...) {
    state_.requests.fail(request, error_of(std::current_exception()));
  }
}

// The request may end with it; what else the run computed for it is then not looked at.
void RowsStep::weigh(const RequestPtr& request, const Choices::Rows& rows, std::span<const float> logits,
                     int64_t width) {
  try {
    request->choices->take(rows, logits, width);
  } catch (...) {
    return state_.requests.fail(request, error_of(std::current_exception()));
  }
  if (!request->choices->done()) return;
  request->result.choices = std::move(*request->choices).results();
  state_.requests.end(request, StopReason::end);
}

void RowsStep::take_chunk(const RequestPtr& request, int32_t end, const Answers::Rows& results) {
  Timeline& timeline = *request->timeline;
  const Sequence& sequence = timeline.sequence();
  const int32_t from = timeline.computed();
  timeline.commit(end);
  request->counted_end = end;
  if (std::binary_search(sequence.marks().begin(), sequence.marks().end(), end)) timeline.snapshot();
  state_.store.stage(sequence, timeline.blocks(), timeline.state(), from, end);
  if (request->callbacks.on_progress) request->callbacks.on_progress(Stage::prefill, end, sequence.prompt_size());
  if (end < sequence.prompt_size()) return;
  state_.requests.give_back_features(*request);
  if (!request->wants_logits()) return state_.requests.end(request, StopReason::length);
  if (request->choices) return begin_weighing(request, results.logits);
  answers_.begin(request, results.logits, results.hidden);
}

}  // namespace afterimage
