#include "session/request.h"

#include <algorithm>
#include <utility>

namespace afterimage {

void Request::catch_up() {
  if (timeline->catch_up()) count_reuse();
}

int32_t Request::most_guesses(int32_t rows) const noexcept {
  if (!drafter || finishing) return 0;
  const int32_t left = plan.max_tokens - static_cast<int32_t>(result.tokens.size());
  return std::min(rows - owed(), left - 1);  // the last token that may come is not computed
}

void Request::append_draft(std::vector<int32_t> tokens) {
  draft = std::move(tokens);
  for (int32_t token : draft) timeline->sequence().append(token);
}

std::vector<int32_t> Request::take_draft() {
  timeline->sequence().cut(draft.size());
  return std::exchange(draft, {});
}

void Request::count_reuse() {
  CacheReport& cache = plan.cache;
  const Sequence& sequence = timeline->sequence();
  for (int32_t i = counted_end; i < std::min(timeline->computed(), sequence.prompt_size()); ++i) {
    ++cache.prompt_tokens_reused;
    if (sequence.feature_row(i) < 0) continue;
    ++cache.image_tokens_reused;
    const CacheSource source = i < restored_end ? CacheSource::disk : CacheSource::memory;
    cache.source = std::max(cache.source, source);
  }
  counted_end = timeline->computed();
}

}  // namespace afterimage
