#include <sys/mman.h>

#include <cstdlib>

#include "platform/pages.h"

namespace afterimage::platform {

// Aligned to a huge page: maps one page more and gives the ends back.
uint8_t* map_pages(size_t size) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t mapped = size + kHugePage;
  void* start = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const auto first = reinterpret_cast<uintptr_t>(start), aligned = (first + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > first) ::munmap(start, aligned - first);
  ::munmap(reinterpret_cast<void*>(aligned + size), first + mapped - aligned - size);
#if defined(MADV_HUGEPAGE)
  ::madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
#endif
  return reinterpret_cast<uint8_t*>(aligned);
}

void unmap_pages(uint8_t* pages, size_t size) { ::munmap(pages, size); }

uint8_t* take_aligned(size_t size) { return static_cast<uint8_t*>(std::aligned_alloc(64, size)); }
void give_aligned(uint8_t* memory) { std::free(memory); }

}  // namespace afterimage::platform
