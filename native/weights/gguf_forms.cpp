// Blocks of GGUF, whose scales lie between the codes (llama.cpp, ggml-common.h). With d, m and the like in f16, and s,
// t whole numbers of a group inside a block:
//   32 values: Q4_0 d·(q − 8) · Q4_1 d·q + m · Q5_0 d·(q − 16) · Q5_1 d·q + m · Q8_0 d·q, q in I8
//   256 values: Q4_K, Q5_K d·s·q − m·t in groups of 32 · Q2_K the same in groups of 16 · Q3_K d·(s − 32)·(q − 4) and
//   Q6_K d·s·(q − 32) in groups of 16
// All are w = scale·q + bias, exactly: what is a multiple of f16 by a power of two stays in f16, products are f32.
// Rows may be stored in another order than they are read: the recipe's permutation of the axes before the last.
#include "weights/foreign_parts.h"
#include "weights/stored_array.h"
#include "weights/stored_type.h"

namespace afterimage {
namespace {

constexpr int kMostValues = 256, kMostGroups = 16;

// A block as codes of one byte, and scale and bias of each of its groups.
struct Block {
  uint8_t codes[kMostValues];
  float scales[kMostGroups], biases[kMostGroups];
};

struct BlockKind {
  StoredType type;
  int values, bytes, group, bits;
  ScaleType scales;
  void (*read)(const uint8_t* bytes, Block& to);
};

float half(const uint8_t* bytes) { return f16_to_float(static_cast<uint16_t>(bytes[0] | bytes[1] << 8)); }

// Low halves of 16 bytes, then high ones.
void nibbles(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = bytes[i] & 15;
    codes[i + 16] = bytes[i] >> 4;
  }
}

void fifth_bits(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 32; ++i) codes[i] |= static_cast<uint8_t>((bytes[i / 8] >> (i % 8) & 1) << 4);
}

void q4_0(const uint8_t* b, Block& to) {
  nibbles(b + 2, to.codes);
  to.scales[0] = half(b), to.biases[0] = -8 * half(b);
}

void q4_1(const uint8_t* b, Block& to) {
  nibbles(b + 4, to.codes);
  to.scales[0] = half(b), to.biases[0] = half(b + 2);
}

void q5_0(const uint8_t* b, Block& to) {
  nibbles(b + 6, to.codes);
  fifth_bits(b + 2, to.codes);
  to.scales[0] = half(b), to.biases[0] = -16 * half(b);
}

void q5_1(const uint8_t* b, Block& to) {
  nibbles(b + 8, to.codes);
  fifth_bits(b + 4, to.codes);
  to.scales[0] = half(b), to.biases[0] = half(b + 2);
}

void q8_0(const uint8_t* b, Block& to) {
  for (int i = 0; i < 32; ++i) to.codes[i] = b[2 + i] ^ 0x80u;
  to.scales[0] = half(b), to.biases[0] = -128 * half(b);
}

// Eight pairs of 6-bit numbers in 12 bytes: the upper bits of the first eight bytes belong to the last four pairs.
void scale_and_min(const uint8_t* packed, int group, int& scale, int& least) {
  if (group < 4) {
    scale = packed[group] & 63;
    least = packed[group + 4] & 63;
    return;
  }
  scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
  least = packed[group + 4] >> 4 | (packed[group] >> 6) << 4;
}

void k_scales(const uint8_t* b, Block& to) {
  const float d = half(b), least = half(b + 2);
  for (int group = 0; group < 8; ++group) {
    int scale, offset;
    scale_and_min(b + 4, group, scale, offset);
    to.scales[group] = d * static_cast<float>(scale);
    to.biases[group] = -(least * static_cast<float>(offset));
  }
}

// Groups 2i and 2i + 1 are the halves of the same 32 bytes.
void k_nibbles(const uint8_t* bytes, uint8_t* codes) {
  for (int pair = 0; pair < 4; ++pair)
    for (int i = 0; i < 32; ++i) {
      codes[pair * 64 + i] = bytes[pair * 32 + i] & 15;
      codes[pair * 64 + 32 + i] = bytes[pair * 32 + i] >> 4;
    }
}

void q4_k(const uint8_t* b, Block& to) {
  k_scales(b, to);
  k_nibbles(b + 16, to.codes);
}

void q5_k(const uint8_t* b, Block& to) {
  k_scales(b, to);
  k_nibbles(b + 48, to.codes);
  for (int group = 0; group < 8; ++group)
    for (int i = 0; i < 32; ++i) to.codes[group * 32 + i] |= static_cast<uint8_t>((b[16 + i] >> group & 1) << 4);
}

// Two bits of the same 32 bytes for each of four groups of 32, twice.
uint8_t crumb(const uint8_t* bytes, int value) {
  return bytes[value / 128 * 32 + value % 32] >> (value % 128 / 32 * 2) & 3;
}

void q2_k(const uint8_t* b, Block& to) {
  const float d = half(b + 80), least = half(b + 82);
  for (int i = 0; i < 256; ++i) to.codes[i] = crumb(b + 16, i);
  for (int group = 0; group < 16; ++group) {
    to.scales[group] = d * static_cast<float>(b[group] & 15);
    to.biases[group] = -(least * static_cast<float>(b[group] >> 4));
  }
}

// 16 numbers of 6 bits: low halves in eight bytes, upper two bits in the four behind them.
int q3_scale(const uint8_t* packed, int group) {
  const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
  return low | (packed[8 + group % 4] >> (group / 4 * 2) & 3) << 4;
}

