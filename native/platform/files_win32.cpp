#include <aclapi.h>
#include <sddl.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "platform/files.h"
#include "platform/win32.h"

namespace afterimage::platform {
namespace {

struct FreeLocal {
  void operator()(void* memory) const { ::LocalFree(memory); }
};
struct CloseIt {
  void operator()(void* handle) const { ::CloseHandle(handle); }
};
using Local = std::unique_ptr<void, FreeLocal>;

// The user of this process, as TOKEN_USER in front of its own bytes; empty where the system does not say.
std::vector<std::byte> token_user() {
  HANDLE opened = nullptr;
  if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &opened)) return {};
  const std::unique_ptr<void, CloseIt> token(opened);
  DWORD size = 0;
  ::GetTokenInformation(opened, TokenUser, nullptr, 0, &size);
  std::vector<std::byte> user(size);
  if (!::GetTokenInformation(opened, TokenUser, user.data(), size, &size)) return {};
  return user;
}

PSID sid_of(std::vector<std::byte>& user) { return reinterpret_cast<TOKEN_USER*>(user.data())->User.Sid; }

// Full access for this user, the system and administrators, inherited by what is made inside; nothing from above.
Local private_descriptor() {
  std::vector<std::byte> user = token_user();
  wchar_t* text = nullptr;
  if (user.empty() || !::ConvertSidToStringSidW(sid_of(user), &text)) return {};
  const Local owned(text);
  const std::wstring rules = L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;" + std::wstring(text) + L")";
  void* descriptor = nullptr;
  ::ConvertStringSecurityDescriptorToSecurityDescriptorW(rules.c_str(), SDDL_REVISION_1, &descriptor, nullptr);
  return Local(descriptor);
}

// What an elevated process makes belongs to the administrators.
bool belongs_to_us(const std::wstring& path) {
  std::vector<std::byte> user = token_user();
  PSID owner = nullptr;
  void* descriptor = nullptr;
  const DWORD failed = ::GetNamedSecurityInfoW(path.c_str(), SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner,
                                               nullptr, nullptr, nullptr, &descriptor);
  const Local owned(descriptor);
  if (failed != ERROR_SUCCESS || user.empty()) return false;
  return ::EqualSid(owner, sid_of(user)) || ::IsWellKnownSid(owner, WinBuiltinAdministratorsSid);
}

bool make_private(const std::wstring& path, void* descriptor) {
  BOOL present = FALSE, defaulted = FALSE;
  PACL rules = nullptr;
  if (!descriptor || !::GetSecurityDescriptorDacl(descriptor, &present, &rules, &defaulted)) return false;
  std::wstring name = path;
  const DWORD failed = ::SetNamedSecurityInfoW(name.data(), SE_FILE_OBJECT,
                                               DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, nullptr,
                                               nullptr, rules, nullptr);
  ::SetLastError(failed);
  return failed == ERROR_SUCCESS;
}

}  // namespace

std::wstring wide(const std::string& utf8) { return native_path(utf8).wstring(); }

std::string last_problem() {
  std::string text = std::system_category().message(static_cast<int>(::GetLastError()));
  while (!text.empty() && (text.back() == '.' || text.back() == '\r' || text.back() == '\n')) text.pop_back();
  return text;
}

std::filesystem::path native_path(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

std::string utf8_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

bool exists(const std::string& path) { return ::GetFileAttributesW(wide(path).c_str()) != INVALID_FILE_ATTRIBUTES; }
bool remove_file(const std::string& path) { return ::DeleteFileW(wide(path).c_str()); }

bool touch(const std::string& path) {
  const HANDLE file =
      ::CreateFileW(wide(path).c_str(), FILE_WRITE_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return false;
  const std::unique_ptr<void, CloseIt> closing(file);
  FILETIME now;
  ::GetSystemTimeAsFileTime(&now);
  return ::SetFileTime(file, nullptr, nullptr, &now);
}

std::optional<FileFacts> facts_of(const std::filesystem::path& path) {
  WIN32_FILE_ATTRIBUTE_DATA data;
  if (!::GetFileAttributesExW(path.c_str(), GetFileExInfoStandard, &data)) return {};
  if (data.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DEVICE))
    return {};
  const int64_t seconds =
      (static_cast<int64_t>(ticks_of(data.ftLastWriteTime)) - static_cast<int64_t>(kTicksBeforeEpoch)) / 10'000'000;
  return FileFacts{uint64_t{data.nFileSizeHigh} << 32 | data.nFileSizeLow, seconds};
}

void make_private_folder(const std::string& path) {
  const auto refuse = [&](const std::string& why) { throw Error("IO_FAILED", "The cache folder " + path + why); };
  const std::wstring name = wide(path);
  const Local descriptor = private_descriptor();
  SECURITY_ATTRIBUTES secured{sizeof secured, descriptor.get(), FALSE};
  if (::CreateDirectoryW(name.c_str(), &secured)) return;
  if (::GetLastError() != ERROR_ALREADY_EXISTS) refuse(" could not be made: " + last_problem() + ".");
  const DWORD kind = ::GetFileAttributesW(name.c_str());
  const bool folder = kind != INVALID_FILE_ATTRIBUTES && (kind & FILE_ATTRIBUTE_DIRECTORY) != 0 &&
                      (kind & FILE_ATTRIBUTE_REPARSE_POINT) == 0;
  if (!folder || !belongs_to_us(name)) refuse(" is not a folder of this user; name another one.");
  if (!make_private(name, descriptor.get())) refuse(" could not be made private: " + last_problem() + ".");
}

// What the folder lets its files inherit makes this one private.
NewFile::NewFile(const std::string& path)
    : handle_(reinterpret_cast<intptr_t>(::CreateFileW(wide(path).c_str(), GENERIC_WRITE,
                                                       FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, CREATE_NEW,
                                                       FILE_ATTRIBUTE_NORMAL, nullptr))) {}

NewFile::~NewFile() {
  if (opened()) ::CloseHandle(handle_of(handle_));
}

size_t NewFile::write(const void* bytes, size_t size) {
  DWORD done = 0;
  const auto part = static_cast<DWORD>(std::min(size, size_t{1} << 30));
  return ::WriteFile(handle_of(handle_), bytes, part, &done, nullptr) ? done : 0;
}

bool NewFile::finish() {
  return ::FlushFileBuffers(handle_of(handle_)) && ::CloseHandle(handle_of(std::exchange(handle_, kNone)));
}

bool move_file(const std::string& from, const std::string& to, const std::string&) {
  return ::MoveFileExW(wide(from).c_str(), wide(to).c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}

int64_t process_id() { return static_cast<int64_t>(::GetCurrentProcessId()); }

}  // namespace afterimage::platform
