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
  // answer whole: at least needed(), which is at least 1. Text that must come is nobody's choice: it is written in the
  // longest tokens, as tokenizers do, unless one could come that is longer than that text. Throws BACKEND_FAILED as the
  // sampler does, where it is asked.
  int32_t choose(const Sampler& sampler, std::span<const float> logits, int32_t left);

  bool whole() const noexcept { return automaton_.whole(place_); }
  // Whole, and nothing can follow.
  bool over() const noexcept { return automaton_.over(place_); }
  // With so many tokens the answer can always be made whole.
  int32_t needed() const noexcept { return automaton_.cost(place_); }
  // Whether it would have gone on otherwise if more tokens had been left.
  bool hurried() const noexcept { return hurried_; }

  // The longest token of text that must come, −1 where none must; and whether no longer one could come instead.
  struct Certain {
    int32_t token;
    bool settled;
  };
  // Ahead of the answer, which stays where it is: where it stands, where a token leads from a place (kNowhere: it may
  // not come there), and what is certain there. Throw OUT_OF_MEMORY.
  Automaton::Place place() const noexcept { return place_; }
  Automaton::Place beyond(Automaton::Place place, int32_t token);
  Certain certain(Automaton::Place place);

  // By token, whether it may come next: one bit each. For tests; choose() asks for less.
  std::vector<uint64_t> allowed(int32_t left);

 private:
  using Mask = std::vector<uint64_t>;  // one bit for each token
  bool ends_answer(int32_t token) const noexcept;
  // Tokens that may be needed after this one; Grammar::kNever where it is not allowed.
  int32_t needed_after(int32_t token);
  bool goes_on(int32_t node, Automaton::Place place);
  struct NameHash {
    size_t operator()(const std::vector<int32_t>& name) const noexcept;
  };
  // Of tokens of more than `shortest` bytes and at most `longest`: empty where none is allowed.
  struct Lengths {
    int32_t shortest, longest;
  };
  Mask mask();
  const Mask& known_mask(const Lengths& lengths);
  Mask walk(int32_t most);
  void walk(const Lengths& lengths, int32_t most, Mask& mask);
  void settle_ends(Mask& mask) const noexcept;
  int32_t pick(const Sampler& sampler, std::span<const float> logits, const Mask& mask);

  std::shared_ptr<const TokenTrie> tokens_;
  std::vector<int32_t> ends_;
  Automaton automaton_;
  Automaton::Place place_;
  bool hurried_ = false;
  std::unordered_map<std::vector<int32_t>, Mask, NameHash> masks_;  // by likeness and length of tokens
  std::vector<Automaton::Place> path_;                              // of a walk, by depth
  std::vector<int32_t> picked_from_;
};

}  // namespace afterimage
