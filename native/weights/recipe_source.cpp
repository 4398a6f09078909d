#include "weights/recipe_source.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "graph/error.h"
#include "graph/shape_text.h"
#include "weights/finite.h"
#include "weights/foreign_parts.h"
#include "weights/stored_type.h"

namespace afterimage {
namespace {

using enum StoredType;

// How a quantized mode lies in the file. NaN is looked for in codes and scales read as `code_type`, `scale_type`.
struct StoredFormat {
  std::string_view mode;
  WeightFormat format;
  std::vector<StoredType> codes, scales;
  std::optional<StoredType> code_type, scale_type;
};

const StoredFormat kFormats[] = {
    {"affine", WeightFormat::affine, {U32, I32}, {F32, F16, BF16}, {}, {}},
    {"mxfp4", WeightFormat::mxfp4, {U32, I32, U8}, {U8, F8_E8M0}, {}, F8_E8M0},
    {"mxfp8", WeightFormat::mxfp8, {U32, I32, U8, F8_E4M3}, {U8, F8_E8M0}, F8_E4M3, F8_E8M0},
    {"nvfp4", WeightFormat::nvfp4, {U32, I32, U8}, {U8, F8_E4M3}, {}, F8_E4M3},
    {"fp8_block", WeightFormat::fp8_block, {F8_E4M3, U8}, {F32, F16, BF16}, F8_E4M3, {}},
    {"int4_symmetric", WeightFormat::int4_symmetric, {I32, U32}, {F32, F16, BF16}, {}, {}},
};

ScaleType scale_type(StoredType type) {
  switch (type) {
    case F32:
      return ScaleType::f32;
    case F16:
      return ScaleType::f16;
    case BF16:
      return ScaleType::bf16;
    default:
      return ScaleType::u8;
  }
}

class RecipeReader {
 public:
  RecipeReader(const WeightRecipe& recipe, const Checkpoint& checkpoint, OwnedBytes& owned)
      : recipe_(recipe), checkpoint_(checkpoint), owned_(owned) {}

  WeightSource read() {
    read_sizes();
    if (!recipe_.values.empty())
      read_values();
    else if (is_foreign(recipe_.mode))
      read_foreign();
    else
      recipe_.mode.empty() ? read_floats() : read_quantized();
    return source_;
  }

  WeightSource describe() {
    read_sizes();
    if (!recipe_.values.empty()) {
      source_.row_bytes = recipe_.values.size() * sizeof(float);
      return source_;
    }
    if (recipe_.mode.empty()) {
      const StoredType type = tensor(recipe_.tensors[0], {F32, F16, BF16}).dtype;
      source_.format = float_format_of(type);
      source_.row_bytes = static_cast<size_t>(source_.columns) * stored_type_bytes(type);
      return source_;
    }
    if (is_foreign(recipe_.mode)) {
      describe_foreign(*foreign_form(recipe_, checkpoint_, 0));
      return source_;
    }
    const StoredFormat& format = read_format();
    const StoredType scales = tensor(recipe_.scales[0], format.scales).dtype;
    source_.row_bytes = static_cast<size_t>(source_.columns) * recipe_.bits / 8;
    source_.scale_type = scale_type(scales);
    source_.scale_row_bytes =
        static_cast<size_t>(divide_up(source_.columns, scale_columns())) * stored_type_bytes(scales);
    return source_;
  }

 private:
  void read_sizes() {
    source_.name = recipe_.name;
    source_.columns = recipe_.shape.back();
    source_.rows = recipe_.shape.size() > 1 ? recipe_.shape[recipe_.shape.size() - 2] : 1;
    source_.experts = recipe_.shape.size() > 2 ? recipe_.shape[0] : 1;
  }

  [[noreturn]] void fail(std::string_view tensor, const std::string& what) const {
    throw Error("INVALID_CHECKPOINT",
                "Tensor \"" + std::string(tensor) + "\" " + what + "; use a checkpoint that matches its config.json.");
  }

  const StoredTensor& tensor(const std::string& name, const std::vector<StoredType>& types) const {
    const StoredTensor& found = checkpoint_.tensor(name);
    if (std::find(types.begin(), types.end(), found.dtype) != types.end()) return found;
    std::string expected;
    for (StoredType type : types) expected += (expected.empty() ? "" : " or ") + std::string(stored_type_name(type));
    fail(name, "holds " + std::string(stored_type_name(found.dtype)) + "; expected " + expected);
  }

