// Barriers and operations among the 32 lanes of a simdgroup. Reductions add in the order of a butterfly: a GPU's order
// is not documented, so no test may depend on it.
#pragma once

namespace metal {

inline void threadgroup_barrier(mem_flags flags, int line = __builtin_LINE()) {
  rig::group_barrier(uint32_t(flags), line);
}
inline void simdgroup_barrier(mem_flags flags, int line = __builtin_LINE()) {
  rig::simd_barrier(uint32_t(flags), line);
}

}  // namespace metal

namespace rig {

// Slots of 64 bytes, one per lane.
template <class T, class Operation>
RIG_UNSEEN void reduce_slots(const std::byte* slots, std::byte* result) {
  T values[kSimdLanes];
  for (uint32_t i = 0; i < kSimdLanes; ++i) values[i] = *reinterpret_cast<const T*>(slots + 64 * i);
  for (uint32_t step = kSimdLanes / 2; step > 0; step /= 2)
    for (uint32_t i = 0; i < step; ++i) values[i] = Operation::apply(values[i], values[i + step]);
  *reinterpret_cast<T*>(result) = values[0];
}

struct Sum {
  template <class T>
  RIG_UNSEEN static T apply(T a, T b) {
    return a + b;
  }
};
struct Max {
  template <class T>
  RIG_UNSEEN static T apply(T a, T b) {
    return a < b ? b : a;
  }
};
struct Min {
  template <class T>
  RIG_UNSEEN static T apply(T a, T b) {
    return b < a ? b : a;
  }
};

template <class Operation, class T>
T reduce(T value, int line) {
  T out;
  simd_combine(&value, sizeof value, &reduce_slots<T, Operation>, &out, sizeof out, line);
  return out;
}

}  // namespace rig

namespace metal {

template <class T>
T simd_sum(T value, int line = __builtin_LINE()) {
  return rig::reduce<rig::Sum>(value, line);
}
template <class T>
T simd_max(T value, int line = __builtin_LINE()) {
  return rig::reduce<rig::Max>(value, line);
}
template <class T>
T simd_min(T value, int line = __builtin_LINE()) {
  return rig::reduce<rig::Min>(value, line);
}

template <class T>
T simd_shuffle(T value, ushort lane, int line = __builtin_LINE()) {
  T out;
  rig::simd_read(&value, sizeof value, lane, &out, line);
  return out;
}
template <class T>
T simd_broadcast(T value, ushort lane, int line = __builtin_LINE()) {
  return simd_shuffle(value, lane, line);
}
template <class T>
T simd_shuffle_xor(T value, ushort mask, int line = __builtin_LINE()) {
  return simd_shuffle(value, static_cast<ushort>(rig::place().lane ^ mask), line);
}

}  // namespace metal
