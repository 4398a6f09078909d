// Answers with guessed tokens against the same ones without: bits of logits, what stays in the cache and on disk, how
// they end, several at once, by a grammar; and that draws have the model's distribution.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "grammar_fixture.h"
#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

constexpr Kind kKinds[] = {Kind::causal, Kind::mrope, Kind::block, Kind::prefix, Kind::recurrent, Kind::mtp};

using Pieces = std::vector<Piece>;
using Tokens = std::vector<int32_t>;

GenerateOptions plain() {
  GenerateOptions options;
  options.draft = false;
  return options;
}

// Every guess is run, the bad ones too.
GenerateOptions eager(GenerateOptions options = {}) {
  options.draft = true;
  options.draft_price = 1e-6;
  return options;
}

// Few words, so that something follows from all of them.
Tokens babble(int length, int seed) {
  Random random(static_cast<uint32_t>(seed));
  Tokens ids;
  for (int i = 0; i < length; ++i) ids.push_back(4 + below(random, kVocab - 4));
  return ids;
}

Pieces question(int seed) { return {{babble(80, seed), {}}, {{}, {5, 40}}, {babble(60, seed + 100), {}}}; }

void check_same(const GenerateResult& a, const GenerateResult& b) {
  CHECK(a.tokens == b.tokens && a.stop == b.stop && a.whole == b.whole && a.hurried == b.hurried);
  CHECK(same_bits(a.logits, b.logits));
  CHECK(a.probabilities == b.probabilities);
}

struct Counted {
  int drafted = 0, accepted = 0;
  void add(const GenerateResult& result) {
    drafted += result.drafted;
    accepted += result.accepted;
  }
};

std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

// Of two engines that were asked the same.
void check_same_cache(Engine& a, Engine& b) {
  const Counters one = a.stats(), other = b.stats();
  CHECK(one.blocks_in_use == other.blocks_in_use && one.kv.bytes == other.kv.bytes);
  CHECK(one.snapshots.bytes == other.snapshots.bytes && one.bytes_reserved == other.bytes_reserved);
  CHECK(one.kv.hits == other.kv.hits && one.kv.misses == other.kv.misses && one.snapshots.hits == other.snapshots.hits);
  CHECK(one.prefill_rows == other.prefill_rows && one.decode_rows == other.decode_rows);
}

// Conversations whose later turns stand on the answers before, with images whose prefixes go to disk: what was computed
// beside guesses is in those files.
void the_same_bits_and_the_same_cache(Kind kind, KvType kv_type, int rounds) {
  const TinyModel model(kind);
  TempFolder folder;
  const auto opened = [&](const std::string& name) {
    EngineOptions options = roomy(kv_type);
    options.disk.folder = folder.path() + "/" + name;
    return model.engine(options);
  };
  const auto with = opened("with"), without = opened("without");
  Counted counted;
  for (int seed = 0; seed < rounds; ++seed) {
    Pieces pieces = question(seed);
    for (int turn = 0; turn < 4; ++turn) {
      GenerateOptions options = plain();
      options.weigh_tokens = true;
      if (turn % 2 == 1) {
        options.sampling.temperature = 0.5f;
        options.sampling.top_k = 8;
        options.sampling.repetition_penalty = turn == 3 ? 1.2f : 1;
        options.sampling.seed = static_cast<uint64_t>(seed);
      }
      const int32_t most = 20 + 33 * turn;
      const Asked fast = ask(*with, pieces, kind, most, eager(options));
      const Asked slow = ask(*without, pieces, kind, most, options);
      check_same(fast.result, slow.result);
      CHECK(fast.plan.cache.prompt_tokens_reused == slow.plan.cache.prompt_tokens_reused);
      CHECK(slow.result.drafted == 0 && slow.result.accepted == 0);
      counted.add(fast.result);
      check_same_cache(*with, *without);
      pieces.push_back({fast.result.tokens, {}});
      pieces.push_back({{}, {static_cast<uint32_t>(6 + turn), 30}});
      pieces.push_back({babble(9, turn), {}});
    }
  }
  CHECK(counted.accepted > 12 * rounds && counted.drafted > counted.accepted + 12 * rounds);
  CHECK(with->stats().drafted_tokens == static_cast<uint64_t>(counted.drafted));
  CHECK(with->stats().accepted_tokens == static_cast<uint64_t>(counted.accepted));
  CHECK((with->stats().head_drafted > 0) == (kind == Kind::mtp));
  CHECK(with->stats().decoder_runs < without->stats().decoder_runs);
  with->flush_disk();
  without->flush_disk();
  const auto files = files_of(folder.path() + "/with");
  CHECK(files.size() > static_cast<size_t>(rounds) && files == files_of(folder.path() + "/without"));
  for (Engine* engine : {with.get(), without.get()}) {
    engine->close();
    CHECK(engine->stats().blocks_leaked == 0 && engine->stats().bytes_reserved == 0);
  }
}

