// Names and sizes of the safetensors dtypes.
#pragma once
#include <optional>
#include <string_view>

#include "weights/checkpoint.h"

namespace afterimage {

std::string_view stored_type_name(StoredType type);
std::optional<StoredType> stored_type(std::string_view name);
size_t stored_type_bytes(StoredType type);

}  // namespace afterimage
