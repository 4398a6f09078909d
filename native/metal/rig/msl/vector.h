// Vectors are clang's extended vectors: component names and operators come with the compiler. A constructor call such
// as float4(a, b, c, d) or float4(int4) becomes a function call by the macros at the end, because the compiler's own
// reading of a functional cast between vectors is a reinterpretation of bits.
#pragma once
#include "scalars.h"

#define RIG_VECTORS(type)                                   \
  typedef type type##2 __attribute__((ext_vector_type(2))); \
  typedef type##2 type##2_t;                                \
  typedef type type##3 __attribute__((ext_vector_type(3))); \
  typedef type##3 type##3_t;                                \
  typedef type type##4 __attribute__((ext_vector_type(4))); \
  typedef type##4 type##4_t;
RIG_VECTORS(float)
RIG_VECTORS(half)
RIG_VECTORS(bfloat)
RIG_VECTORS(int)
RIG_VECTORS(uint)
RIG_VECTORS(ushort)
RIG_VECTORS(uchar)
RIG_VECTORS(ulong)
#undef RIG_VECTORS
using char4 = signed char __attribute__((ext_vector_type(4)));
using char4_t = char4;

namespace rig {

template <class V>
using Element = std::remove_cvref_t<decltype(std::declval<V&>()[0])>;
template <class V>
constexpr int kLanes = __builtin_vectorelements(V);

template <class A>
concept Scalar = std::is_arithmetic_v<A> || std::is_same_v<A, half> || std::is_same_v<A, bfloat>;

template <class V, class A>
V make_vector(A value) {
  if constexpr (Scalar<A>)
    return V(static_cast<Element<V>>(value));
  else
    return __builtin_convertvector(value, V);
}
template <class V, Scalar... A>
requires(sizeof...(A) > 1) V make_vector(A... values) {
  static_assert(sizeof...(A) == kLanes<V>, "as many values as the vector has components");
  return V{static_cast<Element<V>>(values)...};
}

}  // namespace rig

#define float2(...) ::rig::make_vector<float2_t>(__VA_ARGS__)
#define float3(...) ::rig::make_vector<float3_t>(__VA_ARGS__)
#define float4(...) ::rig::make_vector<float4_t>(__VA_ARGS__)
#define half4(...) ::rig::make_vector<half4_t>(__VA_ARGS__)
#define bfloat4(...) ::rig::make_vector<bfloat4_t>(__VA_ARGS__)
#define int4(...) ::rig::make_vector<int4_t>(__VA_ARGS__)
#define uint2(...) ::rig::make_vector<uint2_t>(__VA_ARGS__)
#define uint3(...) ::rig::make_vector<uint3_t>(__VA_ARGS__)
#define uint4(...) ::rig::make_vector<uint4_t>(__VA_ARGS__)
#define ulong2(...) ::rig::make_vector<ulong2_t>(__VA_ARGS__)
