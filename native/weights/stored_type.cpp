#include "weights/stored_type.h"

namespace afterimage {
namespace {

struct Entry {
  std::string_view name;
  size_t bytes;
};

// In the order of the enumeration.
constexpr Entry kTypes[] = {{"F64", 8},  {"F32", 4},     {"F16", 2},     {"BF16", 2},   {"I64", 8}, {"I32", 4},
                            {"I16", 2},  {"I8", 1},      {"U64", 8},     {"U32", 4},    {"U16", 2}, {"U8", 1},
                            {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}};

}  // namespace

std::string_view stored_type_name(StoredType type) { return kTypes[static_cast<size_t>(type)].name; }

size_t stored_type_bytes(StoredType type) { return kTypes[static_cast<size_t>(type)].bytes; }

std::optional<StoredType> stored_type(std::string_view name) {
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].name == name) return static_cast<StoredType>(i);
  }
  return std::nullopt;
}

}  // namespace afterimage
