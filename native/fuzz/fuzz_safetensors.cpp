// Arbitrary bytes as a safetensors file: either INVALID_CHECKPOINT, or tensors that lie inside the bytes.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "graph/error.h"
#include "weights/checkpoint.h"
#include "weights/finite.h"
#include "weights/stored_type.h"

using namespace afterimage;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const StoredTensor& tensor, const std::byte* begin, const std::byte* end) {
  for (int64_t axis : tensor.shape) require(axis >= 0);
  require(stored_bytes(tensor.dtype, tensor.shape) == tensor.bytes);
  require(tensor.data >= begin && tensor.data + tensor.bytes <= end);
  first_not_finite(tensor.data, tensor.bytes, tensor.dtype);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> copy(data, data + size);  // its own allocation, so that reads past the end are seen
  const auto* begin = reinterpret_cast<const std::byte*>(copy.data());
  try {
    for (const StoredTensor& tensor : parse_safetensors(begin, size, "fuzz")) check(tensor, begin, begin + size);
  } catch (const Error& error) {
    require(error.code() == "INVALID_CHECKPOINT");
  }
  return 0;
}
