// Files and folders as the engine uses them, by UTF-8 paths. Where a function returns false, `last_problem` says why.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace afterimage::platform {

// The reason of the last call that failed on this thread, in the system's words.
std::string last_problem();

std::filesystem::path native_path(const std::string& utf8);
std::string utf8_of(const std::filesystem::path& path);

bool exists(const std::string& path);
bool remove_file(const std::string& path);
// Sets the time of the last change to now.
bool touch(const std::string& path);

struct FileFacts {
  uint64_t bytes = 0;
  int64_t modified_seconds = 0;  // since the epoch
};
// Empty where there is no plain file; a link is none.
std::optional<FileFacts> facts_of(const std::filesystem::path& path);

// Makes a folder that only this user can enter; one of this user's that is there is made private.
// Throws IO_FAILED with the reason.
void make_private_folder(const std::string& path);

// A new file that only this user can read: nothing of that name may be there, not even a link.
class NewFile {
 public:
  explicit NewFile(const std::string& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  bool opened() const noexcept { return handle_ != kNone; }
  // Returns how many bytes of the front were written; 0 where none could be.
  size_t write(const void* bytes, size_t size);
  // Once on the disk, closed.
  bool finish();

 private:
  static constexpr intptr_t kNone = -1;
  intptr_t handle_ = kNone;
};

// `from` under the name `to`, at once and also after a power loss; whatever is there makes way where the system allows.
bool move_file(const std::string& from, const std::string& to, const std::string& folder);

int64_t process_id();

}  // namespace afterimage::platform
