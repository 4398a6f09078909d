// The engine through its public functions: reuse, tiers, admission, cancellation, fairness, closing.
#include <algorithm>
#include <thread>

#include "session_ask.h"
#include "session_gate_backend.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

EngineOptions options() { return roomy(KvType::f16); }

void second_question_costs_the_question(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(options());
  const Image image{5, 100};
  const std::vector<Piece> first{{text(10, 1), {}}, {{}, image}, {text(6, 2), {}}};
  std::vector<Piece> second = first;
  second.back().text = text(9, 3);
  const Asked cold = ask(*engine, first, kind, 4);
  CHECK(cold.plan.needed.size() == 1 && cold.plan.cache.image_tokens == 100 && cold.plan.cache.prompt_tokens == 118);
  const Asked warm = ask(*engine, second, kind, 4);
  if (kind == Kind::prefix) {
    CHECK(warm.plan.cache.prompt_tokens_reused == 0 && warm.plan.cache.source == CacheSource::features);
  } else {
    CHECK(warm.plan.needed.empty() && warm.plan.cache.image_tokens_reused == 100);
    CHECK(warm.plan.cache.prompt_tokens_reused == 112 && warm.plan.cache.source == CacheSource::memory);
  }
  const auto fresh = model.engine(options());
  CHECK(same_bits(ask(*fresh, second, kind, 4).result.logits, warm.result.logits));
  const Asked again = ask(*engine, second, kind, 4);
  CHECK(same_bits(again.result.logits, warm.result.logits));
  CHECK(engine->stats().images_encoded == 1);
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0);
}

using Pieces = std::vector<Piece>;

// The next turn finds the answer in the cache, and a cold prefill of prompt and answer gives the logits of decoding:
// positions of generated tokens (rope_delta) are those that the next prompt has.
void an_answer_is_part_of_the_next_prompt(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(options()), fresh = model.engine(options());
  Pieces pieces{{text(10, 1), {}}, {{}, {5, 100}}, {text(6, 2), {}}};
  const Asked first = ask(*engine, pieces, kind, 5);
  pieces.push_back({{first.result.tokens.begin(), first.result.tokens.begin() + 4}, {}});
  const Asked cold = ask(*fresh, pieces, kind, 1);
  CHECK(same_bits(cold.result.logits, {first.result.logits[4]}));
  pieces.push_back({text(5, 3), {}});
  CHECK(ask(*engine, pieces, kind, 1).plan.cache.prompt_tokens_reused == 118 + 4);
}

Pieces conversation(std::initializer_list<Image> images, int question) {
  Pieces pieces{{text(10, 1), {}}};
  for (const Image& image : images) pieces.push_back({{}, image});
  pieces.push_back({text(7, question), {}});
  return pieces;
}

// What is computed is the suffix, and what is encoded is the new image.
void only_what_is_new_is_computed() {
  const TinyModel model(Kind::mrope);
  const auto engine = model.engine(options());
  const Image a{1, 50}, b{2, 50}, c{3, 50};
  ask(*engine, conversation({a}, 1), model.kind, 1);
  Counters before = engine->stats();
  CHECK(before.prefill_rows == 10 + 52 + 7 && before.images_encoded == 1);
  ask(*engine, conversation({a, b}, 1), model.kind, 1);
  Counters after = engine->stats();
  CHECK(after.prefill_rows - before.prefill_rows == 52 + 7 && after.images_encoded == 2);
  // Another order parts after the system text; both images are remembered, neither is encoded again.
  const Asked swapped = ask(*engine, conversation({b, a}, 1), model.kind, 1);
  CHECK(swapped.plan.cache.prompt_tokens_reused == 10 && swapped.plan.cache.source == CacheSource::features);
  CHECK(engine->stats().images_encoded == 2);
  // A → B → A in one place; an image of the same size is another image.
  ask(*engine, conversation({c}, 1), model.kind, 1);
  const Asked back = ask(*engine, conversation({a}, 2), model.kind, 1);
  CHECK(back.plan.cache.image_tokens_reused == 50 && engine->stats().images_encoded == 3);
}

// Answers that are all there before the first run of the first of them ends: no machine is too slow for a batch.
std::vector<GenerateResult> at_once(Engine& engine, Gate& gate, const std::vector<Planned>& all) {
  GenerateOptions capture;
  capture.capture_logits = true;
  std::vector<std::future<Outcome<GenerateResult>>> futures;
  gate.shut();
  for (const Planned& planned : all) {
    futures.push_back(generate(engine, planned.id, capture));
    if (futures.size() == 1) gate.await_run();
  }
  gate.open();
  std::vector<GenerateResult> results;
  for (auto& future : futures) {
    auto outcome = future.get();
    CHECK(outcome.value);
    results.push_back(std::move(*outcome.value));
  }
  return results;
}

