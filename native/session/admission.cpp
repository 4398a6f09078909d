#include "session/admission.h"

#include <algorithm>
#include <string>

#include "graph/error.h"

namespace afterimage {

namespace {

std::string mebibytes(size_t bytes) {
  const size_t tenths = (bytes * 10 + (size_t{1} << 20) - 1) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

[[noreturn]] void refuse(const std::string& what, size_t needed, size_t budget, const std::string& advice) {
  throw Error("OUT_OF_MEMORY",
              what + " " + mebibytes(needed) + " and the budget is " + mebibytes(budget) + "; " + advice + ".");
}

int32_t feature_rows(const Sequence& sequence, const ImageSpan& span) {
  int32_t rows = 0;
  for (int32_t i = span.start; i < span.end; ++i) rows = std::max(rows, sequence.feature_row(i) + 1);
  return rows;
}

int64_t longest_chunk(const Sequence& sequence, int32_t rows) {
  int64_t longest = 0;
  for (int32_t from = 0; from < sequence.size();) {
    const int32_t end = sequence.chunk_end(from, rows);
    longest = std::max<int64_t>(longest, end - from);
    from = end;
  }
  return longest;
}

}  // namespace

void check_features(const Sequence& sequence, const ImageKey& key, const ImageFeatures& features) {
  for (const ImageSpan& span : sequence.prompt().spans)
    if (const int32_t rows = feature_rows(sequence, span); span.key == key && rows > features.rows)
      throw Error("INVALID_ARGUMENT", "Expected at least " + std::to_string(rows) +
                                          " feature rows for the image at token " + std::to_string(span.start) +
                                          " but its inputs yield " + std::to_string(features.rows) + ".");
}

size_t feature_bytes(const ModelTraits& traits, const Sequence& sequence, const std::vector<const ImageSpan*>& images) {
  const auto row_bytes = static_cast<size_t>(traits.hidden * (traits.deepstack + 1)) * sizeof(float);
  size_t bytes = 0;
  for (const ImageSpan* span : images) bytes += static_cast<size_t>(feature_rows(sequence, *span)) * row_bytes;
  return bytes;
}

std::vector<const ImageSpan*> images_after(const Sequence& sequence, int32_t from) {
  std::vector<const ImageSpan*> images;
  for (const ImageSpan& span : sequence.prompt().spans) {
    bool needed = false;
    for (int32_t i = std::max(from, span.start); i < span.end; ++i) needed = needed || sequence.feature_row(i) >= 0;
    const auto same = [&](const ImageSpan* other) { return other->key == span.key; };
    if (needed && std::none_of(images.begin(), images.end(), same)) images.push_back(&span);
  }
  return images;
}

void check_budgets(const Model& model, const EngineOptions& options, const Sequence& sequence, int64_t positions,
                   size_t beside, const std::vector<const ImageSpan*>& images) {
  const Budgets& budgets = options.budgets;
  const size_t kv = model.kv->bytes_for((positions + kBlockPositions - 1) / kBlockPositions, 2) + beside;
  const std::string behind =
      beside > 0 ? "its choices" : "an answer of up to " + std::to_string(positions - sequence.prompt_size());
  if (kv > budgets.kv_bytes)
    refuse("The prompt of " + std::to_string(sequence.prompt_size()) + " tokens and " + behind + " need a KV cache of",
           kv, budgets.kv_bytes,
           std::string(options.kv_type == KvType::q8 ? "" : "use 8-bit KV, ") + "a smaller max_pixels, fewer images, " +
               (beside > 0 ? "fewer choices" : "fewer answer tokens") + ", or raise the KV budget");

  const size_t features = feature_bytes(model.traits, sequence, images);
  if (features > budgets.feature_bytes)
    refuse("The features of " + std::to_string(images.size()) + " new images need", features, budgets.feature_bytes,
           "use a smaller max_pixels, fewer images at once, or raise the feature budget");

  for (const ImageSpan* span : images) {
    const size_t scratch = model.vision && !span->symbols.empty() ? model.vision->predict_bytes(span->symbols) : 0;
    if (scratch > budgets.scratch_bytes)
      refuse("Looking at an image of " + std::to_string(span->end - span->start) + " tokens needs scratch memory of",
             scratch, budgets.scratch_bytes, "use a smaller max_pixels, or raise the scratch budget");
  }

  const int64_t rows = longest_chunk(sequence, options.chunk_rows) + kMostAnswers;
  const size_t scratch =
      model.decoder->predict_bytes(rows, 1 + kMostAnswers) + (model.mtp ? model.mtp->predict_bytes() : 0);
  if (scratch > budgets.scratch_bytes)
    refuse("A chunk of " + std::to_string(rows) + " rows needs scratch memory of", scratch, budgets.scratch_bytes,
           "use smaller chunks or a smaller max_pixels, or raise the scratch budget");
}

}  // namespace afterimage
