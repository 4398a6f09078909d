// What the foreign forms are written with: tensors of known type and shape, and numbers inside them.
#pragma once
#include <cstring>
#include <initializer_list>

#include "weights/foreign_form.h"
#include "weights/number_formats.h"

namespace afterimage {

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The longest group that kernels read as one: whole blocks of 64 columns.
inline int64_t whole_row(int64_t columns) { return divide_up(columns, 64) * 64; }

[[noreturn]] void refuse(const StoredTensor& tensor, const std::string& what);

// The tensor of that name; throws INVALID_CHECKPOINT unless it has one of the types and, where given, the shape.
const StoredTensor& tensor_of(const Checkpoint& checkpoint, const std::string& name,
                              std::initializer_list<StoredType> types);
void require_shape(const StoredTensor& tensor, std::initializer_list<int64_t> shape);

inline constexpr std::initializer_list<StoredType> kFloats = {StoredType::F32, StoredType::F16, StoredType::BF16};

inline uint32_t word_at(const std::byte* data, int64_t index) {
  uint32_t word;
  std::memcpy(&word, data + index * 4, 4);
  return word;
}

inline float float_at(const StoredTensor& tensor, int64_t index) {
  if (tensor.dtype == StoredType::F32) return float_of_bits(word_at(tensor.data, index));
  uint16_t half;
  std::memcpy(&half, tensor.data + index * 2, 2);
  return tensor.dtype == StoredType::F16 ? f16_to_float(half) : bf16_to_float(half);
}

// `bits` bits from bit `first` on, of little-endian words that lie `stride` words apart.
inline uint32_t field(const std::byte* words, int64_t stride, int64_t first, int bits) {
  const int64_t word = first / 32;
  const int shift = static_cast<int>(first % 32);
  uint64_t window = word_at(words, word * stride);
  if (shift + bits > 32) window |= uint64_t{word_at(words, (word + 1) * stride)} << 32;
  return static_cast<uint32_t>(window >> shift) & ((1u << bits) - 1u);
}

// One value of a row in a float format.
inline void put_float(std::byte* row, int64_t column, WeightFormat format, float value) {
  if (format == WeightFormat::f32) {
    std::memcpy(row + column * 4, &value, 4);
    return;
  }
  const uint16_t half = format == WeightFormat::f16 ? float_to_f16(value) : float_to_bf16(value);
  std::memcpy(row + column * 2, &half, 2);
}

// One code of a row of zeros.
inline void put_code(std::byte* row, int64_t column, int bits, uint32_t code) {
  if (bits == 8)
    row[column] = static_cast<std::byte>(code);
  else
    row[column / 2] |= static_cast<std::byte>(code << (column % 2 * 4));
}

inline WeightFormat float_format_of(StoredType type) {
  return type == StoredType::F32 ? WeightFormat::f32 : type == StoredType::F16 ? WeightFormat::f16 : WeightFormat::bf16;
}

// Each in the file of its makers.
std::unique_ptr<ForeignForm> grouped_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);
std::unique_ptr<ForeignForm> codebook_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);
std::unique_ptr<ForeignForm> gguf_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);
std::unique_ptr<ForeignForm> turned_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);
std::unique_ptr<ForeignForm> scaled_nvfp4_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part);

}  // namespace afterimage
