// Whole-number codes with one scale and one zero per group of columns: w = scale · (q − zero).
//   gptq       codes [⌈columns·bits/32⌉][rows] words, zeros − 1 [groups][⌈rows·bits/32⌉], scales [groups][rows];
//   gptq_v2
//              stores the zeros themselves. https://arxiv.org/abs/2210.17323, layout of AutoGPTQ and GPTQModel
//   awq        codes [columns][rows/8], zeros [groups][rows/8], nibbles in the order below, scales [groups][rows].
//              https://arxiv.org/abs/2306.00978, its "gemm" layout
//   packed_int compressed-tensors: codes [rows][⌈columns·bits/32⌉], scales [rows][groups], zeros (half the range where
//              absent) [⌈rows·bits/32⌉][groups] of words or [rows][groups] of I8
//   int8       compressed-tensors: I8 [rows][columns], scales and zeros as above
//   bnb_int8   I8 [rows][columns], scales [rows], w = q · scale / 127. https://arxiv.org/abs/2208.07339
// Columns may belong to groups in any order (GPTQ's "act order"): those are decoded to the scales' float type.
#include "weights/foreign_parts.h"

namespace afterimage {
namespace {

constexpr int64_t kRowsAtOnce = 16;  // whose words share cache lines, where rows are not contiguous
// Nibble of output r % 8 in a word of AWQ.
constexpr int kAwqNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

struct Tensors {
  const StoredTensor* codes = nullptr;
  const StoredTensor* scales = nullptr;
  const StoredTensor* zeros = nullptr;
  int64_t rows = 0, groups = 0;
  int bits = 4;
};

// Where codes go: rows [first, last) of a matrix of zeros.
struct Target {
  std::byte* data;
  size_t row_bytes;
  int64_t columns, first, last;
  int bits;
  std::byte* row(int64_t index) const { return data + static_cast<size_t>(index) * row_bytes; }
};

template <class Layout>
void copy_one_by_one(const Layout& layout, const Target& to) {
  for (int64_t column = 0; column < to.columns; ++column)
    for (int64_t row = to.first; row < to.last; ++row) put_code(to.row(row), column, to.bits, layout.code(row, column));
}

struct Gptq {
  Tensors t;
  uint32_t one = 1;  // what was taken from the zeros
  // A word of 4- or 8-bit codes lies in a row as it lies in the file.
  void copy(const Target& to) const {
    if (t.bits != to.bits) return copy_one_by_one(*this, to);
    const auto words = static_cast<int64_t>(to.row_bytes / 4);
    for (int64_t word = 0; word < words; ++word)
      for (int64_t row = to.first; row < to.last; ++row)
        std::memcpy(to.row(row) + word * 4, t.codes->data + (word * t.rows + row) * 4, 4);
    for (int64_t column = words * 32 / to.bits; column < to.columns; ++column)
      for (int64_t row = to.first; row < to.last; ++row) put_code(to.row(row), column, to.bits, code(row, column));
  }
  uint32_t code(int64_t row, int64_t column) const {
    return field(t.codes->data + row * 4, t.rows, column * t.bits, t.bits);
  }
  int32_t zero(int64_t row, int64_t group) const {
    const int64_t words = divide_up(t.rows * t.bits, 32);
    const uint32_t stored = field(t.zeros->data + group * words * 4, 1, row * t.bits, t.bits);
    return static_cast<int32_t>((stored + one) & ((1u << t.bits) - 1u));
  }
  float scale(int64_t row, int64_t group) const { return float_at(*t.scales, group * t.rows + row); }
};

struct Awq {
  Tensors t;
  uint32_t nibble(const StoredTensor& tensor, int64_t line, int64_t row) const {
    return word_at(tensor.data, line * (t.rows / 8) + row / 8) >> (4 * kAwqNibble[row % 8]) & 15;
  }
  void copy(const Target& to) const {
    for (int64_t column = 0; column < to.columns; ++column)
      for (int64_t row = to.first; row < to.last; row += 8) {
        const uint32_t word = word_at(t.codes->data, column * (t.rows / 8) + row / 8);
        for (int64_t i = 0; i < 8; ++i) put_code(to.row(row + i), column, 4, word >> (4 * kAwqNibble[i]) & 15);
      }
  }
  uint32_t code(int64_t row, int64_t column) const { return nibble(*t.codes, column, row); }
  int32_t zero(int64_t row, int64_t group) const { return static_cast<int32_t>(nibble(*t.zeros, group, row)); }
  float scale(int64_t row, int64_t group) const { return float_at(*t.scales, group * t.rows + row); }
};

struct PackedInt {
  Tensors t;
  int64_t words = 0;  // of a row
  void copy(const Target& to) const {
    for (int64_t row = to.first; row < to.last; ++row)
      std::memcpy(to.row(row), t.codes->data + row * words * 4, to.row_bytes);
  }
  uint32_t code(int64_t row, int64_t column) const {
    return field(t.codes->data + row * words * 4, 1, column * t.bits, t.bits);
  }
  int32_t zero(int64_t row, int64_t group) const {
    const int32_t half = 1 << (t.bits - 1);
    if (!t.zeros) return half;
    if (t.zeros->dtype == StoredType::I8) return half + static_cast<int8_t>(t.zeros->data[row * t.groups + group]);
    return static_cast<int32_t>(field(t.zeros->data + group * 4, t.groups, row * t.bits, t.bits));
  }
  float scale(int64_t row, int64_t group) const { return float_at(*t.scales, row * t.groups + group); }
};

struct Int8 {
  Tensors t;
  int64_t columns = 0;
  float divisor = 1;
  void copy(const Target& to) const {
    for (int64_t row = to.first; row < to.last; ++row)
      for (int64_t column = 0; column < columns; ++column)
        to.row(row)[column] = t.codes->data[row * columns + column] ^ std::byte{0x80};
  }
  uint32_t code(int64_t row, int64_t column) const {
    return std::to_integer<uint32_t>(t.codes->data[row * columns + column]) ^ 0x80u;
  }
  int32_t zero(int64_t row, int64_t group) const {
    return 128 + (t.zeros ? static_cast<int8_t>(t.zeros->data[row * t.groups + group]) : 0);
  }
  float scale(int64_t row, int64_t group) const { return float_at(*t.scales, row * t.groups + group) / divisor; }
};

template <class Layout>
struct GroupedForm final : ForeignForm {
  Layout layout;
  const StoredTensor* order = nullptr;  // I32 [columns]: the group of each; null where that is column / group

