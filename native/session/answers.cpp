#include "session/answers.h"

#include <algorithm>
#include <cmath>
#include <exception>

#include "session/failure.h"

namespace afterimage {

void Answers::begin(const RequestPtr& request, std::span<const float> logits, std::span<const float> hidden) {
  const GenerateOptions& options = request->generate_options;
  request->state = Request::State::decoding;
  request->decode_start = Clock::now();
  request->hidden.assign(hidden.begin(), hidden.end());
  try {
    if (options.draft) {
      const Prompt& prompt = request->timeline->sequence().prompt();
      request->drafter = std::make_unique<Drafter>(prompt, options.stop_ids, options.expected);
    }
    const auto stop = sample(*request, logits);
    report(*request);
    if (stop) state_.requests.end(request, *stop);
  } catch (...) {
    state_.requests.fail(request, error_of(std::current_exception()));
  }
}

DecoderRows Answers::rows(Request& request, int32_t most, const Drafter::Price& price, bool alone) {
  Timeline& timeline = *request.timeline;
  const int32_t from = timeline.computed(), next = timeline.sequence().size();
  const auto start = Clock::now();
  request.append_draft(guess(request, request.most_guesses(most), price));
  state_.counters.guess_ms += milliseconds_since(start);
  const int32_t end = std::min(timeline.sequence().size(), from + most);
  // A lone answer that is cancelled needs its state no more; any other may have to go back to it.
  timeline.prepare(end, !alone || !request.draft.empty());
  return {&timeline, &request.features, end, std::min(end, next - 1)};
}

// Where the texts so far say nothing that is worth a row, the model's own head is asked.
std::vector<int32_t> Answers::guess(Request& request, int32_t most, Drafter::Price price) {
  if (most <= 0) return {};
  const double given = request.generate_options.draft_price;
  if (given > 0 && price.head < HUGE_VAL) price = Drafter::Price::of(given, price.answers, given);
  std::vector<int32_t> tokens = request.drafter->guess(most, price, request.generate_options.constraint.get());
  request.draft_of_head = tokens.empty() && state_.model.mtp;
  return request.draft_of_head ? ask_head(request, request.drafter->worth_of_head(most, price)) : tokens;
}

std::vector<int32_t> Answers::ask_head(Request& request, int32_t count) {
  std::vector<int32_t> tokens;
  if (count == 0) return tokens;
  Timeline& timeline = *request.timeline;
  const int32_t last = timeline.sequence().size() - 1;
  timeline.prepare(last + count, false);
  Interrupt::Subject* const subject = &request;
  const InterruptibleRun run(state_.interrupt, {&subject, 1});
  if (!run.begun()) return tokens;
  Mtp::Guess guess{{}, request.hidden};
  try {
    for (int32_t token = timeline.sequence().id(last); static_cast<int32_t>(tokens.size()) < count;) {
      const auto start = Clock::now();
      guess = state_.model.mtp->run(timeline, last + static_cast<int32_t>(tokens.size()), token, guess.hidden,
                                    state_.interrupt.flag());
      state_.row_price.saw_guess(milliseconds_since(start));
      token = static_cast<int32_t>(std::max_element(guess.logits.begin(), guess.logits.end()) - guess.logits.begin());
      if (!request.drafter->head_guesses(token, request.generate_options.constraint.get())) break;
      tokens.push_back(token);
    }
  } catch (const Error& error) {
    if (!error.is("CANCELLED")) throw;
    tokens.clear();
  }
  return tokens;
}

void Answers::take(const RequestPtr& request, const DecoderRows& rows, const Rows& results) {
  const std::vector<int32_t> draft = request->take_draft();
  const std::vector<int32_t>& tokens = request->result.tokens;
  const bool reached = !results.logits.empty();
  size_t right = 0;
  std::optional<StopReason> stop;
  std::exception_ptr failure;
  try {
    for (; reached; ++right) {
      stop = sample(*request, results.logits.subspan(right * results.vocab, results.vocab));
      if (stop || request->cancelled || right == draft.size() || tokens.back() != draft[right]) break;
    }
  } catch (...) {
    failure = std::current_exception();
  }
  count(*request, draft.size(), right);
  if (reached) {
    state_.counters.decode_rows += right + 1;
    const auto hidden = results.hidden.subspan(right * results.width, results.width);
    request->hidden.assign(hidden.begin(), hidden.end());
  }
  keep(*request, rows.end - static_cast<int32_t>(draft.size() - right), rows.end, stop.has_value());
  if (failure) return state_.requests.fail(request, error_of(failure));
  if (reached) report(*request);
  if (stop) state_.requests.end(request, *stop);
}

void Answers::report(const Request& request) {
  const auto tokens = static_cast<int64_t>(request.result.tokens.size());
  const OnProgress& progress = request.callbacks.on_progress;
  if (progress) progress(Stage::decode, tokens, request.plan.max_tokens);
}

void Answers::count(Request& request, size_t drafted, size_t right) {
  Counters& counters = state_.counters;
  request.result.drafted += static_cast<int32_t>(drafted);
  request.result.accepted += static_cast<int32_t>(right);
  counters.drafted_tokens += drafted;
  counters.accepted_tokens += right;
  if (!request.draft_of_head) return;
  counters.head_drafted += drafted;
  counters.head_accepted += right;
}

// Items up to `kept` of those that were computed stay. A recurrent state that has gone further goes back to where the
// run began: what it has to go on from is computed again with the rows of the next run, or now where the answer ends.
void Answers::keep(Request& request, int32_t kept, int32_t computed, bool ends) {
  if (!state_.kv.recurrent() || kept == computed) return request.timeline->commit(kept);
  request.timeline->roll_back();
  if (ends) compute_again(request, kept);
}

// The answer is there; what fails here only leaves less of it in the cache, which is reported with it.
void Answers::compute_again(Request& request, int32_t end) {
  Timeline& timeline = *request.timeline;
  Interrupt::Subject* const subject = &request;
  const DecoderRows rows{&timeline, &request.features, end, end};
  try {
    timeline.prepare(end, true);
    const InterruptibleRun run(state_.interrupt, {&subject, 1});
    if (!run.begun()) return;
    state_.model.decoder->run({&rows, 1}, state_.interrupt.flag());
    state_.model.require_intact();
    timeline.commit(end);
  } catch (...) {
    timeline.roll_back();
    const Error error = error_of(std::current_exception());
    if (!error.is("CANCELLED")) request.result.unkept = error;
  }
}

int32_t Answers::next_token(Request& request, std::span<const float> logits) {
  Sampler& sampler = *request.sampler;
  Constraint* constraint = request.generate_options.constraint.get();
  if (!constraint) return sampler.sample(logits);
  int32_t left = request.plan.max_tokens - static_cast<int32_t>(request.result.tokens.size());
  if (request.finishing) left = std::min(left, std::max(1, constraint->needed()));
  const int32_t token = constraint->choose(sampler, logits, left);
  sampler.took(token);
  return token;
}

// The next token of the answer; where the answer ends with it, why.
std::optional<StopReason> Answers::sample(Request& request, std::span<const float> logits) {
  const GenerateOptions& options = request.generate_options;
  const GenerateCallbacks& callbacks = request.callbacks;
  GenerateResult& result = request.result;
  const auto start = Clock::now();
  const int32_t token = next_token(request, logits);
  if (options.capture_logits) result.logits.emplace_back(logits.begin(), logits.end());
  if (std::count(options.stop_ids.begin(), options.stop_ids.end(), token) > 0) return StopReason::end;
  Constraint* constraint = options.constraint.get();
  if (constraint) {
    constraint->take(token);
    result.whole = constraint->whole();
    result.hurried = constraint->hurried();
  }
  state_.counters.sample_ms += milliseconds_since(start);
  result.tokens.push_back(token);
  if (options.weigh_tokens) result.probabilities.push_back(softmax_at(logits, token));
  request.timeline->sequence().append(token);
  const auto sampled = Clock::now();
  if (request.drafter) request.drafter->took(token);
  state_.counters.guess_ms += milliseconds_since(sampled);
  if (callbacks.on_token) callbacks.on_token(token);
  const auto count = static_cast<int32_t>(result.tokens.size());
  if (constraint && constraint->over()) return StopReason::end;
  if (count >= request.plan.max_tokens) return StopReason::length;
  // What keeps to a grammar ends when it is whole, and as soon as it can.
  if (request.finishing && (!constraint || constraint->whole())) return StopReason::finished;
  return std::nullopt;
}

}  // namespace afterimage
