// Names and sizes of the safetensors dtypes.
#pragma once
#include <optional>
#include <string_view>

#include "weights/checkpoint.h"

namespace afterimage {

std::string_view stored_type_name(StoredType type);
std::optional<StoredType> stored_type(std::string_view name);
size_t stored_type_bytes(StoredType type);  // of one value; 0 where values lie in blocks
// Of a tensor; nothing where that overflows or its rows are no whole blocks.
std::optional<uint64_t> stored_bytes(StoredType type, const std::vector<int64_t>& shape);

}  // namespace afterimage
