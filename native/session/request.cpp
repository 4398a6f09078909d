#include "session/request.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace afterimage {

void Request::catch_up() {
  if (timeline->catch_up()) count_reuse();
}

void Request::append_draft(int32_t most, Drafter::Price price) {
  const int32_t left = plan.max_tokens - static_cast<int32_t>(result.tokens.size());
  most = std::min(most, left - 1);  // the last token that may come is not computed
  if (!drafter || most <= 0 || finishing) return;
  if (generate_options.draft_price > 0 && price.row < HUGE_VAL) price.row = generate_options.draft_price;
  draft = drafter->guess(most, price, generate_options.constraint.get());
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
