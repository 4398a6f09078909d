#include <cstring>

#include "cpu/kernels.h"
#include "cpu/packed_matrix.h"
#include "cpu/thread_pool.h"
#include "weights/number_formats.h"

namespace afterimage {
namespace {

uint16_t read_u16(const std::byte* p) {
  uint16_t value;
  std::memcpy(&value, p, 2);
  return value;
}

// Whether groups of columns fit blocks of 64: several whole groups in a block, or whole blocks in a group.
bool group_fits(int64_t group) { return group == 16 || group == 32 || (group > 0 && group % kBlockColumns == 0); }

CodeValue float_value(FloatForm floats, CodeValue stored) {
  if (floats == FloatForm::pairs) return CodeValue::pairs;
  if (floats == FloatForm::bytes) return CodeValue::bytes;
  return floats == FloatForm::bf16 ? CodeValue::bf16 : stored;
}

CodeValue code_value_of(const WeightSource& s, FloatForm floats) {
  switch (s.format) {
    case WeightFormat::f32:
      return float_value(floats, CodeValue::f32);
    case WeightFormat::f16:
      return float_value(floats, CodeValue::f16);
    case WeightFormat::bf16:
      return float_value(floats, CodeValue::bf16);
    case WeightFormat::affine:
    case WeightFormat::int4_symmetric:
      return group_fits(s.group) ? CodeValue::affine : CodeValue::f32;
    case WeightFormat::mxfp4:
    case WeightFormat::nvfp4:
      return group_fits(s.group) ? CodeValue::e2m1 : CodeValue::f32;
    case WeightFormat::mxfp8:
      return group_fits(s.group) ? CodeValue::e4m3 : CodeValue::f32;
    case WeightFormat::fp8_block:
      return group_fits(s.block[1]) ? CodeValue::e4m3 : CodeValue::f32;
  }
  return CodeValue::f32;
}

int bits_of(const WeightSource& s) {
  if (s.format == WeightFormat::affine) return s.bits;
  return s.format == WeightFormat::mxfp8 || s.format == WeightFormat::fp8_block ? 8 : 4;
}

PackedMatrix plan(const WeightSource& s, FloatForm floats) {
  PackedMatrix m;
  m.value = code_value_of(s, floats);
  m.experts = s.experts;
  m.rows = s.rows;
  m.columns = s.columns;
  m.panels = (s.rows + kPanelRows - 1) / kPanelRows;
  m.blocks = (s.columns + kBlockColumns - 1) / kBlockColumns;
  if (m.value == CodeValue::f32)
    m.kind = CodeKind::full;
  else if (m.value == CodeValue::f16 || m.value == CodeValue::bf16)
    m.kind = CodeKind::half;
  else if (m.value == CodeValue::pairs)
    m.kind = CodeKind::pairs;
  else if (m.value == CodeValue::bytes)
    m.kind = CodeKind::byte;
  else
    m.kind = bits_of(s) <= 4 ? CodeKind::nibble : CodeKind::byte;
  const size_t cells = size_t{kPanelRows} * kBlockColumns;
  m.code_bytes = m.kind == CodeKind::nibble ? cells / 2
                 : m.kind == CodeKind::byte ? cells
                 : m.kind == CodeKind::full ? cells * 4
                                            : cells * 2;
  m.block_bytes = m.code_bytes;
  if (m.kind == CodeKind::pairs) {
    m.sets = 1;
    m.block_bytes += kPanelRows * sizeof(float);
  }
  if (m.value != CodeValue::bytes && (m.kind == CodeKind::nibble || m.kind == CodeKind::byte)) {
    const int64_t group = s.format == WeightFormat::fp8_block ? s.block[1] : s.group;
    m.sets = group >= kBlockColumns ? 1 : static_cast<int>(kBlockColumns / group);
    m.scale_type = s.scale_type == ScaleType::u8 ? ScaleType::bf16 : s.scale_type;
    m.biased = m.value == CodeValue::affine;
    m.block_bytes += static_cast<size_t>(m.sets * kPanelRows * m.scale_size()) * (m.biased ? 2 : 1);
  }
  return m;
}

// Codes are a little-endian bit stream per row. Columns past the end are 0.
void read_codes(const WeightSource& s, const std::byte* row, int64_t start, int count, uint8_t* out) {
  const int bits = bits_of(s);
  const auto* bytes = reinterpret_cast<const uint8_t*>(row);
  std::memset(out, 0, kBlockColumns);
  if (bits == 8) {
    std::memcpy(out, bytes + start, static_cast<size_t>(count));
    return;
  }
  for (int i = 0; i < count; ++i) {
    const int64_t at = (start + i) * bits;
    unsigned word = bytes[at >> 3];
    if ((at & 7) + bits > 8) word |= unsigned{bytes[(at >> 3) + 1]} << 8;
    out[i] = static_cast<uint8_t>((word >> (at & 7)) & ((1u << bits) - 1u));
  }
}

// Four nibbles to the low halves of four bytes.
uint32_t spread(uint32_t nibbles) {
  nibbles = (nibbles | (nibbles << 8)) & 0x00ff00ffu;
  return (nibbles | (nibbles << 4)) & 0x0f0f0f0fu;
}

void put_word(uint8_t* to, uint32_t word) { std::memcpy(to, &word, 4); }

// 64 codes of one output into its places.
void put_codes(const PackedMatrix& m, uint8_t* block, int output, const uint8_t* codes) {
  uint32_t quads[16];
  std::memcpy(quads, codes, sizeof quads);
  if (m.kind == CodeKind::byte)
    for (int quad = 0; quad < 16; ++quad) put_word(block + quad * 256 + output * 4, quads[quad]);
  else
    for (int pair = 0; pair < 8; ++pair)
      put_word(block + pair * 256 + output * 4, quads[2 * pair] | (quads[2 * pair + 1] << 4));
}

// 64 stored nibbles (32 bytes) straight into their places.
void put_nibbles(uint8_t* block, int output, const std::byte* stored) {
  for (int pair = 0; pair < 8; ++pair) {
    uint32_t word;
    std::memcpy(&word, stored + pair * 4, 4);
    put_word(block + pair * 256 + output * 4, spread(word & 0xffffu) | (spread(word >> 16) << 4));
  }
}

const std::byte* scale_row(const WeightSource& s, const std::byte* base, int64_t expert, int64_t row) {
  int64_t scale_rows = s.rows;
  if (s.format == WeightFormat::fp8_block) {
    scale_rows = (s.rows + s.block[0] - 1) / s.block[0];
    row /= s.block[0];
  }
  return base + static_cast<size_t>(expert * scale_rows + row) * s.scale_row_bytes;
}

// One scale or bias in the panel's scale type; u8 scales are E8M0, or E4M3 for nvfp4.
void copy_scale(const WeightSource& s, const std::byte* row, int64_t index, uint8_t* out) {
  if (s.scale_type == ScaleType::f32) {
    std::memcpy(out, row + index * 4, 4);
  } else if (s.scale_type != ScaleType::u8) {
    std::memcpy(out, row + index * 2, 2);
  } else {
    const auto code = static_cast<uint8_t>(row[index]);
    const uint16_t bits = float_to_bf16(s.format == WeightFormat::nvfp4 ? e4m3_to_float(code) : e8m0_to_float(code));
    std::memcpy(out, &bits, 2);
  }
}

// −8·scale, which is exact in every scale type: w = scale·(q − 8).
void symmetric_bias(ScaleType type, const uint8_t* scale, uint8_t* out) {
  if (type == ScaleType::f32) {
    float value;
    std::memcpy(&value, scale, 4);
    value *= -8.0f;
    std::memcpy(out, &value, 4);
    return;
  }
  uint16_t bits;
  std::memcpy(&bits, scale, 2);
  bits = type == ScaleType::f16 ? float_to_f16(-8.0f * f16_to_float(bits)) : float_to_bf16(-8.0f * bf16_to_float(bits));
  std::memcpy(out, &bits, 2);
}

void pack_scales(const WeightSource& s, PackedMatrix& m, uint8_t* block, int64_t expert, int64_t row, int64_t index,
                 int output) {
  const int64_t group = s.format == WeightFormat::fp8_block ? s.block[1] : s.group;
  const std::byte* scales = scale_row(s, s.scales, expert, row);
  const size_t size = static_cast<size_t>(m.scale_size()), half = static_cast<size_t>(m.sets * kPanelRows) * size;
  for (int set = 0; set < m.sets; ++set) {
    const int64_t column = index * kBlockColumns + set * (kBlockColumns / m.sets);
    if (column >= m.columns) break;
    uint8_t* to = block + m.code_bytes + static_cast<size_t>(set * kPanelRows + output) * size;
    copy_scale(s, scales, column / group, to);
    if (!m.biased) continue;
    if (s.format == WeightFormat::int4_symmetric)
      symmetric_bias(m.scale_type, to, to + half);
    else
      copy_scale(s, scale_row(s, s.biases, expert, row), column / group, to + half);
  }
}

// 64 inputs of one output. `count` of them exist.
void pack_codes(const WeightSource& s, PackedMatrix& m, int64_t expert, int64_t row, int64_t index, int count) {
  const std::byte* data = s.data + static_cast<size_t>(expert * s.rows + row) * s.row_bytes;
  uint8_t* block = m.block(expert, row / kPanelRows, index);
  const int output = static_cast<int>(row % kPanelRows);
  if (bits_of(s) == 4 && count == kBlockColumns) {
    put_nibbles(block, output, data + index * (kBlockColumns / 2));
  } else {
    uint8_t codes[kBlockColumns];
    read_codes(s, data, index * kBlockColumns, count, codes);
    put_codes(m, block, output, codes);
  }
  pack_scales(s, m, block, expert, row, index, output);
}

// Element `at` of a stored float row in the 16-bit form of the panel.
uint16_t half_at(const WeightSource& s, const PackedMatrix& m, const std::byte* row, int64_t at) {
  if (s.format == WeightFormat::f32) {
    float value;
    std::memcpy(&value, row + at * 4, 4);
    return float_to_bf16(value);
  }
  const uint16_t bits = read_u16(row + at * 2);
  return s.format == WeightFormat::f16 && m.value == CodeValue::bf16 ? float_to_bf16(f16_to_float(bits)) : bits;
}

void pack_halves(const WeightSource& s, PackedMatrix& m, int64_t expert, int64_t row, int64_t index, int count) {
  const std::byte* data = s.data + static_cast<size_t>(expert * s.rows + row) * s.row_bytes;
  uint8_t* to = m.block(expert, row / kPanelRows, index) + row % kPanelRows * 4;
  const bool as_stored =
      (s.format == WeightFormat::bf16) == (m.value == CodeValue::bf16) && s.format != WeightFormat::f32;
  if (as_stored && count == kBlockColumns) {
    uint32_t pairs[kBlockColumns / 2];
    std::memcpy(pairs, data + index * kBlockColumns * 2, sizeof pairs);
    for (int k = 0; k < kBlockColumns / 2; ++k) put_word(to + k * kPanelRows * 4, pairs[k]);
    return;
  }
  for (int k = 0; k < count; k += 2, to += kPanelRows * 4) {
    const int64_t column = index * kBlockColumns + k;
    const uint32_t first = half_at(s, m, data, column), second = k + 1 < count ? half_at(s, m, data, column + 1) : 0u;
    put_word(to, first | (second << 16));
  }
}

void pack_full(uint8_t* block, int output, const float* values, int count) {
  for (int k = 0; k < count; ++k) std::memcpy(block + (k * kPanelRows + output) * 4, values + k, 4);
}

void pack_pairs(const KernelTable& kernels, const PackedMatrix& m, uint8_t* block, int output, const float* values,
                int count) {
  int16_t pairs[kBlockColumns];
  const float scale = kernels.weights_to_pairs(values, count, pairs);
  std::memcpy(block + m.code_bytes + output * 4, &scale, 4);
  for (int k = 0; k < count; k += 2) std::memcpy(block + (k / 2 * kPanelRows + output) * 4, pairs + k, 4);
}

// As pack_pairs, of a bf16 source.
void pack_bf16_pairs(const KernelTable& kernels, const WeightSource& s, PackedMatrix& m, int64_t expert, int64_t row,
                     int64_t index, int count) {
  const std::byte* data = s.data + static_cast<size_t>(expert * s.rows + row) * s.row_bytes;
  uint16_t stored[kBlockColumns];  // aligned
  float values[kBlockColumns];
  std::memcpy(stored, data + index * kBlockColumns * 2, static_cast<size_t>(count) * 2);
  kernels.widen_bf16(stored, count, values);
  pack_pairs(kernels, m, m.block(expert, row / kPanelRows, index), static_cast<int>(row % kPanelRows), values, count);
}

bool reads_rows_in_f32(const WeightSource& s, const PackedMatrix& m) {
  return m.kind == CodeKind::full || m.value == CodeValue::bytes ||
         (m.kind == CodeKind::pairs && s.format != WeightFormat::bf16);
}

// `rows`: the panel's outputs as rows of bytes, in the place of codes and scales.
void pack_bytes(PackedMatrix& m, int64_t expert, int64_t panel, int outputs, const uint8_t* rows, int64_t stride) {
  const int64_t padded = m.blocks * kBlockColumns;
  float* scales = m.scales.data() + (expert * m.panels + panel) * kPanelRows;
  for (int o = 0; o < outputs; ++o) scales[o] = tail_of(rows + o * stride, padded).scale;
  for (int64_t b = 0; b < m.blocks; ++b) {
    uint8_t* block = m.block(expert, panel, b);
    for (int o = 0; o < outputs; ++o) {
      uint32_t quads[kBlockColumns / 4];
      std::memcpy(quads, rows + o * stride + b * kBlockColumns, sizeof quads);
      for (int quad = 0; quad < kBlockColumns / 4; ++quad)
        put_word(block + (quad * kPanelRows + o) * 4, quads[quad] ^ 0x80808080u);
    }
  }
}

// Blocks are the outer loop: one stays in the first-level cache while its 64 outputs are written. `values`: the rows in
// f32, where reads_rows_in_f32().
void pack_panel(const KernelTable& kernels, const WeightSource& s, PackedMatrix& m, int64_t expert, int64_t first,
                int64_t last, const float* values) {
  for (int64_t b = 0; b < m.blocks; ++b) {
    const int64_t left = m.columns - b * kBlockColumns;
    const int count = left < kBlockColumns ? static_cast<int>(left) : kBlockColumns;
    uint8_t* block = m.block(expert, first / kPanelRows, b);
    for (int64_t row = first; row < last; ++row) {
      const auto output = static_cast<int>(row % kPanelRows);
      const int64_t from = output * m.columns + b * kBlockColumns;
      if (m.kind == CodeKind::full)
        pack_full(block, output, values + from, count);
      else if (m.kind == CodeKind::pairs && values)
        pack_pairs(kernels, m, block, output, values + from, count);
      else if (m.kind == CodeKind::pairs)
        pack_bf16_pairs(kernels, s, m, expert, row, b, count);
      else if (m.kind == CodeKind::half)
        pack_halves(s, m, expert, row, b, count);
      else
        pack_codes(s, m, expert, row, b, count);
    }
  }
}

size_t bytes_of(const PackedMatrix& m) { return static_cast<size_t>(m.experts * m.panels * m.blocks) * m.block_bytes; }
size_t scales_of(const PackedMatrix& m) {
  return m.value == CodeValue::bytes ? static_cast<size_t>(m.experts * m.panels * kPanelRows) : 0;
}

}  // namespace

size_t packed_bytes(const WeightSource& described, FloatForm floats) {
  const PackedMatrix m = plan(described, floats);
  return bytes_of(m) + scales_of(m) * sizeof(float);
}

PackedMatrix pack_matrix(const WeightSource& source, FloatForm floats, const KernelTable& kernels, ThreadPool& threads,
                         PagePool& pages) {
  PackedMatrix m = plan(source, floats);
  m.bytes = pages.take(bytes_of(m));
  m.scales.resize(scales_of(m));
  const size_t widened = reads_rows_in_f32(source, m) ? static_cast<size_t>(m.columns) : 0;
  const size_t byte_row = m.scales.empty() ? 0 : byte_row_size(m.blocks * kBlockColumns);
  AlignedBytes rows(static_cast<size_t>(threads.threads()) * kPanelRows * widened * 4);
  AlignedBytes byte_rows(static_cast<size_t>(threads.threads()) * kPanelRows * byte_row);
  threads.for_each(m.experts * m.panels, [&](int64_t task, int thread) {
    const int64_t expert = task / m.panels, first = task % m.panels * kPanelRows;
    const int64_t last = first + kPanelRows < m.rows ? first + kPanelRows : m.rows;
    float* values =
        widened ? reinterpret_cast<float*>(rows.data()) + static_cast<size_t>(thread) * kPanelRows * widened : nullptr;
    for (int64_t row = first; values && row < last; ++row)
      dequantize_row(source, expert, row, values + (row - first) * m.columns);
    if (byte_row == 0) return pack_panel(kernels, source, m, expert, first, last, values);
    uint8_t* bytes = byte_rows.data() + static_cast<size_t>(thread) * kPanelRows * byte_row;
    for (int64_t row = 0; row < last - first; ++row)
      kernels.row_to_bytes(values + row * m.columns, m.columns, m.blocks * kBlockColumns,
                           bytes + static_cast<size_t>(row) * byte_row);
    pack_bytes(m, expert, first / kPanelRows, static_cast<int>(last - first), bytes, static_cast<int64_t>(byte_row));
  });
  return m;
}

namespace {

float scale_at(const PackedMatrix& m, const uint8_t* at) {
  if (m.scale_type == ScaleType::f32) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return m.scale_type == ScaleType::f16 ? f16_to_float(bits) : bf16_to_float(bits);
}

void unpack_coded(const PackedMatrix& m, const uint8_t* block, int output, int count, float* out) {
  const size_t size = static_cast<size_t>(m.scale_size()), half = static_cast<size_t>(m.sets * kPanelRows) * size;
  for (int k = 0; k < count; ++k) {
    const int quad = k / 4, set = k * m.sets / kBlockColumns;
    uint8_t code;
    if (m.kind == CodeKind::nibble) {
      code = block[(quad / 2) * 256 + output * 4 + k % 4];
      code = quad & 1 ? code >> 4 : code & 15;
    } else {
      code = block[quad * 256 + output * 4 + k % 4];
    }
    const uint8_t* at = block + m.code_bytes + static_cast<size_t>(set * kPanelRows + output) * size;
    const float scale = scale_at(m, at);
    if (m.value == CodeValue::affine)
      out[k] = scale * static_cast<float>(code) + scale_at(m, at + half);
    else
      out[k] = scale * (m.value == CodeValue::e2m1 ? e2m1_to_float(code) : e4m3_to_float(code));
  }
}

}  // namespace

void unpack_row(const PackedMatrix& m, int64_t row, float* out) {
  const int output = static_cast<int>(row % kPanelRows);
  for (int64_t b = 0; b < m.blocks; ++b) {
    const uint8_t* block = m.block(0, row / kPanelRows, b);
    float* to = out + b * kBlockColumns;
    const int64_t left = m.columns - b * kBlockColumns;
    const int count = left < kBlockColumns ? static_cast<int>(left) : kBlockColumns;
    if (m.kind == CodeKind::nibble || m.kind == CodeKind::byte) {
      unpack_coded(m, block, output, count, to);
      continue;
    }
    for (int k = 0; k < count; ++k) {
      if (m.kind == CodeKind::full) {
        std::memcpy(to + k, block + (k * kPanelRows + output) * 4, 4);
      } else {
        uint16_t bits;
        std::memcpy(&bits, block + ((k / 2) * kPanelRows + output) * 4 + (k & 1) * 2, 2);
        to[k] = m.value == CodeValue::f16 ? f16_to_float(bits) : bf16_to_float(bits);
      }
    }
  }
}

}  // namespace afterimage
