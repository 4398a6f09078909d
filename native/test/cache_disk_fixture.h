// A folder of the disk tier, and prefixes to put into it.
#pragma once
#include <cstring>
#include <future>
#include <string>
#include <vector>

#include "cache/disk_folder.h"
#include "cache/disk_tier.h"
#include "cache_fixture.h"

namespace afterimage::test {

inline const PrefixFormat kFormat{"weights 1234\nbackend test\n", 8192, 96};

inline std::vector<std::byte> pattern(size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>((i * 31 + static_cast<size_t>(seed) * 7 + i / 251) & 255);
  std::memcpy(bytes.data(), &seed, sizeof seed);  // no two alike
  return bytes;
}

inline StagedPrefix staged(int seed, int32_t end = 150) {
  StagedPrefix prefix;
  prefix.prefix = {pattern(600, seed), 1, end, "picture " + std::to_string(seed)};
  prefix.state = pattern(96, seed + 2);
  prefix.blocks = pattern(static_cast<size_t>(prefix.prefix.block_count()) * kFormat.block_bytes, seed + 1);
  return prefix;
}

inline std::string path_of(const std::string& folder, const StagedPrefix& prefix) {
  return folder + "/" + prefix_file_name(kFormat, prefix.prefix);
}

// Empty if the file is accepted and holds what was staged.
inline std::string verdict(const std::string& path, const StagedPrefix& prefix, const PrefixFormat& format = kFormat) {
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

inline std::string write(const std::string& folder, const StagedPrefix& prefix) {
  write_prefix_file(folder, kFormat, prefix.prefix, prefix.blocks, prefix.state);
  return path_of(folder, prefix);
}

inline DiskOptions options(const std::string& folder) {
  DiskOptions o;
  o.folder = folder;
  return o;
}

inline DiskTier::Found find(DiskTier& tier, const std::vector<PrefixItems>& path) {
  std::promise<DiskTier::Found> found;
  auto future = found.get_future();
  tier.find(path, [&](DiskTier::Found files) { found.set_value(std::move(files)); });
  return future.get();
}

}  // namespace afterimage::test
