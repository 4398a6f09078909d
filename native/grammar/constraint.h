// One answer that keeps to a grammar: which tokens may come next, and which of them does.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/token_trie.h"

namespace afterimage {

class Sampler;

class Constraint {
 public:
  // `ends`: tokens that end an answer, allowed where it is whole. They are no text: `tokens` has no bytes of them.
  Constraint(std::shared_ptr<const TokenTrie> tokens, std::shared_ptr<const Grammar> grammar,
             std::vector<int32_t> ends);

  // The answer goes on with the token. Throws INVALID_ARGUMENT where it may not.
  void take(int32_t token);
  // The token that the sampler picks among those allowed, so that `left` tokens, with this one, suffice to make the
  // answer whole: at least needed(), which is at least 1. Throws BACKEND_FAILED as the sampler does.
  int32_t choose(const Sampler& sampler, std::span<const float> logits, int32_t left);

  bool whole() const noexcept { return automaton_.whole(place_); }
  // Whole, and nothing can follow.
  bool over() const noexcept { return automaton_.over(place_); }
  // With so many tokens the answer can always be made whole.
  int32_t needed() const noexcept { return automaton_.cost(place_); }
  // Whether it would have gone on otherwise if more tokens had been left.
  bool hurried() const noexcept { return hurried_; }

  // By token, whether it may come next: one bit each. For tests; choose() asks for less.
  std::vector<uint64_t> allowed(int32_t left);

 private:
  using Mask = std::vector<uint64_t>;  // one bit for each token
  Automaton::Place after(int32_t token);
  bool ends_answer(int32_t token) const noexcept;
  // Tokens that may be needed after this one; Grammar::kNever where it is not allowed.
  int32_t needed_after(int32_t token);
  const Mask& mask();
  Mask walk(int32_t most);
  int32_t pick(const Sampler& sampler, std::span<const float> logits, const Mask& mask);

  std::shared_ptr<const TokenTrie> tokens_;
  std::vector<int32_t> ends_;
  Automaton automaton_;
  Automaton::Place place_;
  bool hurried_ = false;
  std::unordered_map<Automaton::Place, Mask> masks_;
  std::vector<Automaton::Place> path_;  // of a walk, by depth
  std::vector<float> masked_;
};

}  // namespace afterimage
