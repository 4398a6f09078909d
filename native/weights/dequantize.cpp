// The reference reading of every weight format, one row at a time. Products and sums are rounded separately.
#include <cstring>

#include "weights/number_formats.h"
#include "weights/weight_source.h"

namespace afterimage {
namespace {

template <class T>
T load(const std::byte* p, int64_t index = 0) {
  T value;
  std::memcpy(&value, p + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

uint8_t byte_at(const std::byte* p, int64_t index) { return std::to_integer<uint8_t>(p[index]); }

uint8_t nibble_at(const std::byte* p, int64_t index) { return byte_at(p, index / 2) >> (index % 2 * 4) & 15; }

float float_at(const std::byte* p, ScaleType type, int64_t index) {
  switch (type) {
    case ScaleType::f32:
      return load<float>(p, index);
    case ScaleType::f16:
      return f16_to_float(load<uint16_t>(p, index));
    case ScaleType::bf16:
      return bf16_to_float(load<uint16_t>(p, index));
    case ScaleType::u8:
      return 0;
  }
  return 0;
}

// Element `index` of a little-endian bit stream. `row_bytes` bounds the second byte of an element that ends the row.
uint32_t bits_at(const std::byte* p, int64_t index, int bits, size_t row_bytes) {
  const size_t first = static_cast<size_t>(index) * bits, byte = first / 8;
  uint32_t window = byte_at(p, byte);
  if (byte + 1 < row_bytes) window |= uint32_t{byte_at(p, byte + 1)} << 8;
  return window >> first % 8 & ((1u << bits) - 1);
}

}  // namespace

void dequantize_row(const WeightSource& source, int64_t expert, int64_t row, float* out) {
  const int64_t columns = source.columns, group = source.group;
  const std::byte* data = source.data + static_cast<size_t>(expert * source.rows + row) * source.row_bytes;
  // Most of a vision encoder: a loop without a choice, so that it vectorises.
  if (source.format == WeightFormat::bf16) {
    for (int64_t c = 0; c < columns; ++c) out[c] = bf16_to_float(load<uint16_t>(data, c));
    return;
  }
  const bool tiled = source.format == WeightFormat::fp8_block;
  const int64_t scale_rows = tiled ? (source.rows + source.block[0] - 1) / source.block[0] : source.rows;
  const int64_t scale_row = expert * scale_rows + (tiled ? row / source.block[0] : row);
  const size_t scale_offset = static_cast<size_t>(scale_row) * source.scale_row_bytes;
  const std::byte* scales = source.scales ? source.scales + scale_offset : nullptr;
  const std::byte* biases = source.biases ? source.biases + scale_offset : nullptr;
  const auto scale = [&](int64_t index) { return float_at(scales, source.scale_type, index); };
  for (int64_t c = 0; c < columns; ++c) {
    switch (source.format) {
      case WeightFormat::f32:
        out[c] = load<float>(data, c);
        break;
      case WeightFormat::f16:
        out[c] = f16_to_float(load<uint16_t>(data, c));
        break;
      case WeightFormat::bf16:  // above
        break;
      case WeightFormat::affine: {
        const float q = static_cast<float>(bits_at(data, c, source.bits, source.row_bytes));
        out[c] = scale(c / group) * q + float_at(biases, source.scale_type, c / group);
        break;
      }
      case WeightFormat::mxfp4:
        out[c] = e2m1_to_float(nibble_at(data, c)) * e8m0_to_float(byte_at(scales, c / group));
        break;
      case WeightFormat::mxfp8:
        out[c] = e4m3_to_float(byte_at(data, c)) * e8m0_to_float(byte_at(scales, c / group));
        break;
      case WeightFormat::nvfp4:
        out[c] = e2m1_to_float(nibble_at(data, c)) *
                 (source.scale_type == ScaleType::u8 ? e4m3_to_float(byte_at(scales, c / group)) : scale(c / group));
        break;
      case WeightFormat::fp8_block:
        out[c] = e4m3_to_float(byte_at(data, c)) * scale(c / source.block[1]);
        break;
      case WeightFormat::int4_symmetric:
        out[c] = scale(c / group) * (static_cast<float>(nibble_at(data, c)) - 8);
        break;
    }
  }
}

}  // namespace afterimage
