// What an answer may be: a pushdown automaton over bytes. Its states read bytes, call others and come back, repeat
// others a number of times, or end. It may be nondeterministic. It knows nothing of JSON.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "grammar/token_trie.h"

namespace afterimage {

struct GrammarTables {
  int32_t states = 0, start = 0;
  std::vector<int32_t> ranges;  // [state, lowest byte, highest byte, target]
  std::vector<int32_t> jumps;   // [state, target]: without a byte
  std::vector<int32_t> calls;   // [state, called, target]: goes on at `target` when `called` has ended
  std::vector<int32_t>
      repeats;  // [state, first, more, least, most or -1, target]: `first`, then `more` for each further
  std::vector<int32_t> finals;  // states in which a call, or the answer, may end
};

class Grammar {
 public:
  struct Range {
    uint8_t low, high;
    int32_t target;
  };
  struct Call {
    int32_t called, target;
  };
  struct Repeat {
    int32_t first, more, least, most, target;
    // How often it has been entered, as far as that matters.
    int32_t counted(int32_t count) const noexcept { return most < 0 ? std::min(count, std::max(1, least)) : count; }
  };
  // An answer nests no deeper; what would is not allowed.
  static constexpr int32_t kDeepest = 1500;
  // Tokens to an end that cannot be reached.
  static constexpr int32_t kNever = 1 << 29;

  // Throws INVALID_ARGUMENT where the tables are not those of an automaton, or no answer of these tokens ends it.
  Grammar(const GrammarTables& tables, const TokenTrie& tokens);

  int32_t start() const noexcept { return start_; }
  int32_t states() const noexcept { return static_cast<int32_t>(final_.size()); }
  std::span<const Range> ranges(int32_t state) const noexcept { return of(ranges_, state); }
  std::span<const int32_t> jumps(int32_t state) const noexcept { return of(jumps_, state); }
  std::span<const Call> calls(int32_t state) const noexcept { return of(calls_, state); }
  const Repeat* repeat(int32_t state) const noexcept {
    return repeat_[state] < 0 ? nullptr : &repeats_[static_cast<size_t>(repeat_[state])];
  }
  bool final(int32_t state) const noexcept { return final_[state]; }

  // Whether nothing that can be ended costs kNever, however deep: then what a repetition allows within some bytes does
  // not depend on counts that are further from its limits. Each item takes a byte or more; or it may be empty, and
  // every higher count is reached as well.
  bool affordable() const noexcept { return affordable_; }

  // Tokens with which an end can always be reached from the state, entered `count` times before where it repeats. Each
  // of them reaches a state that needs one token less.
  int32_t cost(int32_t state, int32_t count) const noexcept;

 private:
  template <class Edge>
  struct Edges {
    std::vector<int32_t> from;  // by state, and one behind the last
    std::vector<Edge> edges;
  };
  template <class Edge>
  static std::span<const Edge> of(const Edges<Edge>& all, int32_t state) noexcept {
    return {all.edges.data() + all.from[state], static_cast<size_t>(all.from[state + 1] - all.from[state])};
  }
  template <class Edge, class Read>
  Edges<Edge> edges_of(const std::vector<int32_t>& table, size_t width, Read read) const;
  void read_repeats(const std::vector<int32_t>& table);
  int32_t checked(int32_t state) const;

  int32_t start_;
  std::vector<bool> final_;
  Edges<Range> ranges_;
  Edges<int32_t> jumps_;
  Edges<Call> calls_;
  std::vector<int32_t> repeat_;  // by state: place in repeats_, or -1
  std::vector<Repeat> repeats_;
  std::vector<int32_t> costs_;  // of each state, entered for the first time
  bool affordable_ = false;
};

}  // namespace afterimage
