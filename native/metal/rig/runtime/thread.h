// What kernel text sees of the emulator: the calling thread's place in the grid, barriers, exchange within a
// simdgroup, and threadgroup memory. Included by msl/metal.h only.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rig {

constexpr uint32_t kSimdLanes = 32;

struct Place {
  uint32_t local[3];    // in the threadgroup
  uint32_t group[3];    // in the grid
  uint32_t threads[3];  // per threadgroup
  uint32_t groups[3];   // per grid
  uint32_t index;       // of the thread in the threadgroup, linear
  uint32_t lane, simdgroup, simdgroups;
};
const Place& place() noexcept;

// Which memory a barrier makes visible: bits of metal::mem_flags.
void group_barrier(uint32_t memory_flags, int line);
void simd_barrier(uint32_t memory_flags, int line);

// All lanes of the simdgroup hand in `size` ≤ 64 bytes; the last to arrive calls `combine(slots, result)`, where slot
// i lies at slots + 64·i; every lane gets 64 bytes of result. With no combine the lane reads slot `source`.
using Combine = void (*)(const std::byte* slots, std::byte* result);
void simd_combine(const void* value, size_t size, Combine combine, void* out, size_t out_size, int line);
void simd_read(const void* value, size_t size, uint32_t source, void* out, int line);

// Notes an operation that all lanes of a simdgroup must execute alike but that exchanges nothing here.
void simd_note(int line) noexcept;

// The threadgroup's array number `id`, `bytes` long: the same address for every thread of the group.
void* group_memory(int id, size_t bytes);
constexpr size_t array_bytes(size_t bytes) { return (bytes + 15) / 16 * 16; }

}  // namespace rig
