// The Metal shading language as a C++ dialect: what the kernels of this project use, and no more. Address-space
// keywords vanish in an executable build; with RIG_STRICT they are real address spaces and the text is only checked.
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../runtime/thread.h"
#include "vector.h"

// Runtime code of the emulator that kernels inline is invisible to ThreadSanitizer: it only exchanges values.
#define RIG_UNSEEN __attribute__((disable_sanitizer_instrumentation))

namespace metal {
enum class mem_flags : uint32_t { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint32_t(a) | uint32_t(b)); }
}  // namespace metal

#include "atomics.h"
#include "math.h"
#include "simdgroup.h"
#include "simdgroup_matrix.h"

#define kernel
#ifdef RIG_STRICT
#define device __attribute__((address_space(1)))
#define constant __attribute__((address_space(2)))
#define threadgroup __attribute__((address_space(3)))
#define RIG_SHARED(id, name, dims, ...) static threadgroup __VA_ARGS__ name dims;
#else
#define device
#define constant
#define threadgroup
#define RIG_SHARED(id, name, dims, ...) \
  auto& name = *static_cast<__VA_ARGS__(*) dims>(::rig::group_memory(id, sizeof(__VA_ARGS__ dims)));
#endif
#define thread

using namespace metal;
