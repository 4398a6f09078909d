// Choices: their probabilities against a naive full forward, together against one by one, beside answers, under memory
// limits, cancelled.
#include <algorithm>
#include <cmath>
#include <thread>

#include "session/sampler.h"
#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

using Pieces = std::vector<Piece>;
using Tokens = std::vector<int32_t>;

const std::vector<int32_t> kEnds{7, 9};

EngineOptions options() { return roomy(KvType::f32); }

Pieces question(int length = 7) { return {{text(10, 1), {}}, {{}, {5, 40}}, {text(length, 2), {}}}; }

GenerateOptions ending() {
  GenerateOptions o;
  o.stop_ids = kEnds;
  return o;
}

std::future<Outcome<GenerateResult>> begin_weighing(Engine& engine, const Pieces& pieces, Kind kind,
                                                    const std::vector<Tokens>& choices) {
  const Planned planned = Pending(engine, render(pieces, kind), {0, false, choices}).wait();
  CHECK(planned.plan.value && encode_needed(engine, planned, images_of(pieces)));
  return generate(engine, planned.id, ending());
}

std::vector<std::vector<double>> weigh(Engine& engine, const Pieces& pieces, Kind kind,
                                       const std::vector<Tokens>& choices) {
  auto result = begin_weighing(engine, pieces, kind, choices).get();
  CHECK(result.value && result.value->stop == StopReason::end && result.value->tokens.empty());
  return result.value->choices;
}

// Each prefix of the choice is a prompt of its own, prefilled by a fresh engine; the logits of its last row are read.
std::vector<double> naive(const TinyModel& model, const Pieces& pieces, const Tokens& choice) {
  std::vector<double> result;
  for (size_t given = 0; given <= choice.size(); ++given) {
    Prompt prompt = render(pieces, model.kind);
    for (size_t i = 0; i < given; ++i) {
      const int32_t position = static_cast<int32_t>(prompt.ids.size()) + prompt.rope_delta;
      prompt.ids.push_back(choice[i]);
      prompt.feature_index.push_back(-1);
      prompt.position_ids.insert(prompt.position_ids.end(), model.kind == Kind::mrope ? 3 : 1, position);
    }
    const auto engine = model.engine(options());
    const Planned planned = Pending(*engine, prompt, {1, false}).wait();
    CHECK(planned.plan.value && encode_needed(*engine, planned, images_of(pieces)));
    GenerateOptions capture;
    capture.capture_logits = true;
    const auto generated = generate(*engine, planned.id, capture).get();
    const std::vector<float>& logits = generated.value->logits[0];
    double sum = 0, wanted = 0;
    for (float logit : logits) sum += std::exp(double(logit));
    if (given < choice.size()) wanted = std::exp(double(logits[choice[given]]));
    if (given == choice.size())
      for (int32_t end : kEnds) wanted += std::exp(double(logits[end]));
    result.push_back(std::log(wanted / sum));
  }
  return result;
}

bool near(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - b[i]) < 1e-6)) return false;
  return true;
}

// Prompts that end at, before and behind the edge of a block.
void equal_a_naive_forward(Kind kind) {
  const TinyModel model(kind);
  for (int length : {1, 11, 12, 13}) {
    const std::vector<Tokens> choices{{5}, {5, 6}, {8, 9, 10}, text(20, 4)};
    const auto engine = model.engine(options());
    const auto weighed = weigh(*engine, question(length), kind, choices);
    CHECK(weighed.size() == choices.size());
    for (size_t i = 0; i < choices.size(); ++i) CHECK(near(weighed[i], naive(model, question(length), choices[i])));
  }
}

// Whatever they are weighed with, warm or cold, and whoever answers meanwhile; all memory comes back.
void together_is_one_by_one_in_bits(Kind kind) {
  const TinyModel model(kind);
  std::vector<Tokens> choices;
  for (int i = 0; i < 32; ++i) choices.push_back(text(1 + i % 5 + (i == 20 ? 90 : 0), i));
  const auto cold = model.engine(options());
  const auto weighed = weigh(*cold, question(), kind, choices);
  const auto warm = model.engine(options());
  for (size_t i = 0; i < choices.size(); ++i) CHECK(weigh(*warm, question(), kind, {choices[i]}).front() == weighed[i]);

  const Asked alone = ask(*warm, {{text(9, 3), {}}}, kind, 40);
  Planned planned = Pending(*cold, render({{text(9, 3), {}}}, kind), {40, false}).wait();
  GenerateOptions capture;
  capture.capture_logits = true;
  auto answer = generate(*cold, planned.id, capture);
  auto again = begin_weighing(*cold, question(), kind, choices);
  CHECK(again.get().value->choices == weighed);
  CHECK(same_bits(answer.get().value->logits, alone.result.logits));
  cold->close();
  CHECK(cold->stats().blocks_leaked == 0 && cold->stats().bytes_reserved == 0);
}

