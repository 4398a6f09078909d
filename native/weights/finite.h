// Looks for NaN and infinity in stored numbers.
#pragma once
#include <cstddef>

#include "weights/checkpoint.h"

namespace afterimage {

// Index of the first element of `bytes` that is NaN or infinite; -1 where all are finite. E8M0 and E4M3 have no
// infinity but a NaN; integers are always finite.
int64_t first_not_finite(const std::byte* bytes, size_t size, StoredType type);

}  // namespace afterimage
