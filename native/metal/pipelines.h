// Kernels by family and name, compiled when first asked for. A kernel that cannot be had stays unavailable, with its
// reason, for the life of the device.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "metal/device.h"
#include "metal/kernel_names.h"

namespace afterimage::metal {

class KernelUnavailable : public std::runtime_error {
 public:
  KernelUnavailable(std::string kernel, const std::string& reason)
      : std::runtime_error(reason), kernel_(std::move(kernel)) {}
  const std::string& kernel() const noexcept { return kernel_; }

 private:
  std::string kernel_;
};

class Pipelines {
 public:
  explicit Pipelines(Device& device) : device_(device) {}
  // Throws KernelUnavailable where the kernel does not compile, was disabled, or allows fewer than `threads` threads.
  const Pipeline& get(const std::string& family, const std::string& kernel, uint32_t threads);
  void disable(const std::string& kernel, const std::string& reason);
  // The first set that is whole; the last where none is.
  const KernelSet& choose(const std::vector<KernelSet>& sets) const;
  bool lacks(const std::string& kernel) const;
  // Reasons by kernel. From any thread.
  std::map<std::string, std::string> unavailable() const;

 private:
  struct Compiled {
    std::unique_ptr<Library> library;
    std::string error;
  };
  const Compiled& library(const std::string& family);

  Device& device_;
  std::map<std::string, Compiled> libraries_;
  std::map<std::string, std::unique_ptr<Pipeline>> pipelines_;
  std::map<std::string, std::string> reasons_;
  mutable std::mutex reasons_mutex_;
};

// While it lives, operators that this thread runs use the set of `kernel`, whatever stands before it.
class Tested {
 public:
  explicit Tested(const std::string& kernel);
  ~Tested();
  Tested(const Tested&) = delete;
  Tested& operator=(const Tested&) = delete;
};

}  // namespace afterimage::metal