// Limits of every length, and ends at every token: no more is kept than without guesses.
void it_ends_where_it_would(Kind kind, int32_t stride) {
  const TinyModel model(kind);
  const auto with = model.engine(roomy(KvType::f16)), without = model.engine(roomy(KvType::f16));
  const Pieces pieces = question(1);
  const Tokens whole = ask(*model.engine(roomy(KvType::f16)), pieces, kind, 40, plain()).result.tokens;
  for (int32_t i = 1; i <= 40; i += stride) {
    GenerateOptions options = plain();
    if (i % 2 == 0) options.stop_ids = {whole[static_cast<size_t>(i) - 1]};
    const int32_t most = i % 2 == 0 ? 40 : i;
    const Asked fast = ask(*with, pieces, kind, most, eager(options));
    const Asked slow = ask(*without, pieces, kind, most, options);
    check_same(fast.result, slow.result);
    Pieces next = pieces;
    next.push_back({fast.result.tokens, {}});
    next.push_back({babble(5, i), {}});
    const Asked after = ask(*with, next, kind, 2, eager()), expected = ask(*without, next, kind, 2, plain());
    check_same(after.result, expected.result);
    CHECK(after.plan.cache.prompt_tokens_reused == expected.plan.cache.prompt_tokens_reused);
  }
}

// What comes from inside a token's callback takes effect before the next token, though that is computed already.
void cancelled_and_finished_at_once(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(roomy(KvType::f16));
  const Pieces pieces = question(2);
  const Tokens whole = ask(*engine, pieces, kind, 60, plain()).result.tokens;
  for (size_t stop = 1; stop < 60; stop += 7)
    for (const bool cancel : {false, true}) {
      const Planned planned = Pending(*engine, render(pieces, kind), {60, false}).wait();
      CHECK(planned.plan.value && encode_needed(*engine, planned, images_of(pieces)));
      size_t seen = 0;
      const auto outcome = generate(*engine, planned.id, eager(), [&](int32_t) {
                             if (++seen == stop) cancel ? engine->cancel(planned.id) : engine->finish(planned.id);
                           }).get();
      CHECK(outcome.value && outcome.value->stop == (cancel ? StopReason::cancelled : StopReason::finished));
      CHECK((outcome.value->tokens == Tokens(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(stop))));
    }
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0 && engine->stats().bytes_reserved == 0);
}

// Fails every run while it is told to.
class FailingBackend : public Backend {
 public:
  FailingBackend(std::unique_ptr<Backend> inner, const std::atomic<bool>& fails)
      : inner_(std::move(inner)), fails_(fails) {}
  std::string identity() const override { return inner_->identity(); }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return inner_->allocate(bytes); }
  std::unique_ptr<Weight> prepare(const WeightSource& source, uint32_t uses, Precision precision) override {
    return inner_->prepare(source, uses, precision);
  }
  void run(std::span<const Dispatch> dispatches, const std::atomic<bool>& cancel) override {
    if (fails_) throw Error("BACKEND_FAILED", "As it was told to.");
    inner_->run(dispatches, cancel);
  }

 private:
  std::unique_ptr<Backend> inner_;
  const std::atomic<bool>& fails_;
};

// An answer that ends before guesses that were run: its last rows are computed again, and what fails there is said
// with the answer, which is whole; less of it is in the cache and nothing else is lost.
void what_is_not_kept_is_said() {
  const TinyModel model(Kind::recurrent);
  std::atomic<bool> fails = false;
  CpuOptions cpu;
  cpu.threads = 1;
  Engine engine(roomy(KvType::f16), model.source, std::make_unique<FailingBackend>(make_cpu_backend(cpu), fails),
                nullptr);
  const auto other = model.engine(roomy(KvType::f16));
  const Pieces pieces = question(2);
  const Tokens whole = ask(*other, pieces, Kind::recurrent, 60, plain()).result.tokens;
  int unkept = 0;
  for (size_t stop = 1; stop < 60; stop += 3) {
    fails = false;
    const Planned planned = Pending(engine, render(pieces, Kind::recurrent), {60, false}).wait();
    CHECK(planned.plan.value && encode_needed(engine, planned, images_of(pieces)));
    size_t seen = 0;
    const auto outcome = generate(engine, planned.id, eager(), [&](int32_t) {
                           if (++seen != stop) return;
                           fails = true;
                           engine.finish(planned.id);
                         }).get();
    CHECK(outcome.value && outcome.value->stop == StopReason::finished);
    CHECK((outcome.value->tokens == Tokens(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(stop))));
    if (!outcome.value->unkept) continue;
    ++unkept;
    CHECK(outcome.value->unkept->is("BACKEND_FAILED"));
    fails = false;
    Pieces next = pieces;
    next.push_back({outcome.value->tokens, {}});
    next.push_back({babble(5, static_cast<int>(stop)), {}});
    check_same(ask(engine, next, Kind::recurrent, 4, eager()).result,
               ask(*other, next, Kind::recurrent, 4, plain()).result);
  }
  CHECK(unkept > 3);
  engine.close();
  CHECK(engine.stats().blocks_leaked == 0 && engine.stats().bytes_reserved == 0);
}

