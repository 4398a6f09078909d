// Answers by a grammar: which tokens are allowed, against a naive search; that what is left always suffices to end one;
// what is refused.
#include <map>

#include "cache_fixture.h"
#include "grammar_fixture.h"
#include "session/sampler.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

const std::string kAlphabet = "ab\"{},\xc3\xa4";

bool allowed(const std::vector<uint64_t>& mask, int32_t token) { return (mask[token / 64] >> (token % 64)) & 1; }

enum class Answer : uint8_t { no, yes, unknown };

// Whether an end is reached, byte by byte; unknown where there is more to look at than a test has time for.
Answer can_end(const Naive& naive, const Naive::Stacks& begun, std::map<Naive::Stacks, Answer>& known) {
  const auto entry = known.find(begun);
  if (entry != known.end()) return entry->second;
  Naive::Stacks seen = begun, front = begun;
  while (!front.empty() && !Naive::whole(seen) && seen.size() < 2000) {
    Naive::Stacks next;
    for (char byte : kAlphabet)
      for (const auto& stack : naive.read(front, static_cast<uint8_t>(byte)))
        if (seen.insert(stack).second) next.insert(stack);
    front = next;
  }
  const Answer answer = Naive::whole(seen) ? Answer::yes : front.empty() ? Answer::no : Answer::unknown;
  return known[begun] = answer;
}

std::vector<float> random_logits(Random& random, size_t count) {
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(below(random, 1000)) / 100;
  return logits;
}

// What is certain is the beginning of all that may come; settled, it is the longest token that may.
void check_certain(const Naive& naive, const Naive::Stacks& stacks, const std::vector<std::string>& vocabulary,
                   const std::vector<uint64_t>& mask, const Constraint::Certain& only,
                   std::map<Naive::Stacks, Answer>& known) {
  CHECK(only.token >= 0 || !only.settled);
  if (only.token < 0) return;
  const std::string& text = vocabulary[static_cast<size_t>(only.token)];
  Naive::Stacks before = stacks;
  for (char wanted : text) {
    CHECK(!Naive::whole(before));
    for (int byte = 0; byte < 256; ++byte)
      if (byte != static_cast<uint8_t>(wanted))
        CHECK(can_end(naive, naive.read(before, static_cast<uint8_t>(byte)), known) != Answer::yes);
    before = naive.read(before, static_cast<uint8_t>(wanted));
  }
  for (size_t token = 0; token < vocabulary.size(); ++token)
    if (only.settled && allowed(mask, static_cast<int32_t>(token))) CHECK(vocabulary[token].size() <= text.size());
}

// One answer from its beginning to its end.
void answer(Random& random, const std::vector<std::string>& vocabulary, const GrammarTables& tables) {
  const auto trie = trie_of(vocabulary);
  const auto end = static_cast<int32_t>(vocabulary.size()) - 1;
  std::shared_ptr<const Grammar> grammar;
  try {
    grammar = std::make_shared<Grammar>(tables, *trie);
  } catch (const Error& error) {
    CHECK(error.is("INVALID_ARGUMENT"));
    return;
  }
  Constraint constraint(trie, grammar, {end});
  const Naive naive(tables);
  std::map<Naive::Stacks, Answer> known;
  Naive::Stacks stacks = naive.begin();
  SamplingOptions options;
  options.temperature = static_cast<float>(below(random, 2));
  options.seed = random();
  Sampler sampler(options, {}, static_cast<int64_t>(vocabulary.size()));
  const int32_t most = constraint.needed() + below(random, 12);
  for (int32_t used = 0;; ++used) {
    CHECK(constraint.whole() == Naive::whole(stacks));
    CHECK(constraint.needed() <= most - used);
    if (constraint.over() || used == most) break;
    const auto mask = constraint.allowed(Grammar::kNever);
    CHECK(mask == constraint.allowed(Grammar::kNever - 1));  // what is remembered, and what is looked up afresh
    for (int32_t token = 0; token < static_cast<int32_t>(vocabulary.size()); ++token) {
      Naive::Stacks after = stacks;
      for (char byte : vocabulary[token]) after = naive.read(after, static_cast<uint8_t>(byte));
      const bool text = token != end && !vocabulary[token].empty();
      const Answer possible = text ? can_end(naive, after, known) : Answer::no;
      if (possible != Answer::unknown)
        CHECK(allowed(mask, token) == (token == end ? Naive::whole(stacks) : possible == Answer::yes));
    }
    const std::vector<float> logits = random_logits(random, vocabulary.size());
    const Constraint::Certain only = constraint.certain(constraint.place());
    check_certain(naive, stacks, vocabulary, mask, only, known);
    const int32_t token = constraint.choose(sampler, logits, most - used);
    sampler.took(token);
    CHECK(allowed(mask, token));
    if (token == end) break;
    if (only.settled && !constraint.hurried()) {
      CHECK(token == only.token);
    } else if (sampler.greedy() && !constraint.hurried()) {
      for (int32_t other = 0; other < static_cast<int32_t>(vocabulary.size()); ++other)
        CHECK(!allowed(mask, other) || logits[other] < logits[token] ||
              (logits[other] == logits[token] && other >= token));
    }
    constraint.take(token);
    for (char byte : vocabulary[token]) stacks = naive.read(stacks, static_cast<uint8_t>(byte));
  }
  CHECK(constraint.whole());
}

