// What happens when bytes of a mapped file cannot be read any more: the thread that reads them asks `repair`, and goes
// on where it says so. All other faults go on as before.
#pragma once
#include <cstddef>
#include <cstdint>

namespace afterimage::platform {

// Called on the thread that reads `address`; it may not allocate or lock. `certain`: the system says that a mapped page
// is gone; otherwise the address may only be one that `put_zeros` has in its hands. Returns whether to read again.
using Repair = bool (*)(uintptr_t address, bool certain) noexcept;

// To be called once.
void repair_lost_pages(Repair repair);

// Puts zeros in place of everything from the page of `address` to the end of the mapping [first, last): what lies
// behind the end of a file that was cut is gone too. Where the system can replace whole mappings only, it is all of it.
bool put_zeros(uintptr_t first, uintptr_t address, uintptr_t last) noexcept;

}  // namespace afterimage::platform