// A prompt that is known costs one row; two choices of one token one more run.
void yes_or_no_is_one_run() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(options());
  weigh(*engine, question(), model.kind, {{5}, {6}});
  const Counters before = engine->stats();
  weigh(*engine, question(), model.kind, {{5}, {6}});
  const Counters after = engine->stats();
  CHECK(after.decoder_runs - before.decoder_runs == 2 && after.prefill_rows - before.prefill_rows == 1);
  CHECK(after.decode_rows - before.decode_rows == 2);
}

void what_cannot_fit_is_refused_or_waits() {
  const TinyModel model(Kind::causal);
  EngineOptions small = options();
  const auto block = size_t{2} * 2 * 16 * 64 * 4;
  small.budgets.kv_bytes = 12 * block;
  const auto engine = model.engine(small);
  const std::vector<Tokens> many(16, text(3, 1)), few(8, text(3, 1));
  const auto refused = Pending(*engine, render(question(), model.kind), {0, false, many}).wait();
  CHECK(refused.plan.code == "OUT_OF_MEMORY" && refused.plan.message.find("fewer choices") != std::string::npos);
  // Two at once do not fit; the second waits for the first.
  auto first = begin_weighing(*engine, question(), model.kind, few);
  auto second = begin_weighing(*engine, question(), model.kind, few);
  CHECK(first.get().value->choices == second.get().value->choices);
  EngineOptions narrow = options();
  TinyModel short_context(Kind::causal);
  short_context.source.traits.context = 62;
  const auto full = short_context.engine(narrow);
  CHECK(Pending(*full, render(question(), model.kind), {0, false, {{5}, {5, 6, 7}, {5, 6, 7, 8}}}).wait().plan.code ==
        "CONTEXT_FULL");
  CHECK(Pending(*full, render(question(), model.kind), {0, false, {{5}, {5, 6, 7}}}).wait().plan.value);
}

void misuse_is_told() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(options());
  const auto code = [&](const RequestOptions& wrong) {
    try {
      engine->begin(render(question(), model.kind), wrong, nullptr, nullptr);
    } catch (const Error& error) {
      return std::string(error.code());
    }
    return std::string();
  };
  CHECK(code({4, false, {{5}}}) == "INVALID_ARGUMENT");
  CHECK(code({0, false, {{5}, {}}}) == "INVALID_ARGUMENT");
  CHECK(code({0, false, {{kVocab}}}) == "INVALID_ARGUMENT");
  CHECK(code({0, false, {{-1}}}) == "INVALID_ARGUMENT");
}

void cancelled_ones_end_at_once(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(options());
  const std::vector<Tokens> choices(32, text(200, 3));
  const auto whole = weigh(*engine, question(), kind, {text(3, 3)});
  for (int delay : {0, 1, 5}) {
    const Planned planned = Pending(*engine, render(question(), kind), {0, false, choices}).wait();
    auto result = generate(*engine, planned.id, ending());
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    engine->cancel(planned.id);
    const auto ended = result.get();
    CHECK(ended.value ? ended.value->stop == StopReason::cancelled || delay > 0 : ended.code == "CANCELLED");
  }
  CHECK(weigh(*engine, question(), kind, {text(3, 3)}) == whole);
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0 && engine->stats().bytes_reserved == 0);
}

}  // namespace

int main() {
  for (Kind kind : {Kind::causal, Kind::mrope, Kind::block, Kind::prefix, Kind::recurrent}) {
    equal_a_naive_forward(kind);
    together_is_one_by_one_in_bits(kind);
    cancelled_ones_end_at_once(kind);
  }
  yes_or_no_is_one_run();
  what_cannot_fit_is_refused_or_waits();
  misuse_is_told();
  std::printf("ok\n");
}
