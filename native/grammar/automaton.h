// Where an answer is in its grammar. A place is a set of stacks of states, named by a number; what a byte leads to is
// found out once and then looked up.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"

namespace afterimage {

class Automaton {
 public:
  // A number of this automaton's until it is asked to forget.
  using Place = int32_t;
  static constexpr Place kNowhere = 0;  // the byte is not allowed

  explicit Automaton(std::shared_ptr<const Grammar> grammar);

  Place start() const noexcept { return start_; }
  // Throws OUT_OF_MEMORY where the grammar has more places than are kept.
  Place step(Place place, uint8_t byte) {
    const Place known = next_[static_cast<size_t>(place) * 256 + byte];
    return known != kUnknown ? known : explore(place, byte);
  }
  // Whether the answer is whole here, and whether nothing can follow.
  bool whole(Place place) const noexcept { return places_[place].whole; }
  bool over(Place place) const noexcept { return places_[place].whole && places_[place].tops.empty(); }
  // A name of what may come within so many bytes, the same in every automaton of the grammar: places of one name allow
  // the same bytes there, however far they have counted before.
  std::vector<int32_t> likeness(Place place, int32_t bytes) const;
  // The byte that comes next, where only one may; −1.
  int32_t certain(Place place) const noexcept;
  // Tokens with which the answer can always be ended from here; Grammar::kNever from nowhere.
  int32_t cost(Place place) const noexcept { return costs_[place]; }

  int32_t places() const noexcept { return static_cast<int32_t>(places_.size()); }
  // Forgets all other places. @returns the place's new number.
  Place only(Place place);

 private:
  static constexpr Place kUnknown = -1;
  // One state on top of others; `below` is the stack of those, or kNothing.
  struct Stack {
    int32_t state, count, below;
    bool operator==(const Stack&) const = default;
  };
  struct StackHash {
    size_t operator()(const Stack& stack) const noexcept;
  };
  struct Tops {
    std::vector<int32_t> tops;  // stacks whose state reads bytes, ascending
    bool whole = false;
    bool operator==(const Tops&) const = default;
  };
  struct TopsHash {
    size_t operator()(const Tops& tops) const noexcept;
  };
  static constexpr int32_t kNothing = -1;

  Place explore(Place place, uint8_t byte);
  int32_t stack(int32_t state, int32_t count, int32_t below);
  // Everything that the stacks reach without a byte.
  Place place_of(std::vector<int32_t> stacks);
  void follow(int32_t stack, Tops& found);
  void reach(int32_t stack);
  Place named(Tops found);
  void begin();

  std::shared_ptr<const Grammar> grammar_;
  Place start_ = 0;

  std::vector<Stack> stacks_;
  std::vector<int32_t> stack_costs_;
  std::vector<int32_t> depths_;
  std::unordered_map<Stack, int32_t, StackHash> stack_numbers_;
  std::vector<int32_t> reached_;      // stacks of the search in progress, in order
  std::vector<int32_t> last_search_;  // by stack
  int32_t search_ = 0;

  std::vector<Tops> places_;
  std::vector<int32_t> costs_;
  std::vector<Place> next_;  // [place][byte]
  std::unordered_map<Tops, Place, TopsHash> place_numbers_;
};

}  // namespace afterimage