// Eight questions forked off one image answer in one batch, with the bits of one by one.
void forks_share_and_batch() {
  const TinyModel model(Kind::causal);
  Gate gate;
  const auto together = gated_engine(model, options(), gate), alone = model.engine(options());
  const Image image{9, 120};
  ask(*together, conversation({image}, 0), model.kind, 0);
  const Counters before = together->stats();
  std::vector<Planned> forks;
  for (int i = 0; i < 8; ++i) {
    forks.push_back(Pending(*together, render(conversation({image}, 10 + i), model.kind), {20, false}).wait());
    CHECK(forks.back().plan.value && forks.back().plan.value->needed.empty());
  }
  const auto results = at_once(*together, gate, forks);
  for (int i = 0; i < 8; ++i) {
    CHECK(results[i].tokens.size() == 20);
    CHECK(same_bits(ask(*alone, conversation({image}, 10 + i), model.kind, 20).result.logits, results[i].logits));
  }
  const Counters after = together->stats();
  CHECK(after.prefill_rows - before.prefill_rows <= 8 * 7 && after.decode_rows == 8 * 19);
  CHECK(after.decoder_runs - before.decoder_runs < 2 * 20);
}

// More answers than one run's memory was predicted for take turns, and each is the one it is alone.
void many_answers_take_turns() {
  constexpr int kAnswers = 37, kTokens = 6;
  const TinyModel model(Kind::causal);
  Gate gate;
  const auto together = gated_engine(model, options(), gate), alone = model.engine(options());
  std::vector<Planned> all;
  for (int i = 0; i < kAnswers; ++i)
    all.push_back(Pending(*together, render({{text(9, i), {}}}, model.kind), {kTokens, false}).wait());
  const auto results = at_once(*together, gate, all);
  for (int i = 0; i < kAnswers; ++i) {
    CHECK(results[i].tokens.size() == kTokens);
    const Asked one = ask(*alone, {{text(9, i), {}}}, model.kind, kTokens);
    CHECK(same_bits(one.result.logits, results[i].logits));
  }
}

// A machine with less memory than the budget: `limit` bytes in all.
class ScarceBackend : public Backend {
 public:
  ScarceBackend(std::unique_ptr<Backend> inner, size_t limit) : inner_(std::move(inner)), limit_(limit) {}
  std::string identity() const override { return inner_->identity(); }
  std::unique_ptr<Memory> allocate(size_t bytes) override {
    if (used_ + bytes > limit_) throw Error("OUT_OF_MEMORY", "The machine is full.");
    return std::make_unique<Counted>(inner_->allocate(bytes), used_);
  }
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override {
    return inner_->prepare(source, uses, precision);
  }
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override {
    for (Dispatch dispatch : dispatches) {
      // Kernels know the memory of their own backend.
      RowBatch batch;
      std::vector<std::vector<Memory*>> blocks;
      if (dispatch.batch) {
        batch = *dispatch.batch;
        for (SequenceRows& rows : batch.sequences) {
          blocks.emplace_back();
          for (Memory* block : rows.blocks) blocks.back().push_back(&inner(*block));
          rows.blocks = blocks.back();
          if (rows.state) rows.state = &inner(*rows.state);
        }
        dispatch.batch = &batch;
      }
      inner_->run({&dispatch, 1}, cancel);
    }
  }

 private:
  struct Counted : Memory {
    Counted(std::unique_ptr<Memory> given, size_t& total) : memory(std::move(given)), used(total) {
      used += memory->bytes();
    }
    ~Counted() override { used -= memory->bytes(); }
    void* host() noexcept override { return memory->host(); }
    size_t bytes() const noexcept override { return memory->bytes(); }
    const std::unique_ptr<Memory> memory;
    size_t& used;
  };
  static Memory& inner(Memory& memory) { return *static_cast<Counted&>(memory).memory; }

  const std::unique_ptr<Backend> inner_;
  const size_t limit_;
  size_t used_ = 0;
};

