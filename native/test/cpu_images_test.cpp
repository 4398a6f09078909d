// Operators on images against double loops at odd sizes, each instruction set, both precisions; an image alone has the
// same bits, whatever ran beside it and on however many threads.
#include <algorithm>

#include "cpu_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

struct Window {
  int kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x;
};
constexpr Window kWindows[] = {{1, 1, 1, 1, 0, 0}, {3, 3, 1, 1, 1, 1}, {5, 5, 1, 1, 2, 2},
                               {3, 3, 2, 2, 1, 1}, {5, 5, 2, 1, 2, 2}, {3, 2, 3, 2, 0, 0},
                               {1, 3, 1, 1, 0, 1}, {3, 3, 1, 2, 1, 1}, {1, 7, 1, 1, 0, 3}};

struct Image {
  int64_t height, width;
};
// Higher than wide, wider than high, and long enough for several tasks.
const std::vector<Image> kImages = {{3, 1}, {2, 5}, {1, 61}, {19, 9}, {10, 30}};

struct Weights {
  std::vector<float> w, b, taps, inner;
};

struct Case {
  Op op;
  Window window;
  int64_t channels, outs;
  Activation activation = Activation::hard_swish;
};

double active(Activation a, double x) {
  const double gate = std::min(std::max(x + 3, 0.0), 6.0) / 6;
  if (a == Activation::hard_sigmoid) return gate;
  return a == Activation::none ? x : a == Activation::relu ? std::max(x, 0.0) : x * gate;
}

OpAttrs attrs_of(const Case& c) {
  OpAttrs a;
  a.kernel_y = c.window.kernel_y, a.kernel_x = c.window.kernel_x;
  a.stride_y = c.window.stride_y, a.stride_x = c.window.stride_x;
  a.pad_y = c.window.pad_y, a.pad_x = c.window.pad_x;
  a.activation = c.activation, a.scale = 1.5f, a.shift = -0.25f;
  a.inner_activation = Activation::relu, a.inner_scale = 0.5f, a.inner_shift = 0.125f;
  return a;
}

std::vector<Image> scaled(const Window& w) {
  std::vector<Image> images = kImages;
  for (Image& image : images) image.height *= w.stride_y, image.width *= w.stride_x;
  return images;
}

int64_t pixels_of(const std::vector<Image>& images) {
  int64_t pixels = 0;
  for (const Image& image : images) pixels += image.height * image.width;
  return pixels;
}

std::vector<int32_t> sizes_of(const std::vector<Image>& images) {
  std::vector<int32_t> sizes;
  for (const Image& image : images)
    sizes.insert(sizes.end(), {static_cast<int32_t>(image.height), static_cast<int32_t>(image.width)});
  return sizes;
}

// visit(output row, window): window[t] is the row of x that tap t sees, −1 outside.
template <class Visit>
void for_each_window(const std::vector<Image>& images, const Window& w, Visit visit) {
  int64_t first = 0, row = 0;
  for (const Image& image : images) {
    for (int64_t y = 0; y < image.height / w.stride_y; ++y)
      for (int64_t x = 0; x < image.width / w.stride_x; ++x, ++row) {
        std::vector<int64_t> seen;
        for (int ky = 0; ky < w.kernel_y; ++ky)
          for (int kx = 0; kx < w.kernel_x; ++kx) {
            const int64_t iy = y * w.stride_y - w.pad_y + ky, ix = x * w.stride_x - w.pad_x + kx;
            const bool inside = iy >= 0 && iy < image.height && ix >= 0 && ix < image.width;
            seen.push_back(inside ? first + iy * image.width + ix : -1);
          }
        visit(row, seen);
      }
    first += image.height * image.width;
  }
}

