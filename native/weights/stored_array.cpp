#include "weights/stored_array.h"

#include <algorithm>
#include <cstring>

#include "weights/stored_type.h"

namespace afterimage {
namespace {

std::byte* allocate(OwnedBytes& owned, size_t bytes) { return owned.emplace_back(bytes).data(); }

int64_t product(const std::vector<int64_t>& shape, size_t first, size_t last) {
  int64_t result = 1;
  for (size_t i = first; i < last; ++i) result *= shape[i];
  return result;
}

}  // namespace

StoredArray permuted(const StoredArray& array, const std::vector<int32_t>& axes, OwnedBytes& owned) {
  if (std::is_sorted(axes.begin(), axes.end())) return array;
  const size_t rank = axes.size(), element = stored_type_bytes(array.dtype);
  StoredArray out{array.dtype, {}, nullptr, array.bytes};
  std::vector<size_t> strides;  // bytes in `array` from one index to the next of each axis of `out`
  for (int32_t axis : axes) {
    out.shape.push_back(array.shape[axis]);
    strides.push_back(element * product(array.shape, axis + 1, rank));
  }
  std::byte* to = allocate(owned, array.bytes);
  out.data = to;
  std::vector<int64_t> index(rank, 0);
  size_t from = 0;
  for (size_t done = 0; done < array.bytes; done += element) {
    std::memcpy(to + done, array.data + from, element);
    for (size_t axis = rank; axis-- > 0;) {
      from += strides[axis];
      if (++index[axis] < out.shape[axis]) break;
      from -= strides[axis] * out.shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

StoredArray sliced(const StoredArray& array, int32_t axis, int64_t start, int64_t count, OwnedBytes& owned) {
  const int64_t outer = product(array.shape, 0, axis);
  const size_t inner = product(array.shape, axis + 1, array.shape.size()) * stored_type_bytes(array.dtype);
  const size_t stride = inner * array.shape[axis], part = inner * count;
  StoredArray out{array.dtype, array.shape, array.data + inner * start, part * outer};
  out.shape[axis] = count;
  if (outer == 1 || part == stride) return out;
  std::byte* to = allocate(owned, out.bytes);
  for (int64_t i = 0; i < outer; ++i) std::memcpy(to + i * part, array.data + i * stride + inner * start, part);
  out.data = to;
  return out;
}

StoredArray stacked(const std::vector<StoredArray>& arrays, OwnedBytes& owned) {
  if (arrays.size() == 1) return arrays[0];
  StoredArray out{arrays[0].dtype, arrays[0].shape, arrays[0].data, arrays[0].bytes * arrays.size()};
  out.shape.insert(out.shape.begin(), static_cast<int64_t>(arrays.size()));
  bool adjacent = true;
  for (size_t i = 1; i < arrays.size(); ++i) adjacent &= arrays[i].data == arrays[i - 1].data + arrays[i - 1].bytes;
  if (adjacent) return out;
  std::byte* to = allocate(owned, out.bytes);
  out.data = to;
  for (const StoredArray& array : arrays) to = std::copy_n(array.data, array.bytes, to);
  return out;
}

bool flattens_to(const std::vector<int64_t>& found, const std::vector<int64_t>& expected) {
  size_t next = 0;
  for (int64_t axis : expected) {
    int64_t merged = 1;
    while (merged < axis && next < found.size()) merged *= found[next++];
    if (merged != axis) return false;
  }
  while (next < found.size() && found[next] == 1) ++next;
  return next == found.size();
}

}  // namespace afterimage
