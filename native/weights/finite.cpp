#include "weights/finite.h"

#include <algorithm>
#include <cstring>

namespace afterimage {
namespace {

// An element is not finite where all bits of `mask` are set. The inner loop has no exit and one type, so that it
// vectorises.
template <class T, T mask>
int64_t first_with(const std::byte* bytes, size_t size) {
  constexpr size_t kChunk = 4096;
  const size_t count = size / sizeof(T);
  T chunk[kChunk];
  for (size_t start = 0; start < count; start += kChunk) {
    const size_t n = std::min(kChunk, count - start);
    std::memcpy(chunk, bytes + start * sizeof(T), n * sizeof(T));  // the file's bytes may be unaligned
    T found = 0;
    for (size_t i = 0; i < n; ++i) found |= (chunk[i] & mask) == mask ? T{1} : T{0};
    if (found == 0) continue;
    const T* hit = std::find_if(chunk, chunk + n, [](T value) { return (value & mask) == mask; });
    return static_cast<int64_t>(start + (hit - chunk));
  }
  return -1;
}

}  // namespace

int64_t first_not_finite(const std::byte* bytes, size_t size, StoredType type) {
  switch (type) {
    case StoredType::F64:
      return first_with<uint64_t, 0x7ff0000000000000>(bytes, size);
    case StoredType::F32:
      return first_with<uint32_t, 0x7f800000>(bytes, size);
    case StoredType::F16:
      return first_with<uint16_t, 0x7c00>(bytes, size);
    case StoredType::BF16:
      return first_with<uint16_t, 0x7f80>(bytes, size);
    case StoredType::F8_E4M3:
      return first_with<uint8_t, 0x7f>(bytes, size);
    case StoredType::F8_E5M2:
      return first_with<uint8_t, 0x7c>(bytes, size);
    case StoredType::F8_E8M0:
      return first_with<uint8_t, 0xff>(bytes, size);
    default:
      return -1;
  }
}

}  // namespace afterimage