// Whatever text is expected: the answer itself or another.
void a_text_is_expected(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(roomy(KvType::f16));
  const Pieces pieces = question(6);
  const GenerateResult slow = ask(*engine, pieces, kind, 50, plain()).result;
  for (const Tokens& text : {slow.tokens, babble(70, 3)}) {
    GenerateOptions options = eager();
    options.expected = text;
    const GenerateResult fast = ask(*engine, pieces, kind, 50, options).result;
    check_same(fast, slow);
    CHECK((fast.accepted >= 45) == (text == slow.tokens));
  }
  for (int32_t id : {-1, kVocab}) {
    GenerateOptions options;
    options.expected = {5, id};
    bool refused = false;
    try {
      engine->generate(1, options, {});
    } catch (const Error& error) {
      refused = error.is("INVALID_ARGUMENT");
    }
    CHECK(refused);
  }
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0 && engine->stats().bytes_reserved == 0);
}

// Several answers share the rows that one run may have; sixteen leave none for guesses.
void together(Kind kind, int answers) {
  const TinyModel model(kind);
  const auto engine = model.engine(roomy(KvType::f16)), alone = model.engine(roomy(KvType::f16));
  struct One {
    Pieces pieces;
    GenerateOptions options;
    std::future<Outcome<GenerateResult>> result;
  };
  std::vector<One> ones;
  for (int i = 0; i < answers; ++i) {
    One one{{{babble(50, i % 3), {}}, {babble(10 + i, 50 + i), {}}}, plain(), {}};
    if (i % 3 == 2) one.options.sampling = {0.5f, 8, 1, 0, 1, static_cast<uint64_t>(i)};
    GenerateOptions options = eager(one.options);
    options.capture_logits = true;
    const Planned planned = Pending(*engine, render(one.pieces, kind), {50, false}).wait();
    CHECK(planned.plan.value);
    one.result = generate(*engine, planned.id, options);
    ones.push_back(std::move(one));
  }
  Counted counted;
  for (One& one : ones) {
    const auto outcome = one.result.get();
    CHECK(outcome.value);
    check_same(*outcome.value, ask(*alone, one.pieces, kind, 50, one.options).result);
    counted.add(*outcome.value);
  }
  CHECK(counted.drafted > counted.accepted && counted.accepted > 0);
  CHECK(engine->stats().decode_rows == static_cast<uint64_t>(answers) * 49);
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0 && engine->stats().bytes_reserved == 0);
}

// Guesses are not to keep others waiting: measured prices, and answers to whom nothing is free.
void dear_guesses_are_not_run() {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(roomy(KvType::f16));
  GenerateOptions options;
  options.draft_price = 100;
  CHECK(ask(*engine, question(1), Kind::causal, 100, options).result.drafted == 0);
  // The second token is the last, and nothing is computed behind it.
  CHECK(ask(*engine, question(1), Kind::causal, 2, eager()).result.drafted == 0);
}

// "<ab:" LETTER ">" any number of times, over a vocabulary with words of it.
struct Records {
  Records() {
    std::vector<std::string> words(kVocab);
    const std::string letters = "abcdefghijklmnopqrstuvwxyz<:>";
    for (size_t i = 0; i < letters.size(); ++i) words[4 + i] = letters.substr(i, 1);
    const char* const longer[] = {"<a", "<ab", "ab", "b:", ":a", "a>", "a><", "b>", "><ab", ">", "xyz", "<ab:"};
    for (size_t i = 0; i < std::size(longer); ++i) words[40 + i] = longer[i];
    trie = trie_of(words);
    const auto range = [&](int32_t from, char low, char high, int32_t target) {
      for (int32_t value : {from, int32_t{low}, int32_t{high}, target}) tables.ranges.push_back(value);
    };
    for (int32_t i = 0; i < 4; ++i) range(i, "<ab:"[i], "<ab:"[i], i + 1);
    range(4, 'a', 'z', 5);
    range(5, '>', '>', 0);
    tables.states = 6;
    tables.finals = {0};
  }
  std::shared_ptr<Constraint> constraint() const {
    return std::make_shared<Constraint>(trie, std::make_shared<Grammar>(tables, *trie), std::vector<int32_t>{60});
  }
  std::shared_ptr<const TokenTrie> trie;
  GrammarTables tables;
};

