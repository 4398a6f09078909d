// The one exception of the native core: a stable code and a sentence that says what to do next.
#pragma once
#include <stdexcept>
#include <string>

namespace afterimage {

// Codes are part of the public interface: INVALID_CHECKPOINT, INVALID_PROGRAM, INVALID_ARGUMENT,
// OUT_OF_MEMORY, CANCELLED, CLOSED, BACKEND_FAILED, IO_FAILED.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace afterimage
