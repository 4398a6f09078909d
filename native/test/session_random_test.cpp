// Thousands of random turns on an engine with a cache of a few blocks, tiers on disk, cancellations and restarts; the
// logits of every turn must have the bits of an engine that has seen nothing before.
//   session_random_test [steps per configuration] [seed]
#include <algorithm>
#include <thread>

#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

struct Setup {
  Kind kind;
  Precision precision;
  KvType kv_type;
};

struct Conversation {
  std::vector<Piece> pieces;
};

class Walk {
 public:
  Walk(const Setup& setup, uint32_t seed) : setup_(setup), model_(setup.kind), random_(seed) {
    EngineOptions cold = engine_options();
    cold.budgets = {};
    cold.chunk_rows = 300;
    cold_ = model_.engine(cold, 2);
    restart();
  }

  void run(int steps) {
    for (step_ = 0; step_ < steps; ++step_) one_step();
    close();
    // The walk met what it is for; a prompt-wide prefix is reused only when a whole prompt comes back.
    if (steps >= 200) CHECK(reused_ > 0 && cancelled_ > 0 && (disk_hits_ > 0 || setup_.kind == Kind::prefix));
    if (steps >= 200) CHECK(accepted_ > 0 && refused_ > 0);
    std::printf(
        "  %d turns, %ld prompt tokens, %ld reused, %ld files restored, %ld blocks evicted, %ld cancelled, %ld guesses "
        "right, %ld wrong\n",
        turns_, tokens_, reused_, disk_hits_, evicted_, cancelled_, accepted_, refused_);
  }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<uint32_t>(count)); }

  EngineOptions engine_options() {
    EngineOptions options;
    options.precision = setup_.precision;
    options.kv_type = setup_.kv_type;
    options.chunk_rows = 32;
    return options;
  }

  void restart() {
    close();
    EngineOptions options = engine_options();
    // The head that drafts keeps keys and values of its own.
    const KvLayout layout(std::vector<KvLayer>(setup_.kind == Kind::mtp ? 3 : 2, {1, 16, 16}), setup_.kv_type);
    options.chunk_rows = 5 + pick(90);
    options.budgets.kv_bytes = layout.block_bytes() * static_cast<size_t>(16 + pick(16)) + 16384;
    options.budgets.feature_bytes = size_t{112} << 10;
    options.disk.folder = folder_.path() + "/cache";
    options.disk.max_bytes = size_t{2} << 20;
    engine_ = model_.engine(options, 1 + pick(2));
  }

  void close() {
    if (!engine_) return;
    engine_->close();
    const Counters end = engine_->stats();
    CHECK(end.blocks_leaked == 0 && end.bytes_reserved == 0 && end.kv.bytes == 0 && end.snapshots.bytes == 0);
    CHECK(end.features.bytes == 0 && end.disk_rejected == 0);
    disk_hits_ += static_cast<long>(end.disk.hits);
    evicted_ += static_cast<long>(end.kv.evictions);
    engine_.reset();
  }

  std::vector<int32_t> words(int most) {
    std::vector<int32_t> ids(static_cast<size_t>(1 + pick(most)));
    for (int32_t& id : ids) id = 4 + pick(6);  // few words, so that texts often begin alike
    return ids;
  }

  Image image() { return {static_cast<uint32_t>(1 + pick(3)), pick(3) == 0 ? 37 : 90}; }

  Conversation& conversation() {
    if (conversations_.empty() || (conversations_.size() < 4 && pick(6) == 0)) {
      std::vector<int32_t> system(static_cast<size_t>(pick(2) == 0 ? 20 : 64), 5);
      conversations_.push_back({{{system, {}}}});
    }
    return conversations_[static_cast<size_t>(pick(static_cast<int>(conversations_.size())))];
  }

  static int length(const Conversation& conversation) {
    int sum = 0;
    for (const Piece& piece : conversation.pieces)
      sum += piece.image.patches > 0 ? piece.image.patches + 2 : static_cast<int>(piece.text.size());
    return sum;
  }

  void one_step() {
    Conversation& at = conversation();
    if (length(at) > 600) at.pieces.resize(1 + static_cast<size_t>(pick(2)));
    switch (pick(14)) {
      case 0:
        append_image(at);
        return turn(at);
      case 1:
        append_image(at);
        append_image(at);
        return turn(at);
      case 2:
        swap_image(at);
        return turn(at);
      case 3:
        return fork(at);
      case 4:
        at.pieces.resize(1 + static_cast<size_t>(pick(static_cast<int>(at.pieces.size()))));
        return turn(at);
      case 5:
        return engine_->clear_memory();
      case 6:
      case 7:
        return cancelled_turn(at);
      case 8:
        return pick(3) == 0 ? restart() : turn(at);
      case 9:
      case 10:
        return together();
      case 11:
        return warm(at);
      default:
        return turn(at);
    }
  }

  void append_image(Conversation& at) { at.pieces.push_back({{}, image()}); }

  void swap_image(Conversation& at) {
    for (Piece& piece : at.pieces)
      if (piece.image.patches > 0 && pick(2) == 0) piece.image.seed = 1 + piece.image.seed % 3;
  }

  void fork(Conversation& at) {
    if (conversations_.size() >= 5) return;
    conversations_.push_back(Conversation(at));
  }

  GenerateOptions generate_options() {
    GenerateOptions options;
    options.capture_logits = true;
    if (pick(2) == 0) options.draft_price = 1e-6;  // every guess is run
    if (pick(3) == 0) {
      options.sampling.temperature = 0.9f;
      options.sampling.top_k = 20;
      options.sampling.top_p = 0.95f;
      options.sampling.repetition_penalty = 1.1f;
      options.sampling.seed = random_();
    }
    return options;
  }

  void compare(const Conversation& at, const GenerateOptions& options, int32_t max_tokens,
               const GenerateResult& result) {
    cold_->clear_memory();
    GenerateOptions plain = options;
    plain.draft = false;
    const Asked expected = ask(*cold_, at.pieces, setup_.kind, max_tokens, plain);
    CHECK(expected.plan.cache.prompt_tokens_reused == 0);
    if (!same_bits(expected.result.logits, result.logits) || expected.result.tokens != result.tokens) {
      std::fprintf(stderr, "step %d: the logits of a turn differ from a cold engine's (%d tokens, %d reused)\n", step_,
                   result.cache.prompt_tokens, result.cache.prompt_tokens_reused);
      std::exit(1);
    }
    ++turns_;
    tokens_ += result.cache.prompt_tokens;
    reused_ += result.cache.prompt_tokens_reused;
    accepted_ += result.accepted;
    refused_ += result.drafted - result.accepted;
  }

  void accept(Conversation& at, const GenerateResult& result) {
    if (!result.tokens.empty() && pick(4) > 0) at.pieces.push_back({result.tokens, {}});
  }

  void turn(Conversation& at) {
    if (pick(4) > 0) at.pieces.push_back({words(12), {}});  // else the same question again
    const int32_t max_tokens = 1 + pick(8);
    const GenerateOptions options = generate_options();
    const Asked asked = ask(*engine_, at.pieces, setup_.kind, max_tokens, options, pick(8) == 0);
    compare(at, options, max_tokens, asked.result);
    accept(at, asked.result);
  }

  void warm(Conversation& at) {
    const Asked asked = ask(*engine_, at.pieces, setup_.kind, 0, {}, true);
    CHECK(asked.result.tokens.empty() && asked.result.stop == StopReason::length);
  }

  // Two or three requests at once, of different conversations or of one.
  void together() {
    struct Running {
      Conversation at;
      GenerateOptions options;
      int32_t max_tokens;
      std::unique_ptr<Pending> pending;
      std::future<Outcome<GenerateResult>> result;
    };
    std::vector<Running> running;
    for (int i = 0, count = 2 + pick(2); i < count; ++i) {
      Conversation at = conversation();
      if (length(at) > 300) at.pieces.resize(1);
      if (pick(3) == 0) append_image(at);
      at.pieces.push_back({words(20), {}});
      running.push_back({at, generate_options(), 1 + pick(8), nullptr, {}});
    }
    for (Running& one : running)
      one.pending = std::make_unique<Pending>(*engine_, render(one.at.pieces, setup_.kind),
                                              RequestOptions{one.max_tokens, pick(5) == 0});
    // A plan may wait for the memory of an earlier one, so each is driven on by a thread of its own.
    std::vector<std::thread> drivers;
    for (Running& one : running)
      drivers.emplace_back([&] {
        const Planned planned = one.pending->wait();
        CHECK(planned.plan.value);
        CHECK(encode_needed(*engine_, planned, images_of(one.at.pieces)));
        one.result = generate(*engine_, planned.id, one.options);
        one.result.wait();
      });
    for (std::thread& driver : drivers) driver.join();
    for (Running& one : running) {
      const Outcome<GenerateResult> outcome = one.result.get();
      CHECK(outcome.value);
      compare(one.at, one.options, one.max_tokens, *outcome.value);
    }
  }

  // Cancelled after a random number of chunks or tokens, from inside or outside; what follows must not notice.
  void cancelled_turn(Conversation& at) {
    at.pieces.push_back({words(60), {}});
    if (pick(2) == 0) append_image(at);
    Pending pending(*engine_, render(at.pieces, setup_.kind), {6, false});
    if (pick(5) == 0) engine_->cancel(pending.id);
    const Planned planned = pending.wait();
    if (planned.plan.value && encode_needed(*engine_, planned, images_of(at.pieces))) {
      int left = pick(6);
      const bool outside = pick(2) == 0;
      auto result = generate(*engine_, planned.id, generate_options(), nullptr, [&, outside](Stage, int64_t, int64_t) {
        if (!outside && left-- == 0) engine_->cancel(planned.id);
      });
      if (outside) {
        std::this_thread::sleep_for(std::chrono::microseconds(pick(600)));
        engine_->cancel(planned.id);
      }
      const Outcome<GenerateResult> outcome = result.get();
      CHECK(outcome.value || outcome.code == "CANCELLED");
      cancelled_ += outcome.value && outcome.value->stop == StopReason::cancelled ? 1 : 0;
    } else {
      CHECK(planned.plan.value || planned.plan.code == "CANCELLED");
    }
    if (pick(2) == 0) turn(at);
  }

  const Setup setup_;
  const TinyModel model_;
  std::mt19937 random_;
  TempFolder folder_;
  std::unique_ptr<Engine> cold_, engine_;
  std::vector<Conversation> conversations_;
  int step_ = 0, turns_ = 0;
  long tokens_ = 0, reused_ = 0, disk_hits_ = 0, evicted_ = 0, cancelled_ = 0, accepted_ = 0, refused_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 300;
  const auto seed = static_cast<uint32_t>(argc > 2 ? std::atoi(argv[2]) : 20251);
  const Setup setups[] = {
      {Kind::causal, Precision::exact, KvType::f16},  {Kind::causal, Precision::fast, KvType::q8},
      {Kind::mrope, Precision::exact, KvType::f32},   {Kind::mrope, Precision::fast, KvType::bf16},
      {Kind::mrope, Precision::exact, KvType::q8},    {Kind::block, Precision::exact, KvType::f16},
      {Kind::block, Precision::fast, KvType::q8},     {Kind::recurrent, Precision::exact, KvType::f16},
      {Kind::recurrent, Precision::fast, KvType::q8}, {Kind::prefix, Precision::exact, KvType::f16},
      {Kind::mtp, Precision::exact, KvType::f16},
  };
  for (const Setup& setup : setups) {
    std::printf("kind %d, precision %d, kv %d\n", static_cast<int>(setup.kind), static_cast<int>(setup.precision),
                static_cast<int>(setup.kv_type));
    std::fflush(stdout);
    Walk(setup, seed).run(steps);
  }
}
