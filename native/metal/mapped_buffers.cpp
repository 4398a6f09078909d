#include "metal/mapped_buffers.h"

#include <unistd.h>

#include <algorithm>

#include "platform/mapped_ranges.h"

namespace afterimage::metal {

std::shared_ptr<Buffer> MappedBuffers::wrap(uintptr_t first, uintptr_t last) {
  std::weak_ptr<Buffer>& known = wrapped_[{first, last}];
  if (std::shared_ptr<Buffer> buffer = known.lock()) return buffer;
  std::shared_ptr<Buffer> buffer = device_.wrap(reinterpret_cast<const void*>(first), last - first);
  known = buffer;
  return buffer;
}

// A file is cut at multiples of the largest buffer; bytes on both sides of a cut have a buffer of their own.
SharedPlacement MappedBuffers::place(const std::byte* data, size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto down = [page](uintptr_t address) { return address / page * page; };
  const auto up = [&](uintptr_t address) { return down(address + page - 1); };
  const auto address = reinterpret_cast<uintptr_t>(data);
  uintptr_t first = down(address), last = up(address + bytes);
  if (const auto file = MappedRange::around(data); !file.empty()) {
    const uintptr_t begin = down(reinterpret_cast<uintptr_t>(file.data()));
    const uintptr_t end = up(reinterpret_cast<uintptr_t>(file.data()) + file.size());
    const size_t largest = std::max<size_t>(down(device_.limits().max_buffer), page);
    const uintptr_t cut = begin + (address - begin) / largest * largest;
    const uintptr_t next = std::min(end, cut + largest);
    if (address + bytes <= next) first = cut, last = next;
  }
  auto buffer = wrap(first, last);
  return {buffer, buffer ? address - first : 0};
}

}  // namespace afterimage::metal
