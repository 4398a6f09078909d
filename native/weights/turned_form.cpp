// MLX's affine codes of a stack of matrices that are read turned: stored [heads][columns][rows] in groups along rows,
// read as [heads · rows][columns]. No group lies in a row of what is read, so these are decoded, to f32.
//   affine_turned   w = scale · q + bias; codes U32 [heads][columns][rows · bits / 32], scales and biases
//                   [heads][columns][rows / group]
#include "weights/foreign_parts.h"

namespace afterimage {
namespace {

struct TurnedForm final : ForeignForm {
  const StoredTensor* codes = nullptr;
  const StoredTensor* factors = nullptr;
  const StoredTensor* offsets = nullptr;
  int64_t group = 0;
  int bits = 0;

  void read(std::byte* data, float*, float*) const override {
    const int64_t wide = factors->shape[2] * group, words = codes->shape[2];
    const size_t bytes = row_bytes();
    for (int64_t head = 0; head < codes->shape[0]; ++head)
      for (int64_t column = 0; column < columns; ++column) {
        const int64_t line = head * columns + column;
        for (int64_t row = 0; row < wide; ++row) {
          const int64_t at = line * factors->shape[2] + row / group;
          const float q = static_cast<float>(field(codes->data + line * words * 4, 1, row * bits, bits));
          const float product = float_at(*factors, at) * q;
          put_float(data + static_cast<size_t>(head * wide + row) * bytes, column, as.format,
                    product + float_at(*offsets, at));
        }
      }
  }
};

}  // namespace

std::unique_ptr<ForeignForm> turned_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  auto form = std::make_unique<TurnedForm>();
  form->codes = &tensor_of(checkpoint, recipe.tensors[part], {StoredType::U32, StoredType::I32});
  form->factors = &tensor_of(checkpoint, recipe.scales[part], kFloats);
  form->offsets = &tensor_of(checkpoint, recipe.biases[part], kFloats);
  form->group = recipe.group;
  form->bits = recipe.bits;
  form->columns = recipe.shape.back();
  const std::vector<int64_t>& shape = form->factors->shape;
  if (shape.size() != 3 || shape[1] != form->columns)
    refuse(*form->factors, "belongs to no stack of matrices of " + std::to_string(form->columns) + " columns");
  const int64_t wide = shape[2] * form->group;
  require_shape(*form->offsets, {shape[0], shape[1], shape[2]});
  require_shape(*form->codes, {shape[0], shape[1], divide_up(wide * form->bits, 32)});
  form->rows = shape[0] * wide;
  form->as = {WeightFormat::f32, 0, 0};
  return form;
}

}  // namespace afterimage
