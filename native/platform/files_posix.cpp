#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "graph/error.h"
#include "platform/files.h"

namespace afterimage::platform {

std::string last_problem() { return std::strerror(errno); }

std::filesystem::path native_path(const std::string& utf8) { return utf8; }
std::string utf8_of(const std::filesystem::path& path) { return path.string(); }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
bool remove_file(const std::string& path) { return ::unlink(path.c_str()) == 0; }
bool touch(const std::string& path) { return ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0; }

std::optional<FileFacts> facts_of(const std::filesystem::path& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return FileFacts{static_cast<uint64_t>(status.st_size), static_cast<int64_t>(status.st_mtime)};
}

void make_private_folder(const std::string& path) {
  const auto refuse = [&](const std::string& why) { throw Error("IO_FAILED", "The cache folder " + path + why); };
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) refuse(" could not be made: " + last_problem() + ".");
  struct stat status;
  const bool ours = ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid();
  if (!ours) refuse(" is not a folder of this user; name another one.");
  if ((status.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0)
    refuse(" could not be made private: " + last_problem() + ".");
  if (::access(path.c_str(), W_OK | X_OK) != 0) refuse(" is not writable: " + last_problem() + ".");
}

NewFile::NewFile(const std::string& path)
    : handle_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {}

NewFile::~NewFile() {
  if (opened()) ::close(static_cast<int>(handle_));
}

size_t NewFile::write(const void* bytes, size_t size) {
  for (;;) {
    const ssize_t done = ::write(static_cast<int>(handle_), bytes, size);
    if (done > 0) return static_cast<size_t>(done);
    if (done == 0) errno = ENOSPC;
    if (errno != EINTR) return 0;
  }
}

bool NewFile::finish() {
  return ::fsync(static_cast<int>(handle_)) == 0 && ::close(static_cast<int>(std::exchange(handle_, kNone))) == 0;
}

bool move_file(const std::string& from, const std::string& to, const std::string& folder) {
  if (::rename(from.c_str(), to.c_str()) != 0) return false;
  // The name itself survives a power loss only once the folder is synced; its content is complete in any case.
  const int opened = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened >= 0) {
    ::fsync(opened);
    ::close(opened);
  }
  return true;
}

int64_t process_id() { return ::getpid(); }

}  // namespace afterimage::platform
