// Relaxed atomics on device and threadgroup memory.
#pragma once

namespace metal {

enum memory_order { memory_order_relaxed };
template <class T>
struct rig_atomic {
  T value;
};
using atomic_uint = rig_atomic<uint>;
using atomic_int = rig_atomic<int>;

template <class Pointer, class T>
auto atomic_fetch_add_explicit(Pointer target, T value, memory_order) {
  return __atomic_fetch_add(&target->value, value, __ATOMIC_RELAXED);
}
template <class Pointer>
auto atomic_load_explicit(Pointer target, memory_order) {
  return __atomic_load_n(&target->value, __ATOMIC_RELAXED);
}
template <class Pointer, class T>
void atomic_store_explicit(Pointer target, T value, memory_order) {
  __atomic_store_n(&target->value, value, __ATOMIC_RELAXED);
}

}  // namespace metal
