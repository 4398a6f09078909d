#include "metal/case_data.h"
#include "metal/kernel_cases.h"

namespace afterimage::metal {
namespace {

using Build = std::function<void(CaseRun&, Dispatch&, OpAttrs&)>;

KernelCase one(std::string kernel, std::string name, double tolerance, Op op, Build build) {
  return {std::move(kernel), std::move(name), tolerance, [op, build](Backend& backend) {
            CaseRun run(backend);
            OpAttrs attrs;
            Dispatch d{op, &attrs, {}, {}, {}, nullptr};
            build(run, d, attrs);
            run.run(d);
            return CaseRun::read(d.out[0]);
          }};
}

// Three images of other sizes, in units of the strides; returns the pixels of all.
struct Sizes {
  std::vector<int32_t> sides;
  int64_t pixels = 0;
  Sizes(int n, int step_y, int step_x) {
    for (const auto [y, x] : {std::pair{1, n}, {3, 2}, {2, 5}}) {
      sides.insert(sides.end(), {y * step_y, x * step_x});
      pixels += int64_t{y} * step_y * x * step_x;
    }
  }
};

struct Window {
  int kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x;
};
constexpr Window kWindows[] = {{1, 1, 1, 1, 0, 0}, {3, 3, 1, 1, 1, 1}, {5, 5, 2, 1, 2, 2}, {3, 2, 3, 2, 0, 0}};

void set_window(OpAttrs& a, const Window& w) {
  a.kernel_y = w.kernel_y, a.kernel_x = w.kernel_x;
  a.stride_y = w.stride_y, a.stride_x = w.stride_x;
  a.pad_y = w.pad_y, a.pad_x = w.pad_x;
}

void window_cases(std::vector<KernelCase>& cases, int n, int channels, int outs, const Window& w) {
  const std::string shape = "width " + std::to_string(n) + ", " + std::to_string(channels) + " to " +
                            std::to_string(outs) + ", window " + std::to_string(w.kernel_y) + "x" +
                            std::to_string(w.kernel_x) + " by " + std::to_string(w.stride_y);
  const Sizes sizes(n, w.stride_y, w.stride_x);
  const int64_t rows = sizes.pixels / (w.stride_y * w.stride_x);
  const int taps = w.kernel_y * w.kernel_x;
  const auto prepare = [=](CaseRun& r, Dispatch& x, OpAttrs& a, int64_t width) {
    set_window(a, w);
    a.activation = channels % 2 ? Activation::hard_swish : Activation::relu;
    a.scale = 1.5f;
    a.shift = -0.25f;
    x.in[0] = r.floats(sizes.pixels, channels, 1);
    x.in[1] = r.ints(sizes.sides, 2);
    x.out[0] = r.empty(rows, width);
  };
  cases.push_back(one("convolution", shape, 1e-5, Op::Convolution, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
    prepare(r, x, a, outs);
    x.weights[0] = r.kernel(outs, taps * channels, 2);
    if (n % 2) x.weights[1] = r.vector(outs, 3);
  }));
  cases.push_back(
      one("depthwise_convolution", shape, 3e-6, Op::DepthwiseConvolution, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
        prepare(r, x, a, channels);
        x.weights[0] = r.vector(channels, 2, taps);
        if (n % 2) x.weights[1] = r.vector(channels, 3);
      }));
  cases.push_back(
      one("separable_convolution", shape, 1e-5, Op::SeparableConvolution, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
        prepare(r, x, a, outs);
        a.inner_activation = Activation::hard_sigmoid;
        a.inner_scale = 2;
        a.inner_shift = 0.5f;
        x.weights[0] = r.kernel(outs, channels, 2);
        x.weights[2] = r.vector(channels, 4, taps);
        if (n % 2) x.weights[1] = r.vector(outs, 3);
        if (n % 2) x.weights[3] = r.vector(channels, 5);
      }));
}

void other_cases(std::vector<KernelCase>& cases, int n, int channels) {
  const std::string shape = "width " + std::to_string(n) + ", " + std::to_string(channels) + " channels";
  const Sizes sizes(n, 1, 1);
  cases.push_back(one("image_mean", shape, 3e-6, Op::ImageMean, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
    x.in[0] = r.floats(sizes.pixels, channels, 1);
    x.in[1] = r.ints(sizes.sides, 2);
    x.out[0] = r.empty(3, channels);
  }));
  cases.push_back(one("scale_images", shape, 0, Op::ScaleImages, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
    x.in[0] = r.floats(sizes.pixels, channels, 1);
    x.in[1] = r.ints(sizes.sides, 2);
    x.in[2] = r.floats(3, channels, 2);
    x.out[0] = r.empty(sizes.pixels, channels);
  }));
  for (const bool whole : {false, true})
    cases.push_back(
        one("spread", shape + (whole ? " whole" : ""), 0, Op::Spread, [=](CaseRun& r, Dispatch& x, OpAttrs& a) {
          a.factor = whole ? 4 : 2;
          a.whole = whole;
          const int64_t parts = a.factor * a.factor;
          x.in[0] = r.floats(sizes.pixels, whole ? channels : channels * parts, 1);
          x.in[1] = r.ints(sizes.sides, 2);
          x.out[0] = r.empty(sizes.pixels * parts, channels);
        }));
  cases.push_back(one("best_class", shape, 3e-6, Op::BestClass, [=](CaseRun& r, Dispatch& x, OpAttrs&) {
    x.in[0] = r.floats(channels, 9 * n, 1, 4);
    x.out[0] = r.empty(channels, 2);
  }));
}

}  // namespace

std::vector<KernelCase> image_cases(std::span<const int> sizes) {
  std::vector<KernelCase> cases;
  for (const int n : sizes) {
    for (const Window& window : kWindows) window_cases(cases, n, 3, 5, window);
    for (const Window& window : kWindows) window_cases(cases, 2, n, 9, window);
    window_cases(cases, 3, 12, n, kWindows[1]);
    other_cases(cases, n, 3);
    other_cases(cases, 4, n);
  }
  return cases;
}

}  // namespace afterimage::metal
