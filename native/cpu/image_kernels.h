// Kernels on images: register tiles of a convolution, a depthwise convolution along a row of pixels, the class of a
// row.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/elementary.h"
#include "cpu/integer_tile.h"
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

template <Activation A>
CPU_INLINE VF settled(const Settling& s, VF sum, VF bias) {
  return mul_add(activate<A>(sum + bias), splat(s.scale), splat(s.shift));
}

// Activations of a few instructions, which sums pass on their way to memory; what needs others is settled there.
CPU_INLINE bool is_brief(Activation a) {
  return a == Activation::none || a == Activation::relu || a == Activation::hard_swish;
}

CPU_INLINE Settling brief_part(const Settling& s) { return is_brief(s.activation) ? s : Settling{}; }

// visit.template operator()<A>() for a brief activation.
template <class Visit>
CPU_INLINE void with_brief(Activation a, Visit visit) {
  if (a == Activation::relu) return visit.template operator()<Activation::relu>();
  if (a == Activation::hard_swish) return visit.template operator()<Activation::hard_swish>();
  visit.template operator()<Activation::none>();
}

template <Activation A, int R, int V>
CPU_INLINE void store_tile_as(const VF (&sum)[R][V], const Settling& s, float* const* out, int64_t count) {
#pragma GCC unroll 8  // or GCC keeps the sums in memory for this loop's sake, throughout
  for (int v = 0; v < V; ++v) {
    const int64_t left = count - v * kLanes;
    if (left <= 0) continue;
    const int n = static_cast<int>(std::min<int64_t>(left, kLanes));
    const VF bias = s.bias ? load_n(s.bias + v * kLanes, n) : VF{};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VF y = settled<A>(s, sum[r][v], bias);
      if (n == kLanes)
        store(out[r] + v * kLanes, y);
      else
        store_n(out[r] + v * kLanes, y, n);
    }
  }
}

// `count` columns of a register tile, settled. Without a lambda, which would take the sums' address.
template <int R, int V>
CPU_INLINE void store_tile(const VF (&sum)[R][V], const Settling& s, float* const* out, int64_t count) {
  if (s.activation == Activation::relu) return store_tile_as<Activation::relu>(sum, s, out, count);
  if (s.activation == Activation::hard_swish) return store_tile_as<Activation::hard_swish>(sum, s, out, count);
  store_tile_as<Activation::none>(sum, s, out, count);
}

// out[r][c] = Σ_t Σ_k x[r·taps + t][k] · w[t·channels + k][c], t and k ascending; `count` columns of the strip are
// stored.
template <int V>
static void convolve_tile(const float* const* x, int taps, int64_t channels, const float* w, const Settling& settling,
                          float* const* out, int64_t count) {
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
  store_tile(sum, settling, out, count);
}

#if defined(__x86_64__)
// Two vectors of outputs leave room for products where they are not summed in one instruction.
#if defined(__AVX512F__)
// Products of f32 are so fast here that putting narrow rows into pairs costs more than it gains. Measured.
constexpr int kPairVecs = 4, kFewestPairColumns = 128;
#else
constexpr int kPairVecs = 2, kFewestPairColumns = 0;
#endif
constexpr int pair_rows(int vectors) { return vectors > 2 ? 6 : vectors == 2 ? 6 : 8; }

// As convolve_tile; out = sum · scale of the row · scale of the output.
template <int V>
static void pair_tile(const void* const* x, int taps, int64_t pairs, const uint8_t* weights, const float* row_scales,
                      const float* scales, const Settling& settling, float* const* out, int64_t count) {
  constexpr int R = pair_rows(V);
  VI sum[R][V] = {};
  for (int t = 0; t < taps; ++t) {
    const int32_t* from[R];
    for (int r = 0; r < R; ++r) from[r] = static_cast<const int32_t*>(x[r * taps + t]);
    for (int64_t k = 0; k < pairs; ++k, weights += V * kLanes * 4) {
      VI weight[V];
      for (int v = 0; v < V; ++v) weight[v] = load_bits(weights + v * kLanes * 4);
      for (int r = 0; r < R; ++r) {
        const VI value = splat_bits(from[r][k]);
        for (int v = 0; v < V; ++v) sum[r][v] = dot_halves(sum[r][v], value, weight[v]);
      }
    }
  }
  VF y[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) y[r][v] = to_float(sum[r][v]) * (splat(row_scales[r]) * load(scales + v * kLanes));
  store_tile(y, settling, out, count);
}
#else
constexpr int kPairVecs = 0, kFewestPairColumns = 0;
constexpr int pair_rows(int) { return 1; }
template <int V>
static void pair_tile(const void* const*, int, int64_t, const uint8_t*, const float*, const float*, const Settling&,
                      float* const*, int64_t) {}
