#include "grammar/constraint.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "graph/error.h"
#include "session/sampler.h"

namespace afterimage {

namespace {

// Of a large vocabulary: 2 MB.
constexpr size_t kMostMasks = 96;
// 16 MB of what bytes lead to.
constexpr int32_t kManyPlaces = 1 << 14;

void add(std::vector<uint64_t>& bits, int32_t token) noexcept { bits[token / 64] |= uint64_t{1} << (token % 64); }

}  // namespace

Constraint::Constraint(std::shared_ptr<const TokenTrie> tokens, std::shared_ptr<const Grammar> grammar,
                       std::vector<int32_t> ends)
    : tokens_(std::move(tokens)), ends_(std::move(ends)), automaton_(std::move(grammar)), place_(automaton_.start()) {}

Automaton::Place Constraint::after(int32_t token) {
  const auto bytes = tokens_->bytes_of(token);
  Automaton::Place place = bytes.empty() ? Automaton::kNowhere : place_;
  for (uint8_t byte : bytes) place = automaton_.step(place, byte);
  return place;
}

bool Constraint::ends_answer(int32_t token) const noexcept {
  return std::find(ends_.begin(), ends_.end(), token) != ends_.end();
}

int32_t Constraint::needed_after(int32_t token) {
  if (ends_answer(token)) return whole() ? 0 : Grammar::kNever;
  return automaton_.cost(after(token));
}

void Constraint::take(int32_t token) {
  const Automaton::Place place = ends_answer(token) ? Automaton::kNowhere : after(token);
  if (place == Automaton::kNowhere)
    throw Error("INVALID_ARGUMENT", "The answer so far does not keep to the schema, so it cannot go on by it.");
  place_ = place;
  if (automaton_.places() < kManyPlaces) return;
  masks_.clear();
  place_ = automaton_.only(place_);
}

int32_t Constraint::choose(const Sampler& sampler, std::span<const float> logits, int32_t left) {
  // Most often what the sampler picks among all tokens is allowed; a greedy one then picks it among these too.
  int32_t token = sampler.greedy() ? sampler.pick(logits) : -1;
  if (token < 0 || needed_after(token) >= Grammar::kNever) token = pick(sampler, logits, mask());
  if (needed_after(token) < left) return token;
  hurried_ = true;
  return pick(sampler, logits, walk(left - 1));
}

int32_t Constraint::pick(const Sampler& sampler, std::span<const float> logits, const Mask& mask) {
  masked_.assign(logits.size(), -INFINITY);
  const auto known = std::min<size_t>(logits.size(), mask.size() * 64);
  for (size_t word = 0; word * 64 < known; ++word)
    for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const size_t token = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (token < known) masked_[token] = logits[token];
    }
  return sampler.pick(masked_);
}

const Constraint::Mask& Constraint::mask() {
  const auto known = masks_.find(place_);
  if (known != masks_.end()) return known->second;
  if (masks_.size() >= kMostMasks) masks_.clear();
  return masks_[place_] = walk(Grammar::kNever - 1);
}

// This is what a token of an answer by a schema costs: a step and two look-ups for each node that is reached.
Constraint::Mask Constraint::walk(int32_t most) {
  Mask mask;
  mask.resize((static_cast<size_t>(tokens_->size()) + 63) / 64);
  path_.resize(tokens_->depth() + size_t{1});
  path_[0] = place_;
  Automaton::Place* const path = path_.data();
  const TokenTrie::Node* const nodes = tokens_->nodes().data();
  const int32_t* const tokens = tokens_->tokens().data();
  const auto count = static_cast<int32_t>(tokens_->nodes().size());
  for (int32_t i = 0; i < count;) {
    const TokenTrie::Node& node = nodes[i];
    const Automaton::Place place = automaton_.step(path[node.depth - 1u], node.byte);
    if (place == Automaton::kNowhere) {
      i = node.next;
      continue;
    }
    path[node.depth] = place;
    // Behind the last node there is one more.
    const int32_t end = nodes[++i].first_token;
    if (node.first_token == end || automaton_.cost(place) > most) continue;
    for (int32_t at = node.first_token; at < end; ++at) add(mask, tokens[at]);
  }
  for (int32_t end : ends_) {
    if (end < 0 || end >= tokens_->size()) continue;
    mask[end / 64] &= ~(uint64_t{1} << (end % 64));
    if (whole()) add(mask, end);
  }
  return mask;
}

std::vector<uint64_t> Constraint::allowed(int32_t left) { return walk(left - 1); }

}  // namespace afterimage
