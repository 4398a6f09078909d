#include "session/memory_need.h"

#include <algorithm>

#include "graph/executor.h"
#include "session/admission.h"
#include "weights/recipe_source.h"

namespace afterimage {

namespace {

// Of those that `sharing` does not have.
size_t weights_of(const Program& program, const Checkpoint& checkpoint, const WeightBytes& weight_bytes,
                  const Program& sharing = {}) {
  const auto shared = [&](const WeightRecipe& recipe) {
    return std::any_of(sharing.weights.begin(), sharing.weights.end(),
                       [&](const WeightRecipe& other) { return same_weight(other, recipe); });
  };
  size_t bytes = 0;
  for (const WeightRecipe& recipe : program.weights)
    if (recipe.uses && !shared(recipe)) bytes += weight_bytes(described(recipe, checkpoint), recipe.uses);
  return bytes;
}

}  // namespace

MemoryNeed predict_memory(const EngineOptions& options, const ModelSource& source, const WeightBytes& weight_bytes,
                          const std::vector<ImageShape>& images) {
  const Checkpoint checkpoint(source.files, source.headers);
  const Program decoder = parse_program(source.decoder_json);
  MemoryNeed need;
  need.weight_bytes = weights_of(decoder, checkpoint, weight_bytes);
  size_t head_scratch = 0;
  if (!source.mtp_json.empty()) {
    const Program mtp = parse_program(source.mtp_json);
    need.weight_bytes += weights_of(mtp, checkpoint, weight_bytes, decoder);
    head_scratch = scratch_bytes_of(mtp, {{"rows", 1}});
  }
  need.block_bytes = KvLayout(decoder.kv_layers, options.kv_type).block_bytes();
  need.state_bytes = StateLayout(decoder.state_elements).bytes;
  for (const ImageShape& image : images) {
    const int64_t rows = std::max<int64_t>(image.chunk, options.chunk_rows) + kMostAnswers;
    need.images.push_back(
        {0,
         head_scratch + scratch_bytes_of(decoder, {{"rows", rows}, {"features", rows}, {"logits", 1 + kMostAnswers}})});
  }
  if (source.vision_json.empty()) return need;
  const Program vision = parse_program(source.vision_json);
  need.weight_bytes += weights_of(vision, checkpoint, weight_bytes);
  for (size_t i = 0; i < images.size(); ++i)
    if (!images[i].symbols.empty()) need.images[i].vision = scratch_bytes_of(vision, images[i].symbols);
  return need;
}

}  // namespace afterimage
