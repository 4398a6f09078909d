// exp, tanh, erf (as 1 + erf) and the activations built on them, on vectors. Polynomials were fitted (weighted least
// squares toward minimax) on the stated intervals; errors stay within 2 ulp of the true f32 result.
#pragma once
#include "cpu/vec.h"
#include "graph/ops.h"

namespace afterimage::CPU_ISA {

// 2ⁿ for n in [-126, 127].
CPU_INLINE VF power_of_two(VI n) { return (VF)((n + 127) << 23); }

// eˣ = 2ⁿ·e^r, |r| ≤ ln2/2; scaled in two steps so that the whole range up to overflow and down to 0 is right.
CPU_INLINE VF exp(VF x) {
  x = max(min(x, splat(89.0f)), splat(-105.0f));
  const VI n = round_to_int(x * splat(1.44269504f));
  const VF nf = to_float(n);
  VF r = mul_add(nf, splat(-0.693359375f), x);
  r = mul_add(nf, splat(2.12194440e-4f), r);
  VF p = splat(0.0013950476422905922f);
  p = mul_add(p, r, splat(0.008368882350623608f));
  p = mul_add(p, r, splat(0.04166620597243309f));
  p = mul_add(p, r, splat(0.166665181517601f));
  p = mul_add(p, r, splat(0.5f));
  p = mul_add(p, r * r, r) + splat(1.0f);
#if defined(__AVX512F__)
  return (VF)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)nf);  // the same product in one step
#else
  const VI half = n >> 1;
  return p * power_of_two(half) * power_of_two(n - half);
#endif
}

CPU_INLINE VF sigmoid(VF x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }

// |x| < 0.65: x + x³P(x²); beyond: 1 − 2/(e^{2|x|} + 1).
CPU_INLINE VF tanh(VF x) {
  const VF a = magnitude(x), u = x * x;
  VF p = splat(-0.005528624635189772f);
  p = mul_add(p, u, splat(0.02048330567777157f));
  p = mul_add(p, u, splat(-0.05369296297430992f));
  p = mul_add(p, u, splat(0.1333089917898178f));
  p = mul_add(p, u, splat(-0.3333326280117035f));
  const VF near = mul_add(p * u, x, x);
  const VF far = splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f));
  const VF signed_far = (VF)((VI)far | ((VI)x & splat_bits(INT32_MIN)));
  return a < splat(0.65f) ? near : signed_far;
}

// 1 + erf(z), z = x/√2. |z| < 1: 1 + z·P(z²); beyond: 2 − e^{−Q(|z|)}, or e^{−Q(|z|)} for negative z, which keeps the
// tail from cancelling; 0 and 2 from |z| = 4 on (Φ < 1e-8).
CPU_INLINE VF one_plus_erf(VF z) {
  const VF a = min(magnitude(z), splat(4.0f)), u = z * z;
  VF p = splat(7.889119297033176e-05f);
  p = mul_add(p, u, splat(-0.0008020841050893068f));
  p = mul_add(p, u, splat(0.005189535208046436f));
  p = mul_add(p, u, splat(-0.026854444295167923f));
  p = mul_add(p, u, splat(0.11283600330352783f));
  p = mul_add(p, u, splat(-0.3761262595653534f));
  p = mul_add(p, u, splat(1.1283791065216064f));
  VF q = splat(2.1686850232072175e-05f);
  q = mul_add(q, a, splat(-0.00044133636401966214f));
  q = mul_add(q, a, splat(0.004204561933875084f));
  q = mul_add(q, a, splat(-0.025208257138729095f));
  q = mul_add(q, a, splat(0.10841857641935349f));
  q = mul_add(q, a, splat(0.6332198977470398f));
  q = mul_add(q, a, splat(1.1295784711837769f));
  q = mul_add(q, a, splat(-0.0001880402269307524f));
  const VF tail = a < splat(4.0f) ? exp(-q) : VF{};
  const VF far = z < VF{} ? tail : splat(2.0f) - tail;
  return magnitude(z) < splat(1.0f) ? mul_add(z, p, splat(1.0f)) : far;
}

template <Activation A>
CPU_INLINE VF activate(VF x) {
  if constexpr (A == Activation::gelu) return splat(0.5f) * x * one_plus_erf(x * splat(0.70710678f));
  if constexpr (A == Activation::gelu_tanh) {
    // 0.5·(1 + tanh u) = σ(2u), u = √(2/π)·(x + 0.044715x³)
    const VF inner = mul_add(splat(0.044715f) * x * x, x, x);
    return x * sigmoid(splat(1.59576912f) * inner);
  }
  if constexpr (A == Activation::quick_gelu) return x * sigmoid(splat(1.702f) * x);
  if constexpr (A == Activation::silu) return x * sigmoid(x);
  if constexpr (A == Activation::sigmoid) return sigmoid(x);
  if constexpr (A == Activation::relu) return max(x, splat(0.0f));
  if constexpr (A == Activation::tanh) return tanh(x);
  if constexpr (A == Activation::hard_sigmoid || A == Activation::hard_swish) {
    const VF gate = min(max(x + splat(3.0f), splat(0.0f)), splat(6.0f)) * splat(1.0f / 6.0f);
    return A == Activation::hard_swish ? x * gate : gate;
  }
  return x;
}

// Calls visit.template operator()<A>() for the run-time activation.
template <class Visit>
CPU_INLINE void with_activation(Activation activation, Visit visit) {
  switch (activation) {
    case Activation::none:
      return visit.template operator()<Activation::none>();
    case Activation::gelu:
      return visit.template operator()<Activation::gelu>();
    case Activation::gelu_tanh:
      return visit.template operator()<Activation::gelu_tanh>();
    case Activation::quick_gelu:
      return visit.template operator()<Activation::quick_gelu>();
    case Activation::silu:
      return visit.template operator()<Activation::silu>();
    case Activation::sigmoid:
      return visit.template operator()<Activation::sigmoid>();
    case Activation::relu:
      return visit.template operator()<Activation::relu>();
    case Activation::tanh:
      return visit.template operator()<Activation::tanh>();
    case Activation::hard_swish:
      return visit.template operator()<Activation::hard_swish>();
    case Activation::hard_sigmoid:
      return visit.template operator()<Activation::hard_sigmoid>();
  }
}

}  // namespace afterimage::CPU_ISA
