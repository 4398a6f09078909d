// The sampler against the definitions of its options.
#include <cmath>
#include <limits>

#include "cache_fixture.h"
#include "session/sampler.h"

using namespace afterimage;

namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.0f};

std::vector<int> histogram(SamplingOptions options, const std::vector<float>& logits, int draws) {
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) {
    options.seed = static_cast<uint64_t>(i);
    Sampler sampler(options, {}, static_cast<int64_t>(logits.size()));
    ++counts[static_cast<size_t>(sampler.sample(logits))];
  }
  return counts;
}

std::string code_of(const std::vector<float>& logits, float temperature) {
  SamplingOptions options;
  options.temperature = temperature;
  try {
    Sampler(options, {}, static_cast<int64_t>(logits.size())).sample(logits);
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

void greedy_takes_the_first_best() {
  CHECK(Sampler({}, {}, 6).sample(kLogits) == 1);
  SamplingOptions penalty;
  penalty.repetition_penalty = 2;
  const std::vector<int32_t> prompt = {1, 1, 99, -1};  // ids outside the vocabulary do not matter
  Sampler sampler(penalty, prompt, 6);
  CHECK(sampler.sample(kLogits) == 3 && sampler.sample(kLogits) == 2 && sampler.sample(kLogits) == 1);
  const std::vector<float> negative = {-3.0f, -4.0f};
  const std::vector<int32_t> first = {0};
  CHECK(Sampler(penalty, first, 2).sample(negative) == 1);  // −3 · 2 < −4
}

void draws_follow_the_distribution() {
  SamplingOptions options;
  options.temperature = 2;
  const std::vector<int> counts = histogram(options, kLogits, 40000);
  double sum = 0;
  for (float logit : kLogits) sum += std::exp(logit / 2);
  for (size_t i = 0; i < kLogits.size(); ++i) {
    const double expected = 40000 * std::exp(kLogits[i] / 2) / sum;
    CHECK(std::abs(counts[i] - expected) < 5 * std::sqrt(expected));  // five standard deviations
  }
}

void cuts_keep_what_they_say() {
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 2;
  std::vector<int> counts = histogram(options, kLogits, 2000);
  CHECK(counts[1] > 800 && counts[3] > 800 && counts[1] + counts[3] == 2000);
  options.top_k = 0;
  options.top_p = 0.8f;  // the two best hold 0.79
  counts = histogram(options, kLogits, 4000);
  CHECK(counts[2] > 0 && counts[0] == 0 && counts[4] == 0 && counts[5] == 0);
  options.top_p = 0.7f;
  counts = histogram(options, kLogits, 2000);
  CHECK(counts[1] + counts[3] == 2000);
  options.top_p = 1;
  options.min_p = 0.3f;  // e^−1 = 0.37 stays, e^−2 = 0.14 goes
  counts = histogram(options, kLogits, 4000);
  CHECK(counts[2] > 0 && counts[0] == 0);
  options.min_p = 1;
  CHECK(histogram(options, kLogits, 200)[2] == 0);
}

// The length is no multiple of what is looked at together.
void long_rows_are_looked_at_whole() {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  for (size_t length : {15, 16, 17, 100}) {
    for (size_t at = 0; at < length; ++at) {
      std::vector<float> logits(length, -1.0f);
      logits[at] = 2;
      CHECK(Sampler({}, {}, 0).sample(logits) == static_cast<int32_t>(at));
      logits[length - 1] = 2;
      CHECK(Sampler({}, {}, 0).sample(logits) == static_cast<int32_t>(at));
      for (float broken : {nan, infinite}) {
        logits[at] = broken;
        CHECK(code_of(logits, 0) == "BACKEND_FAILED" && code_of(logits, 1) == "BACKEND_FAILED");
      }
    }
    CHECK(code_of(std::vector<float>(length, -infinite), 0) == "BACKEND_FAILED");
  }
}

void seed_and_step_decide() {
  SamplingOptions options;
  options.temperature = 1.5f;
  options.seed = 77;
  Sampler a(options, {}, 6), b(options, {}, 6);
  std::vector<int32_t> drawn;
  for (int i = 0; i < 50; ++i) {
    drawn.push_back(a.sample(kLogits));
    CHECK(drawn.back() == b.sample(kLogits));
  }
  options.seed = 78;
  Sampler other(options, {}, 6);
  int differ = 0;
  for (int32_t id : drawn) differ += id != other.sample(kLogits) ? 1 : 0;
  CHECK(differ > 5);
}

void broken_logits_and_options_are_refused() {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  for (float temperature : {0.0f, 1.0f}) {
    CHECK(code_of({1, nan, 0}, temperature) == "BACKEND_FAILED" &&
          code_of({1, infinite}, temperature) == "BACKEND_FAILED");
    CHECK(code_of({-infinite, -infinite}, temperature) == "BACKEND_FAILED");
    CHECK(code_of({-infinite, 0}, temperature).empty());
  }
  const auto refused = [](auto change) {
    SamplingOptions options;
    change(options);
    try {
      check_sampling(options);
    } catch (const Error& error) {
      return error.code() == "INVALID_ARGUMENT";
    }
    return false;
  };
  CHECK(refused([&](SamplingOptions& o) { o.temperature = nan; }) &&
        refused([](SamplingOptions& o) { o.temperature = -1; }));
  CHECK(refused([](SamplingOptions& o) { o.top_k = -1; }) && refused([](SamplingOptions& o) { o.top_p = 1.5f; }));
  CHECK(refused([](SamplingOptions& o) { o.min_p = -0.1f; }) &&
        refused([](SamplingOptions& o) { o.repetition_penalty = 0; }));
}

void softmax_is_of_the_row() {
  const float infinite = std::numeric_limits<float>::infinity();
  CHECK(softmax_at(std::vector<float>{1000, -infinite, 1008}, 2) > 0.999f);
  CHECK(softmax_at(std::vector<float>{1000, -infinite, 1000}, 2) == 0.5f && softmax_at(std::vector<float>{-5}, 0) == 1);
}

}  // namespace

int main() {
  greedy_takes_the_first_best();
  draws_follow_the_distribution();
  cuts_keep_what_they_say();
  long_rows_are_looked_at_whole();
  seed_and_step_decide();
  broken_logits_and_options_are_refused();
  softmax_is_of_the_row();
  std::puts("ok");
}
