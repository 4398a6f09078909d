// Turns a recipe into a readable weight, checking what the files hold against what the recipe expects.
#pragma once
#include "weights/stored_array.h"

namespace afterimage {

// Throws INVALID_CHECKPOINT naming tensor, found and expected.
WeightSource recipe_source(const WeightRecipe& recipe, const Checkpoint& checkpoint, OwnedBytes& owned);

// The same without its bytes, from the tensors' headers alone.
WeightSource described(const WeightRecipe& recipe, const Checkpoint& checkpoint);

}  // namespace afterimage
