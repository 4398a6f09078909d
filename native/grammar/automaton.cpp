#include "grammar/automaton.h"

#include <algorithm>

#include "graph/error.h"

namespace afterimage {

namespace {

// 64 MB of what bytes lead to.
constexpr size_t kMostPlaces = 1 << 16;
// Stacks that one byte may lead to.
constexpr size_t kMostReached = 1 << 14;

size_t mixed(size_t seed, int32_t value) noexcept {
  return (seed ^ static_cast<uint32_t>(value)) * size_t{0x9E3779B97F4A7C15u} + (seed >> 29);
}

[[noreturn]] void too_large() {
  throw Error("OUT_OF_MEMORY", "The answer's schema leaves open more than can be kept track of; make it simpler.");
}

}  // namespace

size_t Automaton::StackHash::operator()(const Stack& stack) const noexcept {
  return mixed(mixed(mixed(0, stack.state), stack.count), stack.below);
}

size_t Automaton::TopsHash::operator()(const Tops& found) const noexcept {
  size_t hash = found.whole;
  for (int32_t top : found.tops) hash = mixed(hash, top);
  return hash;
}

Automaton::Automaton(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  begin();
  start_ = place_of({stack(grammar_->start(), 0, kNothing)});
}

void Automaton::begin() {
  places_.push_back({});
  costs_.push_back(Grammar::kNever);
  next_.assign(256, kNowhere);
  place_numbers_.emplace(Tops{}, kNowhere);
}

Automaton::Place Automaton::only(Place place) {
  const auto stacks = std::move(stacks_);
  const Tops kept = std::move(places_[place]);
  stacks_.clear(), stack_costs_.clear(), depths_.clear(), stack_numbers_.clear(), last_search_.clear();
  places_.clear(), costs_.clear(), next_.clear(), place_numbers_.clear();
  begin();
  Tops again{{}, kept.whole};
  for (int32_t top : kept.tops) {
    std::vector<int32_t> path;
    for (int32_t at = top; at != kNothing; at = stacks[at].below) path.push_back(at);
    int32_t below = kNothing;
    for (auto at = path.rbegin(); at != path.rend(); ++at) below = stack(stacks[*at].state, stacks[*at].count, below);
    again.tops.push_back(below);
  }
  std::sort(again.tops.begin(), again.tops.end());
  return named(std::move(again));
}

Automaton::Place Automaton::explore(Place place, uint8_t byte) {
  std::vector<int32_t> stacks;
  for (int32_t top : places_[place].tops) {
    const Stack at = stacks_[top];
    for (const auto& range : grammar_->ranges(at.state))
      if (byte >= range.low && byte <= range.high) stacks.push_back(stack(range.target, 0, at.below));
  }
  const Place reached = place_of(std::move(stacks));
  next_[static_cast<size_t>(place) * 256 + byte] = reached;
  return reached;
}

std::vector<int32_t> Automaton::likeness(Place place, int32_t bytes) const {
  const bool near = !grammar_->affordable();
  std::vector<std::vector<int32_t>> stacks;
  for (int32_t top : places_[place].tops) {
    std::vector<int32_t>& named = stacks.emplace_back();
    for (int32_t at = top; at != kNothing; at = stacks_[at].below) {
      const auto [state, count, below] = stacks_[at];
      const Grammar::Repeat* repeat = grammar_->repeat(state);
      named.push_back(state);
      if (!repeat) continue;
      named.push_back(near ? count : std::min(count, 1));
      named.push_back(near ? 0 : std::clamp(repeat->least - count, 0, bytes + 1));
      named.push_back(near || repeat->most < 0 ? -1 : std::min(repeat->most - count, bytes + 1));
    }
  }
  std::sort(stacks.begin(), stacks.end());
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  std::vector<int32_t> name;
  for (const std::vector<int32_t>& stack : stacks) {
    name.insert(name.end(), stack.begin(), stack.end());
    name.push_back(kNothing);
  }
  return name;
}

int32_t Automaton::certain(Place place) const noexcept {
  const Tops& here = places_[place];
  int32_t byte = -1;
  for (int32_t top : here.tops)
    for (const auto& range : grammar_->ranges(stacks_[top].state)) {
      if (range.low != range.high || (byte >= 0 && byte != range.low)) return -1;
      byte = range.low;
    }
  return here.whole ? -1 : byte;
}

int32_t Automaton::stack(int32_t state, int32_t count, int32_t below) {
  const auto [entry, fresh] = stack_numbers_.try_emplace({state, count, below}, static_cast<int32_t>(stacks_.size()));
  if (!fresh) return entry->second;
  const int32_t own = grammar_->cost(state, count), rest = below == kNothing ? 0 : stack_costs_[below];
  stacks_.push_back({state, count, below});
  stack_costs_.push_back(std::min(Grammar::kNever, own + rest));
  depths_.push_back(below == kNothing ? 1 : depths_[below] + 1);
  last_search_.push_back(0);
  return entry->second;
}

Automaton::Place Automaton::place_of(std::vector<int32_t> stacks) {
  ++search_;
  reached_.clear();
  for (int32_t begun : stacks) reach(begun);
  Tops found;
  for (size_t i = 0; i < reached_.size(); ++i) follow(reached_[i], found);
  std::sort(found.tops.begin(), found.tops.end());
  return named(std::move(found));
}

// What cannot be ended is not begun.
void Automaton::reach(int32_t stack) {
  if (last_search_[stack] == search_ || stack_costs_[stack] >= Grammar::kNever || depths_[stack] > Grammar::kDeepest)
    return;
  last_search_[stack] = search_;
  if (reached_.size() >= kMostReached) too_large();
  reached_.push_back(stack);
}

void Automaton::follow(int32_t number, Tops& found) {
  const Stack at = stacks_[number];
  const Grammar& grammar = *grammar_;
  if (!grammar.ranges(at.state).empty()) found.tops.push_back(number);
  if (grammar.final(at.state)) {
    if (at.below == kNothing) found.whole = true;
    if (at.below != kNothing) reach(at.below);
  }
  for (int32_t target : grammar.jumps(at.state)) reach(stack(target, 0, at.below));
  for (const auto& call : grammar.calls(at.state)) reach(stack(call.called, 0, stack(call.target, 0, at.below)));
  const Grammar::Repeat* repeat = grammar.repeat(at.state);
  if (!repeat) return;
  if (at.count >= repeat->least) reach(stack(repeat->target, 0, at.below));
  if (repeat->most >= 0 && at.count >= repeat->most) return;
  const int32_t again = stack(at.state, repeat->counted(at.count + 1), at.below);
  reach(stack(at.count == 0 ? repeat->first : repeat->more, 0, again));
}

Automaton::Place Automaton::named(Tops found) {
  const auto known = place_numbers_.find(found);
  if (known != place_numbers_.end()) return known->second;
  if (places_.size() >= kMostPlaces) too_large();
  int32_t cost = found.whole ? 0 : Grammar::kNever;
  for (int32_t top : found.tops) cost = std::min(cost, stack_costs_[top]);
  const auto place = static_cast<Place>(places_.size());
  place_numbers_.emplace(found, place);
  places_.push_back(std::move(found));
  costs_.push_back(cost);
  next_.resize(next_.size() + 256, kUnknown);
  return place;
}

}  // namespace afterimage
