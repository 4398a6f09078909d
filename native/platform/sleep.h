// Sleeping until a number is another. The standard library's own way misses wake-ups where it has no call of the system
// to build on, as GCC 12's has none on Windows: it looks at the number before it takes the lock.
#pragma once
#include <atomic>
#include <cstdint>

namespace afterimage::platform {

// Returns when `number` is not `old`; a change and `wake_all` behind it are never missed.
void sleep_while(const std::atomic<uint32_t>& number, uint32_t old) noexcept;
void wake_all(std::atomic<uint32_t>& number) noexcept;

}  // namespace afterimage::platform