  void read(std::byte* data, float* scales, float* biases) const override {
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      const int64_t last = first + kRowsAtOnce < rows ? first + kRowsAtOnce : rows;
      as.is_float() ? decode(first, last, data) : copy(first, last, data, scales, biases);
    }
  }

  void copy(int64_t first, int64_t last, std::byte* data, float* scales, float* biases) const {
    layout.copy({data, row_bytes(), columns, first, last, as.bits});
    for (int64_t row = first; row < last; ++row)
      for (int64_t group = 0; group < groups(); ++group) {
        const float scale = layout.scale(row, group);
        scales[row * groups() + group] = scale;
        biases[row * groups() + group] = -scale * static_cast<float>(layout.zero(row, group));
      }
  }

  void decode(int64_t first, int64_t last, std::byte* data) const {
    const size_t bytes = row_bytes();
    for (int64_t column = 0; column < columns; ++column) {
      const auto group = static_cast<int64_t>(word_at(order->data, column));
      for (int64_t row = first; row < last; ++row) {
        const auto q = static_cast<int32_t>(layout.code(row, column)) - layout.zero(row, group);
        put_float(data + static_cast<size_t>(row) * bytes, column, as.format,
                  layout.scale(row, group) * static_cast<float>(q));
      }
    }
  }
};

struct Maker {
  const WeightRecipe& recipe;
  const Checkpoint& checkpoint;
  size_t part;
  int64_t columns = recipe.shape.back();
  int64_t groups = divide_up(columns, recipe.group);

  // Null where the columns of each group lie together. Groups are counted here, so that no index leads elsewhere.
  const StoredTensor* order() const {
    if (recipe.order.empty()) return nullptr;
    const StoredTensor& tensor = tensor_of(checkpoint, recipe.order[part], {StoredType::I32, StoredType::U32});
    require_shape(tensor, {columns});
    bool together = true;
    for (int64_t column = 0; column < columns; ++column) {
      const auto group = static_cast<int64_t>(word_at(tensor.data, column));
      if (group >= groups) refuse(tensor, "names group " + std::to_string(group) + " of " + std::to_string(groups));
      together &= group == column / recipe.group;
    }
    return together ? nullptr : &tensor;
  }

