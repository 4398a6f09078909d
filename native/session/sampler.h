// Picks the next token from one row of logits.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace afterimage {

// temperature 0 is greedy. Otherwise, in this order: repetition penalty, temperature, top-k, top-p, min-p.
struct SamplingOptions {
  float temperature = 0;
  int32_t top_k = 0;             // 0: all
  float top_p = 1;               // smallest set of most probable tokens whose mass reaches top_p
  float min_p = 0;               // tokens at least min_p times as probable as the best one
  float repetition_penalty = 1;  // logit l of a token seen before: l > 0 ? l / p : l · p.  Keskar et al. 2019
  uint64_t seed = 0;
};

// Throws INVALID_ARGUMENT that names the option.
void check_sampling(const SamplingOptions& options);

// softmax(logits)[id]: how probable the row makes the token.
float softmax_at(std::span<const float> logits, int32_t id) noexcept;

// log softmax of one row, by token. A row is summed once, in f64 and in the order of its tokens.
class LogSoftmax {
 public:
  // Throws BACKEND_FAILED where a logit is NaN or +∞, or all are −∞.
  explicit LogSoftmax(std::span<const float> logits);
  double at(int32_t id) const noexcept { return logits_[static_cast<size_t>(id)] - log_sum_; }
  // That one of them comes; −∞ without any.
  double any_of(std::span<const int32_t> ids) const noexcept;

 private:
  std::span<const float> logits_;
  double log_sum_;
};

// The draw of step i is SplitMix64(seed + (i + 1) · golden ratio) (Steele et al. 2014): a function of seed and step
// alone, so an answer does not depend on what else ran. Ties go to the lower id.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, std::span<const int32_t> prompt, int64_t vocab);
  // Throws BACKEND_FAILED where a logit is NaN or +∞, or all are −∞.
  int32_t sample(std::span<const float> logits);
  // What the next sample() of this row would be. Nothing is remembered of it: that is for took().
  int32_t pick(std::span<const float> logits) const;
  // The same where all but these, in ascending order, have −∞.
  int32_t pick(std::span<const float> logits, std::span<const int32_t> ids) const;
  void took(int32_t id) noexcept;
  // Whether it picks the best token, so that what it picks among all it picks among some, too.
  bool greedy() const noexcept { return options_.temperature == 0; }

 private:
  struct Candidate {
    int32_t id;
    float logit;
    double probability;
  };
  float penalised(float logit, int32_t id) const noexcept;
  template <class Ids>
  int32_t pick_of(std::span<const float> logits, const Ids& ids) const;
  template <class Ids>
  int32_t best(std::span<const float> logits, const Ids& ids) const;
  template <class Ids>
  static int32_t first_of(std::span<const float> logits, const Ids& ids, float highest) noexcept;
  template <class Ids>
  int32_t draw(std::span<const float> logits, const Ids& ids) const;
  void keep_best(std::vector<Candidate>& candidates) const;
  void remember(int32_t id) noexcept;

  SamplingOptions options_;
  uint64_t step_ = 0;
  std::vector<bool> seen_;  // empty without a repetition penalty
};

}  // namespace afterimage