// Some have more ways than are kept track of, which is said.
void random_answers(uint32_t seeds) {
  uint32_t ended = 0;
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    Random random(seed);
    auto vocabulary = random_vocabulary(random, kAlphabet, 40);
    vocabulary.emplace_back();
    try {
      answer(random, vocabulary, random_grammar(random, kAlphabet));
      ++ended;
    } catch (const Error& error) {
      CHECK(error.is("OUT_OF_MEMORY"));
    }
  }
  CHECK(ended > seeds * 9 / 10);
}

// "{", then any number of "a" or "b" with commas between them, then "}".
GrammarTables list(int32_t least, int32_t most) {
  GrammarTables tables;
  tables.states = 8;
  tables.ranges = {0, '{', '{', 1, 2, 'a', 'b', 3, 4, ',', ',', 2, 5, '}', '}', 6};
  tables.repeats = {1, 2, 4, least, most, 5};
  tables.finals = {3, 6};
  return tables;
}

void counts() {
  const std::vector<std::string> vocabulary{"{", "}", "a", "b", ",", ",a", "{a,b", "END"};
  const auto trie = trie_of(vocabulary);
  const auto after = [&](int32_t least, int32_t most, std::vector<int32_t> tokens) {
    Constraint constraint(trie, std::make_shared<Grammar>(list(least, most), *trie), {7});
    for (int32_t token : tokens) constraint.take(token);
    return constraint;
  };
  CHECK(after(0, -1, {}).needed() == 2);
  CHECK(after(3, 3, {}).needed() == 7 && after(3, 3, {6}).needed() == 3);
  CHECK(after(0, -1, {0, 1}).over());
  CHECK(!allowed(after(0, -1, {6, 5, 5}).allowed(99), 2) && allowed(after(0, -1, {6, 5, 5}).allowed(99), 5));
  CHECK(!allowed(after(0, 2, {6}).allowed(99), 5) && allowed(after(0, 2, {6}).allowed(99), 1));
  CHECK(!allowed(after(3, 3, {6}).allowed(99), 1));
  CHECK(allowed(after(0, -1, {0}).allowed(2), 2) && !allowed(after(0, -1, {0}).allowed(1), 2));
  CHECK(allowed(after(0, -1, {0, 1}).allowed(1), 7) && !allowed(after(0, -1, {0}).allowed(99), 7));
  try {
    after(0, -1, {0, 4});
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.is("INVALID_ARGUMENT"));
  }
}