// What is cached makes room as if the budget were spent; what cannot fit at all is refused and nothing else suffers.
void a_machine_may_have_less_than_the_budget(Kind kind) {
  const TinyModel model(kind);
  EngineOptions o = options();
  o.budgets.kv_bytes = size_t{1} << 30;
  CpuOptions cpu;
  cpu.threads = 1;
  const auto scarce = std::make_unique<Engine>(
      o, model.source, std::make_unique<ScarceBackend>(make_cpu_backend(cpu), size_t{1} << 20), nullptr);
  const auto ample = model.engine(options());
  for (int i = 0; i < 40; ++i) {
    const Pieces pieces{{text(300, i), {}}};
    CHECK(same_bits(ask(*scarce, pieces, kind, 3).result.logits, ask(*ample, pieces, kind, 3).result.logits));
  }
  CHECK(scarce->stats().kv.evictions > 0);
}

void what_cannot_fit_is_refused_with_advice() {
  const TinyModel model(Kind::causal);
  const auto refusal = [&](EngineOptions o, int patches) {
    const auto engine = model.engine(o);
    Pending pending(*engine, render(conversation({{1, patches}}, 1), model.kind), {16, false});
    const Planned planned = pending.wait();
    CHECK(!planned.plan.value && planned.plan.code == "OUT_OF_MEMORY");
    const Counters after = engine->stats();
    CHECK(after.blocks_in_use == 0 && after.bytes_reserved == 0 && after.requests_active == 0 &&
          after.scratch_bytes == 0);
    return planned.plan.message;
  };
  EngineOptions kv = options();
  kv.budgets.kv_bytes = 4 * 8192;
  CHECK(refusal(kv, 300).find("8-bit KV") != std::string::npos);
  EngineOptions features = options();
  features.budgets.feature_bytes = 1000;
  CHECK(refusal(features, 30).find("max_pixels") != std::string::npos);
  EngineOptions scratch = options();
  scratch.budgets.scratch_bytes = size_t{64} << 10;
  CHECK(refusal(scratch, 3000).find("image of 3002 tokens") != std::string::npos);
  const auto engine = model.engine(options());
  const Pieces full{{text(4096, 1), {}}};
  Pending pending(*engine, render(full, model.kind), {1, false});
  CHECK(pending.wait().plan.code == "CONTEXT_FULL");
  const Pieces almost{{text(4090, 1), {}}};
  CHECK(ask(*engine, almost, model.kind, 100).result.tokens.size() == 6);
}

// Two requests that fit only one after the other: the second plan waits, and is not refused.
void a_plan_waits_for_memory() {
  const TinyModel model(Kind::causal);
  EngineOptions o = options();
  o.budgets.kv_bytes = 6 * 8192;
  const auto engine = model.engine(o);
  Pending first(*engine, render({{text(200, 1), {}}}, model.kind), {10, false});
  const Planned planned = first.wait();
  Pending second(*engine, render({{text(200, 2), {}}}, model.kind), {10, false});
  Pending third(*engine, render({{text(200, 3), {}}}, model.kind), {10, false});
  while (engine->stats().requests_waiting < 2) std::this_thread::yield();
  engine->cancel(second.id);
  CHECK(second.wait().plan.code == "CANCELLED");
  CHECK(generate(*engine, planned.id, {}).get().value->tokens.size() == 10);
  const Planned last = third.wait();
  CHECK(last.plan.value && generate(*engine, last.id, {}).get().value->tokens.size() == 10);
}

// A run in progress ends at once, what was computed before stays, and what the run wrote is never seen.
void cancel_keeps_complete_chunks() {
  const TinyModel model(Kind::recurrent);
  Gate gate;
  const auto engine = gated_engine(model, options(), gate);
  const Pieces pieces = conversation({{4, 150}}, 1);
  Pending pending(*engine, render(pieces, model.kind), {4, false});
  const Planned planned = pending.wait();
  CHECK(encode_needed(*engine, planned, images_of(pieces)));
  auto result = generate(*engine, planned.id, {}, nullptr, [&](Stage, int64_t done, int64_t) {
    if (done >= 100) gate.shut();
  });
  gate.await_run();
  engine->cancel(planned.id);
  const auto outcome = result.get();
  CHECK(outcome.value && outcome.value->stop == StopReason::cancelled && outcome.value->tokens.empty());
  gate.open();
  CHECK(engine->stats().runs_cancelled == 1 && engine->stats().requests_active == 0);
  const Asked again = ask(*engine, pieces, model.kind, 4);
  CHECK(again.plan.cache.prompt_tokens_reused >= 100);
  const auto fresh = model.engine(options());
  CHECK(same_bits(again.result.logits, ask(*fresh, pieces, model.kind, 4).result.logits));
}

