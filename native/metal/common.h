// What every kernel text starts with. Expressions are never contracted: a row has the same bits in every kernel
// variant, and where a fused multiply-add is wanted it is asked for by name. In both spellings: the first is the
// shading language's own.
#include <metal_stdlib>
using namespace metal;
#pragma METAL fp contract(off)
#pragma clang fp contract(off)
#include "graph/op_kinds.h"
#include "params.h"
using afterimage::Activation;
using afterimage::Statistic;

// Before a loop of constant bounds over an array in registers: an index that is not constant would put the array into
// memory. Other compilers of this text may define it away.
#ifndef UNROLL
#define UNROLL _Pragma("clang loop unroll(full)")
#endif

// Instantiates a kernel template under the name by which the host finds it.
#define KERNEL(host, ...) template [[host_name(#host)]] [[kernel]] decltype(__VA_ARGS__) __VA_ARGS__;

// erf with |error| < 1.2e-7: Chebyshev fit of Press et al., Numerical Recipes, 6.2.
inline float error_function(float x) {
  float z = fabs(x);
  float t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  p = fma(p, t, -0.82215223f);
  p = fma(p, t, 1.48851587f);
  p = fma(p, t, -1.13520398f);
  p = fma(p, t, 0.27886807f);
  p = fma(p, t, -0.18628806f);
  p = fma(p, t, 0.09678418f);
  p = fma(p, t, 0.37409196f);
  p = fma(p, t, 1.00002368f);
  p = fma(p, t, -1.26551223f);
  float tail = t * exp(p - z * z);
  return x >= 0.0f ? 1.0f - tail : tail - 1.0f;
}

// tanh saturates before exp overflows.
inline float safe_tanh(float x) { return tanh(clamp(x, -15.0f, 15.0f)); }

inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

inline float activate(uint kind, float x) {
  switch (Activation(kind)) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return 0.5f * x * (1.0f + error_function(x * 0.70710678f));
    case Activation::gelu_tanh:
      return 0.5f * x * (1.0f + safe_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::quick_gelu:
      return x * sigmoid(1.702f * x);
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::relu:
      return max(x, 0.0f);
    case Activation::tanh:
      return safe_tanh(x);
    case Activation::hard_swish:
      return x * (clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f);
    case Activation::hard_sigmoid:
      return clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f;
  }
  return x;
}
