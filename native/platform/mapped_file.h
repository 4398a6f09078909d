// A file mapped read-only for as long as the object lives.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "platform/mapped_ranges.h"

namespace afterimage {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws IO_FAILED
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const noexcept { return data_; }  // null where the file is empty
  size_t size() const noexcept { return size_; }
  // Takes whole pages within these bytes out of memory; reading them maps them again.
  void drop(const std::byte* from, size_t bytes) const noexcept;
  int64_t modified_ns() const noexcept { return modified_ns_; }
  // Whether the file still is what was mapped. Where not, what was read since it last was may be anything; reading goes
  // on all the same, and yields zeros for what was cut off.
  bool intact() const noexcept;
  // As `intact`, for files whose times may change: whether nothing of it has been cut off.
  bool whole() const noexcept;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  intptr_t handle_ = -1;  // the system's, of the open file
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int64_t modified_ns_ = 0;
  std::optional<MappedRange> range_;
};

}  // namespace afterimage
