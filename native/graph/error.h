// The one exception of the native core: a stable code and a sentence that says what to do next.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>

namespace afterimage {

// All codes of native errors; src/errors.ts has the same list as NATIVE_ERROR_CODES. Programs may depend on them.
inline constexpr std::string_view kErrorCodes[] = {
    "INVALID_CHECKPOINT", "INVALID_PROGRAM", "INVALID_ARGUMENT", "CONTEXT_FULL",
    "OUT_OF_MEMORY",      "CANCELLED",       "CLOSED",           "BACKEND_FAILED",
    "BACKEND_LOST",       "IO_FAILED",       "MODEL_CHANGED",
};

// One of them, written as its name; any other name does not compile.
class ErrorCode {
 public:
  consteval ErrorCode(const char* name) : name_(name) {
    for (std::string_view known : kErrorCodes)
      if (known == name_) return;
    throw "Expected one of kErrorCodes.";
  }
  constexpr std::string_view name() const noexcept { return name_; }

 private:
  std::string_view name_;
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code.name()) {}
  const std::string& code() const noexcept { return code_; }
  bool is(ErrorCode code) const noexcept { return code_ == code.name(); }

 private:
  std::string code_;
};

}  // namespace afterimage
