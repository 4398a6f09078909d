// The GPU in plain C++. device.mm is its only implementation and the only file that includes Metal headers.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace afterimage::metal {

struct DeviceLimits {
  std::string name;
  std::string system;                 // "Version 15.1 (Build 24B83)": it brings the compiler of the kernels
  std::vector<std::string> families;  // "apple7", "metal3"
  size_t working_set = 0;             // bytes the system recommends not to exceed
  size_t max_buffer = 0;              // bytes of one buffer
  size_t threadgroup_memory = 0;      // bytes
  uint32_t threads = 0;               // per threadgroup
  bool unified_memory = false;
};

class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* contents() noexcept = 0;
  virtual size_t bytes() const noexcept = 0;
  virtual uint64_t gpu_address() const noexcept = 0;
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;
  virtual uint32_t max_threads() const noexcept = 0;
  virtual size_t threadgroup_memory() const noexcept = 0;  // bytes that the kernel itself declares
};

class Library {
 public:
  virtual ~Library() = default;
  virtual std::vector<std::string> kernels() const = 0;
};

// How a command buffer ended. Whether the device takes more is found out by a new queue: that this one's work was
// ignored has the same code as that the process has no GPU any more.
struct Outcome {
  std::string error;  // empty: completed
  bool out_of_memory = false;
  double gpu_seconds = 0;
};

// One command buffer with one concurrent encoder: dispatches between two barriers may execute in any order and at the
// same time, those after a barrier see the writes of those before it. Command buffers execute in order.
// Destroying it before commit() drops what was encoded. Where the device gave none, wait() says so.
class Commands {
 public:
  virtual ~Commands() = default;
  virtual void pipeline(const Pipeline& pipeline) = 0;
  virtual void bind(uint32_t index, const Buffer& buffer, size_t offset) = 0;
  virtual void constants(uint32_t index, const void* bytes, size_t size) = 0;  // size ≤ 4096
  virtual void use(const Buffer& buffer) = 0;  // reached through an address in another buffer
  virtual void dispatch(std::array<uint32_t, 3> groups, uint32_t threads) = 0;
  virtual void barrier() = 0;
  virtual void commit() = 0;
  virtual Outcome wait() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceLimits& limits() const noexcept = 0;
  virtual size_t allocated_bytes() const noexcept = 0;
  // Null where the device refuses.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  // Uses `bytes` of host memory in place; both page-aligned, read-only for kernels. Null where the device refuses.
  virtual std::unique_ptr<Buffer> wrap(const void* memory, size_t bytes) = 0;
  // Null with `error` where the text does not compile.
  virtual std::unique_ptr<Library> compile(std::string_view text, std::string& error) = 0;
  // Null with `error` where the kernel is missing or its pipeline cannot be made.
  virtual std::unique_ptr<Pipeline> pipeline(Library& library, const std::string& kernel, std::string& error) = 0;
  virtual std::unique_ptr<Commands> begin() = 0;
  // Asks again that all memory stays resident, where the system can be asked. From any thread.
  virtual void keep_resident() = 0;
  // A new queue in place of one whose work failed: a queue may ignore what follows a failure. False where refused.
  virtual bool renew_queue() = 0;
};

struct OpenedDevice {
  std::unique_ptr<Device> device;  // null where the machine has none that is usable
  std::string reason;              // which step failed, without a full stop; empty where none did
};
// `to_compile`: takes any device, for compiling alone; `reason` then says why it is not usable, where it is not.
OpenedDevice open_device(bool to_compile = false);

// What the system's frameworks set aside for later is freed when this ends. On every entry from a thread of ours: only
// the main thread of an application has such a pool of its own.
class ReleasePool {
 public:
  ReleasePool();
  ~ReleasePool();
  ReleasePool(const ReleasePool&) = delete;
  ReleasePool& operator=(const ReleasePool&) = delete;

 private:
  void* pool_;
};

}  // namespace afterimage::metal
