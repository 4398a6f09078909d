// The transforms of winograd.h, a vector of channels at a time.
#pragma once
#include "cpu/kernels.h"
#include "cpu/rows.h"

namespace afterimage::CPU_ISA {

// Values at the points 0, √½, −√½, √2, −√2, ∞ of what six inputs are the transform of.
CPU_INLINE void to_points(const VF* d, VF (&v)[6]) {
  const VF d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4];
  const VF even = mul_add(splat(-2.0f), d2, d4), odd = mul_add(splat(-2.0f), d1, d3);
  const VF wide = mul_add(splat(-0.5f), d2, d4), steep = mul_add(splat(-0.5f), d1, d3);
  v[0] = mul_add(splat(-2.5f), d2, d[0] + d4);
  v[1] = mul_add(splat(0.70710678f), odd, even);
  v[2] = mul_add(splat(-0.70710678f), odd, even);
  v[3] = mul_add(splat(1.41421356f), steep, wide);
  v[4] = mul_add(splat(-1.41421356f), steep, wide);
  v[5] = mul_add(splat(-2.5f), d3, d1 + d[5]);
}

// Four outputs from the products at the points.
CPU_INLINE void from_points(const VF* m, VF (&y)[4]) {
  const VF near = m[1] + m[2], near_odd = m[1] - m[2];
  const VF far = m[3] + m[4], far_odd = m[3] - m[4];
  y[0] = m[0] + (near + far);
  y[1] = mul_add(splat(0.70710678f), near_odd, splat(1.41421356f) * far_odd);
  y[2] = mul_add(splat(0.5f), near, far + far);
  y[3] = mul_add(splat(0.35355339f), near_odd, mul_add(splat(2.82842712f), far_odd, m[5]));
}

// pixels[36] → out[point · stride + c], points in raster order.
static void winograd_inputs(const float* const* pixels, int64_t channels, float* out, int64_t stride) {
  const auto transform = [&](int64_t i, auto fetch, auto put) {
    VF seen[6], columns[36], points[6];
    for (int x = 0; x < 6; ++x) {
      for (int y = 0; y < 6; ++y) seen[y] = fetch(pixels[y * 6 + x] + i);
      to_points(seen, points);
      for (int y = 0; y < 6; ++y) columns[y * 6 + x] = points[y];
    }
    for (int y = 0; y < 6; ++y) {
      to_points(columns + y * 6, points);
      for (int x = 0; x < 6; ++x) put(out + (y * 6 + x) * stride + i, points[x]);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= channels; i += kLanes)
    transform(
        i, [](const float* p) { return load(p); }, [](float* p, VF v) { store(p, v); });
  const int n = lanes_left(channels, i);
  if (i < channels)
    transform(
        i, [n](const float* p) { return load_n(p, n); }, [n](float* p, VF v) { store_n(p, v, n); });
}

// sums[point · stride + o] → out[16][o], in raster order.
static void winograd_outputs(const float* sums, int64_t stride, int64_t outs, float* const* out) {
  const auto transform = [&](int64_t i, auto fetch, auto put) {
    VF seen[6], columns[24], results[4];
    for (int x = 0; x < 6; ++x) {
      for (int y = 0; y < 6; ++y) seen[y] = fetch(sums + (y * 6 + x) * stride + i);
      from_points(seen, results);
      for (int y = 0; y < 4; ++y) columns[y * 6 + x] = results[y];
    }
    for (int y = 0; y < 4; ++y) {
      from_points(columns + y * 6, results);
      for (int x = 0; x < 4; ++x) put(out[y * 4 + x] + i, results[x]);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= outs; i += kLanes)
    transform(
        i, [](const float* p) { return load(p); }, [](float* p, VF v) { store(p, v); });
  const int n = lanes_left(outs, i);
  if (i < outs)
    transform(
        i, [n](const float* p) { return load_n(p, n); }, [n](float* p, VF v) { store_n(p, v, n); });
}

}  // namespace afterimage::CPU_ISA