  void require_finite(const std::string& name, const StoredArray& array, StoredType type) const {
    const int64_t index = first_not_finite(array.data, array.bytes, type);
    if (index >= 0) fail(name, "holds NaN or infinity at element " + std::to_string(index));
  }

  // Reads the tensors of one operand, `arrange` applied to each, and verifies the flattened shape. `checked`: the type
  // in which NaN is looked for.
  template <class Arrange>
  StoredArray gather(const std::vector<std::string>& names, const std::vector<StoredType>& types,
                     std::optional<StoredType> checked, const std::vector<int64_t>& expected, Arrange arrange) {
    std::vector<StoredArray> parts;
    for (const std::string& name : names) {
      const StoredTensor& stored = tensor(name, types);
      const StoredArray part = arrange(stored, StoredArray{stored.dtype, stored.shape, stored.data, stored.bytes});
      if (!parts.empty() && (part.dtype != parts[0].dtype || part.shape != parts[0].shape)) {
        fail(name, "is " + std::string(stored_type_name(part.dtype)) + " " + shape_text(part.shape) + ", but \"" +
                       names[0] + "\" is " + std::string(stored_type_name(parts[0].dtype)) + " " +
                       shape_text(parts[0].shape));
      }
      if (checked) require_finite(name, part, *checked);
      parts.push_back(part);
    }
    std::vector<int64_t> shape = parts[0].shape;
    if (parts.size() > 1) shape.insert(shape.begin(), static_cast<int64_t>(parts.size()));
    if (!flattens_to(shape, expected)) {
      const std::string& found = shape_text(checkpoint_.tensor(names[0]).shape);
      const std::string arranged = shape_text(shape) == found ? "" : " (read as " + shape_text(shape) + ")";
      fail(names[0],
           "has shape " + found + arranged + "; weight \"" + recipe_.name + "\" expects " + shape_text(expected));
    }
    return stacked(parts, owned_);
  }

  StoredArray slice_axis(const StoredTensor& stored, const StoredArray& array, int64_t axis, int64_t start,
                         int64_t count) {
    if (axis < 0 || axis >= static_cast<int64_t>(array.shape.size()) || start + count > array.shape[axis]) {
      fail(stored.name, "of shape " + shape_text(array.shape) + " has no part " + std::to_string(start) + " to " +
                            std::to_string(start + count) + " on axis " + std::to_string(axis));
    }
    return sliced(array, static_cast<int32_t>(axis), start, count, owned_);
  }

  // Every row is the same.
  void read_values() {
    source_.row_bytes = recipe_.values.size() * sizeof(float);
    const auto rows = static_cast<size_t>(source_.experts * source_.rows);
    std::byte* data = allocate(rows * source_.row_bytes);
    for (size_t row = 0; row < rows; ++row)
      std::memcpy(data + row * source_.row_bytes, recipe_.values.data(), source_.row_bytes);
    source_.data = data;
  }

  void read_floats() {
    const StoredType type = checkpoint_.tensor(recipe_.tensors[0]).dtype;
    const auto arrange = [&](const StoredTensor& stored, StoredArray array) {
      if (!recipe_.permute.empty()) {
        if (recipe_.permute.size() != array.shape.size()) {
          fail(stored.name, "has shape " + shape_text(array.shape) + "; expected " +
                                std::to_string(recipe_.permute.size()) + " axes");
        }
        array = permuted(array, recipe_.permute, owned_);
      }
      if (recipe_.slice_axis >= 0)
        array = slice_axis(stored, array, recipe_.slice_axis, recipe_.slice_start, recipe_.slice_count);
      return array;
    };
    const StoredArray array = permutes_stack()
                                  ? permuted_stack(type)
                                  : gather(recipe_.tensors, {F32, F16, BF16}, type, recipe_.shape, arrange);
    source_.format = float_format_of(type);
    source_.data = array.data;
    source_.row_bytes = static_cast<size_t>(source_.columns) * stored_type_bytes(array.dtype);
  }

  // Whether the permutation names the axis along which tensors are stacked, too.
  bool permutes_stack() const {
    const size_t rank = checkpoint_.tensor(recipe_.tensors[0]).shape.size();
    return recipe_.tensors.size() > 1 && recipe_.permute.size() == rank + 1;
  }

