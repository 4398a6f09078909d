// Image prefixes on disk: written behind by one thread, looked up by another, so that neither holds up the engine.
// Nothing here throws or fails a request: what cannot be written or accepted is counted, with the last reason.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cache/disk_folder.h"
#include "cache/prefix_file.h"

namespace afterimage {

struct DiskOptions {
  std::string folder;  // empty: no disk tier. Made with mode 0700 where absent; its parent must exist.
  size_t max_bytes = size_t{8} << 30;
  int64_t max_age_seconds = 30 * 24 * 3600;
  size_t staging_bytes = size_t{512} << 20;  // copies waiting to be written
};

struct DiskCounters {
  uint64_t hits = 0, misses = 0;  // files accepted; not there
  uint64_t rejected = 0;          // corrupt, truncated or foreign
  uint64_t writes = 0, skipped = 0, evictions = 0;
  uint64_t bytes = 0;  // in the folder when last looked at
  std::string problem;
};

// A prefix copied out of the cache, to be written.
struct StagedPrefix {
  PrefixItems prefix;
  std::vector<std::byte> blocks, state;
  size_t bytes() const noexcept { return blocks.size() + state.size() + prefix.items.size(); }
};

class DiskTier {
 public:
  using Found = std::vector<std::unique_ptr<PrefixFile>>;

  // A folder that cannot be used turns the tier off and is reported as `problem`.
  DiskTier(DiskOptions options, PrefixFormat format);
  ~DiskTier() { close(); }

  bool enabled() const noexcept { return enabled_; }
  std::string file_name(const PrefixItems& prefix) const { return prefix_file_name(format_, prefix); }
  // The files that this engine can use, as the folder has them now; reads the head of each.
  std::vector<DiskEntry> list() const;
  // Whether a prefix of this size would be taken now; asked before it is copied, and counted as skipped if not.
  bool accepts(size_t bytes);
  void stage(StagedPrefix prefix);
  // A prefix that could not be staged.
  void skip(const std::string& problem) { report(&DiskCounters::skipped, problem); }
  // Verifies the files of a path in order, up to the first that is not there, and hands them over on the reader's
  // thread.
  void find(std::vector<PrefixItems> path, std::function<void(Found)> on_found);
  // Waits until nothing is staged.
  void flush();
  DiskCounters counters() const;
  // Writes what is staged, then stops. Look-ups that were not begun find nothing.
  void close();

 private:
  struct Lookup {
    std::vector<PrefixItems> path;
    std::function<void(Found)> on_found;
  };
  void write_loop();
  void read_loop();
  void write(const StagedPrefix& prefix);
  Found look_up(const std::vector<PrefixItems>& path);
  void trim();
  void report(uint64_t DiskCounters::*counter, const std::string& problem);

  const DiskOptions options_;
  const PrefixFormat format_;
  bool enabled_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<StagedPrefix> staged_;
  size_t staged_bytes_ = 0;  // waiting or being written
  std::deque<Lookup> lookups_;
  bool closing_ = false;
  DiskCounters counters_;
  std::thread writer_, reader_;
};

}  // namespace afterimage
