#include "session/request.h"

#include <algorithm>

namespace afterimage {

void Request::catch_up() {
  if (timeline->catch_up()) count_reuse();
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