std::vector<double> reference(const Case& c, const std::vector<Image>& images, const std::vector<float>& x,
                              const Weights& w) {
  const OpAttrs a = attrs_of(c);
  const int64_t width = c.op == Op::DepthwiseConvolution ? c.channels : c.outs;
  std::vector<double> y;
  for_each_window(images, c.window, [&](int64_t, const std::vector<int64_t>& seen) {
    const auto depthwise = [&](int64_t channel, const std::vector<float>& taps, const std::vector<float>& bias) {
      double sum = bias[static_cast<size_t>(channel)];
      for (size_t t = 0; t < seen.size(); ++t)
        if (seen[t] >= 0)
          sum += double{taps[t * static_cast<size_t>(c.channels) + static_cast<size_t>(channel)]} *
                 x[static_cast<size_t>(seen[t] * c.channels + channel)];
      return sum;
    };
    std::vector<double> middle;  // of a separable one, the same for every output
    if (c.op == Op::SeparableConvolution)
      for (int64_t k = 0; k < c.channels; ++k)
        middle.push_back(active(a.inner_activation, depthwise(k, w.taps, w.inner)) * a.inner_scale + a.inner_shift);
    for (int64_t o = 0; o < width; ++o) {
      double sum = w.b[static_cast<size_t>(o)];
      if (c.op == Op::DepthwiseConvolution) {
        sum = depthwise(o, w.w, w.b);
      } else if (c.op == Op::SeparableConvolution) {
        for (int64_t k = 0; k < c.channels; ++k)
          sum += w.w[static_cast<size_t>(o * c.channels + k)] * middle[static_cast<size_t>(k)];
      } else {
        const float* tap = w.w.data() + o * static_cast<int64_t>(seen.size()) * c.channels;
        for (const int64_t from : seen) {
          if (from >= 0)
            for (int64_t k = 0; k < c.channels; ++k)
              sum += double{tap[k]} * x[static_cast<size_t>(from * c.channels + k)];
          tap += c.channels;
        }
      }
      y.push_back(active(a.activation, sum) * a.scale + a.shift);
    }
  });
  return y;
}

std::unique_ptr<Weight> prepared(Backend& backend, const std::vector<float>& values, int64_t rows, uint32_t use,
                                 Precision precision) {
  WeightSource s;
  s.rows = rows;
  s.columns = static_cast<int64_t>(values.size()) / rows;
  s.data = reinterpret_cast<const std::byte*>(values.data());
  s.row_bytes = static_cast<size_t>(s.columns) * 4;
  return backend.prepare(s, use, precision);
}

struct Prepared {
  std::unique_ptr<Weight> w, b, taps, inner;
  Prepared(Backend& backend, const Case& c, const Weights& v, Precision p) {
    const int64_t window = c.window.kernel_y * c.window.kernel_x;
    const bool depthwise = c.op == Op::DepthwiseConvolution;
    const uint32_t kernel = c.op == Op::Convolution && by_3x3(attrs_of(c)) ? kUseKernel3x3 : kUseKernel;
    w = prepared(backend, v.w, depthwise ? window : c.outs, depthwise ? kUseVector : kernel, p);
    b = prepared(backend, v.b, 1, kUseVector, p);
    if (c.op != Op::SeparableConvolution) return;
    taps = prepared(backend, v.taps, window, kUseVector, p);
    inner = prepared(backend, v.inner, 1, kUseVector, p);
  }
};

std::vector<float> run_images(Backend& backend, const Case& c, const std::vector<Image>& images,
                              const std::vector<float>& x, const Prepared& w) {
  const OpAttrs a = attrs_of(c);
  const Owned in = tensor(backend, pixels_of(images), c.channels, x);
  const Owned sizes = tensor<int32_t>(backend, static_cast<int64_t>(images.size()), 2, sizes_of(images));
  const Owned out = tensor(backend, pixels_of(images) / (a.stride_y * a.stride_x),
                           c.op == Op::DepthwiseConvolution ? c.channels : c.outs);
  run_one(backend, {c.op,
                    &a,
                    {in.tensor, sizes.tensor},
                    {out.tensor},
                    {w.w.get(), w.b.get(), w.taps.get(), w.inner.get()},
                    nullptr});
  return out.read<float>();
}