void by_a_grammar(Kind kind) {
  const TinyModel model(kind);
  const Records records;
  const auto with = model.engine(roomy(KvType::f16)), without = model.engine(roomy(KvType::f16));
  Counted counted;
  for (int i = 0; i < 24; ++i) {
    GenerateOptions options = plain();
    options.stop_ids = {60};
    if (i % 2 == 1) options.sampling = {1.5f, 0, 1, 0, 1, static_cast<uint64_t>(i)};
    const auto asked = [&](Engine& engine, GenerateOptions given) {
      given.constraint = records.constraint();
      return ask(engine, {{babble(30, i % 5), {}}}, kind, 6 + 3 * i, given).result;
    };
    const GenerateResult fast = asked(*with, eager(options)), slow = asked(*without, options);
    check_same(fast, slow);
    CHECK(fast.whole || fast.tokens.empty());
    counted.add(fast);
  }
  check_same_cache(*with, *without);
  CHECK(counted.accepted > 100 && counted.drafted > counted.accepted);
}

// Thousands of answers in "a", "b" and "c", ended by ".", so that guesses are often right and often wrong: the tokens
// at each place against the probabilities that the rows give, by Pearson's chi-squared. By chance it exceeds the limit,
// that of its mean and five deviations, less than once in ten thousand times; seeds are fixed.
void draws_have_the_distribution(int answers) {
  const TinyModel model(Kind::causal);
  const auto engine = model.engine(roomy(KvType::f16));
  constexpr int kPlaces = 5, kTokens = 4;
  constexpr float kTemperature = 1.5f;
  std::vector<std::string> words(kVocab);
  for (int token = 0; token < kTokens; ++token) words[static_cast<size_t>(10 + token)] = "abc."[token];
  const auto trie = trie_of(words);
  GrammarTables tables;
  tables.states = 2;
  tables.ranges = {0, 'a', 'c', 0, 0, '.', '.', 1};
  tables.finals = {1};
  const auto grammar = std::make_shared<Grammar>(tables, *trie);
  double expected[kPlaces][kTokens] = {};
  int seen[kPlaces][kTokens] = {};
  Counted counted;
  for (int i = 0; i < answers; ++i) {
    GenerateOptions options = eager();
    options.sampling = {kTemperature, 0, 1, 0, 1, static_cast<uint64_t>(i)};
    options.constraint = std::make_shared<Constraint>(trie, grammar, Tokens{60});
    const GenerateResult result = ask(*engine, {{{10, 11, 12, 10, 11}, {}}}, Kind::causal, kPlaces + 2, options).result;
    counted.add(result);
    for (size_t place = 0; place < std::min<size_t>(kPlaces, result.tokens.size()); ++place) {
      double weights[kTokens], sum = 0;
      for (size_t token = 0; token < kTokens; ++token)
        sum += weights[token] = std::exp(result.logits[place][10 + token] / kTemperature);
      for (size_t token = 0; token < kTokens; ++token) expected[place][token] += weights[token] / sum;
      ++seen[place][result.tokens[place] - 10];
    }
  }
  CHECK(counted.accepted > answers / 6 && counted.drafted > counted.accepted + answers / 6);
  double chi = 0;
  for (int place = 0; place < kPlaces; ++place)
    for (int token = 0; token < kTokens; ++token)
      chi += std::pow(seen[place][token] - expected[place][token], 2) / expected[place][token];
  const double freedom = kPlaces * (kTokens - 1);
  std::printf("chi-squared %.1f, mean %.0f; %d of %d guesses right\n", chi, freedom, counted.accepted, counted.drafted);
  CHECK(chi < freedom + 5 * std::sqrt(2 * freedom));
}

}  // namespace

// session_draft_test [ROUNDS]: fewer where a sanitizer makes each a long one.
int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 4;
  for (Kind kind : kKinds) the_same_bits_and_the_same_cache(kind, KvType::f16, rounds);
  the_same_bits_and_the_same_cache(Kind::causal, KvType::q8, rounds);
  for (Kind kind : {Kind::causal, Kind::recurrent, Kind::mtp}) {
    it_ends_where_it_would(kind, rounds < 4 ? 3 : 1);
    cancelled_and_finished_at_once(kind);
    a_text_is_expected(kind);
    together(kind, 3);
    together(kind, 11);
    by_a_grammar(kind);
  }
  what_is_not_kept_is_said();
  dear_guesses_are_not_run();
  draws_have_the_distribution(750 * rounds);
}
