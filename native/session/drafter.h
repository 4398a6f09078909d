// Guesses how an answer goes on: where its last tokens stand in the prompt or earlier in the answer, what followed them
// there follows again (Saxena 2023, "Prompt lookup decoding"); and what a grammar makes certain is no guess at all. A
// guessed token is a row of the next run: where it is right it saves a run. How often guesses of a kind are right is
// learned from every token, whether its guess was run or not, so an answer that repeats nothing soon runs nothing more.
// What stood before a text that the answer repeats, and what the answer has there instead (a line break, a quotation
// mark), count as the same from then on; so does what came for a token that a grammar does not let be repeated. So the
// lines of a prompt are found again as strings of JSON. A text that the answer is expected to repeat, such as what
// another reader found in the image, is a source like the prompt; until something was followed it is expected from its
// beginning.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/prompt.h"
#include "grammar/constraint.h"
#include "session/row_price.h"

namespace afterimage {

class Drafter {
 public:
  // `ends`: tokens behind which nothing is guessed. `expected`: tokens of such a text; empty where there is none.
  Drafter(const Prompt& prompt, std::vector<int32_t> ends, std::vector<int32_t> expected = {});

  // What guesses have to earn.
  struct Price {
    RowPrice::OfMore rows;  // in runs as the next one is without them
    double answers;         // that wait for that run
    double head = 0;        // of a guess of the model's own head beside its row, likewise
    // Each row as much as the others.
    static Price of(double row, double answers = 1, double head = 0) noexcept;
    double of_guesses(size_t count, bool by_head) const noexcept {
      return rows[count - 1] + (by_head ? head * static_cast<double>(count) : 0);
    }
  };
  // Tokens that are worth a row each, at most `most`. `constraint`: null, or that of the answer; it stays where it is.
  std::vector<int32_t> guess(int32_t most, const Price& price, Constraint* constraint);
  // How many guesses of the model's own head are worth it and their rows, at most `most`.
  int32_t worth_of_head(int32_t most, const Price& price);
  // The head guesses that the token follows its guesses since. False where it is not to be run.
  bool head_guesses(int32_t token, Constraint* constraint);
  // The answer goes on with the token.
  void took(int32_t token);

 private:
  // Where the next token is expected to stand, and how many tokens before it are those of the answer.
  struct Source {
    int32_t at = -1, match = 0;
    bool near = false;   // soon behind what was followed before
    bool split = false;  // as long a match stands elsewhere, with another token behind it
  };
  struct Guess {
    int32_t token;
    size_t kind;
  };
  struct Record {
    double right, tries;
    double rate() const noexcept { return right / tries; }
  };
  static constexpr int32_t kLongest = 8;  // longer matches are one kind
  static constexpr size_t kCertain = 4 * kLongest, kHead = kCertain + 3, kDeepest = 4, kKinds = kHead + kDeepest;

  // The guess, or what came instead of it before; −1 where neither may. Moves the place on.
  int32_t allowed(int32_t token, Constraint& constraint, Automaton::Place& place) const;
  void guess_ahead(int32_t most, const Price& price, Constraint* constraint);
  Guess next_guess(const Source& source, const Constraint::Certain& certain) const noexcept;
  Source found() const noexcept;
  void learn_beginning() noexcept;
  void follow(Source& source, int32_t token) const noexcept;
  bool is_end(int32_t token) const noexcept;
  void learn(std::vector<Guess>& guesses, int32_t token) noexcept;
  // How many of the guesses, of kinds in order, bring most tokens for the time.
  size_t worth(std::span<const size_t> kinds, const Price& price, bool by_head) const noexcept;

  std::vector<int32_t> text_;  // what is expected, prompt and answer; −1 between the first two and where an image is
  const std::vector<int32_t> ends_;
  Source source_;
  int32_t followed_ = -1;                              // behind the last token that came as its source had it
  std::unordered_map<int32_t, int32_t> alike_;         // by a token of the answer: what counts as the same before it
  std::unordered_map<int32_t, int32_t> instead_;       // by a token that was expected: what came
  std::vector<Guess> guesses_, of_head_;               // of the tokens to come, as far as they have not come
  Automaton::Place head_place_ = Automaton::kNowhere;  // behind those of the head
  std::array<Record, kKinds> records_;
};

}  // namespace afterimage
