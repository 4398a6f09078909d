// What a request will need, known before anything is allocated.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/feature_cache.h"
#include "cache/sequence.h"
#include "session/model.h"
#include "session/model_options.h"

namespace afterimage {

// Throws OUT_OF_MEMORY where a budget does not allow the request even when nothing else runs: a sentence with the
// numbers and what to change. `beside`: KV bytes of choices. `images` are the spans whose features are needed (keys
// distinct).
void check_budgets(const Model& model, const EngineOptions& options, const Sequence& sequence, int64_t positions,
                   size_t beside, const std::vector<const ImageSpan*>& images);

// Rows that other requests may add to a run, one token each: the answers that are computed together.
constexpr int64_t kMostAnswers = 16;

// Throws INVALID_ARGUMENT where an image of this key has too few feature rows for a place where it occurs.
void check_features(const Sequence& sequence, const ImageKey& key, const ImageFeatures& features);

// Bytes of the features of these images of the sequence.
size_t feature_bytes(const ModelTraits& traits, const Sequence& sequence, const std::vector<const ImageSpan*>& images);

// Image spans with a token at or after `from`, once per key: what must be seen to compute the rest.
std::vector<const ImageSpan*> images_after(const Sequence& sequence, int32_t from);

}  // namespace afterimage
