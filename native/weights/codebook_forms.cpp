// Codes that stand for entries of a table.
//   bnb_4bit      bitsandbytes' nf4 and fp4: U8, two codes a byte, the first in the upper half, in blocks of the
//   flattened
//                 matrix: w = map[q] · absmax[block]; absmax itself may be U8 codes of a second table:
//                 map2[q] · absmax2[block2] + offset. Read as the type it states. https://arxiv.org/abs/2305.14314
//   nvfp4_scaled  E2M1 in groups of 16 with an E4M3 scale each and one f32 number for the matrix, by which scales are
//                 multiplied (modelopt) or divided (compressed-tensors)
#include "graph/json.h"
#include "weights/foreign_parts.h"

namespace afterimage {
namespace {

// tables of the recipe, in order
enum Table : size_t { kMap, kState, kNestedAbsmax, kNestedMap };

struct BnbState {
  WeightFormat format = WeightFormat::bf16;
  int64_t block = 0, nested_block = 0;
  double nested_offset = 0;
  std::vector<int64_t> shape;
};

int64_t count_of(const Json& json, const char* key) {
  const Json* found = json.find(key);
  return found && found->integer() ? *found->integer() : 0;
}

BnbState state_of(const StoredTensor& tensor) {
  Json json;
  try {
    json = parse_json({reinterpret_cast<const char*>(tensor.data), tensor.bytes});
  } catch (const JsonError& error) {
    refuse(tensor, std::string("is not valid JSON (") + error.what() + ")");
  }
  BnbState state;
  state.block = count_of(json, "blocksize");
  state.nested_block = count_of(json, "nested_blocksize");
  if (const Json* offset = json.find("nested_offset"); offset && !offset->number(state.nested_offset))
    refuse(tensor, "has no number as nested_offset");
  if (const Json* shape = json.find("shape"); shape && shape->array())
    for (const Json& axis : *shape->array()) state.shape.push_back(axis.integer() ? *axis.integer() : 0);
  const Json* dtype = json.find("dtype");
  const std::string name = dtype && dtype->string() ? *dtype->string() : "";
  if (name == "float16") state.format = WeightFormat::f16;
  if (name == "float32") state.format = WeightFormat::f32;
  if (state.block < 1) refuse(tensor, "states no blocksize");
  return state;
}

struct BnbForm final : ForeignForm {
  const StoredTensor *codes = nullptr, *absmax = nullptr, *map = nullptr, *nested_absmax = nullptr,
                     *nested_map = nullptr;
  BnbState state;

  float absmax_of(int64_t block) const {
    if (!nested_map) return float_at(*absmax, block);
    const auto code = std::to_integer<int64_t>(absmax->data[block]);
    return float_at(*nested_map, code) * float_at(*nested_absmax, block / state.nested_block) +
           static_cast<float>(state.nested_offset);
  }

  void read(std::byte* data, float*, float*) const override {
    float values[16];
    for (int i = 0; i < 16; ++i) values[i] = float_at(*map, i);
    const int64_t elements = rows * columns;
    for (int64_t block = 0; block * state.block < elements; ++block) {
      const int64_t start = block * state.block, end = start + state.block < elements ? start + state.block : elements;
      const float most = absmax_of(block);
      for (int64_t at = start; at < end; ++at) {
        const auto pair = std::to_integer<uint32_t>(codes->data[at / 2]);
        put_float(data, at, as.format, values[at % 2 ? pair & 15 : pair >> 4] * most);
      }
    }
  }
};

void require_count(const StoredTensor& tensor, int64_t count) {
  int64_t found = 1;
  for (int64_t axis : tensor.shape) found *= axis;
  if (found != count) refuse(tensor, "has " + std::to_string(found) + " elements; expected " + std::to_string(count));
}

struct Nvfp4Form final : ForeignForm {
  const StoredTensor *codes = nullptr, *group_scales = nullptr;
  float factor = 1;

  void read(std::byte* data, float* scales, float*) const override {
    std::memcpy(data, codes->data, codes->bytes);
    for (int64_t i = 0; i < rows * groups(); ++i)
      scales[i] = e4m3_to_float(std::to_integer<uint8_t>(group_scales->data[i])) * factor;
  }
};

}  // namespace

std::unique_ptr<ForeignForm> codebook_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  const size_t each = recipe.tables.size() / recipe.tensors.size();
  const auto table = [&](Table which) -> const std::string& { return recipe.tables[part * each + which]; };
  auto form = std::make_unique<BnbForm>();
  form->codes = &tensor_of(checkpoint, recipe.tensors[part], {StoredType::U8});
  form->map = &tensor_of(checkpoint, table(kMap), kFloats);
  const StoredTensor& described = tensor_of(checkpoint, table(kState), {StoredType::U8});
  form->state = state_of(described);
  if (form->state.shape.size() != 2 || form->state.shape[1] != recipe.shape.back() || form->state.shape[0] < 1)
    refuse(described, "describes no matrix of " + std::to_string(recipe.shape.back()) + " columns");
  form->rows = form->state.shape[0];
  form->columns = form->state.shape[1];
  form->as = {form->state.format, 0, 0};
  const bool nested = each > kNestedMap;
  form->absmax = nested ? &tensor_of(checkpoint, recipe.scales[part], {StoredType::U8})
                        : &tensor_of(checkpoint, recipe.scales[part], kFloats);
  if (form->rows > (int64_t{1} << 40) / form->columns) refuse(described, "describes a matrix that is too large");
  const int64_t elements = form->rows * form->columns, blocks = divide_up(elements, form->state.block);
  require_count(*form->codes, divide_up(elements, 2));
  require_count(*form->absmax, blocks);
  require_count(*form->map, 16);
  if (!nested) return form;
  if (form->state.nested_block < 1) refuse(described, "states no nested_blocksize");
  form->nested_absmax = &tensor_of(checkpoint, table(kNestedAbsmax), kFloats);
  form->nested_map = &tensor_of(checkpoint, table(kNestedMap), kFloats);
  require_count(*form->nested_absmax, divide_up(blocks, form->state.nested_block));
  require_count(*form->nested_map, 256);
  return form;
}

std::unique_ptr<ForeignForm> scaled_nvfp4_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  auto form = std::make_unique<Nvfp4Form>();
  form->columns = recipe.shape.back();
  form->as = {WeightFormat::nvfp4, 4, 16};
  form->codes = &tensor_of(checkpoint, recipe.tensors[part], {StoredType::U8});
  if (form->codes->shape.size() != 2) refuse(*form->codes, "is no matrix");
  form->rows = form->codes->shape[0];
  require_shape(*form->codes, {form->rows, form->columns / 2});
  form->group_scales = &tensor_of(checkpoint, recipe.scales[part], {StoredType::F8_E4M3, StoredType::U8});
  require_shape(*form->group_scales, {form->rows, form->columns / 16});
  const StoredTensor& one = tensor_of(checkpoint, recipe.tables[part], {StoredType::F32});
  require_count(one, 1);
  const float number = float_at(one, 0);
  form->factor = one.name.ends_with("weight_global_scale") ? 1 / number : number;
  return form;
}

}  // namespace afterimage
