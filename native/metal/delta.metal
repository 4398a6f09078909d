// GatedDelta (Yang et al. 2024): one simdgroup per sequence, value head and column of the state; its lanes hold the
// column's rows in registers over all rows of the run.
#include "common.h"
#include "delta_params.h"
#include "sequence_state_params.h"

constant constexpr uint kMaxShare = 8;  // rows of the state per lane: k_dim ≤ 256

// log(1 + exp(x)) without losing small terms: Kahan's correction of log(1 + e).
inline float softplus(float x) {
  if (x > 20.0f) return x;
  float e = exp(x);
  float u = 1.0f + e;
  return u == 1.0f ? e : log(u) * e / (u - 1.0f);
}

// grid: x = columns of v, y = value heads, z = sequences; 32 threads
kernel void gated_delta(device const float* q [[buffer(0)]], device const float* k [[buffer(1)]],
                        device const float* v [[buffer(2)]], device const float* a [[buffer(3)]],
                        device const float* b [[buffer(4)]], device const float* a_log [[buffer(5)]],
                        device const float* dt_bias [[buffer(6)]],
                        device const SequenceState* sequences [[buffer(7)]], device float* y [[buffer(8)]],
                        constant DeltaParams& p [[buffer(9)]], uint3 at [[threadgroup_position_in_grid]],
                        uint lane [[thread_index_in_simdgroup]]) {
  device const SequenceState* s = sequences + at.z;
  uint key_head = at.y * p.key_heads / p.value_heads;
  device float* column = s->state + ulong(at.y) * p.k_dim * p.v_dim + at.x;
  float state[kMaxShare];
  UNROLL for (uint i = 0; i < kMaxShare; ++i) {
    uint row = lane + 32 * i;
    state[i] = row < p.k_dim && s->fresh == 0 ? column[row * p.v_dim] : 0.0f;
  }
  float rate = -exp(a_log[at.y]);
  float query_scale = 1.0f / sqrt(float(p.k_dim));
  for (uint r = s->first_row; r < s->first_row + s->rows; ++r) {
    device const float* query = q + (ulong(r) * p.key_heads + key_head) * p.k_dim;
    device const float* key = k + (ulong(r) * p.key_heads + key_head) * p.k_dim;
    ulong head = ulong(r) * p.value_heads + at.y;
    float decay = exp(rate * softplus(a[head] + dt_bias[at.y]));
    float beta = sigmoid(b[head]);
    float4 sums = float4(0.0f);  // Σq², Σk², Σk·S
    UNROLL for (uint i = 0; i < kMaxShare; ++i) {
      uint row = lane + 32 * i;
      if (row >= p.k_dim) continue;
      state[i] *= decay;
      sums.x = fma(query[row], query[row], sums.x);
      sums.y = fma(key[row], key[row], sums.y);
      sums.z = fma(key[row], state[i], sums.z);
    }
    sums = simd_sum(sums);
    float key_norm = rsqrt(sums.y + 1e-6f);
    float update = beta * (v[head * p.v_dim + at.x] - sums.z * key_norm) * key_norm;
    float result = 0.0f;
    UNROLL for (uint i = 0; i < kMaxShare; ++i) {
      uint row = lane + 32 * i;
      if (row >= p.k_dim) continue;
      state[i] = fma(key[row], update, state[i]);
      result = fma(query[row], state[i], result);
    }
    result = simd_sum(result) * rsqrt(sums.x + 1e-6f) * query_scale;
    if (lane == 0) y[head * p.v_dim + at.x] = result;
  }
  UNROLL for (uint i = 0; i < kMaxShare; ++i) {
    uint row = lane + 32 * i;
    if (row < p.k_dim) column[row * p.v_dim] = state[i];
  }
}
