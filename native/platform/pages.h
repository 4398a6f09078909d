// Memory for weights, activations and scratch, as the system gives it. Null where it refuses.
#pragma once
#include <cstddef>
#include <cstdint>

namespace afterimage::platform {

// Zeroed pages of their own, huge ones where the system has them for everybody; `size` is a multiple of 64 KiB.
uint8_t* map_pages(size_t size);
void unmap_pages(uint8_t* pages, size_t size);

// From the allocator, aligned to 64 bytes; contents are undefined.
uint8_t* take_aligned(size_t size);
void give_aligned(uint8_t* memory);

}  // namespace afterimage::platform
