// The folder of the disk tier as a set of files: listed, kept within limits, cleared. Works without a
// model. Several processes may use one folder; files that vanish meanwhile are no error.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace afterimage {

struct DiskEntry {
  std::string file;  // name inside the folder
  uint64_t bytes = 0;
  int64_t used_at = 0;   // seconds since the epoch: written or last read
  int32_t tokens = 0;    // length of the prefix; 0 where the header cannot be read
  std::string identity;  // weights, backend, precision, KV type and layout it belongs to
  std::string label;     // what the image was called; empty where that was not written
};

// Newest first. An absent folder is empty.
std::vector<DiskEntry> list_disk_cache(const std::string& folder);
// Removes every prefix and left-over temporary file; returns how many. Nothing else in the folder is touched.
size_t clear_disk_cache(const std::string& folder);

struct TrimResult {
  uint64_t bytes = 0;  // kept
  size_t removed = 0;
};
// Removes prefixes older than `max_age_seconds`, then the longest unused ones beyond `max_bytes`, and temporary files
// that a killed writer left.
TrimResult trim_disk_cache(const std::string& folder, uint64_t max_bytes, int64_t max_age_seconds);

}  // namespace afterimage