void q3_k(const uint8_t* b, Block& to) {
  const float d = half(b + 108);
  for (int i = 0; i < 256; ++i) to.codes[i] = static_cast<uint8_t>(crumb(b + 32, i) | (b[i % 32] >> (i / 32) & 1) << 2);
  for (int group = 0; group < 16; ++group) {
    to.scales[group] = d * static_cast<float>(q3_scale(b + 96, group) - 32);
    to.biases[group] = -4 * to.scales[group];
  }
}

void q6_k(const uint8_t* b, Block& to) {
  const uint8_t *low = b, *high = b + 128, *scales = b + 192;
  const float d = half(b + 208);
  for (int i = 0; i < 256; ++i) {
    const int part = i / 128, within = i % 128;
    const uint8_t pair = low[part * 64 + within % 64];
    to.codes[i] = static_cast<uint8_t>((within < 64 ? pair & 15 : pair >> 4) | crumb(high, i) << 4);
  }
  for (int group = 0; group < 16; ++group) {
    to.scales[group] = d * static_cast<float>(static_cast<int8_t>(scales[group]));
    to.biases[group] = -32 * to.scales[group];
  }
}

constexpr BlockKind kKinds[] = {
    {StoredType::Q4_0, 32, 18, 32, 4, ScaleType::f16, q4_0},
    {StoredType::Q4_1, 32, 20, 32, 4, ScaleType::f16, q4_1},
    {StoredType::Q5_0, 32, 22, 32, 8, ScaleType::f16, q5_0},
    {StoredType::Q5_1, 32, 24, 32, 8, ScaleType::f16, q5_1},
    {StoredType::Q8_0, 32, 34, 32, 8, ScaleType::f16, q8_0},
    {StoredType::Q2_K, 256, 84, 16, 4, ScaleType::f32, q2_k},
    {StoredType::Q3_K, 256, 110, 16, 4, ScaleType::f32, q3_k},
    {StoredType::Q4_K, 256, 144, 32, 4, ScaleType::f32, q4_k},
    {StoredType::Q5_K, 256, 176, 32, 8, ScaleType::f32, q5_k},
    {StoredType::Q6_K, 256, 210, 16, 8, ScaleType::f32, q6_k},
};

struct GgufForm final : ForeignForm {
  const StoredTensor* tensor = nullptr;
  const BlockKind* kind = nullptr;
  std::vector<int32_t> order;  // row of the file for each row; empty: as they lie

  void read(std::byte* data, float* scales, float* biases) const override {
    const int64_t blocks = columns / kind->values, stored = blocks * kind->bytes;
    const int per_block = kind->values / kind->group;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t from = order.empty() ? row : order[static_cast<size_t>(row)];
      const auto* bytes = reinterpret_cast<const uint8_t*>(tensor->data) + from * stored;
      std::byte* to = data + static_cast<size_t>(row) * row_bytes();
      for (int64_t b = 0; b < blocks; ++b) {
        Block block;
        kind->read(bytes + b * kind->bytes, block);
        put_codes(to + b * kind->values * as.bits / 8, block.codes);
        for (int group = 0; group < per_block; ++group) {
          const int64_t at = (row * blocks + b) * per_block + group;
          scales[at] = block.scales[group];
          biases[at] = block.biases[group];
        }
      }
    }
  }

  void put_codes(std::byte* to, const uint8_t* codes) const {
    if (as.bits == 8) {
      std::memcpy(to, codes, static_cast<size_t>(kind->values));
      return;
    }
    for (int i = 0; i < kind->values; i += 2) to[i / 2] = static_cast<std::byte>(codes[i] | codes[i + 1] << 4);
  }
};

// Row indices in the order in which the permuted axes are read.
std::vector<int32_t> row_order(const StoredTensor& tensor, const std::vector<int32_t>& axes, int64_t rows) {
  if (axes.size() != tensor.shape.size() || axes.back() != static_cast<int32_t>(axes.size()) - 1)
    refuse(tensor, "of " + std::to_string(tensor.shape.size()) + " axes is quantized; only its rows can change places");
  std::vector<int32_t> stored(static_cast<size_t>(rows));
  for (size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<int32_t>(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(stored.data());
  std::vector<int64_t> shape = tensor.shape;
  shape.back() = 1;
  OwnedBytes owned;
  const StoredArray read = permuted({StoredType::I32, shape, bytes, stored.size() * 4}, axes, owned);
  std::vector<int32_t> order(stored.size());
  std::memcpy(order.data(), read.data, stored.size() * 4);
  return order;
}

}  // namespace

std::unique_ptr<ForeignForm> gguf_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  const StoredTensor& tensor = checkpoint.tensor(recipe.tensors[part]);
  auto form = std::make_unique<GgufForm>();
  for (const BlockKind& kind : kKinds)
    if (kind.type == tensor.dtype) form->kind = &kind;
  if (!form->kind) refuse(tensor, "holds " + std::string(stored_type_name(tensor.dtype)) + ", which are no blocks");
  form->tensor = &tensor;
  form->columns = recipe.shape.back();
  if (tensor.shape.size() < 2 || tensor.shape.back() != form->columns)
    refuse(tensor, "has other rows than the " + std::to_string(form->columns) + " values that are expected");
  form->rows = 1;
  for (size_t axis = 0; axis + 1 < tensor.shape.size(); ++axis) form->rows *= tensor.shape[axis];
  form->as = {WeightFormat::affine, form->kind->bits, form->kind->group, form->kind->scales};
  if (!recipe.permute.empty()) form->order = row_order(tensor, recipe.permute, form->rows);
  return form;
}

}  // namespace afterimage
