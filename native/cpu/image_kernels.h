// Kernels on images: register tiles of a convolution, a depthwise convolution along a row of pixels, the class of a row.
#pragma once
#include <cmath>

#include "cpu/elementary.h"
#include "cpu/kernels.h"
#include "cpu/rows.h"

namespace afterimage::CPU_ISA {

// Widest strip of output vectors, and rows for each width: accumulators, weights and one input fill the register file.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kKernelVecs = 4;
#else
constexpr int kKernelVecs = 3;
#endif
constexpr int tile_rows(int vectors) {
  if (kKernelVecs == 4) return vectors == 4 ? 6 : 8;
  return vectors == 3 ? 4 : vectors == 2 ? 6 : 8;
}

// out[r][c] = Σ_t Σ_k x[r·taps + t][k] · w[t·channels + k][c], t and k ascending; `count` columns of the strip are
// stored.
template <int V>
static void convolve_tile(const float* const* x, int taps, int64_t channels, const float* w, float* const* out,
                          int64_t count) {
  constexpr int R = tile_rows(V);
  VF sum[R][V] = {};
  for (int t = 0; t < taps; ++t) {
    const float* from[R];
    for (int r = 0; r < R; ++r) from[r] = x[r * taps + t];
    for (int64_t k = 0; k < channels; ++k, w += V * kLanes) {
      VF weight[V];
      for (int v = 0; v < V; ++v) weight[v] = load(w + v * kLanes);
      for (int r = 0; r < R; ++r) {
        const VF value = splat(from[r][k]);
        for (int v = 0; v < V; ++v) sum[r][v] = mul_add(value, weight[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) {
      const int64_t left = count - v * kLanes;
      if (left >= kLanes) store(out[r] + v * kLanes, sum[r][v]);
      else if (left > 0) store_n(out[r] + v * kLanes, sum[r][v], static_cast<int>(left));
    }
}

template <int V>
static void convolve_strip(const ConvolveJob& job, const float* w, int64_t column, float** out) {
  constexpr int R = tile_rows(V);
  for (int r = 0; r < job.rows; r += R) {
    for (int i = 0; i < R; ++i) out[i] = job.out[r + i] + column;
    convolve_tile<V>(job.x + int64_t{r} * job.taps, job.taps, job.channels, w, out, job.outs - column);
  }
}

static void convolve(const ConvolveJob& job) {
  float* out[8];
  const float* w = job.weights;
  int vectors = static_cast<int>((job.outs + kLanes - 1) / kLanes);
  int64_t column = 0;
  for (int strips = (vectors + kKernelVecs - 1) / kKernelVecs; strips > 0; --strips) {
    const int width = (vectors + strips - 1) / strips;
    if (width == 4) convolve_strip<(kKernelVecs > 3 ? 4 : 1)>(job, w, column, out);
    else if (width == 3) convolve_strip<3>(job, w, column, out);
    else if (width == 2) convolve_strip<2>(job, w, column, out);
    else convolve_strip<1>(job, w, column, out);
    vectors -= width;
    column += width * kLanes;
    w += int64_t{width} * kLanes * job.taps * job.channels;
  }
}

// y = f(y + bias) · scale + shift, in place; bias may be null.
static void settle(float* y, const float* bias, int64_t count, Activation activation, float scale, float shift) {
  const VF s = splat(scale), t = splat(shift);
  with_activation(activation, [&]<Activation A>() {
    if (bias) map2(y, bias, count, y, [&](VF a, VF b) { return mul_add(activate<A>(a + b), s, t); });
    else map1(y, count, y, [&](VF a) { return mul_add(activate<A>(a), s, t); });
  });
}

// B output pixels side by side whose windows lie inside the row of pixels; K columns of the kernel, stride S.
template <int K, int S, int B>
static void depthwise_inside(const DepthwiseJob& job, int64_t first, float* y) {
  constexpr int kSeen = (B - 1) * S + K;
  const int64_t c = job.channels;
  for (int64_t i = 0; i < c; i += kLanes) {
    const int n = lanes_left(c, i);
    VF sum[B] = {};
    for (int ky = 0; ky < job.kernel_y; ++ky) {
      if (!job.rows[ky]) continue;
      const float* x = job.rows[ky] + (first * S - job.pad_x) * c + i;
      const float* w = job.weights + int64_t{ky} * K * c + i;
      VF weight[K];
      for (int k = 0; k < K; ++k) weight[k] = n == kLanes ? load(w + k * c) : load_n(w + k * c, n);
      for (int j = 0; j < kSeen; ++j) {
        const VF value = n == kLanes ? load(x + j * c) : load_n(x + j * c, n);
        for (int b = 0; b < B; ++b) {
          const int k = j - b * S;
          if (k >= 0 && k < K) sum[b] = mul_add(weight[k], value, sum[b]);
        }
      }
    }
    for (int b = 0; b < B; ++b) {
      if (n == kLanes) store(y + b * job.out_stride + i, sum[b]);
      else store_n(y + b * job.out_stride + i, sum[b], n);
    }
  }
}

// One output pixel, wherever it lies.
static void depthwise_pixel(const DepthwiseJob& job, int64_t ox, float* y) {
  const int64_t c = job.channels, left = ox * job.stride_x - job.pad_x;
  for (int64_t i = 0; i < c; i += kLanes) {
    const int n = lanes_left(c, i);
    VF sum = {};
    for (int ky = 0; ky < job.kernel_y; ++ky) {
      if (!job.rows[ky]) continue;
      for (int k = 0; k < job.kernel_x; ++k) {
        if (left + k < 0 || left + k >= job.width) continue;
        const float* x = job.rows[ky] + (left + k) * c + i;
        const float* w = job.weights + (int64_t{ky} * job.kernel_x + k) * c + i;
        sum = n == kLanes ? mul_add(load(w), load(x), sum) : mul_add(load_n(w, n), load_n(x, n), sum);
      }
    }
    if (n == kLanes) store(y + i, sum);
    else store_n(y + i, sum, n);
  }
}

template <int K, int S, int B>
static void depthwise_run(const DepthwiseJob& job) {
  float* y = job.out;
  int64_t ox = job.first;
  const int64_t last = job.first + job.count;
  while (ox < last) {
    const int64_t left = ox * S - job.pad_x;
    if (last - ox >= B && left >= 0 && left + (B - 1) * S + K <= job.width) {
      depthwise_inside<K, S, B>(job, ox, y);
      ox += B, y += B * job.out_stride;
    } else {
      depthwise_pixel(job, ox, y);
      ++ox, y += job.out_stride;
    }
  }
}

static void depthwise_pixels(const DepthwiseJob& job) {
  if (job.kernel_x == 3 && job.stride_x == 1) return depthwise_run<3, 1, 8>(job);
  if (job.kernel_x == 5 && job.stride_x == 1) return depthwise_run<5, 1, 6>(job);
  if (job.kernel_x == 3 && job.stride_x == 2) return depthwise_run<3, 2, 6>(job);
  if (job.kernel_x == 5 && job.stride_x == 2) return depthwise_run<5, 2, 4>(job);
  for (int64_t i = 0; i < job.count; ++i) depthwise_pixel(job, job.first + i, job.out + i * job.out_stride);
}

// As BestClass: y[0] the index, y[1] 1 / Σ exp(x − max).
static void best_class(const float* x, int64_t width, float* y) {
  const VF lowest = splat(-INFINITY);
  const auto vector_at = [&](int64_t i) {
    if (i + kLanes <= width) return load(x + i);
    VF v = lowest;
    std::memcpy(&v, x + i, static_cast<size_t>(width - i) * 4);
    return v;
  };
  VF top = lowest;
  for (int64_t i = 0; i < width; i += kLanes) top = max(vector_at(i), top);
  const float best = max_lanes(top);
  int64_t index = 0;
  while (index + 1 < width && x[index] != best) ++index;
  VF sum = {};
  for (int64_t i = 0; i < width; i += kLanes) sum += exp(vector_at(i) - splat(best));
  y[0] = static_cast<float>(index);
  y[1] = 1.0f / sum_lanes(sum);
}

}  // namespace afterimage::CPU_ISA
