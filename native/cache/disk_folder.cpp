#include "cache/disk_folder.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "cache/prefix_file.h"
#include "platform/files.h"

namespace afterimage {

namespace {

// A writer syncs within seconds to minutes; a temporary file older than this belongs to a process that is gone.
constexpr int64_t kAbandonedSeconds = 3600;

struct File {
  std::string name;
  uint64_t bytes;
  int64_t used_at;
  bool temporary;
};

std::vector<File> files_of(const std::string& folder) {
  std::vector<File> files;
  std::error_code failed;
  for (std::filesystem::directory_iterator it(platform::native_path(folder), failed), end; !failed && it != end;
       it.increment(failed)) {
    const std::string name = platform::utf8_of(it->path().filename());
    const bool temporary = name.starts_with(kTemporaryPrefix);
    if (!temporary && !name.ends_with(kPrefixSuffix)) continue;
    if (const auto facts = platform::facts_of(it->path()))
      files.push_back({name, facts->bytes, facts->modified_seconds, temporary});
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) {
    return a.used_at != b.used_at ? a.used_at > b.used_at : a.name < b.name;
  });
  return files;
}

bool remove_file(const std::string& folder, const std::string& name) {
  return platform::remove_file(folder + "/" + name);
}

}  // namespace

std::vector<DiskEntry> list_disk_cache(const std::string& folder) {
  std::vector<DiskEntry> entries;
  for (const File& file : files_of(folder)) {
    if (file.temporary) continue;
    PrefixSummary summary = summarise_prefix_file(folder + "/" + file.name);
    entries.push_back(
        {file.name, file.bytes, file.used_at, summary.tokens, std::move(summary.identity), std::move(summary.label)});
  }
  return entries;
}

size_t clear_disk_cache(const std::string& folder) {
  size_t removed = 0;
  for (const File& file : files_of(folder)) removed += remove_file(folder, file.name) ? 1 : 0;
  return removed;
}

TrimResult trim_disk_cache(const std::string& folder, uint64_t max_bytes, int64_t max_age_seconds) {
  TrimResult result;
  const int64_t now = std::time(nullptr);
  for (const File& file : files_of(folder)) {
    const int64_t age = now - file.used_at;
    const bool goes =
        file.temporary ? age > kAbandonedSeconds : age > max_age_seconds || result.bytes + file.bytes > max_bytes;
    if (!goes) {
      if (!file.temporary) result.bytes += file.bytes;
    } else if (remove_file(folder, file.name)) {
      ++result.removed;
    }
  }
  return result;
}

}  // namespace afterimage
