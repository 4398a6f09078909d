#include "lines/bicubic.h"

#include <cmath>

namespace afterimage {
namespace {

// 32 bits less 8 of the sample and 2 for sign and overshoot of the negative lobes.
constexpr int kPrecisionBits = 22;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr double kSupport = 2;

// Keys' cubic convolution with a = -0.5.
double cubic(double signed_x) {
  constexpr double a = -0.5;
  const double x = std::abs(signed_x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// For each output sample the source samples from `first` on and their weights, `taps` apart.
struct Taps {
  int taps;
  std::vector<int> first, count;
  std::vector<int32_t> weights;
};

Taps plan_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out, filter_scale = std::max(scale, 1.0);
  const double support = kSupport * filter_scale, inverse = 1 / filter_scale;
  Taps plan{static_cast<int>(std::ceil(support)) * 2 + 1, {}, {}, {}};
  plan.weights.resize(static_cast<size_t>(out) * plan.taps);
  std::vector<double> row(static_cast<size_t>(plan.taps));
  for (int o = 0; o < out; ++o) {
    const double center = (o + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(center - support + 0.5));
    const int count = std::min(in, static_cast<int>(center + support + 0.5)) - low;
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += row[i] = cubic((i + low - center + 0.5) * inverse);
    for (int i = 0; i < count; ++i) {
      const double weight = sum == 0 ? row[i] : row[i] / sum;
      plan.weights[static_cast<size_t>(o) * plan.taps + i] =
          static_cast<int32_t>(weight * (1 << kPrecisionBits) + (weight < 0 ? -0.5 : 0.5));
    }
    plan.first.push_back(low);
    plan.count.push_back(count);
  }
  return plan;
}

uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

RgbImage across(const RgbImage& from, int width) {
  const Taps plan = plan_taps(from.width, width);
  RgbImage to(width, from.height);
  for (int y = 0; y < from.height; ++y) {
    uint8_t* out = to.row(y);
    for (int x = 0; x < width; ++x, out += 3) {
      const uint8_t* in = from.view().at(plan.first[x], y);
      const int32_t* weights = plan.weights.data() + static_cast<size_t>(x) * plan.taps;
      int32_t sums[3] = {kHalf, kHalf, kHalf};
      for (int i = 0; i < plan.count[x]; ++i, in += 3)
        for (int c = 0; c < 3; ++c) sums[c] += in[c] * weights[i];
      for (int c = 0; c < 3; ++c) out[c] = rounded(sums[c]);
    }
  }
  return to;
}

RgbImage down(const RgbImage& from, int height) {
  const Taps plan = plan_taps(from.height, height);
  RgbImage to(from.width, height);
  const size_t stride = static_cast<size_t>(from.width) * 3;
  std::vector<int32_t> sums(stride);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int i = 0; i < plan.count[y]; ++i) {
      const uint8_t* in = from.view().at(0, plan.first[y] + i);
      const int32_t weight = plan.weights[static_cast<size_t>(y) * plan.taps + i];
      for (size_t x = 0; x < stride; ++x) sums[x] += in[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), to.row(y), rounded);
  }
  return to;
}

}  // namespace

RgbImage bicubic(RgbImage image, int width, int height) {
  if (width != image.width) image = across(image, width);
  return height == image.height ? image : down(image, height);
}

}  // namespace afterimage
