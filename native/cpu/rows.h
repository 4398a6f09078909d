// Row-wise kernels: norms, activations, elementwise arithmetic, rotation, and the step of the gated delta rule. The
// last columns go through the same vectors as the others, padded with zeros, so a column's bits do not depend on its
// place.
#pragma once
#include <cmath>

#include "cpu/elementary.h"
#include "cpu/kernels.h"

namespace afterimage::CPU_ISA {

CPU_INLINE int lanes_left(int64_t count, int64_t i) {
  return count - i < kLanes ? static_cast<int>(count - i) : kLanes;
}

// y[i] = f(i-th vector of each input), count columns.
template <class F>
CPU_INLINE void map1(const float* a, int64_t count, float* y, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, f(load(a + i)));
  if (i < count) store_n(y + i, f(load_n(a + i, lanes_left(count, i))), lanes_left(count, i));
}
template <class F>
CPU_INLINE void map2(const float* a, const float* b, int64_t count, float* y, F f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, f(load(a + i), load(b + i)));
  const int n = lanes_left(count, i);
  if (i < count) store_n(y + i, f(load_n(a + i, n), load_n(b + i, n)), n);
}

// Σ f(x) over a row: lane sums of 1,024 columns, combined as a tree, then added in order.
template <class F>
CPU_INLINE float sum_row(const float* x, int64_t count, F f) {
  constexpr int64_t kPart = 1024;
  float total = 0;
  for (int64_t start = 0; start < count; start += kPart) {
    const int64_t n = count - start < kPart ? count - start : kPart;
    VF sum = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) sum += f(load(x + start + i), kLanes);
    if (i < n) sum += f(load_n(x + start + i, lanes_left(n, i)), lanes_left(n, i));
    total += sum_lanes(sum);
  }
  return total;
}

// Keeps the first n lanes.
CPU_INLINE VF first_lanes(VF v, int n) {
  VF kept = {};
  std::memcpy(&kept, &v, static_cast<size_t>(n) * 4);
  return kept;
}

static void rms_norm(const float* x, const float* weight, float offset, float eps, int64_t width, float* y) {
  const float squares = sum_row(x, width, [](VF v, int) { return v * v; });
  const VF factor = splat(1.0f / std::sqrt(squares / static_cast<float>(width) + eps));
  if (!weight) return map1(x, width, y, [=](VF v) { return v * factor; });
  map2(x, weight, width, y, [=](VF v, VF w) { return v * factor * (w + splat(offset)); });
}

static void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t width, float* y) {
  const float mean = sum_row(x, width, [](VF v, int) { return v; }) / static_cast<float>(width);
  const VF center = splat(mean);
  const float squares = sum_row(x, width, [=](VF v, int n) {
    const VF d = v - center;
    return n == kLanes ? d * d : first_lanes(d * d, n);
  });
  const VF factor = splat(1.0f / std::sqrt(squares / static_cast<float>(width) + eps));
  map1(x, width, y, [=](VF v) { return (v - center) * factor; });
  if (weight) map2(y, weight, width, y, [](VF v, VF w) { return v * w; });
  if (bias) map2(y, bias, width, y, [](VF v, VF b) { return v + b; });
}

static float statistic(const float* x, int64_t width, Statistic kind, float eps) {
  const float count = static_cast<float>(width);
  if (kind == Statistic::mean || kind == Statistic::deviation) {
    const float mean = sum_row(x, width, [](VF v, int) { return v; }) / count;
    if (kind == Statistic::mean) return mean;
    const VF center = splat(mean);
    const float squares = sum_row(x, width, [=](VF v, int n) {
      const VF d = v - center;
      return n == kLanes ? d * d : first_lanes(d * d, n);
    });
    return std::sqrt(squares / count);
  }
  const float squares = sum_row(x, width, [](VF v, int) { return v * v; }) / count;
  const float rms = std::sqrt(squares > eps ? squares : eps);
  return kind == Statistic::rms ? rms : 1.0f / rms;
}

static void activation(const float* x, int64_t count, Activation kind, float scale, float* y) {
  with_activation(kind,
                  [&]<Activation A>() { map1(x, count, y, [=](VF v) { return activate<A>(v) * splat(scale); }); });
}

static void gated(const float* gate, const float* up, int64_t count, Activation kind, float* y) {
  with_activation(kind,
                  [&]<Activation A>() { map2(gate, up, count, y, [](VF g, VF u) { return activate<A>(g) * u; }); });
}

static void softcap(const float* x, int64_t count, float cap, float* y) {
  map1(x, count, y, [=](VF v) { return splat(cap) * tanh(v / splat(cap)); });
}

static void clamp(const float* x, int64_t count, float low, float high, float* y) {
  map1(x, count, y, [=](VF v) { return min(max(v, splat(low)), splat(high)); });
}

static void add(const float* a, const float* b, int64_t count, float* y) {
  map2(a, b, count, y, [](VF u, VF v) { return u + v; });
}
static void multiply(const float* a, const float* b, int64_t count, float* y) {
  map2(a, b, count, y, [](VF u, VF v) { return u * v; });
}
static void shift_row(const float* a, float offset, int64_t count, float* y) {
  map1(a, count, y, [=](VF v) { return v + splat(offset); });
}
static void scale_row(const float* a, float factor, int64_t count, float* y) {
  map1(a, count, y, [=](VF v) { return v * splat(factor); });
}
static void accumulate(const float* x, float factor, int64_t count, float* y) {
  map2(x, y, count, y, [=](VF u, VF v) { return mul_add(u, splat(factor), v); });
}

static void depthwise(const float* const* rows, const float* weight, int taps, int64_t width, float* y) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int n = lanes_left(width, i);
    VF sum = {};
    for (int t = 0; t < taps; ++t) {
      if (!rows[t]) continue;
      const float* w = weight + t * width + i;
      sum = n == kLanes ? mul_add(load(w), load(rows[t] + i), sum) : mul_add(load_n(w, n), load_n(rows[t] + i, n), sum);
    }
    store_n(y + i, sum, n);
  }
}

static void rotate(const float* a, const float* b, const float* cosines, const float* sines, int n, int step, float* ya,
                   float* yb) {
  for (int i = 0; i < n; ++i) {
    const float first = a[i * step], second = b[i * step];
    ya[i * step] = first * cosines[i] - second * sines[i];
    yb[i * step] = second * cosines[i] + first * sines[i];
  }
}

static void delta_step(const float* q, const float* k, const float* v, float decay, float beta, int k_dim, int v_dim,
                       float* state, float* scratch, float* out) {
  std::memset(scratch, 0, static_cast<size_t>(v_dim) * 4);
  std::memset(out, 0, static_cast<size_t>(v_dim) * 4);
  for (int i = 0; i < k_dim; ++i) {
    scale_row(state + i * v_dim, decay, v_dim, state + i * v_dim);
    accumulate(state + i * v_dim, k[i], v_dim, scratch);
  }
  map2(v, scratch, v_dim, scratch, [=](VF value, VF known) { return splat(beta) * (value - known); });
  for (int i = 0; i < k_dim; ++i) {
    accumulate(scratch, k[i], v_dim, state + i * v_dim);
    accumulate(state + i * v_dim, q[i], v_dim, out);
  }
}

}  // namespace afterimage::CPU_ISA
