#include "grammar/grammar.h"

#include <algorithm>

#include "grammar/shortest.h"
#include "graph/error.h"

namespace afterimage {

namespace {

[[noreturn]] void malformed(const char* what) {
  throw Error("INVALID_ARGUMENT", std::string("Expected ") + what + " in a grammar.");
}

// Every state needs a little memory.
constexpr int32_t kMostStates = 1 << 20;

int32_t times(int32_t count, int32_t cost) {
  return static_cast<int32_t>(std::min<int64_t>(Grammar::kNever, int64_t{count} * cost));
}

}  // namespace

Grammar::Grammar(const GrammarTables& tables, const TokenTrie& tokens) : start_(tables.start) {
  if (tables.states <= 0 || tables.states > kMostStates) malformed("a number of states");
  final_.resize(static_cast<size_t>(tables.states));
  checked(start_);
  for (int32_t state : tables.finals) final_[checked(state)] = true;
  ranges_ = edges_of<Range>(tables.ranges, 4, [&](const int32_t* row) {
    if (row[1] < 0 || row[2] > 255 || row[1] > row[2]) malformed("bytes");
    return Range{static_cast<uint8_t>(row[1]), static_cast<uint8_t>(row[2]), checked(row[3])};
  });
  jumps_ = edges_of<int32_t>(tables.jumps, 2, [&](const int32_t* row) { return checked(row[1]); });
  calls_ = edges_of<Call>(tables.calls, 3, [&](const int32_t* row) { return Call{checked(row[1]), checked(row[2])}; });
  read_repeats(tables.repeats);
  costs_ = shortest(*this, tokens);
  int64_t dearest = 0;
  for (int32_t cost : costs_)
    if (cost < kNever) dearest = std::max<int64_t>(dearest, cost);
  affordable_ = dearest * kDeepest < kNever;
  if (costs_[start_] >= kNever)
    throw Error("INVALID_ARGUMENT", "No answer that this model can write is allowed; ask for less of it.");
}

int32_t Grammar::checked(int32_t state) const {
  if (state < 0 || state >= states()) malformed("states");
  return state;
}

template <class Edge, class Read>
Grammar::Edges<Edge> Grammar::edges_of(const std::vector<int32_t>& table, size_t width, Read read) const {
  if (table.size() % width != 0) malformed("whole rows");
  Edges<Edge> result;
  result.from.assign(static_cast<size_t>(states()) + 1, 0);
  for (size_t row = 0; row < table.size(); row += width) ++result.from[static_cast<size_t>(checked(table[row])) + 1];
  for (size_t state = 1; state < result.from.size(); ++state) result.from[state] += result.from[state - 1];
  std::vector<int32_t> next(result.from.begin(), result.from.end() - 1);
  result.edges.resize(table.size() / width);
  for (size_t row = 0; row < table.size(); row += width)
    result.edges[static_cast<size_t>(next[table[row]]++)] = read(&table[row]);
  return result;
}

void Grammar::read_repeats(const std::vector<int32_t>& table) {
  if (table.size() % 6 != 0) malformed("whole rows");
  repeat_.assign(static_cast<size_t>(states()), -1);
  for (size_t row = 0; row < table.size(); row += 6) {
    const int32_t state = checked(table[row]), least = table[row + 3], most = table[row + 4];
    const bool alone = repeat_[state] < 0 && ranges(state).empty() && jumps(state).empty() && calls(state).empty();
    if (!alone || final_[state] || least < 0 || (most != -1 && most < std::max(1, least)))
      malformed("repetitions that are nothing else");
    repeat_[state] = static_cast<int32_t>(repeats_.size());
    repeats_.push_back({checked(table[row + 1]), checked(table[row + 2]), least, most, checked(table[row + 5])});
  }
}

int32_t Grammar::cost(int32_t state, int32_t count) const noexcept {
  const Repeat* repeated = repeat(state);
  if (!repeated || count == 0) return costs_[state];
  const int32_t left = std::max(0, repeated->least - count);
  return std::min(kNever, costs_[repeated->target] + times(left, costs_[repeated->more]));
}

}  // namespace afterimage