#endif

template <int V>
static void convolve_strip(const ConvolveJob& job, const uint8_t* w, int64_t column) {
  float* out[8];
  Settling settling = brief_part(job.settling);
  if (settling.bias) settling.bias += column;
  const int rows = job.scales ? pair_rows(V) : tile_rows(V);
  for (int r = 0; r < job.rows; r += rows) {
    for (int i = 0; i < rows; ++i) out[i] = job.out[r + i] + column;
    const void* const* x = job.x + int64_t{r} * job.taps;
    if (job.scales)
      pair_tile<V>(x, job.taps, (job.channels + 1) / 2, w, job.row_scales + r, job.scales + column, settling, out,
                   job.outs - column);
    else
      convolve_tile<V>(reinterpret_cast<const float* const*>(x), job.taps, job.channels,
                       reinterpret_cast<const float*>(w), settling, out, job.outs - column);
  }
}

static void settle(const SettleJob& job) {
  const Settling& s = job.settling;
  with_activation(s.activation, [&]<Activation A>() {
    const int64_t whole = job.width / kLanes * kLanes;
    const int n = static_cast<int>(job.width - whole);
    const VF rest = s.bias && n > 0 ? load_n(s.bias + whole, n) : VF{};
    for (int64_t r = 0; r < job.count; ++r) {
      float* y = job.rows[r];
      for (int64_t i = 0; i < whole; i += kLanes)
        store(y + i, settled<A>(s, load(y + i), s.bias ? load(s.bias + i) : VF{}));
      if (n > 0) store_n(y + whole, settled<A>(s, load_n(y + whole, n), rest), n);
    }
  });
}

static void convolve(const ConvolveJob& job) {
  const uint8_t* w = job.weights;
  const int64_t words = job.taps * (job.scales ? (job.channels + 1) / 2 : job.channels);
  const int widest = job.scales ? kPairVecs : kKernelVecs;
  int vectors = static_cast<int>((job.outs + kLanes - 1) / kLanes);
  int64_t column = 0;
  for (int strips = (vectors + widest - 1) / widest; strips > 0; --strips) {
    const int width = (vectors + strips - 1) / strips;
    if (width == 4)
      convolve_strip<(kKernelVecs > 3 ? 4 : 1)>(job, w, column);
    else if (width == 3)
      convolve_strip<3>(job, w, column);
    else if (width == 2)
      convolve_strip<2>(job, w, column);
    else
      convolve_strip<1>(job, w, column);
    vectors -= width;
    column += width * kLanes;
    w += int64_t{width} * kLanes * words * 4;
  }
  if (!is_brief(job.settling.activation)) settle({job.out, job.rows, job.outs, job.settling});
}

static float largest(const float* x, int64_t count) {
  VF most = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) most = max(magnitude(load(x + i)), most);
  if (i < count) most = max(magnitude(load_n(x + i, lanes_left(count, i))), most);
  return max_lanes(most);
}

static void to_pairs(const float* x, int64_t count, float factor, int16_t* q) {
  const VF f = splat(factor), most = splat(static_cast<float>(kMostPairInput));
  const auto rounded = [&](VF v) { return (VU)round_to_int(max(min(v * f, most), -most)); };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_half(q + i, rounded(load(x + i)));
  if (i < count) {
    int16_t rest[kLanes];
    store_half(rest, rounded(load_n(x + i, lanes_left(count, i))));
    std::memcpy(q + i, rest, static_cast<size_t>(count - i) * sizeof(int16_t));
  }
  if (count % 2) q[count] = 0;
}

