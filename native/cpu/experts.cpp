// Mixture of experts: routing, and the weighted sum of the experts' outputs.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

void scores_of(const float* logits, size_t experts, bool sigmoid, float* scores) {
  if (sigmoid) {
    for (size_t e = 0; e < experts; ++e) scores[e] = 1.0f / (1.0f + std::exp(-logits[e]));
    return;
  }
  const float top = *std::max_element(logits, logits + experts);
  float total = 0;
  for (size_t e = 0; e < experts; ++e) total += scores[e] = std::exp(logits[e] - top);
  for (size_t e = 0; e < experts; ++e) scores[e] /= total;
}

// Indices of the `k` largest, ties to the lower index, largest first.
void top_k(const std::vector<float>& values, size_t k, std::vector<int32_t>& order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), 0);
  k = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](int32_t a, int32_t b) {
                      const float va = values[static_cast<size_t>(a)], vb = values[static_cast<size_t>(b)];
                      return va != vb ? va > vb : a < b;
                    });
  order.resize(k);
}

// Experts outside the best groups can no longer be chosen; a group is as good as the sum of its two best.
void keep_best_groups(std::vector<float>& choice, size_t groups, size_t kept) {
  const size_t size = choice.size() / groups;
  std::vector<float> quality(groups);
  for (size_t g = 0; g < groups; ++g) {
    std::vector<float> members(choice.begin() + static_cast<std::ptrdiff_t>(g * size),
                               choice.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
    std::sort(members.begin(), members.end(), std::greater<>());
    quality[g] = members[0] + (size > 1 ? members[1] : 0.0f);
  }
  std::vector<int32_t> best;
  top_k(quality, kept, best);
  for (size_t g = 0; g < groups; ++g)
    if (std::find(best.begin(), best.end(), static_cast<int32_t>(g)) == best.end())
      std::fill_n(choice.begin() + static_cast<std::ptrdiff_t>(g * size), size, -INFINITY);
}

}  // namespace

void run_route(CpuContext& c, const Dispatch& d) {
  const Tensor logits = d.in[0], weights = d.out[0], ids = d.out[1];
  const OpAttrs& a = *d.attrs;
  const float* bias = vector_of(d.weights[0]);
  const auto experts = static_cast<size_t>(logits.width);
  c.for_rows(logits.rows, logits.width * 8, [&](int64_t first, int64_t last) {
    std::vector<float> scores(experts), choice(experts);
    std::vector<int32_t> order;
    for (int64_t r = first; r < last; ++r) {
      scores_of(logits.at<float>(r), experts, a.sigmoid_score, scores.data());
      for (size_t e = 0; e < experts; ++e) choice[e] = scores[e] + (bias ? bias[e] : 0.0f);
      if (a.groups > 1) keep_best_groups(choice, static_cast<size_t>(a.groups), static_cast<size_t>(a.topk_groups));
      top_k(choice, static_cast<size_t>(a.k), order);
      float total = 0;
      for (int32_t id : order) total += scores[static_cast<size_t>(id)];
      for (size_t i = 0; i < order.size(); ++i) {
        const float score = scores[static_cast<size_t>(order[i])];
        weights.at<float>(r)[i] = (a.normalize ? score / total : score) * a.scale;
        ids.at<int32_t>(r)[i] = order[i];
      }
    }
  });
}

void run_expert_sum(CpuContext& c, const Dispatch& d) {
  const Tensor x = d.in[0], weights = d.in[1], y = d.out[0];
  c.for_rows(y.rows, x.width, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      std::memset(y.at<float>(r), 0, static_cast<size_t>(y.width) * 4);
      for (int64_t i = 0; i < weights.width; ++i)
        c.kernels.accumulate(x.at<float>(r) + i * y.width, weights.at<float>(r)[i], y.width, y.at<float>(r));
    }
  });
}

}  // namespace afterimage
