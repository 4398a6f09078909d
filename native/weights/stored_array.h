// A row-major array that lies in a mapped file or in a copy, and the few rearrangements that recipes ask for. Each one
// points into its argument where the bytes are already in place.
#pragma once
#include <deque>
#include <vector>

#include "weights/checkpoint.h"

namespace afterimage {

using OwnedBytes = std::deque<std::vector<std::byte>>;  // addresses stay valid as it grows

struct StoredArray {
  StoredType dtype = StoredType::F32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
};

// Axis i of the result is axis axes[i] of `array`; `axes` names every axis once.
StoredArray permuted(const StoredArray& array, const std::vector<int32_t>& axes, OwnedBytes& owned);
// [start, start + count) of one axis; the range lies inside.
StoredArray sliced(const StoredArray& array, int32_t axis, int64_t start, int64_t count, OwnedBytes& owned);
// Arrays of one dtype and shape along a new leading axis; a single array is returned as it is.
StoredArray stacked(const std::vector<StoredArray>& arrays, OwnedBytes& owned);
// Whether merging neighbouring axes (and dropping axes of 1) turns `found` into `expected`.
bool flattens_to(const std::vector<int64_t>& found, const std::vector<int64_t>& expected);

}  // namespace afterimage
