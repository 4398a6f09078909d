#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "graph/error.h"
#include "platform/mapped_file.h"

namespace afterimage {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw Error("IO_FAILED", "\"" + path + "\" cannot be " + what + ": " + std::strerror(errno) +
                               "; check the path and its permissions.");
}

int64_t nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

#ifdef __APPLE__
int64_t modified(const struct stat& info) { return nanoseconds(info.st_mtimespec); }
#else
int64_t modified(const struct stat& info) { return nanoseconds(info.st_mtim); }
#endif

// Closes the descriptor where it is not kept.
struct Opening {
  int fd;
  ~Opening() {
    if (fd >= 0) ::close(fd);
  }
  int keep() { return std::exchange(fd, -1); }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  Opening file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "opened");
  struct stat info;
  if (::fstat(file.fd, &info) != 0) fail(path, "read");
  if (!S_ISREG(info.st_mode)) throw Error("IO_FAILED", "\"" + path + "\" is not a file; expected a safetensors file.");
  size_ = static_cast<size_t>(info.st_size);
  modified_ns_ = modified(info);
  if (size_ == 0) return;
  // Shared, as a GPU that reads pages in place expects them; a private mapping may be copied under it.
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (address == MAP_FAILED) fail(path, "mapped");
  data_ = static_cast<const std::byte*>(address);
  try {
    range_.emplace(data_, size_);
  } catch (...) {
    ::munmap(address, size_);
    throw;
  }
  handle_ = file.keep();
}

bool MappedFile::whole() const noexcept {
  if (handle_ < 0) return true;
  struct stat info;
  return !range_->damaged() && ::fstat(static_cast<int>(handle_), &info) == 0 &&
         static_cast<size_t>(info.st_size) == size_;
}

bool MappedFile::intact() const noexcept {
  if (handle_ < 0) return true;
  struct stat info;
  return whole() && ::fstat(static_cast<int>(handle_), &info) == 0 && modified(info) == modified_ns_;
}

void MappedFile::drop(const std::byte* from, size_t bytes) const noexcept {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(from) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(from) + bytes) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!data_) return;
  range_.reset();
  ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(static_cast<int>(handle_));
}

}  // namespace afterimage
