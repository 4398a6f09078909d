// kill -9 at a random moment of a write of the disk tier, AFTERIMAGE_KILLS times (20; 200 takes a minute): what the
// next process answers is bitwise what it would have answered without a cache, and a half-written file never counts.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session_ask.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

constexpr Kind kKind = Kind::causal;
constexpr int kPauseMicroseconds = 300;

const std::vector<Piece> kQuestion{{{4, 5, 6}, {}}, {{}, {7, 300}}, {{8, 9}, {}}};

EngineOptions options(const std::string& folder) {
  EngineOptions o;
  o.kv_type = KvType::f16;
  o.chunk_rows = 64;
  o.budgets.kv_bytes = size_t{8} << 20;
  o.disk.folder = folder;
  return o;
}

void rest(long microseconds) {
  const timespec time{microseconds / 1'000'000, microseconds % 1'000'000 * 1000};
  nanosleep(&time, nullptr);
}

// The process that is killed: says when its write begins, and writes slowly.
[[noreturn]] void write_slowly(const TinyModel& model, const std::string& folder, int said) {
  write_pace.slice = 256;
  write_pace.pause = [said, first = true]() mutable {
    if (first && ::write(said, "w", 1) != 1) ::_exit(2);
    first = false;
    rest(kPauseMicroseconds);
  };
  const auto engine = model.engine(options(folder));
  ask(*engine, kQuestion, kKind, 2);
  engine->flush_disk();
  ::_exit(0);
}

size_t count(const std::string& folder, const std::string& part) {
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    found += entry.path().filename().string().find(part) != std::string::npos;
  return found;
}

// Returns how long the whole write takes, in microseconds.
long time_of_write(const TinyModel& model) {
  TempFolder folder;
  const auto engine = model.engine(options(folder.path() + "/cache"));
  ask(*engine, kQuestion, kKind, 2);
  engine->flush_disk();
  engine->close();
  size_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/cache")) bytes += entry.file_size();
  CHECK(bytes > 0);
  return static_cast<long>(bytes / 256) * (kPauseMicroseconds + 60);
}

}  // namespace

int main() {
  const char* given = std::getenv("AFTERIMAGE_KILLS");
  const int kills = given ? std::atoi(given) : 20;
  const TinyModel model(kKind);
  const std::vector<std::vector<float>> cold = [&] {
    const auto engine = model.engine(options(""));
    auto logits = ask(*engine, kQuestion, kKind, 2).result.logits;
    engine->close();
    return logits;
  }();
  const long whole = time_of_write(model);
  std::mt19937 random(5);
  int within = 0, finished = 0;
  uint64_t hits = 0;
  for (int round = 0; round < kills; ++round) {
    TempFolder folder;
    const std::string cache = folder.path() + "/cache";
    int said[2];
    CHECK(pipe(said) == 0);
    const pid_t child = fork();
    if (child == 0) write_slowly(model, cache, said[1]);
    ::close(said[1]);
    char began;
    CHECK(::read(said[0], &began, 1) == 1);
    rest(static_cast<long>(random() % static_cast<unsigned long>(whole)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ::close(said[0]);
    within += count(cache, kTemporaryPrefix) > 0;
    finished += count(cache, kPrefixSuffix) > 0;
    for (int again = 0; again < 2; ++again) {
      const auto engine = model.engine(options(cache));
      const Asked asked = ask(*engine, kQuestion, kKind, 2);
      CHECK(same_bits(asked.result.logits, cold));
      engine->flush_disk();
      engine->close();
      const Counters end = engine->stats();
      CHECK(end.disk_rejected == 0 && end.blocks_leaked == 0);
      CHECK(again == 0 || end.disk.hits > 0);
      hits += end.disk.hits;
      CHECK(count(cache, kPrefixSuffix) == 1);
    }
  }
  std::printf("%d kills: %d within a write, %d after one; %llu files read back; every answer bitwise the cold one\n",
              kills, within, finished, static_cast<unsigned long long>(hits));
  CHECK(within * 2 > kills);
}
