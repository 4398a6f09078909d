#include "session/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "graph/error.h"

namespace afterimage {

namespace {

// A token e^−40 times as probable as the best one is never drawn: 150,000 of them weigh less than 1e-12 together, and
// only the others have to be sorted.
constexpr float kNegligible = 40;

// SplitMix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
double uniform(uint64_t seed, uint64_t step) noexcept {
  uint64_t z = seed + (step + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

void require(bool valid, const char* expected, double received) {
  if (!valid)
    throw Error("INVALID_ARGUMENT",
                std::string("Expected ") + expected + " but received " + std::to_string(received) + ".");
}

// The ids of a whole row, as a list of some of them would be.
class AllIds {
 public:
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = int32_t;
    using reference = int32_t;
    using pointer = const int32_t*;
    using iterator_category = std::input_iterator_tag;
    Iterator() = default;
    explicit Iterator(int32_t id) : id_(id) {}
    int32_t operator*() const noexcept { return id_; }
    Iterator& operator++() noexcept { return ++id_, *this; }
    bool operator==(const Iterator&) const = default;

   private:
    int32_t id_;
  };
  explicit AllIds(std::span<const float> logits) : count_(static_cast<int32_t>(logits.size())) {}
  Iterator begin() const noexcept { return Iterator(0); }
  Iterator end() const noexcept { return Iterator(count_); }

 private:
  int32_t count_;
};

[[noreturn]] void refuse_numbers() {
  throw Error("BACKEND_FAILED", "The model's output is not a number; check the weights, or use exact precision.");
}

float require_any(float best) {
  if (best == -INFINITY) throw Error("BACKEND_FAILED", "The model excludes every token; check the weights.");
  return best;
}

// The best logit, which bounds what is added up.
float require_numbers(std::span<const float> logits, std::span<const int32_t> ids) {
  float best = -INFINITY;
  for (int32_t id : ids) {
    const float logit = logits[static_cast<size_t>(id)];
    if (!(logit < INFINITY)) refuse_numbers();
    best = std::max(best, logit);
  }
  return require_any(best);
}

// Of a whole row, which may have 150,000: several at a time.
float require_numbers(std::span<const float> logits, const AllIds&) {
  constexpr size_t kTogether = 16;
  float best[kTogether];
  int32_t broken[kTogether] = {};
  std::fill(best, best + kTogether, -INFINITY);
  const auto see = [&](size_t at, size_t first) {
    const float logit = logits[first + at];
    best[at] = logit > best[at] ? logit : best[at];
    broken[at] |= logit < INFINITY ? 0 : 1;
  };
  size_t first = 0;
  for (; first + kTogether <= logits.size(); first += kTogether)
    for (size_t at = 0; at < kTogether; ++at) see(at, first);
  for (size_t at = 0; first + at < logits.size(); ++at) see(at, first);
  if (*std::max_element(broken, broken + kTogether) != 0) refuse_numbers();
  return require_any(*std::max_element(best, best + kTogether));
}

}  // namespace

void check_sampling(const SamplingOptions& options) {
  require(options.temperature >= 0 && std::isfinite(options.temperature), "a temperature of 0 or more",
          options.temperature);
  require(options.top_k >= 0, "top_k of 0 or more", options.top_k);
  require(options.top_p > 0 && options.top_p <= 1, "top_p in (0, 1]", options.top_p);
  require(options.min_p >= 0 && options.min_p <= 1, "min_p in [0, 1]", options.min_p);
  require(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty), "a repetition penalty above 0",
          options.repetition_penalty);
}

LogSoftmax::LogSoftmax(std::span<const float> logits) : logits_(logits) {
  const double best = require_numbers(logits, AllIds(logits));
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - best);
  log_sum_ = best + std::log(sum);
}

double LogSoftmax::any_of(std::span<const int32_t> ids) const noexcept {
  double sum = 0;
  for (int32_t id : ids) sum += std::exp(at(id));
  return std::log(sum);
}

float softmax_at(std::span<const float> logits, int32_t id) noexcept {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - best);
  return static_cast<float>(std::exp(logits[static_cast<size_t>(id)] - best) / sum);
}

Sampler::Sampler(const SamplingOptions& options, std::span<const int32_t> prompt, int64_t vocab) : options_(options) {
  check_sampling(options);
  if (options.repetition_penalty == 1) return;
  seen_.resize(static_cast<size_t>(vocab));
  for (int32_t id : prompt) remember(id);
}

void Sampler::remember(int32_t id) noexcept {
  if (id >= 0 && static_cast<size_t>(id) < seen_.size()) seen_[id] = true;
}

float Sampler::penalised(float logit, int32_t id) const noexcept {
  if (seen_.empty() || !seen_[id]) return logit;
  return logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
}

int32_t Sampler::sample(std::span<const float> logits) {
  const int32_t id = pick(logits);
  took(id);
  return id;
}

int32_t Sampler::pick(std::span<const float> logits) const { return pick_of(logits, AllIds(logits)); }

int32_t Sampler::pick(std::span<const float> logits, std::span<const int32_t> ids) const {
  return pick_of(logits, ids);
}

template <class Ids>
int32_t Sampler::pick_of(std::span<const float> logits, const Ids& ids) const {
  const float highest = require_numbers(logits, ids);
  if (!greedy()) return draw(logits, ids);
  return seen_.empty() ? first_of(logits, ids, highest) : best(logits, ids);
}

template <class Ids>
int32_t Sampler::first_of(std::span<const float> logits, const Ids& ids, float highest) noexcept {
  return *std::find_if(ids.begin(), ids.end(), [&](int32_t id) { return logits[static_cast<size_t>(id)] == highest; });
}

void Sampler::took(int32_t id) noexcept {
  remember(id);
  ++step_;
}

template <class Ids>
int32_t Sampler::best(std::span<const float> logits, const Ids& ids) const {
  int32_t best = *ids.begin();
  for (int32_t id : ids)
    if (penalised(logits[id], id) > penalised(logits[best], best)) best = id;
  return best;
}

// Leaves the top-k candidates, best first, with their probabilities.
void Sampler::keep_best(std::vector<Candidate>& candidates) const {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const size_t kept = options_.top_k == 0 ? candidates.size() : std::min<size_t>(options_.top_k, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(kept), candidates.end(), better);
  candidates.resize(kept);
  double sum = 0;
  for (Candidate& candidate : candidates)
    sum += candidate.probability = std::exp(static_cast<double>(candidate.logit) - candidates.front().logit);
  for (Candidate& candidate : candidates) candidate.probability /= sum;
}

template <class Ids>
int32_t Sampler::draw(std::span<const float> logits, const Ids& ids) const {
  const int32_t top = best(logits, ids);
  const float highest = penalised(logits[top], top) / options_.temperature;
  std::vector<Candidate> candidates;
  for (int32_t id : ids) {
    const float logit = penalised(logits[id], id) / options_.temperature;
    if (logit >= highest - kNegligible) candidates.push_back({id, logit, 0});
  }
  keep_best(candidates);
  size_t kept = 0;
  double mass = 0;
  const double least = options_.min_p * candidates.front().probability;
  while (kept < candidates.size() && mass < options_.top_p && candidates[kept].probability >= least)
    mass += candidates[kept++].probability;
  double left = uniform(options_.seed, step_) * mass;
  for (size_t i = 0; i < kept; ++i) {
    left -= candidates[i].probability;
    if (left < 0) return candidates[i].id;
  }
  return candidates[kept - 1].id;
}

}  // namespace afterimage
