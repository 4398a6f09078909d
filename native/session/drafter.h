// Guesses how an answer goes on: where its last tokens stand in the prompt or earlier in the answer, what followed them
// there follows again (Saxena 2023, "Prompt lookup decoding"); and what a grammar makes certain is no guess at all. A
// guessed token is a row of the next run: where it is right it saves a run. How often guesses of a kind are right is
// learned from every token, whether its guess was run or not, so an answer that repeats nothing soon runs nothing more.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/prompt.h"
#include "grammar/constraint.h"

namespace afterimage {

class Drafter {
 public:
  // `ends`: tokens behind which nothing is guessed.
  Drafter(const Prompt& prompt, std::vector<int32_t> ends);

  // What a guess has to earn.
  struct Price {
    double row;      // of one more row, in runs as the next one is without it
    double answers;  // that wait for that run
  };
  // Tokens that are worth a row each, at most `most`. `constraint`: null, or that of the answer; it stays where it is.
  std::vector<int32_t> guess(int32_t most, const Price& price, Constraint* constraint);
  // The answer goes on with the token.
  void took(int32_t token);

 private:
  // Where the next token is expected to stand, and how many tokens before it are those of the answer.
  struct Source {
    int32_t at = -1, match = 0;
    bool near = false;  // soon behind what was followed before
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
  static constexpr size_t kCertain = 2 * kLongest, kKinds = kCertain + 2;

  void guess_ahead(int32_t most, Constraint* constraint);
  Guess next_guess(const Source& source, int32_t certain) const noexcept;
  Source found() const noexcept;
  int32_t match_before(int32_t item) const noexcept;
  void follow(Source& source, int32_t token) const noexcept;
  size_t worth(const Price& price) const noexcept;

  std::vector<int32_t> text_;  // prompt and answer; −1 where an image is
  const std::vector<int32_t> ends_;
  Source source_;
  int32_t followed_ = -1;       // behind the last token that came as its source had it
  std::vector<Guess> guesses_;  // of the tokens to come, as far as they have not come
  std::array<Record, kKinds> records_;
};

}  // namespace afterimage
