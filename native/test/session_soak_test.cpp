// Thousands of short conversations under a tight budget: memory stays flat and no block is lost.
//   session_soak_test [conversations]
#ifndef _WIN32
#include <unistd.h>
#endif

#include <fstream>

#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

// Sanitizers keep freed memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasuresMemory = false;
#elif defined(__has_feature)
constexpr bool kMeasuresMemory = !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer));
#else
constexpr bool kMeasuresMemory = true;
#endif

// Resident bytes of this process; 0 where the system does not say.
size_t resident_bytes() {
#ifdef _WIN32
  return 0;
#else
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
#endif
}

void soak(Kind kind, int conversations) {
  const TinyModel model(kind);
  TempFolder folder;
  EngineOptions options;
  options.budgets.kv_bytes = 12 * 8192;
  options.budgets.feature_bytes = 32 << 10;
  options.disk.folder = folder.path() + "/cache";
  options.disk.max_bytes = 300000;
  options.disk.staging_bytes = 100000;  // a slow disk may not pile up copies
  const auto engine = model.engine(options);
  std::mt19937 random(11);
  size_t settled = 0;
  for (int i = 0; i < conversations; ++i) {
    if (i == conversations / 2) settled = resident_bytes();
    std::vector<Piece> pieces{{std::vector<int32_t>(30, 5), {}}, {{}, {static_cast<uint32_t>(random() % 40), 60}}};
    for (int turn = 0; turn < 2; ++turn) {
      std::vector<int32_t> question(3 + random() % 20);
      for (int32_t& id : question) id = static_cast<int32_t>(4 + random() % 50);
      pieces.push_back({question, {}});
      const Asked asked = ask(*engine, pieces, kind, 4);
      if (turn == 1 && kind != Kind::prefix) CHECK(asked.plan.cache.image_tokens_reused == 60);
      pieces.push_back({asked.result.tokens, {}});
    }
    const Counters now = engine->stats();
    CHECK(now.kv.bytes + now.snapshots.bytes <= options.budgets.kv_bytes &&
          now.features.bytes <= options.budgets.feature_bytes);
    CHECK(now.requests_active == 0 && now.bytes_reserved == 0);
  }
  const size_t last = resident_bytes();
  engine->close();
  const Counters end = engine->stats();
  CHECK(end.blocks_leaked == 0 && end.kv.bytes == 0 && end.snapshots.bytes == 0 && end.features.bytes == 0);
  CHECK(end.kv.evictions > 0 && end.disk.bytes <= options.disk.max_bytes);
  if (kMeasuresMemory) CHECK(last <= settled + (size_t{1} << 20));  // the second half needs no more than the first
  std::printf("kind %d: %d conversations, resident %zu KiB halfway and %zu KiB at the end, %llu blocks evicted\n",
              static_cast<int>(kind), conversations, settled >> 10, last >> 10,
              static_cast<unsigned long long>(end.kv.evictions));
}

}  // namespace

int main(int argc, char** argv) {
  const int conversations = argc > 1 ? std::atoi(argv[1]) : 2000;
  soak(Kind::mrope, conversations);
  soak(Kind::recurrent, conversations / 4);
}
