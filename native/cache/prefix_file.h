// One image prefix as an immutable file: who made it, the exact items, the KV blocks from the end of the image before
// it, and the recurrent state at its end.
//
//   Header (64 bytes, little-endian) · identity · items · label (512 bytes, filled up with zeros) ·
//   zeros to a multiple of 4096 · blocks · state · SHA-256 of all
//
// A file appears under its final name complete or not at all. Whatever is wrong with one makes it a miss.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/error.h"
#include "platform/mapped_file.h"

namespace afterimage {

// Bytes of the longest label; a longer one is left out.
inline constexpr size_t kLabelLimit = 512;

// What must be equal for the bytes to mean the same: shared by all files of one engine.
struct PrefixFormat {
  std::string identity;  // text: weights digest, backend, precision, KV type, layout
  uint64_t block_bytes = 0;
  uint64_t state_bytes = 0;
};

struct PrefixItems {
  std::vector<std::byte> items;  // Sequence::identity(end)
  int32_t first_block = 0;       // KV block that holds the end of the image before; 0 for the first image
  int32_t end = 0;
  std::string label = {};  // ImageSpan::label; no part of the name, and none of what must be equal
  int64_t block_count() const noexcept { return (end + 63) / 64 - first_block; }
};

// SHA-256 over the identity and the items, with the suffix of the disk tier.
std::string prefix_file_name(const PrefixFormat& format, const PrefixItems& prefix);

// Writes `blocks` and `state` under a temporary name, syncs and renames. Throws IO_FAILED with the reason (disk full,
// …); no temporary file is left then.
void write_prefix_file(const std::string& folder, const PrefixFormat& format, const PrefixItems& prefix,
                       std::span<const std::byte> blocks, std::span<const std::byte> state);

// For tests that end a process within a write: bytes written at a time, and what happens after each of them.
struct WritePace {
  size_t slice = size_t{4} << 20;
  std::function<void()> pause;
};
inline WritePace write_pace;

// What a file holds is not what its name says; another file may take its place.
class UnsoundFile : public Error {
 public:
  explicit UnsoundFile(const std::string& what) : Error("IO_FAILED", what) {}
};

class PrefixFile {
 public:
  // Maps the file and verifies all of it. Throws UnsoundFile with the reason, IO_FAILED where it cannot be read now.
  PrefixFile(const std::string& path, const PrefixFormat& format, const PrefixItems& prefix);
  const std::byte* block(int64_t index) const noexcept { return blocks_ + static_cast<size_t>(index) * block_bytes_; }
  const std::byte* state() const noexcept { return state_; }
  // Asked after reading, before what was read is used: whether the file has not been cut since it was verified.
  bool whole() const noexcept { return file_.whole(); }

 private:
  MappedFile file_;
  size_t block_bytes_;
  const std::byte* blocks_ = nullptr;
  const std::byte* state_ = nullptr;
};

// Header fields of a file for listing; tokens 0 where it is no prefix file.
struct PrefixSummary {
  int32_t tokens = 0;
  std::string identity, label;  // label: empty in files of the format before it
};
PrefixSummary summarise_prefix_file(const std::string& path);

inline constexpr const char* kPrefixSuffix = ".prefix";
inline constexpr const char* kTemporaryPrefix = ".writing-";

}  // namespace afterimage
