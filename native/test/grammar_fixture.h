// Random vocabularies and grammars, and what is allowed of them found out without any of the engine's tables.
#pragma once
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "grammar/constraint.h"

namespace afterimage::test {

using Random = std::mt19937;

inline int32_t below(Random& random, int32_t count) {
  return static_cast<int32_t>(random() % static_cast<uint32_t>(count));
}

// Every byte of the alphabet alone, and longer ones; some twice, some that are no text.
inline std::vector<std::string> random_vocabulary(Random& random, const std::string& alphabet, int32_t size) {
  std::vector<std::string> tokens;
  for (char byte : alphabet) tokens.emplace_back(1, byte);
  while (static_cast<int32_t>(tokens.size()) < size) {
    std::string token;
    for (int32_t length = below(random, 6); length > 0; --length) token += alphabet[random() % alphabet.size()];
    tokens.push_back(token);
  }
  std::shuffle(tokens.begin(), tokens.end(), random);
  return tokens;
}

inline std::shared_ptr<const TokenTrie> trie_of(const std::vector<std::string>& tokens) {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> ends;
  for (const std::string& token : tokens) {
    bytes.insert(bytes.end(), token.begin(), token.end());
    ends.push_back(static_cast<int32_t>(bytes.size()));
  }
  return std::make_shared<const TokenTrie>(bytes, ends);
}

// Calls, repetitions and jumps, without a way back to a state that no byte was read for.
inline GrammarTables random_grammar(Random& random, const std::string& alphabet) {
  GrammarTables tables;
  tables.states = 4 + below(random, 14);
  const auto later = [&](int32_t state) { return state + 1 + below(random, tables.states - state - 1); };
  tables.finals.push_back(tables.states - 1);
  for (int32_t state = 0; state + 1 < tables.states; ++state) {
    const int32_t kind = below(random, 6);
    if (kind == 0 && state + 2 < tables.states) {
      const int32_t least = below(random, 3);
      const int32_t most = below(random, 3) == 0 ? -1 : least + 1 + below(random, 3);
      for (int32_t value : {state, later(state), later(state), least, most, later(state)})
        tables.repeats.push_back(value);
      continue;
    }
    for (int32_t edges = 1 + below(random, 2); edges > 0; --edges) {
      const auto byte = static_cast<uint8_t>(alphabet[random() % alphabet.size()]);
      const int32_t high = std::min(255, byte + below(random, 3));
      for (int32_t value : {state, int32_t{byte}, high, below(random, tables.states)}) tables.ranges.push_back(value);
    }
    if (kind == 1)
      for (int32_t value : {state, later(state)}) tables.jumps.push_back(value);
    if (kind == 2)
      for (int32_t value : {state, later(state), later(state)}) tables.calls.push_back(value);
    if (kind == 3) tables.finals.push_back(state);
  }
  return tables;
}

// Stacks as lists, the top last: [state, how often it was entered].
class Naive {
 public:
  using Stack = std::vector<std::pair<int32_t, int32_t>>;
  using Stacks = std::set<Stack>;

  explicit Naive(const GrammarTables& tables) : tables_(tables) {}

  Stacks begin() const { return reached({{{tables_.start, 0}}}); }
  Stacks read(const Stacks& stacks, uint8_t byte) const {
    Stacks next;
    for (const Stack& stack : stacks) {
      if (stack.empty()) continue;
      for (size_t i = 0; i < tables_.ranges.size(); i += 4) {
        const int32_t* range = &tables_.ranges[i];
        if (range[0] != stack.back().first || byte < range[1] || byte > range[2]) continue;
        Stack moved = stack;
        moved.back() = {range[3], 0};
        next.insert(moved);
      }
    }
    return reached(next);
  }
  static bool whole(const Stacks& stacks) { return stacks.contains({}); }

 private:
  Stacks reached(const Stacks& begun) const {
    Stacks found;
    std::vector<Stack> work(begun.begin(), begun.end());
    const auto on = [&](Stack stack, std::initializer_list<std::pair<int32_t, int32_t>> more) {
      stack.insert(stack.end(), more);
      work.push_back(std::move(stack));
    };
    while (!work.empty()) {
      const Stack stack = work.back();
      work.pop_back();
      if (!found.insert(stack).second || stack.empty()) continue;
      const auto [state, count] = stack.back();
      const Stack below(stack.begin(), stack.end() - 1);
      for (int32_t final : tables_.finals)
        if (final == state) work.push_back(below);
      for (size_t i = 0; i < tables_.jumps.size(); i += 2)
        if (tables_.jumps[i] == state) on(below, {{tables_.jumps[i + 1], 0}});
      for (size_t i = 0; i < tables_.calls.size(); i += 3)
        if (tables_.calls[i] == state) on(below, {{tables_.calls[i + 2], 0}, {tables_.calls[i + 1], 0}});
      for (size_t i = 0; i < tables_.repeats.size(); i += 6) {
        const int32_t* repeat = &tables_.repeats[i];
        if (repeat[0] != state) continue;
        if (count >= repeat[3]) on(below, {{repeat[5], 0}});
        if (repeat[4] < 0 || count < repeat[4])
          on(below, {{state, std::min(count + 1, repeat[4] < 0 ? std::max(1, repeat[3]) : repeat[4])},
                     {repeat[count == 0 ? 1 : 2], 0}});
      }
    }
    return found;
  }

  const GrammarTables& tables_;
};

}  // namespace afterimage::test