  StoredArray permuted_stack(StoredType type) {
    std::vector<int64_t> shape = checkpoint_.tensor(recipe_.tensors[0]).shape;
    shape.insert(shape.begin(), static_cast<int64_t>(recipe_.tensors.size()));
    const auto as_it_is = [](const StoredTensor&, StoredArray array) { return array; };
    const StoredArray all =
        permuted(gather(recipe_.tensors, {F32, F16, BF16}, type, shape, as_it_is), recipe_.permute, owned_);
    if (flattens_to(all.shape, recipe_.shape)) return all;
    fail(recipe_.tensors[0], "and those stacked with it are read as " + shape_text(all.shape) + "; weight \"" +
                                 recipe_.name + "\" expects " + shape_text(recipe_.shape));
  }

  // Expected shape of an operand whose last two axes are `rows` × `columns`.
  std::vector<int64_t> matrix_shape(int64_t rows, int64_t columns) const {
    std::vector<int64_t> shape = recipe_.shape;
    shape.back() = columns;
    shape[shape.size() - 2] = rows;
    return shape;
  }

  // Rows of a quantized operand: a slice is given in rows of the weight, `block_rows` of which share a row of scales.
  // Axes are turned before, of codes that are bytes: those of tiles, whose scales turn alike.
  auto row_slice(int64_t block_rows) {
    return [this, block_rows](const StoredTensor& stored, const StoredArray& read) {
      if (!recipe_.permute.empty() && recipe_.permute.size() != read.shape.size())
        fail(stored.name,
             "has shape " + shape_text(read.shape) + "; expected " + std::to_string(recipe_.permute.size()) + " axes");
      const StoredArray array = recipe_.permute.empty() ? read : permuted(read, recipe_.permute, owned_);
      if (recipe_.slice_axis < 0) return array;
      const int64_t axis = static_cast<int64_t>(array.shape.size()) - 2;
      if (recipe_.slice_axis != axis) fail(stored.name, "is quantized and can only be sliced by rows");
      if (recipe_.slice_start % block_rows != 0)
        fail(stored.name, "cannot be sliced inside a block of " + std::to_string(block_rows) + " rows");
      return slice_axis(stored, array, axis, recipe_.slice_start / block_rows,
                        divide_up(recipe_.slice_count, block_rows));
    };
  }

  const StoredFormat& read_format() {
    const StoredFormat& format = *std::find_if(std::begin(kFormats), std::end(kFormats),
                                               [&](const StoredFormat& f) { return f.mode == recipe_.mode; });
    source_.format = format.format;
    source_.bits = recipe_.bits;
    source_.group = recipe_.group;
    source_.block[0] = recipe_.block[0];
    source_.block[1] = recipe_.block[1];
    return format;
  }

  // Columns that share a scale.
  int64_t scale_columns() const { return source_.format == WeightFormat::fp8_block ? recipe_.block[1] : recipe_.group; }

  void read_quantized() {
    const StoredFormat& format = read_format();
    read_codes(format);
    const int64_t block_rows = format.format == WeightFormat::fp8_block ? recipe_.block[0] : 1;
    const std::vector<int64_t> expected =
        matrix_shape(divide_up(source_.rows, block_rows), divide_up(source_.columns, scale_columns()));
    read_scales(format, expected, block_rows);
  }

  void read_codes(const StoredFormat& format) {
    const size_t word = stored_type_bytes(checkpoint_.tensor(recipe_.tensors[0]).dtype);
    source_.row_bytes = static_cast<size_t>(source_.columns) * recipe_.bits / 8;
    const std::vector<int64_t> expected = matrix_shape(source_.rows, static_cast<int64_t>(source_.row_bytes / word));
    source_.data = gather(recipe_.tensors, format.codes, format.code_type, expected, row_slice(1)).data;
  }

  void read_scales(const StoredFormat& format, const std::vector<int64_t>& expected, int64_t block_rows) {
    const StoredType type = tensor(recipe_.scales[0], format.scales).dtype;
    const StoredArray scales =
        gather(recipe_.scales, format.scales, format.scale_type.value_or(type), expected, row_slice(block_rows));
    source_.scales = scales.data;
    source_.scale_type = scale_type(type);
    source_.scale_row_bytes = static_cast<size_t>(expected.back()) * stored_type_bytes(type);
    if (!recipe_.biases.empty())
      source_.biases = gather(recipe_.biases, {type}, type, expected, row_slice(block_rows)).data;
  }

