// The disk tier: what is accepted, what is a miss, and what survives full disks, killed writers and other processes.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <ctime>
#include <fstream>
#include <future>
#include <thread>

#include "cache/disk_folder.h"
#include "cache/disk_tier.h"
#include "cache_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

const PrefixFormat kFormat{"weights 1234\nbackend test\n", 8192, 96};

std::vector<std::byte> pattern(size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i * 31 + static_cast<size_t>(seed) * 7 + i / 251) & 255);
  std::memcpy(bytes.data(), &seed, sizeof seed);  // no two alike
  return bytes;
}

StagedPrefix staged(int seed, int32_t end = 150) {
  StagedPrefix prefix{{pattern(600, seed), 1, end, "picture " + std::to_string(seed)}, {}, pattern(96, seed + 2)};
  prefix.blocks = pattern(static_cast<size_t>(prefix.prefix.block_count()) * kFormat.block_bytes, seed + 1);
  return prefix;
}

std::string path_of(const std::string& folder, const StagedPrefix& prefix) {
  return folder + "/" + prefix_file_name(kFormat, prefix.prefix);
}

// Empty if the file is accepted and holds what was staged.
std::string verdict(const std::string& path, const StagedPrefix& prefix, const PrefixFormat& format = kFormat) {
  try {
    const PrefixFile file(path, format, prefix.prefix);
    CHECK(std::memcmp(file.block(0), prefix.blocks.data(), prefix.blocks.size()) == 0);
    CHECK(std::memcmp(file.state(), prefix.state.data(), prefix.state.size()) == 0);
    return "";
  } catch (const Error& error) {
    CHECK(error.code() == "IO_FAILED");
    return error.what();
  }
}

std::string write(const std::string& folder, const StagedPrefix& prefix) {
  write_prefix_file(folder, kFormat, prefix.prefix, prefix.blocks, prefix.state);
  return path_of(folder, prefix);
}

std::vector<char> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

DiskOptions options(const std::string& folder) {
  DiskOptions o;
  o.folder = folder;
  return o;
}

DiskTier::Found find(DiskTier& tier, const std::vector<PrefixItems>& path) {
  std::promise<DiskTier::Found> found;
  auto future = found.get_future();
  tier.find(path, [&](DiskTier::Found files) { found.set_value(std::move(files)); });
  return future.get();
}

void every_damage_is_noticed() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  CHECK(verdict(path, prefix).empty());
  struct stat status;
  CHECK(stat(path.c_str(), &status) == 0 && (status.st_mode & 07777) == 0600);
  const std::vector<char> sound = read_all(path);
  // Every byte of header, identity, items, label's beginning and checksum; every 61st of padding, blocks and state.
  for (size_t at = 0; at < sound.size(); at += at < 720 || at + 40 > sound.size() ? 1 : 61) {
    std::vector<char> damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_all(path, damaged);
    CHECK(!verdict(path, prefix).empty());
  }
  for (size_t length :
       {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{4096}, sound.size() - 32, sound.size() - 1}) {
    write_all(path, {sound.begin(), sound.begin() + static_cast<ptrdiff_t>(length)});
    CHECK(verdict(path, prefix).find("truncated") != std::string::npos);
  }
  std::vector<char> longer = sound;
  longer.push_back(0);
  write_all(path, longer);
  CHECK(!verdict(path, prefix).empty());
  write_all(path, sound);
  CHECK(verdict(path, prefix).empty());
}

void foreign_files_are_refused() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  PrefixFormat other = kFormat;
  other.identity = "weights 1235\nbackend test\n";
  CHECK(verdict(path, prefix, other).find("other weights") != std::string::npos);
  CHECK(prefix_file_name(other, prefix.prefix) != prefix_file_name(kFormat, prefix.prefix));
  other = kFormat;
  other.block_bytes = 4096;
  CHECK(verdict(path, prefix, other).find("layout") != std::string::npos);
  StagedPrefix another = staged(1);
  another.prefix.items[599] ^= std::byte{1};
  CHECK(verdict(path, another).find("another prompt") != std::string::npos);
  CHECK(verdict("/dev/null", prefix) != "" && verdict(folder.path(), prefix) != "");
}

// What a picture is called is for whoever lists files: another name finds the same file, one that is too long is left
// out.
void labels_are_no_part_of_what_must_be_equal() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  StagedPrefix renamed = prefix;
  renamed.prefix.label = "another";
  CHECK(path_of(folder.path(), renamed) == path && verdict(path, renamed).empty());
  CHECK(summarise_prefix_file(path).label == "picture 1");
  for (const size_t length : {size_t{0}, kLabelLimit, kLabelLimit + 1}) {
    renamed.prefix.label.assign(length, 'x');
    write(folder.path(), renamed);
    CHECK(verdict(path, prefix).empty());
    CHECK(summarise_prefix_file(path).label.size() == (length > kLabelLimit ? 0 : length));
  }
  // The format before had none: listed as it was.
  std::vector<char> old = read_all(path);
  old[8] = 1;
  write_all(path, old);
  CHECK(summarise_prefix_file(path).tokens == 150 && summarise_prefix_file(path).label.empty());
  CHECK(verdict(path, prefix).find("version 1") != std::string::npos);
}

