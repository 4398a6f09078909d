// Backend memory: one shared buffer of the device.
#pragma once
#include <memory>

#include "graph/tensor.h"
#include "metal/device.h"

namespace afterimage::metal {

class MetalMemory final : public Memory {
 public:
  MetalMemory(std::unique_ptr<Buffer> buffer, size_t bytes) : buffer_(std::move(buffer)), bytes_(bytes) {}
  void* host() noexcept override { return buffer_->contents(); }
  size_t bytes() const noexcept override { return bytes_; }
  const Buffer& buffer() const noexcept { return *buffer_; }

 private:
  std::unique_ptr<Buffer> buffer_;
  size_t bytes_;
};

inline const Buffer& buffer_of(Memory* memory) { return static_cast<MetalMemory*>(memory)->buffer(); }

// Bytes inside a buffer.
struct Placement {
  const Buffer* buffer = nullptr;
  size_t offset = 0;
  explicit operator bool() const noexcept { return buffer != nullptr; }
};

}  // namespace afterimage::metal