  template <class Layout>
  std::unique_ptr<ForeignForm> made(Layout layout) const {
    auto form = std::make_unique<GroupedForm<Layout>>();
    form->rows = layout.t.rows;
    form->columns = columns;
    form->order = order();
    form->layout = layout;
    if (form->order)
      form->as = {float_format_of(layout.t.scales->dtype), 0, 0};
    else
      form->as = {WeightFormat::affine, recipe.bits <= 4 ? 4 : 8, groups == 1 ? whole_row(columns) : recipe.group};
    return form;
  }

  Tensors tensors(std::initializer_list<StoredType> codes) const {
    Tensors t;
    t.bits = recipe.bits;
    t.groups = groups;
    t.codes = &tensor_of(checkpoint, recipe.tensors[part], codes);
    t.scales = &tensor_of(checkpoint, recipe.scales[part], kFloats);
    if (t.codes->shape.size() != 2) refuse(*t.codes, "is no matrix");
    return t;
  }

  const StoredTensor* zeros(std::initializer_list<StoredType> types) const {
    return recipe.zeros.empty() ? nullptr : &tensor_of(checkpoint, recipe.zeros[part], types);
  }

  std::unique_ptr<ForeignForm> gptq() const {
    Tensors t = tensors({StoredType::I32, StoredType::U32});
    t.rows = t.codes->shape[1];
    t.zeros = zeros({StoredType::I32, StoredType::U32});
    require_shape(*t.codes, {divide_up(columns * t.bits, 32), t.rows});
    require_shape(*t.zeros, {groups, divide_up(t.rows * t.bits, 32)});
    require_shape(*t.scales, {groups, t.rows});
    return made(Gptq{t, recipe.mode == "gptq" ? 1u : 0u});
  }

  std::unique_ptr<ForeignForm> awq() const {
    Tensors t = tensors({StoredType::I32, StoredType::U32});
    t.rows = t.codes->shape[1] * 8;
    t.zeros = zeros({StoredType::I32, StoredType::U32});
    require_shape(*t.codes, {columns, t.rows / 8});
    require_shape(*t.zeros, {groups, t.rows / 8});
    require_shape(*t.scales, {groups, t.rows});
    return made(Awq{t});
  }

  void require_zeros(const Tensors& t) const {
    if (!t.zeros) return;
    if (t.zeros->dtype == StoredType::I8)
      require_shape(*t.zeros, {t.rows, groups});
    else
      require_shape(*t.zeros, {divide_up(t.rows * t.bits, 32), groups});
  }

  std::unique_ptr<ForeignForm> packed_int() const {
    Tensors t = tensors({StoredType::I32, StoredType::U32});
    t.rows = t.codes->shape[0];
    t.zeros = zeros({StoredType::I32, StoredType::U32, StoredType::I8});
    const int64_t words = divide_up(columns * t.bits, 32);
    require_shape(*t.codes, {t.rows, words});
    require_shape(*t.scales, {t.rows, groups});
    require_zeros(t);
    return made(PackedInt{t, words});
  }

  std::unique_ptr<ForeignForm> int8() const {
    Tensors t = tensors({StoredType::I8});
    t.rows = t.codes->shape[0];
    t.zeros = zeros({StoredType::I8});
    require_shape(*t.codes, {t.rows, columns});
    if (recipe.mode == "bnb_int8" || t.scales->shape.size() == 1)
      require_shape(*t.scales, {t.rows});
    else
      require_shape(*t.scales, {t.rows, groups});
    require_zeros(t);
    return made(Int8{t, columns, recipe.mode == "bnb_int8" ? 127.0f : 1.0f});
  }
};

}  // namespace

std::unique_ptr<ForeignForm> grouped_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  const Maker maker{recipe, checkpoint, part};
  if (recipe.mode == "gptq" || recipe.mode == "gptq_v2") return maker.gptq();
  if (recipe.mode == "awq") return maker.awq();
  return recipe.mode == "packed_int" ? maker.packed_int() : maker.int8();
}

}  // namespace afterimage
