#include "grammar/shortest.h"

#include <algorithm>
#include <queue>

#include "grammar/grammar.h"
#include "grammar/token_trie.h"

namespace afterimage {

namespace {

class Search {
 public:
  Search(const Grammar& grammar, const TokenTrie& tokens)
      : grammar_(grammar),
        tokens_(tokens),
        costs_(static_cast<size_t>(grammar.states()), Grammar::kNever),
        settled_(costs_.size()),
        users_(costs_.size()),
        before_(costs_.size()) {
    for (int32_t state = 0; state < grammar.states(); ++state) enter(state);
  }

  std::vector<int32_t> run() {
    while (!queue_.empty()) {
      const auto [cost, state] = queue_.top();
      queue_.pop();
      if (settled_[state]) continue;
      settled_[state] = true;
      for (int32_t user : users_[state]) offer_all(user);
      for (int32_t from : before_[state]) offer(from, cost + 1);
    }
    return std::move(costs_);
  }

 private:
  void enter(int32_t state) {
    if (grammar_.final(state)) offer(state, 0);
    for (const auto& range : grammar_.ranges(state))
      if (writable(range)) add_way(state, range.target);
    for (int32_t target : grammar_.jumps(state)) users_[target].push_back(state);
    for (const auto& call : grammar_.calls(state)) {
      users_[call.called].push_back(state);
      users_[call.target].push_back(state);
    }
    if (const auto* repeat = grammar_.repeat(state))
      for (int32_t used : {repeat->first, repeat->more, repeat->target}) users_[used].push_back(state);
    add_tokens(state);
  }

  bool writable(const Grammar::Range& range) const {
    for (int byte = range.low; byte <= range.high; ++byte)
      if (tokens_.has_byte(static_cast<uint8_t>(byte))) return true;
    return false;
  }

  // The one byte that the state can read and nothing else, or null.
  const Grammar::Range* certain(int32_t state) const {
    const auto ranges = grammar_.ranges(state);
    const bool only = ranges.size() == 1 && ranges[0].low == ranges[0].high && grammar_.jumps(state).empty() &&
                      grammar_.calls(state).empty() && !grammar_.final(state) && !grammar_.repeat(state);
    return only ? &ranges[0] : nullptr;
  }

  void add_tokens(int32_t state) {
    int32_t node = TokenTrie::kRoot;
    for (int32_t at = state; const auto* range = certain(at); at = range->target) {
      node = tokens_.child(node, range->low);
      if (node == TokenTrie::kRoot) return;
      if (!tokens_.tokens_at(node).empty()) add_way(state, range->target);
    }
  }

  // From one state to another with one token.
  void add_way(int32_t from, int32_t to) { before_[to].push_back(from); }

  // What a state that uses others costs by those that are settled.
  void offer_all(int32_t state) {
    for (int32_t target : grammar_.jumps(state))
      if (settled_[target]) offer(state, costs_[target]);
    for (const auto& call : grammar_.calls(state))
      if (settled_[call.called] && settled_[call.target]) offer(state, costs_[call.called] + costs_[call.target]);
    const auto* repeat = grammar_.repeat(state);
    if (!repeat || !settled_[repeat->target]) return;
    int64_t cost = costs_[repeat->target];
    if (repeat->least > 0) {
      if (!settled_[repeat->first] || (repeat->least > 1 && !settled_[repeat->more])) return;
      cost += costs_[repeat->first] + int64_t{repeat->least - 1} * (repeat->least > 1 ? costs_[repeat->more] : 0);
    }
    offer(state, static_cast<int32_t>(std::min<int64_t>(cost, Grammar::kNever)));
  }

  void offer(int32_t state, int32_t cost) {
    if (settled_[state] || cost >= costs_[state]) return;
    costs_[state] = cost;
    queue_.push({cost, state});
  }

  using Entry = std::pair<int32_t, int32_t>;
  const Grammar& grammar_;
  const TokenTrie& tokens_;
  std::vector<int32_t> costs_;
  std::vector<bool> settled_;
  std::vector<std::vector<int32_t>> users_;   // states that jump to this one, call it or go on with it
  std::vector<std::vector<int32_t>> before_;  // states from which one token leads to this one
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

}  // namespace

std::vector<int32_t> shortest(const Grammar& grammar, const TokenTrie& tokens) { return Search(grammar, tokens).run(); }

}  // namespace afterimage