void test_case(CpuIsa isa, const Case& c, Precision precision) {
  const auto backend = cpu(isa), alone = cpu(isa, 1);
  const std::vector<Image> images = scaled(c.window);
  const auto window = static_cast<size_t>(c.window.kernel_y * c.window.kernel_x);
  const auto channels = static_cast<size_t>(c.channels), outs = static_cast<size_t>(c.outs);
  const size_t columns = c.op == Op::SeparableConvolution ? channels : window * channels;
  Weights v;
  v.w = random_floats(c.op == Op::DepthwiseConvolution ? columns : outs * columns, 0.5f);
  v.b = random_floats(c.op == Op::DepthwiseConvolution ? channels : outs);
  v.taps = random_floats(window * channels);
  v.inner = random_floats(channels);
  const auto x = random_floats(static_cast<size_t>(pixels_of(images)) * channels);
  const Prepared w(*backend, c, v, precision), w_alone(*alone, c, v, precision);
  const auto y = run_images(*backend, c, images, x, w);
  const double error = relative_rms(y, reference(c, images, x, v));
  check(error < (precision == Precision::exact ? 1e-6 : 1e-3), "a convolution is wrong", __FILE__, __LINE__);
  size_t first = 0, out_first = 0;
  for (const Image& image : images) {
    const auto count = static_cast<size_t>(image.height * image.width) * channels;
    const std::vector<float> part(x.begin() + static_cast<ptrdiff_t>(first),
                                  x.begin() + static_cast<ptrdiff_t>(first + count));
    const auto single = run_images(*alone, c, {image}, part, w_alone);
    check(same_bits(single.data(), y.data() + out_first, single.size()), "an image depends on the others", __FILE__,
          __LINE__);
    first += count;
    out_first += single.size();
  }
}

void test_convolutions(CpuIsa isa, size_t step) {
  constexpr int64_t kWidths[] = {1, 7, 16, 31, 33, 65};
  for (const Precision precision : {Precision::exact, Precision::fast})
    for (const Window& w : kWindows)
      for (size_t i = step - 1; i < std::size(kWidths); i += step) {
        const int64_t n = kWidths[i];
        test_case(isa, {Op::Convolution, w, 10, n}, precision);
        test_case(isa, {Op::Convolution, w, n, 11, Activation::none}, precision);
        test_case(isa, {Op::Convolution, w, 10, n, Activation::hard_sigmoid}, precision);
        test_case(isa, {Op::SeparableConvolution, w, n, 24}, precision);
        test_case(isa, {Op::SeparableConvolution, w, 12, n, Activation::relu}, precision);
        if (precision == Precision::fast) continue;
        test_case(isa, {Op::DepthwiseConvolution, w, n, n}, precision);
        test_case(isa, {Op::DepthwiseConvolution, w, n, n, Activation::hard_sigmoid}, precision);
      }
}

// Weights and inputs of one sign, as large as they get: sums of pairs must not leave 32 bits.
void test_largest_sums(CpuIsa isa) {
  const auto backend = cpu(isa);
  const Case c{Op::Convolution, kWindows[0], 2880, 9, Activation::none};
  Weights v;
  v.w.assign(static_cast<size_t>(c.outs * c.channels), 0.75f);
  v.b.assign(static_cast<size_t>(c.outs), 0.0f);
  const std::vector<Image> images = {{1, 5}};
  const std::vector<float> x(static_cast<size_t>(5 * c.channels), 2.0f);
  const auto y = run_images(*backend, c, images, x, Prepared(*backend, c, v, Precision::fast));
  check(relative_rms(y, reference(c, images, x, v)) < 4e-3, "a large sum is wrong", __FILE__, __LINE__);
}

void test_means_and_gains(CpuIsa isa) {
  const auto backend = cpu(isa);
  const OpAttrs a;
  const std::vector<Image> images = {{3, 1}, {20, 30}, {1, 257}};
  const int64_t pixels = pixels_of(images);
  for (const int64_t width : {1, 7, 33, 96}) {
    const auto x = random_floats(static_cast<size_t>(pixels * width)),
               gain = random_floats(static_cast<size_t>(3 * width));
    const Owned in = tensor(*backend, pixels, width, x), sizes = tensor<int32_t>(*backend, 3, 2, sizes_of(images));
    const Owned gains = tensor(*backend, 3, width, gain);
    const Owned means = tensor(*backend, 3, width), products = tensor(*backend, pixels, width);
    run_one(*backend, {Op::ImageMean, &a, {in.tensor, sizes.tensor}, {means.tensor}, {}, nullptr});
    run_one(*backend, {Op::ScaleImages, &a, {in.tensor, sizes.tensor, gains.tensor}, {products.tensor}, {}, nullptr});
    const auto mean = means.read<float>(), product = products.read<float>();
    int64_t row = 0;
    for (size_t i = 0; i < images.size(); ++i) {
      const int64_t count = images[i].height * images[i].width;
      for (int64_t c = 0; c < width; ++c) {
        double sum = 0;
        for (int64_t r = row; r < row + count; ++r) {
          const auto at = static_cast<size_t>(r * width + c);
          sum += x[at];
          CHECK(product[at] == x[at] * gain[i * static_cast<size_t>(width) + static_cast<size_t>(c)]);
        }
        CHECK(std::abs(mean[i * static_cast<size_t>(width) + static_cast<size_t>(c)] -
                       sum / static_cast<double>(count)) < 2e-6);
      }
      row += count;
    }
  }
}

