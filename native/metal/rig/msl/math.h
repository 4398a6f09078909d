// Scalar and vector functions of metal_math, metal_integer and metal_relational. Transcendental functions are the
// host's: a GPU's last bits differ, and tolerances allow for it.
#pragma once

namespace metal {

#define RIG_FLOAT_FUNCTION(name) \
  inline float name(float x) { return ::std::name(x); }
RIG_FLOAT_FUNCTION(exp)
RIG_FLOAT_FUNCTION(exp2)
RIG_FLOAT_FUNCTION(log)
RIG_FLOAT_FUNCTION(tanh)
RIG_FLOAT_FUNCTION(sin)
RIG_FLOAT_FUNCTION(cos)
RIG_FLOAT_FUNCTION(sqrt)
RIG_FLOAT_FUNCTION(floor)
RIG_FLOAT_FUNCTION(fabs)
RIG_FLOAT_FUNCTION(rint)
#undef RIG_FLOAT_FUNCTION
inline float rsqrt(float x) { return 1.0f / ::std::sqrt(x); }
inline float fma(float a, float b, float c) { return ::std::fma(a, b, c); }
inline float4_t fma(float4_t a, float4_t b, float4_t c) { return __builtin_elementwise_fma(a, b, c); }
inline float pow(float x, float y) { return ::std::pow(x, y); }
inline bool isnan(float x) { return x != x; }

template <class T>
requires rig::Scalar<T> T min(T a, T b) { return b < a ? b : a; }
template <class T>
requires rig::Scalar<T> T max(T a, T b) { return a < b ? b : a; }
template <class T>
requires rig::Scalar<T> T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <class T>
T select(T a, T b, bool c) {
  return c ? b : a;
}
inline int abs(int x) { return x < 0 ? -x : x; }
inline uint popcount(uint x) { return uint(__builtin_popcount(x)); }
inline uint ctz(uint x) { return x == 0 ? 32 : uint(__builtin_ctz(x)); }

// Components from the first to the last, as the language's reference orders it.
inline float dot(float4_t a, float4_t b) { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, a.x * b.x))); }

namespace precise {
using metal::cos;
using metal::exp;
using metal::log;
using metal::rsqrt;
using metal::sin;
using metal::sqrt;
using metal::tanh;
}  // namespace precise

}  // namespace metal

template <class To, class From>
To as_type(From value) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, value);
}
