// The engine through its public functions: reuse, tiers, admission, cancellation, fairness, closing.
#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

std::vector<int32_t> text(int length, int seed) {
  std::vector<int32_t> ids;
  for (int i = 0; i < length; ++i) ids.push_back(4 + (seed * 31 + i * 7 + i * i) % (kVocab - 4));
  return ids;
}

EngineOptions options() {
  EngineOptions o;
  o.kv_type = KvType::f16;
  o.chunk_rows = 32;
  o.budgets.kv_bytes = size_t{8} << 20;
  return o;
}

void second_question_costs_the_question(Kind kind) {
  const TinyModel model(kind);
  const auto engine = model.engine(options());
  const Image image{5, 100};
  const std::vector<Piece> first{{text(10, 1), {}}, {{}, image}, {text(6, 2), {}}};
  std::vector<Piece> second = first;
  second.back().text = text(9, 3);
  const SessionId session = engine->open_session();
  const Asked cold = ask(*engine, session, first, kind, 4);
  CHECK(cold.plan.needed.size() == 1 && cold.plan.cache.image_tokens == 100 && cold.plan.cache.prompt_tokens == 118);
  const Asked warm = ask(*engine, session, second, kind, 4);
  if (kind == Kind::prefix) {
    CHECK(warm.plan.cache.prompt_tokens_reused == 0 && warm.plan.cache.source == CacheSource::features);
  } else {
    CHECK(warm.plan.needed.empty() && warm.plan.cache.image_tokens_reused == 100);
    CHECK(warm.plan.cache.prompt_tokens_reused == 112 && warm.plan.cache.source == CacheSource::memory);
  }
  const auto fresh = model.engine(options());
  CHECK(same_bits(ask(*fresh, fresh->open_session(), second, kind, 4).result.logits, warm.result.logits));
  const Asked again = ask(*engine, engine->fork(session), second, kind, 4);
  CHECK(same_bits(again.result.logits, warm.result.logits));
  CHECK(engine->stats().images_encoded == 1);
  engine->close();
  CHECK(engine->stats().blocks_leaked == 0);
}

}  // namespace

int main() {
  for (Kind kind : {Kind::causal, Kind::mrope, Kind::block, Kind::prefix, Kind::recurrent})
    second_question_costs_the_question(kind);
  std::puts("ok");
}