// One request of a shared run is cancelled: the other goes on as if it had been alone.
void cancel_leaves_neighbours_alone() {
  const TinyModel model(Kind::recurrent);
  Gate gate;
  const auto engine = gated_engine(model, options(), gate);
  const Pieces stays{{text(30, 1), {}}}, goes{{text(200, 2), {}}};
  Pending one(*engine, render(stays, model.kind), {12, false});
  Pending two(*engine, render(goes, model.kind), {4, false});
  const Planned first = one.wait(), second = two.wait();
  GenerateOptions capture;
  capture.capture_logits = true;
  gate.shut();
  auto kept = generate(*engine, first.id, capture, [&](int32_t) {});
  gate.await_run();
  auto cancelled = generate(*engine, second.id, {}, nullptr, [&](Stage, int64_t done, int64_t) {
    if (done == 64) gate.shut();
  });
  gate.open();
  gate.await_run();
  engine->cancel(second.id);
  CHECK(cancelled.get().value->stop == StopReason::cancelled);
  gate.open();
  const auto outcome = kept.get();
  const auto fresh = model.engine(options());
  CHECK(same_bits(outcome.value->logits, ask(*fresh, stays, model.kind, 12).result.logits));
}

// Warming runs only while nothing else wants to, and goes on afterwards from where it was.
void warming_gives_way() {
  const TinyModel model(Kind::causal);
  Gate gate;
  const auto engine = gated_engine(model, options(), gate);
  std::atomic<int64_t> warmed{0}, warmed_at_answer{-1};
  Pending low(*engine, render({{text(400, 1), {}}}, model.kind), {0, true});
  const Planned warming = low.wait();
  Pending real(*engine, render({{text(100, 2), {}}}, model.kind), {8, false});
  const Planned asking = real.wait();
  gate.shut();
  auto warm = generate(*engine, warming.id, {}, nullptr, [&](Stage, int64_t done, int64_t) { warmed = done; });
  gate.await_run();
  auto answer = generate(*engine, asking.id, {}, [&](int32_t) { warmed_at_answer = warmed.load(); });
  gate.open();
  CHECK(answer.get().value->tokens.size() == 8 && warmed_at_answer == 32);
  CHECK(warm.get().value->stop == StopReason::length && warmed == 400);
  CHECK(ask(*engine, {{text(400, 1), {}}}, model.kind, 1).plan.cache.prompt_tokens_reused == 399);
}

// Two prefills take turns, and one that is answering gets a token with every chunk of another.
void work_is_shared_fairly() {
  const TinyModel model(Kind::causal);
  Gate gate;
  const auto engine = gated_engine(model, options(), gate);
  std::string order;
  std::vector<Planned> planned;
  for (int i = 0; i < 3; ++i)
    planned.push_back(Pending(*engine, render({{text(i == 0 ? 20 : 128, i), {}}}, model.kind), {4, false}).wait());
  gate.shut();
  std::vector<std::future<Outcome<GenerateResult>>> results;
  for (int i = 0; i < 3; ++i) {
    results.push_back(
        generate(*engine, planned[static_cast<size_t>(i)].id, {}, nullptr, [&order, i](Stage stage, int64_t, int64_t) {
          if (stage == Stage::prefill || i == 0) order += static_cast<char>((stage == Stage::prefill ? 'A' : 'a') + i);
        }));
    gate.await_run();
  }
  gate.open();
  for (auto& result : results) CHECK(result.get().value->tokens.size() == 4);
  CHECK(order == "AaaBaCaBCBCBC");
}

// Requests over one new image share its chunks instead of computing them twice.
void equal_requests_share_work() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(options());
  const Pieces pieces = conversation({{6, 200}}, 1);
  std::vector<Planned> planned;
  for (int i = 0; i < 3; ++i) planned.push_back(Pending(*engine, render(pieces, model.kind), {2, false}).wait());
  for (const Planned& one : planned) CHECK(encode_needed(*engine, one, images_of(pieces)));
  CHECK(engine->stats().images_encoded == 1);
  std::vector<std::future<Outcome<GenerateResult>>> results;
  for (const Planned& one : planned) results.push_back(generate(*engine, one.id, {}));
  int32_t reused = 0;
  for (auto& result : results) reused += result.get().value->cache.prompt_tokens_reused;
  const Counters after = engine->stats();
  CHECK(after.prefill_rows < 2 * 219 && reused + static_cast<int32_t>(after.prefill_rows) == 3 * 219);
}