void tier_writes_behind_and_finds_paths() {
  TempFolder folder;
  const std::string inside = folder.path() + "/cache";
  const StagedPrefix first = staged(1), second = staged(2), third = staged(3);
  {
    DiskTier tier(options(inside), kFormat);
    struct stat status;
    CHECK(tier.enabled() && stat(inside.c_str(), &status) == 0 && (status.st_mode & 07777) == 0700);
    for (const StagedPrefix* prefix : {&first, &second}) {
      CHECK(tier.accepts(prefix->bytes()));
      tier.stage(*prefix);
    }
    tier.flush();
    CHECK(tier.counters().writes == 2 && tier.counters().bytes > 2 * 16384);
    CHECK(find(tier, {first.prefix, second.prefix, third.prefix}).size() == 2);
    CHECK(tier.counters().hits == 2 && tier.counters().misses == 1);
    tier.stage(first);  // there already: immutable, so not written again
    tier.flush();
    CHECK(tier.counters().writes == 2);
  }
  // A damaged file is a miss with a reason, makes way, and can be written again.
  std::vector<char> damaged = read_all(path_of(inside, first));
  damaged[9000] ^= 1;
  write_all(path_of(inside, first), damaged);
  DiskTier tier(options(inside), kFormat);
  CHECK(find(tier, {first.prefix, second.prefix}).empty());
  CHECK(tier.counters().rejected == 1 && tier.counters().problem.find("checksum") != std::string::npos);
  CHECK(access(path_of(inside, first).c_str(), F_OK) != 0);
  tier.stage(first);
  tier.flush();
  CHECK(find(tier, {first.prefix, second.prefix}).size() == 2);
  const auto entries = list_disk_cache(inside);
  CHECK(entries.size() == 2 && entries[0].tokens == 150 && entries[0].identity == kFormat.identity);
  CHECK(entries[0].label.starts_with("picture ") && entries[1].label.starts_with("picture "));
  // A file that vanishes while it is mapped is still readable.
  DiskTier::Found held = find(tier, {first.prefix});
  CHECK(clear_disk_cache(inside) == 2 && list_disk_cache(inside).empty());
  CHECK(std::memcmp(held[0]->block(1), first.blocks.data() + 8192, 8192) == 0);
  CHECK(find(tier, {first.prefix}).empty());
}

void limits_hold() {
  TempFolder folder;
  const uint64_t size = read_all(write(folder.path(), staged(0))).size();
  const int64_t now = std::time(nullptr);
  for (int i = 0; i < 6; ++i) {
    const std::string path = write(folder.path(), staged(i));
    const timespec times[2] = {{now - 100 * (6 - i), 0}, {now - 100 * (6 - i), 0}};
    CHECK(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }
  std::ofstream(folder.path() + "/mine.txt") << "kept";
  std::ofstream(folder.path() + "/" + kTemporaryPrefix + "7-0") << "left by a killed writer";
  const timespec old[2] = {{now - 7200, 0}, {now - 7200, 0}};
  CHECK(utimensat(AT_FDCWD, (folder.path() + "/" + kTemporaryPrefix + "7-0").c_str(), old, 0) == 0);
  TrimResult kept = trim_disk_cache(folder.path(), 4 * size, 100000);
  CHECK(kept.removed == 3 && kept.bytes == 4 * size);
  for (int i = 0; i < 6; ++i) CHECK((access(path_of(folder.path(), staged(i)).c_str(), F_OK) == 0) == (i >= 2));
  kept = trim_disk_cache(folder.path(), 4 * size, 250);
  CHECK(kept.removed == 2 && list_disk_cache(folder.path()).size() == 2);
  CHECK(std::filesystem::exists(folder.path() + "/mine.txt"));
  DiskOptions small = options(folder.path());
  small.staging_bytes = 1000;
  DiskTier tier(small, kFormat);
  CHECK(!tier.accepts(1001) && tier.counters().skipped == 1 && !tier.counters().problem.empty());
}

void folders_that_cannot_be_used_turn_the_tier_off() {
  TempFolder folder;
  std::ofstream(folder.path() + "/file") << "x";
  DiskTier file(options(folder.path() + "/file"), kFormat);
  DiskTier orphan(options(folder.path() + "/no/such"), kFormat);
  CHECK(!file.enabled() && !file.counters().problem.empty() && !orphan.enabled() && !orphan.counters().problem.empty());
  CHECK(mkdir((folder.path() + "/lax").c_str(), 0755) == 0);
  DiskTier lax(options(folder.path() + "/lax"), kFormat);
  struct stat status;
  CHECK(lax.enabled() && stat((folder.path() + "/lax").c_str(), &status) == 0 && (status.st_mode & 077) == 0);
}

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
    while (access(path_of(folder.path(), staged(round * 1000, 64 * 40)).c_str(), F_OK) != 0) std::this_thread::yield();
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
      if (access(path.c_str(), F_OK) != 0) break;
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
    if (const std::string path = path_of(folder.path(), staged(i)); access(path.c_str(), F_OK) == 0)
      CHECK(verdict(path, staged(i)).empty());
}

}  // namespace

int main() {
  a_full_disk_is_reported_only();  // these fork, so they come before any thread
  killed_writers_leave_nothing_half_written();
  processes_share_a_folder();
  every_damage_is_noticed();
  foreign_files_are_refused();
  labels_are_no_part_of_what_must_be_equal();
  tier_writes_behind_and_finds_paths();
  limits_hold();
  folders_that_cannot_be_used_turn_the_tier_off();
  std::puts("ok");
}
