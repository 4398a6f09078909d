// The disk tier over full disks, killed writers and several processes. Forks, so it is not for Windows.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "cache_disk_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

// A child whose files may not grow past 10,000 bytes: its writes fail as on a full disk.
void a_full_disk_is_reported_only() {
  TempFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10000, 10000};
    setrlimit(RLIMIT_FSIZE, &limit);
    DiskTier tier(options(folder.path()), kFormat);
    tier.stage(staged(1));
    tier.flush();
    const DiskCounters counters = tier.counters();
    const bool right = counters.writes == 0 && counters.skipped == 1 && !counters.problem.empty() &&
                       find(tier, {staged(1).prefix}).empty();
    _exit(right ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(std::filesystem::is_empty(folder.path()));
}

void killed_writers_leave_nothing_half_written() {
  TempFolder folder;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0;; ++i) write(folder.path(), staged(round * 1000 + i % 1000, 64 * 40));
    }
    while (!platform::exists(path_of(folder.path(), staged(round * 1000, 64 * 40)))) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds(round * 370));
    kill(child, SIGKILL);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  }
  size_t sound = 0;
  for (int round = 0; round < 25; ++round)
    for (int i = 0; i < 1000; ++i) {
      const StagedPrefix prefix = staged(round * 1000 + i, 64 * 40);
      const std::string path = path_of(folder.path(), prefix);
      if (!platform::exists(path)) break;
      CHECK(verdict(path, prefix).empty());
      ++sound;
    }
  CHECK(sound > 0 && list_disk_cache(folder.path()).size() == sound);
}

void processes_share_a_folder() {
  TempFolder folder;
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    const pid_t child = fork();
    if (child == 0) {
      DiskOptions small = options(folder.path());
      small.max_bytes = 200000;  // so that they also remove each other's files
      DiskTier tier(small, kFormat);
      for (int i = 0; i < 60; ++i) {
        tier.stage(staged((i + c * 3) % 20));
        find(tier, {staged((i * 7) % 20).prefix});
      }
      tier.flush();
      _exit(tier.counters().rejected == 0 && tier.counters().skipped == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  for (int i = 0; i < 20; ++i)
    if (const std::string path = path_of(folder.path(), staged(i)); platform::exists(path))
      CHECK(verdict(path, staged(i)).empty());
}

}  // namespace

int main() {
  a_full_disk_is_reported_only();
  killed_writers_leave_nothing_half_written();
  processes_share_a_folder();
  std::puts("ok");
}
