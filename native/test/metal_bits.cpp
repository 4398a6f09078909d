// A row's bits never depend on the other rows of a run, at two extents: the cases that a Mac runs as its self-test. And
// so an answer has the bits of one that computed everything, whatever the cache had.
//   metal_bits [--once]    --once: an answer of each kind, each on another device; no cases, for metal_kernels has them
#include <cstring>
#include <set>

#include "metal/kernel_cases.h"
#include "metal/rig/fake/fake_metal.h"
#include "metal_runs.h"
#include "session_ask.h"

using namespace metal_test;
namespace fake = rig::fake;
using afterimage::test::Kind;

namespace {

void rows() {
  fake::reset();
  const auto backend = open_alone();
  for (const int size : {64, 200}) {
    const int sizes[] = {size};
    std::set<std::string> done;
    for (const KernelCase& one : invariance_cases(sizes)) {
      if (!done.insert(one.name).second) continue;
      const Tested tested(one.kernel);
      const float differing = one.run(*backend).front();
      expect(differing == 0, one.name + ": " + std::to_string(differing) + " differ");
    }
    expect(done.size() > 50, "cases of every layout");
  }
}

constexpr int kRows = 256;  // of one run

// `count` rows of text, an image and text, then `more`.
std::vector<test::Piece> prompt(int count, std::span<const int32_t> more = {}) {
  std::vector<test::Piece> pieces{{test::text(10, 1), {}}, {{}, {5, 100}}, {test::text(count - 112, 2), {}}};
  if (!more.empty()) pieces.push_back({{more.begin(), more.end()}, {}});
  return pieces;
}

// The prompt's last row alone, where the cache has all others, against the same row among 256; and the row of a decoded
// token against the same row at the end of 256.
void answers(Kind kind, KvType kv, int rows = kRows) {
  constexpr int kTokens = 4;
  const test::TinyModel model(kind);
  const auto engine = [&] {
    EngineOptions options = test::roomy(kv);
    options.chunk_rows = kRows;
    return std::make_unique<Engine>(options, model.source, open(true), nullptr);
  };
  const auto ask = [&](Engine& asked, const std::vector<test::Piece>& pieces, int tokens) {
    GenerateOptions options;
    options.draft = false;  // a decoded token is one row
    return test::ask(asked, pieces, kind, tokens, options);
  };
  // States are kept at an image's end.
  const bool one_run = !test::recurs(kind) && rows == kRows;
  const auto cold = engine(), warm = engine();
  const test::Asked whole = ask(*cold, prompt(rows), kTokens);
  if (one_run)
    expect(cold->stats().prefill_rows == kRows && cold->stats().decoder_runs == kTokens, "256 rows are one run");
  ask(*warm, prompt(rows - 1), 1);
  const uint64_t before = warm->stats().prefill_rows;
  const test::Asked alone = ask(*warm, prompt(rows), kTokens);
  if (one_run) expect(warm->stats().prefill_rows - before == 1, "then one row is");
  expect(test::same_bits(alone.result.logits, whole.result.logits), "one row has the bits it has among 256");

  const test::Asked decoded = ask(*warm, prompt(rows - kTokens + 1), kTokens);
  const auto written = std::span(decoded.result.tokens).first(kTokens - 1);
  const auto fresh = engine();
  const test::Asked read = ask(*fresh, prompt(rows - kTokens + 1, written), 1);
  expect(fresh->stats().prefill_rows == static_cast<uint64_t>(rows), "all rows again");
  expect(test::same_bits(read.result.logits, {decoded.result.logits.back()}), "a decoded row has them, too");
}

void answers_of_every_kind(bool once) {
  const char* const devices[] = {"", "linear_matrix", "attention_matrix"};  // what does not compile there
  const std::pair<Kind, KvType> kinds[] = {
      {Kind::causal, KvType::f16}, {Kind::mrope, KvType::q8}, {Kind::recurrent, KvType::bf16}};
  for (size_t device = 0; device < std::size(devices); ++device) {
    fake::reset();
    fake::settings().broken_families = {devices[device]};
    for (size_t kind = 0; kind < std::size(kinds); ++kind)
      if (!once || kind == device) answers(kinds[kind].first, kinds[kind].second);
  }
}

// Beyond three spans of attention, whose states are folded in order.
void answers_from_afar() {
  fake::reset();
  answers(Kind::causal, KvType::f16, 450);
  expect(fake::counters().launches["attention_split_f16_64"] > 0, "decoded rows are split");
}

}  // namespace

int main(int argc, char** argv) {
  const bool once = argc > 1 && std::strcmp(argv[1], "--once") == 0;
  const auto checked = [](const auto& test) {
    test();
    for (const std::string& text : fake::violations()) expect(false, "violation: " + text);
  };
  if (!once) checked(rows);
  checked([once] { answers_of_every_kind(once); });
  checked(answers_from_afar);
  return metal_test::finish("metal_bits");
}