// Masks of places that have counted differently are shared as far as they are the same: for short tokens until the
// count is near a limit.
void remembered_masks() {
  const std::vector<std::string> vocabulary{
      "{",   "}",  "a",   "b",     ",",         ",a",     ",a,b",         ",b,a,b", ",a,a,a,a,a",
      "a,a", "a}", ",a}", ",b,b}", ",a,a,a,a}", "{a,a,a", ",a,a,a,a,a,a", "END"};
  const auto trie = trie_of(vocabulary);
  const auto end = static_cast<int32_t>(vocabulary.size()) - 1;
  const std::pair<int32_t, int32_t> limits[] = {{0, -1}, {1, 3}, {2, 14}, {9, 9}, {20, 40}, {25, -1}};
  for (const auto& [least, most] : limits) {
    Constraint constraint(trie, std::make_shared<Grammar>(list(least, most), *trie), {end});
    constraint.take(0);
    constraint.take(2);
    for (int32_t count = 1; count <= (most < 0 ? 50 : most); ++count) {
      CHECK(constraint.allowed(Grammar::kNever) == constraint.allowed(Grammar::kNever - 1));
      if (count == most) break;
      constraint.take(count % 3 == 0 ? 4 : 5);
      if (count % 3 != 0) continue;
      CHECK(constraint.allowed(Grammar::kNever) == constraint.allowed(Grammar::kNever - 1));
      constraint.take(3);
    }
  }
}

// Items that may be empty are counted without a byte.
void empty_items() {
  GrammarTables tables;  // "<", an item at least twice and at most nine times: "a" or nothing, then ">"
  tables.states = 7;
  tables.ranges = {0, '<', '<', 1, 2, 'a', 'a', 3, 4, '>', '>', 5};
  tables.repeats = {1, 2, 2, 2, 9, 4};
  tables.finals = {2, 3, 5};
  const std::vector<std::string> vocabulary{"<", "a", "aa", "aaaaaa", ">", "a>", "aaaa>", "END"};
  const auto trie = trie_of(vocabulary);
  Constraint constraint(trie, std::make_shared<Grammar>(tables, *trie), {7});
  constraint.take(0);
  for (int32_t count = 0; count < 9; ++count) {
    CHECK(constraint.allowed(Grammar::kNever) == constraint.allowed(Grammar::kNever - 1));
    CHECK(allowed(constraint.allowed(Grammar::kNever), 3) == (count <= 3));
    constraint.take(1);
  }
}

// More places than are kept at a time: what is forgotten is found again.
void long_answers() {
  const std::vector<std::string> vocabulary{"{", "}", "a", "b", ",", ",a", "{a,b", "END"};
  const auto trie = trie_of(vocabulary);
  Constraint constraint(trie, std::make_shared<Grammar>(list(30'000, 30'000), *trie), {7});
  constraint.take(6);
  for (int32_t i = 2; i < 30'000; ++i) {
    if (i % 7000 == 0)
      CHECK(allowed(constraint.allowed(Grammar::kNever), 5) && constraint.needed() == 2 * (30'000 - i) + 1);
    constraint.take(5);
  }
  CHECK(!allowed(constraint.allowed(99), 5) && constraint.needed() == 1);
  constraint.take(1);
  CHECK(constraint.over());
}

void malformed() {
  const auto trie = trie_of({"a", "{", "}", ",", "b"});
  const auto refused = [&](auto change) {
    GrammarTables tables = list(0, -1);
    change(tables);
    try {
      const Grammar grammar(tables, *trie);
      CHECK(false);
    } catch (const Error& error) {
      CHECK(error.is("INVALID_ARGUMENT"));
    }
  };
  refused([](auto& t) { t.ranges[3] = 8; });
  refused([](auto& t) { t.ranges[0] = -1; });
  refused([](auto& t) { t.ranges[2] = 256; });
  refused([](auto& t) { t.ranges.pop_back(); });
  refused([](auto& t) { t.repeats[4] = 0; });
  refused([](auto& t) { t.repeats[3] = -1; });
  refused([](auto& t) { t.finals = {}; });  // nothing ends it
  refused([](auto& t) { t.start = 99; });
  refused([](auto& t) { t.states = 0; });
  try {
    const TokenTrie wrong({1, 2, 3}, {2, 1, 3});
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.is("INVALID_ARGUMENT"));
  }
}

}  // namespace

// grammar_constraint_test [random grammars]
int main(int argc, char** argv) {
  random_answers(static_cast<uint32_t>(argc > 1 ? std::max(std::atoi(argv[1]), 1) : 150));
  counts();
  remembered_masks();
  empty_items();
  long_answers();
  malformed();
}