void answers_end_as_asked() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(options());
  const Pieces pieces{{text(20, 1), {}}};
  const std::vector<int32_t> tokens = ask(*engine, pieces, model.kind, 12).result.tokens;
  GenerateOptions stop;
  stop.stop_ids = {tokens[3]};
  const GenerateResult stopped = ask(*engine, pieces, model.kind, 12, stop).result;
  const auto first = static_cast<size_t>(std::find(tokens.begin(), tokens.end(), tokens[3]) - tokens.begin());
  CHECK(stopped.stop == StopReason::end && stopped.tokens.size() == first);
  Pending pending(*engine, render(pieces, model.kind), {12, false});
  const Planned planned = pending.wait();
  int count = 0;
  auto finished = generate(*engine, planned.id, {}, [&](int32_t) {
    if (++count == 5) engine->finish(planned.id);
  });
  const auto outcome = finished.get();
  CHECK(outcome.value->stop == StopReason::finished && outcome.value->tokens.size() == 5);
}

void misuse_is_one_clear_error() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(options());
  const Image image{4, 20};
  const Pieces pieces = conversation({image}, 1);
  const auto code = [](auto call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    return std::string();
  };
  CHECK(code([&] { engine->begin(render(pieces, model.kind), {-1, false}, nullptr, nullptr); }) == "INVALID_ARGUMENT");
  CHECK(code([&] { engine->begin(Prompt{}, {1, false}, nullptr, nullptr); }) == "INVALID_ARGUMENT");
  Pending pending(*engine, render(pieces, model.kind), {1, false});
  const Planned planned = pending.wait();
  CHECK(encode(*engine, planned.id, {5, 20}).code == "INVALID_ARGUMENT");
  GenerateOptions bad;
  bad.sampling.top_p = 0;
  CHECK(code([&] { generate(*engine, planned.id, bad); }) == "INVALID_ARGUMENT");
  CHECK(generate(*engine, planned.id, {}).get().code == "INVALID_ARGUMENT");  // not encoded
  CHECK(generate(*engine, planned.id, {}).get().code == "CANCELLED");         // and so it has ended
  CHECK(encode(*engine, planned.id, image).code == "CANCELLED");
  Pending other(*engine, render(pieces, model.kind), {1, false});
  const Planned again = other.wait();
  std::promise<std::string> failed;
  engine->encode(
      again.id, image.key(), {}, [&] { failed.set_value(""); },
      [&](const Error& error) { failed.set_value(error.code()); });
  CHECK(failed.get_future().get() == "INVALID_ARGUMENT");
  CHECK(engine->stats().requests_active == 0 && engine->stats().bytes_reserved == 0);
}

void close_ends_everything() {
  const TinyModel model(Kind::causal);
  Gate gate;
  const auto engine = gated_engine(model, options(), gate);
  const Planned planned = Pending(*engine, render({{text(300, 1), {}}}, model.kind), {50, false}).wait();
  const Planned idle = Pending(*engine, render({{text(30, 2), {}}}, model.kind), {5, false}).wait();
  gate.shut();
  auto result = generate(*engine, planned.id, {});
  gate.await_run();
  engine->cancel(planned.id);
  CHECK(result.get().value->stop == StopReason::cancelled);
  auto second = generate(*engine, idle.id, {});
  gate.await_run();
  engine->close();
  CHECK(second.get().code == "CLOSED");
  engine->close();
  bool closed = false;
  try {
    engine->clear_memory();
  } catch (const Error& error) {
    closed = error.code() == "CLOSED";
  }
  CHECK(closed && engine->stats().blocks_leaked == 0 && engine->stats().requests_active == 0);
  engine->cancel(planned.id);
}

}  // namespace

int main() {
  for (Kind kind : {Kind::causal, Kind::mrope, Kind::block, Kind::recurrent})
    an_answer_is_part_of_the_next_prompt(kind);
  only_what_is_new_is_computed();
  forks_share_and_batch();
  many_answers_take_turns();
  for (Kind kind : {Kind::causal, Kind::recurrent}) a_machine_may_have_less_than_the_budget(kind);
  what_cannot_fit_is_refused_with_advice();
  a_plan_waits_for_memory();
  cancel_keeps_complete_chunks();
  cancel_leaves_neighbours_alone();
  warming_gives_way();
  work_is_shared_fairly();
  equal_requests_share_work();
  answers_end_as_asked();
  misuse_is_one_clear_error();
  close_ends_everything();
  for (Kind kind : {Kind::causal, Kind::mrope, Kind::block, Kind::prefix, Kind::recurrent})
    second_question_costs_the_question(kind);
  std::puts("ok");
}
