// The kernels' text as a GPU's compiler meets it, for the stack lint alone: nothing is linked or run. Address spaces
// are real, operations among lanes are calls into nowhere, a matrix is two elements of each lane, and no header of the
// host is read.
#pragma once

#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)

using size_t = decltype(sizeof 0);
using int32_t = int;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using int64_t = long long;
#include "../msl/scalars.h"

namespace std {
template <class A, class B>
constexpr bool is_same_v = __is_same(A, B);
template <class A>
constexpr bool is_arithmetic_v = __is_arithmetic(A);
template <class A>
using remove_cvref_t = __remove_cvref(A);
template <class A>
A&& declval();
#define RIG_FUNCTION(name) \
  inline float name(float x) { return __builtin_##name##f(x); }
RIG_FUNCTION(exp)
RIG_FUNCTION(exp2)
RIG_FUNCTION(log)
RIG_FUNCTION(tanh)
RIG_FUNCTION(sin)
RIG_FUNCTION(cos)
RIG_FUNCTION(sqrt)
RIG_FUNCTION(floor)
RIG_FUNCTION(fabs)
RIG_FUNCTION(rint)
#undef RIG_FUNCTION
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float pow(float a, float b) { return __builtin_powf(a, b); }
}  // namespace std

#include "../msl/vector.h"

namespace metal {
enum class mem_flags : uint32_t { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint32_t(a) | uint32_t(b)); }
}  // namespace metal

#include "../msl/atomics.h"
#include "../msl/math.h"

namespace metal {

#define RIG_CALL __attribute__((convergent)) extern
template <class T>
RIG_CALL T rig_lanes(T value, uint with);
template <class T>
RIG_CALL T rig_multiply(T a, T b, T c);
template <class T, class Pointer>
RIG_CALL T rig_load(Pointer from, ulong stride, bool transpose);
template <class T, class Pointer>
RIG_CALL void rig_store(T value, Pointer to, ulong stride, bool transpose);
RIG_CALL void threadgroup_barrier(mem_flags flags);
RIG_CALL void simdgroup_barrier(mem_flags flags);
#undef RIG_CALL

#define RIG_AMONG_LANES(name)      \
  template <class T>               \
  T name(T value, uint with = 0) { \
    return rig_lanes(value, with); \
  }
RIG_AMONG_LANES(simd_sum)
RIG_AMONG_LANES(simd_max)
RIG_AMONG_LANES(simd_min)
RIG_AMONG_LANES(simd_shuffle)
RIG_AMONG_LANES(simd_broadcast)
RIG_AMONG_LANES(simd_shuffle_xor)
#undef RIG_AMONG_LANES

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  typedef T Elements __attribute__((ext_vector_type(2)));
  Elements elements;
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;

template <class T, int Columns, int Rows>
simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  return {{value, value}};
}
template <class M, class Pointer>
void simdgroup_load(M& matrix, Pointer from, ulong stride = 8, ulong2_t origin = ulong2(0, 0), bool transpose = false) {
  matrix.elements = rig_load<typename M::Elements>(from + origin.y * stride + origin.x, stride, transpose);
}
template <class M, class Pointer>
void simdgroup_store(const M& matrix, Pointer to, ulong stride = 8, ulong2_t origin = ulong2(0, 0),
                     bool transpose = false) {
  rig_store(matrix.elements, to + origin.y * stride + origin.x, stride, transpose);
}
template <class M>
void simdgroup_multiply_accumulate(M& d, const M& a, const M& b, const M& c) {
  d.elements = rig_multiply(a.elements, b.elements, c.elements);
}
template <class M>
void simdgroup_multiply(M& d, const M& a, const M& b) {
  d.elements = rig_multiply(a.elements, b.elements, typename M::Elements{0, 0});
}

}  // namespace metal

#define kernel
#define device __attribute__((address_space(1)))
#define threadgroup __attribute__((address_space(3)))
#define constant __attribute__((address_space(4)))
#define thread
#define RIG_SHARED(id, name, dims, ...) static threadgroup __VA_ARGS__ name dims;

using namespace metal;
