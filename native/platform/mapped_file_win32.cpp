#include <memory>
#include <utility>

#include "graph/error.h"
#include "platform/files.h"
#include "platform/mapped_file.h"
#include "platform/win32.h"

namespace afterimage {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw Error("IO_FAILED", "\"" + path + "\" cannot be " + what + ": " + platform::last_problem() +
                               "; check the path and its permissions.");
}

struct CloseIt {
  void operator()(void* handle) const { ::CloseHandle(handle); }
};
using Handle = std::unique_ptr<void, CloseIt>;

struct Facts {
  size_t size = 0;
  int64_t modified_ns = 0;
};

bool read_facts(HANDLE file, Facts& facts) {
  BY_HANDLE_FILE_INFORMATION info;
  if (!::GetFileInformationByHandle(file, &info)) return false;
  facts.size = size_t{info.nFileSizeHigh} << 32 | info.nFileSizeLow;
  facts.modified_ns = (static_cast<int64_t>(platform::ticks_of(info.ftLastWriteTime)) -
                       static_cast<int64_t>(platform::kTicksBeforeEpoch)) *
                      100;
  return true;
}

bool is_folder(const std::wstring& path) {
  const DWORD kind = ::GetFileAttributesW(path.c_str());
  return kind != INVALID_FILE_ATTRIBUTES && (kind & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

// A plain file, which others may go on to write, rename and remove as far as the system lets them.
Handle open(const std::string& path) {
  const std::wstring name = platform::wide(path);
  HANDLE opened = is_folder(name) ? INVALID_HANDLE_VALUE
                                  : ::CreateFileW(name.c_str(), GENERIC_READ,
                                                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (opened == INVALID_HANDLE_VALUE && !is_folder(name)) fail(path, "opened");
  Handle file(opened == INVALID_HANDLE_VALUE ? nullptr : opened);
  if (!file || ::GetFileType(file.get()) != FILE_TYPE_DISK)
    throw Error("IO_FAILED", "\"" + path + "\" is not a file; expected a safetensors file.");
  return file;
}

const std::byte* map(HANDLE file) {
  const Handle section(::CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr));
  if (!section) return nullptr;
  return static_cast<const std::byte*>(::MapViewOfFile(section.get(), FILE_MAP_READ, 0, 0, 0));
}

// What stands there is the view, or the zeros that took its place.
void unmap(const std::byte* data) {
  auto* const address = const_cast<std::byte*>(data);
  if (!::UnmapViewOfFile(address)) ::VirtualFree(address, 0, MEM_RELEASE);
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  Handle file = open(path);
  Facts facts;
  if (!read_facts(file.get(), facts)) fail(path, "read");
  size_ = facts.size;
  modified_ns_ = facts.modified_ns;
  if (size_ == 0) return;
  data_ = map(file.get());
  if (!data_) fail(path, "mapped");
  try {
    range_.emplace(data_, size_);
  } catch (...) {
    unmap(data_);
    throw;
  }
  handle_ = reinterpret_cast<intptr_t>(file.release());
}

bool MappedFile::whole() const noexcept {
  if (!data_) return true;
  Facts now;
  return !range_->damaged() && read_facts(platform::handle_of(handle_), now) && now.size == size_;
}

bool MappedFile::intact() const noexcept {
  if (!data_) return true;
  Facts now;
  return whole() && read_facts(platform::handle_of(handle_), now) && now.modified_ns == modified_ns_;
}

// Unlocking what is not locked takes it out of the working set.
void MappedFile::drop(const std::byte* from, size_t bytes) const noexcept {
  constexpr uintptr_t kPage = 4096;
  const uintptr_t first = (reinterpret_cast<uintptr_t>(from) + kPage - 1) / kPage * kPage;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(from) + bytes) / kPage * kPage;
  if (first < last) ::VirtualUnlock(reinterpret_cast<void*>(first), last - first);
}

MappedFile::~MappedFile() {
  if (!data_) return;
  range_.reset();
  unmap(data_);
  ::CloseHandle(platform::handle_of(handle_));
}

}  // namespace afterimage
