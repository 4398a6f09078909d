#include <algorithm>

#include "metal/images_params.h"
#include "metal/operators.h"

namespace afterimage::metal {
namespace {

constexpr int64_t kTilePixels = 4, kMostChannels = 1024;  // of images.metal
constexpr uint32_t kThreads = 256;

ImageParams params_of(const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const auto whole = [](int64_t number) { return static_cast<uint32_t>(number); };
  const bool enlarges = d.op == Op::Spread;
  return {whole(d.in[1].rows),
          whole(d.in[0].width),
          whole(d.out[0].width),
          whole(d.out[0].rows),
          whole(a.kernel_y),
          whole(a.kernel_x),
          whole(a.stride_y),
          whole(a.stride_x),
          whole(a.pad_y),
          whole(a.pad_x),
          whole(enlarges ? a.factor : 1),
          a.whole,
          static_cast<uint32_t>(a.activation),
          d.weights[1] != nullptr,
          a.scale,
          a.shift,
          static_cast<uint32_t>(a.inner_activation),
          d.weights[3] != nullptr,
          a.inner_scale,
          a.inner_shift,
          0};
}

// Operations of one pixel of the result.
double pixel_work(const Dispatch& d) {
  const double taps = static_cast<double>(d.attrs->kernel_y * d.attrs->kernel_x);
  const auto channels = static_cast<double>(d.in[0].width), outs = static_cast<double>(d.out[0].width);
  if (d.op == Op::Convolution) return 2 * taps * channels * outs;
  return 2 * taps * channels + (d.op == Op::SeparableConvolution ? 2 * channels * outs : 0);
}

// One dispatch for as many pixels as its limits allow, then for the next.
template <class Encode>
void for_pixels(Encoder& encoder, const Dispatch& d, Encode encode) {
  const int64_t rows = d.out[0].rows;
  const double each = pixel_work(d);
  const int64_t most = units_at_once(rows, each * static_cast<double>(rows), kConvolutionRate, kTilePixels);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t count = std::min(most, rows - first);
    ImageParams params = params_of(d);
    params.first_row = static_cast<uint32_t>(first);
    encoder.make_room(Work{each * static_cast<double>(count), kConvolutionRate, 0}.seconds());
    encode(params, count);
  }
}

void bind_vector(Encoder& encoder, uint32_t index, const Dispatch& d, int weight) {
  d.weights[weight] ? encoder.bind(index, weight_of(d, weight)->vector()) : encoder.bind_unused(index);
}

void encode_separable(Encoder& encoder, const Dispatch& d) {
  if (d.in[0].width > kMostChannels)
    throw KernelUnavailable("separable_convolution",
                            "images have more than " + std::to_string(kMostChannels) + " channels");
  for_pixels(encoder, d, [&](const ImageParams& params, int64_t count) {
    encoder.kernel(plain_kernel(d.op), kThreads).bind(0, d.in[0]).bind(1, d.in[1]);
    for (int weight = 0; weight < 4; ++weight) bind_vector(encoder, static_cast<uint32_t>(weight) + 2, d, weight);
    encoder.bind(6, d.out[0]).constants(7, params);
    encoder.dispatch(tiles_of(count, kTilePixels));
  });
}

void encode_convolution(Encoder& encoder, const Dispatch& d) {
  for_pixels(encoder, d, [&](const ImageParams& params, int64_t count) {
    encoder.kernel(plain_kernel(d.op), kThreads).bind(0, d.in[0]).bind(1, d.in[1]);
    bind_vector(encoder, 2, d, 0);
    bind_vector(encoder, 3, d, 1);
    encoder.bind(6, d.out[0]).constants(7, params);
    encoder.dispatch(tiles_of(d.out[0].width, kThreads), static_cast<uint32_t>(count));
  });
}

}  // namespace

void encode_images(Encoder& encoder, const Dispatch& d) {
  if (d.op == Op::SeparableConvolution) return encode_separable(encoder, d);
  if (d.op == Op::Convolution || d.op == Op::DepthwiseConvolution) return encode_convolution(encoder, d);
  encoder.kernel(plain_kernel(d.op), kThreads).bind(0, d.in[0]).bind(1, d.in[1]);
  if (d.op == Op::ScaleImages) encoder.bind(2, d.in[2]);
  encoder.bind(6, d.out[0]).constants(7, params_of(d));
  encoder.dispatch(tiles_of(d.out[0].width, kThreads), static_cast<uint32_t>(d.out[0].rows));
}

void encode_best_class(Encoder& encoder, const Dispatch& d) {
  ImageParams params{};
  params.channels = static_cast<uint32_t>(d.in[0].width);
  encoder.kernel(plain_kernel(d.op), kThreads).bind(0, d.in[0]).bind(6, d.out[0]).constants(7, params);
  encoder.dispatch(static_cast<uint32_t>(d.in[0].rows));
}

}  // namespace afterimage::metal