// Whole vectors of channels of B output pixels side by side, whose windows lie inside the row of pixels; K columns of
// the kernel, stride S.
template <int K, int S, int B>
static void depthwise_inside(const DepthwiseJob& job, const Settling& settling, int64_t first, float* y) {
  constexpr int kSeen = (B - 1) * S + K;
  const int64_t c = job.pixel;
  for (int64_t i = 0; i + kLanes <= job.channels; i += kLanes) {
    VF sum[B] = {};
    for (int ky = 0; ky < job.kernel_y; ++ky) {
      if (!job.rows[ky]) continue;
      const float* x = job.rows[ky] + (first * S - job.pad_x) * c + i;
      const float* w = job.weights + int64_t{ky} * K * c + i;
      VF weight[K];
      for (int k = 0; k < K; ++k) weight[k] = load(w + k * c);
#pragma GCC unroll 16
      for (int j = 0; j < kSeen; ++j) {
        const VF value = load(x + j * c);
#pragma GCC unroll 16
        for (int b = 0; b < B; ++b) {
          const int k = j - b * S;
          if (k >= 0 && k < K) sum[b] = mul_add(weight[k], value, sum[b]);
        }
      }
    }
    const VF bias = settling.bias ? load(settling.bias + i) : VF{};
    with_brief(settling.activation, [&]<Activation A>() {
      for (int b = 0; b < B; ++b) store(y + b * job.out_stride + i, settled<A>(settling, sum[b], bias));
    });
  }
}

// One output pixel, wherever it lies, from channel `from` on.
static void depthwise_pixel(const DepthwiseJob& job, const Settling& settling, int64_t ox, int64_t from, float* y) {
  const int64_t c = job.pixel, left = ox * job.stride_x - job.pad_x;
  const auto first = static_cast<int>(left < 0 ? -left : 0);
  const auto last = static_cast<int>(std::min<int64_t>(job.kernel_x, job.width - left));
  const auto sums = [&](int64_t i, auto fetch) {
    VF sum = {};
    for (int ky = 0; ky < job.kernel_y; ++ky) {
      if (!job.rows[ky]) continue;
      for (int k = first; k < last; ++k)
        sum = mul_add(fetch(job.weights + (int64_t{ky} * job.kernel_x + k) * c + i),
                      fetch(job.rows[ky] + (left + k) * c + i), sum);
    }
    return sum;
  };
  with_brief(settling.activation, [&]<Activation A>() {
    const float* bias = settling.bias;
    int64_t i = from;
    for (; i + kLanes <= job.channels; i += kLanes)
      store(y + i, settled<A>(settling, sums(i, [](const float* p) { return load(p); }), bias ? load(bias + i) : VF{}));
    const int n = lanes_left(job.channels, i);
    if (i < job.channels)
      store_n(y + i,
              settled<A>(settling, sums(i, [n](const float* p) { return load_n(p, n); }),
                         bias ? load_n(bias + i, n) : VF{}),
              n);
  });
}

// B pixels at a time, two where so many are not left, else one.
template <int K, int S, int B>
static void depthwise_run(const DepthwiseJob& job) {
  const Settling settling = brief_part(job.settling);
  const int64_t whole = job.channels / kLanes * kLanes, last = job.first + job.count;
  float* y = job.out;
  for (int64_t ox = job.first; ox < last;) {
    const int64_t left = ox * S - job.pad_x;
    const auto inside = [&](int pixels) {
      return last - ox >= pixels && left >= 0 && left + (pixels - 1) * S + K <= job.width;
    };
    const int pixels = inside(B) ? B : inside(2) ? 2 : 1;
    if (pixels == B) depthwise_inside<K, S, B>(job, settling, ox, y);
    if (pixels == 2) depthwise_inside<K, S, 2>(job, settling, ox, y);
    for (const int64_t end = ox + pixels; ox < end; ++ox, y += job.out_stride)
      if (pixels == 1 || whole < job.channels) depthwise_pixel(job, settling, ox, pixels == 1 ? 0 : whole, y);
  }
}

static void depthwise_sums(const DepthwiseJob& job) {
  if (job.kernel_x == 3 && job.stride_x == 1) return depthwise_run<3, 1, 6>(job);
  if (job.kernel_x == 5 && job.stride_x == 1) return depthwise_run<5, 1, 6>(job);
  if (job.kernel_x == 3 && job.stride_x == 2) return depthwise_run<3, 2, 6>(job);
  if (job.kernel_x == 5 && job.stride_x == 2) return depthwise_run<5, 2, 4>(job);
  for (int64_t i = 0; i < job.count; ++i)
    depthwise_pixel(job, brief_part(job.settling), job.first + i, 0, job.out + i * job.out_stride);
}

static void depthwise_pixels(const DepthwiseJob& job) {
  depthwise_sums(job);
  if (is_brief(job.settling.activation)) return;
  for (int64_t i = 0; i < job.count; ++i) {
    float* row = job.out + i * job.out_stride;
    settle({&row, 1, job.channels, job.settling});
  }
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
