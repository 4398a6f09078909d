#include <malloc.h>

#include "platform/pages.h"
#include "platform/win32.h"

namespace afterimage::platform {

// Large pages need a privilege that users do not have.
uint8_t* map_pages(size_t size) {
  return static_cast<uint8_t*>(::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
}

void unmap_pages(uint8_t* pages, size_t) { ::VirtualFree(pages, 0, MEM_RELEASE); }

uint8_t* take_aligned(size_t size) { return static_cast<uint8_t*>(::_aligned_malloc(size, 64)); }
void give_aligned(uint8_t* memory) { ::_aligned_free(memory); }

}  // namespace afterimage::platform
