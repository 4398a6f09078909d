#include "cache/disk_tier.h"

#include "graph/error.h"
#include "platform/files.h"

namespace afterimage {

DiskTier::DiskTier(DiskOptions options, PrefixFormat format)
    : options_(std::move(options)), format_(std::move(format)) {
  if (options_.folder.empty()) return;
  try {
    platform::make_private_folder(options_.folder);
  } catch (const Error& error) {
    counters_.problem = error.what();
    return;
  }
  enabled_ = true;
  trim();
  writer_ = std::thread([this] { write_loop(); });
  reader_ = std::thread([this] { read_loop(); });
}

void DiskTier::report(uint64_t DiskCounters::*counter, const std::string& problem) {
  std::lock_guard lock(mutex_);
  ++(counters_.*counter);
  counters_.problem = problem;
}

bool DiskTier::accepts(size_t bytes) {
  if (!enabled_) return false;
  std::unique_lock lock(mutex_);
  if (closing_) return false;
  const bool behind = staged_bytes_ + bytes > options_.staging_bytes;
  if (!behind && bytes <= options_.max_bytes) return true;
  ++counters_.skipped;
  counters_.problem = behind ? "An image prefix was not written: the disk is slower than the model, or the prefix is "
                               "larger than the staging memory."
                             : "An image prefix was not written: it is larger than the limit of the cache folder.";
  return false;
}

void DiskTier::stage(StagedPrefix prefix) {
  std::lock_guard lock(mutex_);
  staged_bytes_ += prefix.bytes();
  staged_.push_back(std::move(prefix));
  changed_.notify_all();
}

void DiskTier::find(std::vector<PrefixItems> path, std::function<void(Found)> on_found) {
  std::lock_guard lock(mutex_);
  lookups_.push_back({std::move(path), std::move(on_found)});
  changed_.notify_all();
}

std::vector<DiskEntry> DiskTier::list() const {
  if (!enabled_) return {};
  std::vector<DiskEntry> files = list_disk_cache(options_.folder);
  std::erase_if(files, [&](const DiskEntry& file) { return file.identity != format_.identity; });
  return files;
}

void DiskTier::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return staged_bytes_ == 0; });
}

DiskCounters DiskTier::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

void DiskTier::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  if (writer_.joinable()) writer_.join();
  if (reader_.joinable()) reader_.join();
}

void DiskTier::write_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !staged_.empty(); });
    if (staged_.empty()) return;
    const StagedPrefix prefix = std::move(staged_.front());
    staged_.pop_front();
    lock.unlock();
    write(prefix);
    lock.lock();
    staged_bytes_ -= prefix.bytes();
    changed_.notify_all();
  }
}

void DiskTier::write(const StagedPrefix& staged) {
  const std::string path = options_.folder + "/" + prefix_file_name(format_, staged.prefix);
  if (platform::exists(path)) return;  // another process was first; its bytes are the same
  try {
    write_prefix_file(options_.folder, format_, staged.prefix, staged.blocks, staged.state);
    std::lock_guard lock(mutex_);
    ++counters_.writes;
  } catch (const std::exception& error) {
    report(&DiskCounters::skipped, error.what());
  }
  trim();
}

void DiskTier::trim() {
  const TrimResult result = trim_disk_cache(options_.folder, options_.max_bytes, options_.max_age_seconds);
  std::lock_guard lock(mutex_);
  counters_.bytes = result.bytes;
  counters_.evictions += result.removed;
}

void DiskTier::read_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !lookups_.empty(); });
    if (closing_) return;
    const Lookup lookup = std::move(lookups_.front());
    lookups_.pop_front();
    lock.unlock();
    lookup.on_found(look_up(lookup.path));
    lock.lock();
  }
}

DiskTier::Found DiskTier::look_up(const std::vector<PrefixItems>& wanted) {
  Found found;
  for (const PrefixItems& prefix : wanted) {
    const std::string path = options_.folder + "/" + prefix_file_name(format_, prefix);
    if (!platform::exists(path)) {
      std::lock_guard lock(mutex_);
      ++counters_.misses;
      break;
    }
    try {
      found.push_back(std::make_unique<PrefixFile>(path, format_, prefix));
    } catch (const UnsoundFile& error) {
      // Out of the way, so that a sound file can take its place.
      platform::remove_file(path);
      report(&DiskCounters::rejected, error.what());
      break;
    } catch (const std::exception& error) {
      report(&DiskCounters::skipped, error.what());  // such as too many open files
      break;
    }
    platform::touch(path);  // used now: the last to go
    std::lock_guard lock(mutex_);
    ++counters_.hits;
  }
  return found;
}

}  // namespace afterimage
