#include "weights/foreign_form.h"

#include <algorithm>

#include "graph/error.h"
#include "graph/shape_text.h"
#include "weights/foreign_parts.h"
#include "weights/stored_type.h"

namespace afterimage {
namespace {

using FormMaker = std::unique_ptr<ForeignForm> (*)(const WeightRecipe&, const Checkpoint&, size_t);

struct NamedForm {
  std::string_view mode;
  FormMaker make;
};

constexpr NamedForm kForms[] = {{"gptq", grouped_form},      {"gptq_v2", grouped_form},
                                {"awq", grouped_form},       {"packed_int", grouped_form},
                                {"int8", grouped_form},      {"bnb_int8", grouped_form},
                                {"bnb_4bit", codebook_form}, {"nvfp4_scaled", scaled_nvfp4_form},
                                {"gguf", gguf_form},         {"affine_turned", turned_form}};

const NamedForm* find(std::string_view mode) {
  const auto* found =
      std::find_if(std::begin(kForms), std::end(kForms), [&](const NamedForm& e) { return e.mode == mode; });
  return found == std::end(kForms) ? nullptr : found;
}

}  // namespace

size_t ForeignForm::row_bytes() const noexcept {
  const auto wide = static_cast<size_t>(columns);
  if (as.is_float()) return wide * (as.format == WeightFormat::f32 ? 4 : 2);
  return as.bits == 8 ? wide : (wide + 1) / 2;
}

bool is_foreign(std::string_view mode) { return find(mode) != nullptr; }

std::unique_ptr<ForeignForm> foreign_form(const WeightRecipe& recipe, const Checkpoint& checkpoint, size_t part) {
  return find(recipe.mode)->make(recipe, checkpoint, part);
}

void refuse(const StoredTensor& tensor, const std::string& what) {
  throw Error("INVALID_CHECKPOINT",
              "Tensor \"" + tensor.name + "\" " + what + "; use a checkpoint that matches its config.json.");
}

const StoredTensor& tensor_of(const Checkpoint& checkpoint, const std::string& name,
                              std::initializer_list<StoredType> types) {
  const StoredTensor& found = checkpoint.tensor(name);
  if (std::find(types.begin(), types.end(), found.dtype) != types.end()) return found;
  std::string expected;
  for (StoredType type : types) expected += (expected.empty() ? "" : " or ") + std::string(stored_type_name(type));
  refuse(found, "holds " + std::string(stored_type_name(found.dtype)) + "; expected " + expected);
}

void require_shape(const StoredTensor& tensor, std::initializer_list<int64_t> shape) {
  if (tensor.shape == std::vector<int64_t>(shape)) return;
  refuse(tensor, "has shape " + shape_text(tensor.shape) + "; expected " + shape_text(std::vector<int64_t>(shape)));
}

}  // namespace afterimage
