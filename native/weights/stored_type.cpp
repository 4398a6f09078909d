#include "weights/stored_type.h"

namespace afterimage {
namespace {

struct NamedType {
  std::string_view name;
  size_t bytes;       // of a block
  int64_t block = 1;  // values
};

// In the order of the enumeration.
constexpr NamedType kTypes[] = {
    {"F64", 8},         {"F32", 4},        {"F16", 2},       {"BF16", 2},       {"I64", 8},         {"I32", 4},
    {"I16", 2},         {"I8", 1},         {"U64", 8},       {"U32", 4},        {"U16", 2},         {"U8", 1},
    {"BOOL", 1},        {"F8_E4M3", 1},    {"F8_E5M2", 1},   {"F8_E8M0", 1},    {"Q4_0", 18, 32},   {"Q4_1", 20, 32},
    {"Q5_0", 22, 32},   {"Q5_1", 24, 32},  {"Q8_0", 34, 32}, {"Q2_K", 84, 256}, {"Q3_K", 110, 256}, {"Q4_K", 144, 256},
    {"Q5_K", 176, 256}, {"Q6_K", 210, 256}};

const NamedType& entry(StoredType type) { return kTypes[static_cast<size_t>(type)]; }

}  // namespace

std::string_view stored_type_name(StoredType type) { return entry(type).name; }

size_t stored_type_bytes(StoredType type) { return entry(type).block == 1 ? entry(type).bytes : 0; }

std::optional<uint64_t> stored_bytes(StoredType type, const std::vector<int64_t>& shape) {
  const auto [name, block_bytes, block] = entry(type);
  if (block > 1 && (shape.empty() || shape.back() % block != 0)) return std::nullopt;
  uint64_t bytes = block_bytes;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t axis = i + 1 == shape.size() ? shape[i] / block : shape[i];
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(axis), &bytes)) return std::nullopt;
  }
  return bytes;
}

std::optional<StoredType> stored_type(std::string_view name) {
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].name == name) return static_cast<StoredType>(i);
  }
  return std::nullopt;
}

}  // namespace afterimage