  void describe_foreign(const ForeignForm& form) {
    source_.format = form.as.format;
    source_.bits = form.as.bits;
    source_.group = static_cast<int32_t>(form.as.group);
    source_.row_bytes = form.row_bytes();
    source_.scale_type = form.as.scales;
    source_.scale_row_bytes = static_cast<size_t>(form.groups()) * scale_bytes(form.as.scales);
  }

  static size_t scale_bytes(ScaleType type) { return type == ScaleType::f32 ? 4 : 2; }

  // Matrices one after the other, then the rows that a slice leaves.
  void read_foreign() {
    std::vector<std::unique_ptr<ForeignForm>> forms;
    for (size_t part = 0; part < recipe_.tensors.size(); ++part) {
      forms.push_back(foreign_form(recipe_, checkpoint_, part));
      if (!(forms.back()->as == forms[0]->as) || forms.back()->rows != forms[0]->rows)
        fail(recipe_.tensors[part], "is stored in another form than \"" + recipe_.tensors[0] + "\"");
    }
    const ForeignForm& first = *forms[0];
    describe_foreign(first);
    const int64_t rows = first.rows * static_cast<int64_t>(forms.size());
    const int64_t start = recipe_.slice_axis < 0 ? 0 : recipe_.slice_start;
    const int64_t wanted = source_.experts * source_.rows;
    if (recipe_.slice_axis > 0 || start + wanted > rows || (recipe_.slice_axis < 0 && wanted != rows))
      fail(recipe_.tensors[0], "has " + std::to_string(rows) + " rows; weight \"" + recipe_.name + "\" expects " +
                                   std::to_string(wanted) + (start ? " from " + std::to_string(start) + " on" : ""));
    std::byte* data = allocate(static_cast<size_t>(rows) * source_.row_bytes);
    std::byte* scales = allocate(static_cast<size_t>(rows) * source_.scale_row_bytes);
    std::byte* biases = allocate(first.as.biased() ? static_cast<size_t>(rows) * source_.scale_row_bytes : 0);
    for (size_t part = 0; part < forms.size(); ++part) {
      const size_t before = part * static_cast<size_t>(first.rows);
      read_form(*forms[part], recipe_.tensors[part], data + before * source_.row_bytes,
                scales + before * source_.scale_row_bytes, biases + before * source_.scale_row_bytes);
    }
    const auto skipped = static_cast<size_t>(start);
    source_.data = data + skipped * source_.row_bytes;
    if (first.as.is_float()) return;
    source_.scales = scales + skipped * source_.scale_row_bytes;
    if (first.as.biased()) source_.biases = biases + skipped * source_.scale_row_bytes;
  }

  void read_form(const ForeignForm& form, const std::string& name, std::byte* data, std::byte* scales,
                 std::byte* biases) const {
    const size_t count = static_cast<size_t>(form.rows * form.groups());
    std::vector<float> made(count), added(form.as.biased() ? count : 0);
    form.read(data, made.data(), added.data());
    store_scales(form, name, made, scales);
    store_scales(form, name, added, biases);
    if (!form.as.is_float()) return;
    const StoredType type = form.as.format == WeightFormat::f32   ? F32
                            : form.as.format == WeightFormat::f16 ? F16
                                                                  : BF16;
    require_finite(name, {type, {}, data, static_cast<size_t>(form.rows) * form.row_bytes()}, type);
  }

  void store_scales(const ForeignForm& form, const std::string& name, const std::vector<float>& values,
                    std::byte* to) const {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    require_finite(name, {F32, {}, bytes, values.size() * 4}, F32);
    const WeightFormat format = form.as.scales == ScaleType::f32   ? WeightFormat::f32
                                : form.as.scales == ScaleType::f16 ? WeightFormat::f16
                                                                   : WeightFormat::bf16;
    for (size_t i = 0; i < values.size(); ++i) put_float(to, static_cast<int64_t>(i), format, values[i]);
  }

  std::byte* allocate(size_t bytes) { return owned_.emplace_back(bytes).data(); }

  const WeightRecipe& recipe_;
  const Checkpoint& checkpoint_;
  OwnedBytes& owned_;
  WeightSource source_;
};

}  // namespace

WeightSource recipe_source(const WeightRecipe& recipe, const Checkpoint& checkpoint, OwnedBytes& owned) {
  return RecipeReader(recipe, checkpoint, owned).read();
}

WeightSource described(const WeightRecipe& recipe, const Checkpoint& checkpoint) {
  OwnedBytes none;
  return RecipeReader(recipe, checkpoint, none).describe();
}

}  // namespace afterimage
