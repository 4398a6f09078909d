// Operators with per-sequence state, read and written in place: rows of a sequence in order, sequences and channels
// (or heads) independent. At position 0 the state starts as zeros.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/cpu_context.h"

namespace afterimage {
namespace {

float* state_of(const Dispatch& d, const SequenceRows& sequence) {
  auto* bytes = static_cast<std::byte*>(sequence.state->host());
  return reinterpret_cast<float*>(bytes + d.batch->states->offsets[static_cast<size_t>(d.attrs->layer)]);
}

// Channels [first, last) of one sequence. state [C][K−1], oldest first.
void convolve(const Dispatch& d, const SequenceRows& s, int64_t taps, int64_t first, int64_t last) {
  const Tensor x = d.in[0], y = d.out[0];
  const float *weight = vector_of(d.weights[0]), *bias = vector_of(d.weights[1]);
  for (int64_t channel = first; channel < last; ++channel) {
    float* history = state_of(d, s) + channel * (taps - 1);
    if (s.first_position == 0) std::fill_n(history, taps - 1, 0.0f);
    const float* w = weight + channel * taps;
    for (int64_t t = 0; t < s.rows; ++t) {
      const float now = x.at<float>(s.first_row + t)[channel];
      float sum = 0;
      for (int64_t k = 0; k + 1 < taps; ++k) sum += w[k] * history[k];
      sum += w[taps - 1] * now;
      for (int64_t k = 0; k + 2 < taps; ++k) history[k] = history[k + 1];
      if (taps > 1) history[taps - 2] = now;
      y.at<float>(s.first_row + t)[channel] = sum + (bias ? bias[channel] : 0.0f);
    }
  }
}

// x · rsqrt(Σx² + 1e-6) · scale
void normalise(const float* x, int32_t n, float scale, float* y) {
  float squares = 0;
  for (int32_t i = 0; i < n; ++i) squares += x[i] * x[i];
  const float factor = scale / std::sqrt(squares + 1e-6f);
  for (int32_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

}  // namespace

void run_short_conv(CpuContext& c, const Dispatch& d) {
  constexpr int64_t kChannels = 64;
  const int64_t channels = d.in[0].width, pieces = (channels + kChannels - 1) / kChannels;
  const int64_t taps = cpu_weight(d.weights[0])->source.rows == channels
                           ? cpu_weight(d.weights[0])->source.columns
                           : cpu_weight(d.weights[0])->source.columns / channels;
  const auto& sequences = d.batch->sequences;
  c.pool.for_each(static_cast<int64_t>(sequences.size()) * pieces, [&](int64_t task, int) {
    const int64_t first = task % pieces * kChannels;
    convolve(d, sequences[static_cast<size_t>(task / pieces)], taps, first, std::min(channels, first + kChannels));
  });
  if (d.attrs->activation == Activation::none) return;
  const Tensor y = d.out[0];
  c.for_rows(y.rows, y.width, [&](int64_t first, int64_t last) {
    c.kernels.activation(y.at<float>(first), (last - first) * y.width, d.attrs->activation, 1.0f, y.at<float>(first));
  });
}

void run_gated_delta(CpuContext& c, const Dispatch& d) {
  const OpAttrs& a = *d.attrs;
  const float *a_log = vector_of(d.weights[0]), *dt_bias = vector_of(d.weights[1]);
  const auto scratch_floats = static_cast<size_t>(2 * a.k_dim + a.v_dim);
  for (int thread = 0; thread < c.pool.threads(); ++thread)
    c.thread_scratch[static_cast<size_t>(thread)].reserve_array<float>(scratch_floats);
  const auto& sequences = d.batch->sequences;
  c.pool.for_each(static_cast<int64_t>(sequences.size()) * a.heads, [&](int64_t task, int thread) {
    const SequenceRows& s = sequences[static_cast<size_t>(task / a.heads)];
    const auto head = static_cast<int32_t>(task % a.heads);
    const int32_t key_head = static_cast<int32_t>(int64_t{head} * a.kv_heads / a.heads);
    const int64_t state_size = int64_t{a.k_dim} * a.v_dim;
    float* state = state_of(d, s) + head * state_size;
    if (s.first_position == 0) std::fill_n(state, state_size, 0.0f);
    float* q = c.thread_scratch[static_cast<size_t>(thread)].reserve_array<float>(scratch_floats);
    float *k = q + a.k_dim, *known = k + a.k_dim;
    for (int64_t r = s.first_row; r < s.first_row + s.rows; ++r) {
      normalise(d.in[0].at<float>(r) + key_head * a.k_dim, a.k_dim, 1.0f / std::sqrt(static_cast<float>(a.k_dim)), q);
      normalise(d.in[1].at<float>(r) + key_head * a.k_dim, a.k_dim, 1.0f, k);
      const float g = -std::exp(a_log[head]) * softplus(d.in[3].at<float>(r)[head] + dt_bias[head]);
      const float beta = 1.0f / (1.0f + std::exp(-d.in[4].at<float>(r)[head]));
      c.kernels.delta_step(q, k, d.in[2].at<float>(r) + head * a.v_dim, std::exp(g), beta, a.k_dim, a.v_dim, state,
                           known, d.out[0].at<float>(r) + head * a.v_dim);
    }
  });
}

}  // namespace afterimage
