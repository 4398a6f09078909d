#include "grammar/constraint.h"

#include <algorithm>
#include <bit>

#include "graph/error.h"
#include "session/sampler.h"

namespace afterimage {

namespace {

// Of a large vocabulary: 2.4 MB.
constexpr size_t kMostMasks = 128;
// 16 MB of what bytes lead to.
constexpr int32_t kManyPlaces = 1 << 14;

void add(std::vector<uint64_t>& bits, int32_t token) noexcept { bits[token / 64] |= uint64_t{1} << (token % 64); }

}  // namespace

Constraint::Constraint(std::shared_ptr<const TokenTrie> tokens, std::shared_ptr<const Grammar> grammar,
                       std::vector<int32_t> ends)
    : tokens_(std::move(tokens)), ends_(std::move(ends)), automaton_(std::move(grammar)), place_(automaton_.start()) {}

Automaton::Place Constraint::beyond(Automaton::Place place, int32_t token) {
  const auto bytes = tokens_->bytes_of(token);
  if (bytes.empty() || ends_answer(token)) return Automaton::kNowhere;
  for (uint8_t byte : bytes) place = automaton_.step(place, byte);
  return place;
}

Constraint::Certain Constraint::certain(Automaton::Place place) {
  int32_t node = TokenTrie::kRoot, longest = -1;
  for (int32_t byte; (byte = automaton_.certain(place)) >= 0;
       place = automaton_.step(place, static_cast<uint8_t>(byte))) {
    node = tokens_->child(node, static_cast<uint8_t>(byte));
    if (node == TokenTrie::kRoot) return {longest, longest >= 0};
    if (const auto tokens = tokens_->tokens_at(node); !tokens.empty()) longest = tokens.front();
  }
  return {longest, longest >= 0 && !goes_on(node, place)};
}

// Whether a token that begins as the node's bytes may come that is longer.
bool Constraint::goes_on(int32_t node, Automaton::Place place) {
  const auto nodes = tokens_->nodes();
  for (int32_t child = node + 1; child < nodes[node].next; child = nodes[child].next)
    if (automaton_.step(place, nodes[child].byte) != Automaton::kNowhere) return true;
  return false;
}

bool Constraint::ends_answer(int32_t token) const noexcept {
  return std::find(ends_.begin(), ends_.end(), token) != ends_.end();
}

int32_t Constraint::needed_after(int32_t token) {
  if (ends_answer(token)) return whole() ? 0 : Grammar::kNever;
  return automaton_.cost(beyond(place_, token));
}

void Constraint::take(int32_t token) {
  const Automaton::Place place = beyond(place_, token);
  if (place == Automaton::kNowhere)
    throw Error("INVALID_ARGUMENT", "The answer so far does not keep to the schema, so it cannot go on by it.");
  place_ = place;
  if (automaton_.places() < kManyPlaces) return;
  place_ = automaton_.only(place_);
}

int32_t Constraint::choose(const Sampler& sampler, std::span<const float> logits, int32_t left) {
  const Certain only = certain(place_);
  if (only.settled && needed_after(only.token) < left) return only.token;
  // Most often what the sampler picks among all tokens is allowed; a greedy one then picks it among these too.
  int32_t token = sampler.greedy() ? sampler.pick(logits) : -1;
  if (token < 0 || needed_after(token) >= Grammar::kNever) token = pick(sampler, logits, mask());
  if (needed_after(token) < left) return token;
  hurried_ = true;
  return pick(sampler, logits, walk(left - 1));
}

int32_t Constraint::pick(const Sampler& sampler, std::span<const float> logits, const Mask& mask) {
  picked_from_.clear();
  for (size_t word = 0; word < mask.size(); ++word)
    for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const size_t token = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (token < logits.size()) picked_from_.push_back(static_cast<int32_t>(token));
    }
  return sampler.pick(logits, picked_from_);
}

size_t Constraint::NameHash::operator()(const std::vector<int32_t>& name) const noexcept {
  size_t hash = name.size();
  for (int32_t part : name) hash = (hash ^ static_cast<uint32_t>(part)) * size_t{0x9E3779B97F4A7C15u} + (hash >> 29);
  return hash;
}

// Places that have counted differently allow the same short tokens until the count is near its limit.
Constraint::Mask Constraint::mask() {
  Mask mask((static_cast<size_t>(tokens_->size()) + 63) / 64);
  int32_t shortest = 0;
  for (int32_t longest : {4, 8, 16, 32, tokens_->depth()}) {
    if (longest <= shortest || shortest >= tokens_->depth()) continue;
    const Mask& known = known_mask({shortest, longest});
    for (size_t word = 0; word < known.size(); ++word) mask[word] |= known[word];
    shortest = longest;
  }
  settle_ends(mask);
  return mask;
}

const Constraint::Mask& Constraint::known_mask(const Lengths& lengths) {
  std::vector<int32_t> name = automaton_.likeness(place_, lengths.longest);
  name.push_back(lengths.longest);
  const auto known = masks_.find(name);
  if (known != masks_.end()) return known->second;
  if (masks_.size() >= kMostMasks) masks_.clear();
  Mask mask((static_cast<size_t>(tokens_->size()) + 63) / 64);
  walk(lengths, Grammar::kNever - 1, mask);
  if (std::all_of(mask.begin(), mask.end(), [](uint64_t word) { return word == 0; })) mask = {};
  return masks_[std::move(name)] = std::move(mask);
}

Constraint::Mask Constraint::walk(int32_t most) {
  Mask mask((static_cast<size_t>(tokens_->size()) + 63) / 64);
  walk({0, tokens_->depth()}, most, mask);
  settle_ends(mask);
  return mask;
}

// This is what a token of an answer by a schema costs: a step and two look-ups for each node that is reached.
void Constraint::walk(const Lengths& lengths, int32_t most, Mask& mask) {
  path_.resize(tokens_->depth() + size_t{1});
  path_[0] = place_;
  Automaton::Place* const path = path_.data();
  const TokenTrie::Node* const nodes = tokens_->nodes().data();
  const uint16_t* const longest = tokens_->longest().data();
  const int32_t* const tokens = tokens_->tokens().data();
  const auto count = static_cast<int32_t>(tokens_->nodes().size());
  for (int32_t i = 0; i < count;) {
    const TokenTrie::Node& node = nodes[i];
    const Automaton::Place place =
        longest[i] > lengths.shortest ? automaton_.step(path[node.depth - 1u], node.byte) : Automaton::kNowhere;
    if (place == Automaton::kNowhere) {
      i = node.next;
      continue;
    }
    path[node.depth] = place;
    // Behind the last node there is one more.
    const int32_t end = nodes[i + 1].first_token;
    i = node.depth < lengths.longest ? i + 1 : node.next;
    if (node.first_token == end || node.depth <= lengths.shortest || automaton_.cost(place) > most) continue;
    for (int32_t at = node.first_token; at < end; ++at) add(mask, tokens[at]);
  }
}

void Constraint::settle_ends(Mask& mask) const noexcept {
  for (int32_t end : ends_) {
    if (end < 0 || end >= tokens_->size()) continue;
    mask[end / 64] &= ~(uint64_t{1} << (end % 64));
    if (whole()) add(mask, end);
  }
}

std::vector<uint64_t> Constraint::allowed(int32_t left) { return left > Grammar::kNever - 1 ? mask() : walk(left - 1); }

}  // namespace afterimage
