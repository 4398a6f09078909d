// Continuations of one prompt that are weighed instead of answered: how probable is each, its end included. Each has
// blocks of its own from where the prompt ends and shares the others. They go in groups of at most kMostAnswers, so
// that no more memory is held than was promised.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "session/timeline.h"

namespace afterimage {

class Choices {
 public:
  // Tokens of each, at least one.
  Choices(KvCache& kv, std::vector<std::vector<int32_t>> tokens);
  ~Choices();
  Choices(const Choices&) = delete;

  // Longest of them, in tokens.
  int32_t longest() const noexcept;
  // KV that the largest group takes beside that of a prompt of this many positions.
  size_t bytes(int32_t prompt) const;
  // That much is kept for them until they end; the caller has seen that it is there.
  void reserve(int32_t prompt);

  // The prompt is computed: `logits` is its last row. `ends`: tokens of which each ends an answer.
  void begin(std::span<const float> logits, std::span<const int32_t> ends);
  bool done() const noexcept { return next_ == tokens_.size() && group_.empty(); }

  struct Rows {
    size_t branch;  // place in the group
    Timeline* timeline;
    int32_t end;
  };
  // The rows of the next run, at most `most`; opens the next group where none is in progress.
  // Throws OUT_OF_MEMORY where the machine has less than the budget.
  std::vector<Rows> next(const Timeline& prompt, int32_t most);
  // The run was completed: `logits` holds a row for each of these, `width` wide. Closes the group with its last row.
  void take(const Rows& rows, std::span<const float> logits, int64_t width);

  // Of each: the log-probability of every token given those before it, then that of the end.
  std::vector<std::vector<double>> results() && { return std::move(results_); }

 private:
  struct Branch {
    size_t choice;
    std::unique_ptr<Timeline> timeline;
  };
  void close_group_if_whole() noexcept;
  size_t group_end(size_t from) const noexcept;
  size_t group_bytes(size_t from, int32_t prompt) const;
  void open_group(const Timeline& prompt);
  void keep(size_t bytes) noexcept;

  KvCache& kv_;
  const std::vector<std::vector<int32_t>> tokens_;
  std::vector<int32_t> ends_;
  std::vector<std::vector<double>> results_;
  std::vector<Branch> group_;
  size_t next_ = 0;  // first choice that has not been opened
  size_t promised_ = 0, kept_ = 0;
};

}  // namespace afterimage
