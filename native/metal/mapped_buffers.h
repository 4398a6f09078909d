// Buffers over mapped files: each file is one, or several where the device's largest buffer is smaller, and weights are
// places in them.
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "metal/device.h"

namespace afterimage::metal {

// Part of a buffer that its user keeps.
struct SharedPlacement {
  std::shared_ptr<Buffer> buffer;  // null where the device refuses
  size_t offset = 0;
};

class MappedBuffers {
 public:
  explicit MappedBuffers(Device& device) : device_(device) {}
  // Whole pages around these bytes are given to the device: pages of a mapping exist as a whole. From any thread.
  SharedPlacement place(const std::byte* data, size_t bytes);

 private:
  std::shared_ptr<Buffer> wrap(uintptr_t first, uintptr_t last);

  Device& device_;
  std::mutex mutex_;
  // By first and last byte. One that nobody keeps is gone: another file may be mapped there next.
  std::map<std::pair<uintptr_t, uintptr_t>, std::weak_ptr<Buffer>> wrapped_;
};

}  // namespace afterimage::metal