void test_spread(CpuIsa isa) {
  const auto backend = cpu(isa);
  const std::vector<Image> images = {{3, 1}, {2, 5}};
  for (const bool whole : {false, true})
    for (const int64_t width : {1, 3, 33}) {
      OpAttrs a;
      a.factor = 2;
      a.whole = whole;
      const int64_t columns = whole ? width : 4 * width, pixels = pixels_of(images);
      const auto x = random_floats(static_cast<size_t>(pixels * columns));
      const Owned in = tensor(*backend, pixels, columns, x), sizes = tensor<int32_t>(*backend, 2, 2, sizes_of(images));
      const Owned out = tensor(*backend, 4 * pixels, width);
      run_one(*backend, {Op::Spread, &a, {in.tensor, sizes.tensor}, {out.tensor}, {}, nullptr});
      const auto y = out.read<float>();
      int64_t first = 0, at = 0;
      for (const Image& image : images) {
        for (int64_t oy = 0; oy < 2 * image.height; ++oy)
          for (int64_t ox = 0; ox < 2 * image.width; ++ox)
            for (int64_t c = 0; c < width; ++c, ++at) {
              const int64_t from = (first + oy / 2 * image.width + ox / 2) * columns;
              const int64_t part = whole ? 0 : (oy % 2 * 2 + ox % 2) * width;
              CHECK(y[static_cast<size_t>(at)] == x[static_cast<size_t>(from + part + c)]);
            }
        first += image.height * image.width;
      }
    }
}

void test_best_class(CpuIsa isa) {
  const auto backend = cpu(isa);
  const OpAttrs a;
  for (const int64_t width : {1, 7, 33, 6625}) {
    auto x = random_floats(static_cast<size_t>(5 * width), 3.0f);
    if (width > 7) x[4] = x[6] = 50;  // of two that are greatest the first
    const Owned in = tensor(*backend, 5, width, x), out = tensor(*backend, 5, 2);
    run_one(*backend, {Op::BestClass, &a, {in.tensor}, {out.tensor}, {}, nullptr});
    const auto y = out.read<float>();
    for (int64_t r = 0; r < 5; ++r) {
      const float* row = x.data() + r * width;
      const int64_t best = std::max_element(row, row + width) - row;
      double sum = 0;
      for (int64_t c = 0; c < width; ++c) sum += std::exp(double{row[c]} - row[best]);
      CHECK(y[static_cast<size_t>(2 * r)] == static_cast<float>(best));
      CHECK(std::abs(y[static_cast<size_t>(2 * r + 1)] * sum - 1) < 1e-5);
    }
  }
}

void test_wrong_sizes(CpuIsa isa) {
  const auto backend = cpu(isa);
  const OpAttrs a;
  const Owned in = tensor(*backend, 6, 4, random_floats(24)), out = tensor(*backend, 1, 4);
  for (const std::vector<int32_t>& bad : {std::vector<int32_t>{2, 4}, {0, 6}, {2, 2}, {-2, -3}}) {
    const Owned sizes = tensor<int32_t>(*backend, 1, 2, bad);
    const Dispatch dispatch{Op::ImageMean, &a, {in.tensor, sizes.tensor}, {out.tensor}, {}, nullptr};
    CHECK_ERROR("INVALID_ARGUMENT", "sizes of images", run_one(*backend, dispatch));
  }
}

}  // namespace

// cpu_images_test [every which width of convolutions]
int main(int argc, char** argv) {
  const auto step = static_cast<size_t>(argc > 1 ? std::clamp(std::atoi(argv[1]), 1, 6) : 1);
  for (const CpuIsa isa : isas_here()) {
    test_convolutions(isa, step);
    test_largest_sums(isa);
    test_means_and_gains(isa);
    test_spread(isa);
    test_best_class(isa);
    test_wrong_sizes(isa);
  }
  return finish();
}
