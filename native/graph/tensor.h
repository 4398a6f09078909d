// Device memory and row-major views of it. Activations are f32 everywhere; ids and indices are i32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace afterimage {

enum class DType : uint8_t { f32, i32 };

// A block of memory owned by a backend. On every supported backend (CPU, Metal shared storage) the
// bytes are host-visible; `host()` may be read or written only while no run is in flight.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual void* host() noexcept = 0;
  virtual size_t bytes() const noexcept = 0;
};

// rows × width elements of 4 bytes, contiguous, starting `offset` bytes into `memory`.
struct Tensor {
  Memory* memory = nullptr;
  size_t offset = 0;
  int64_t rows = 0;
  int64_t width = 0;
  DType dtype = DType::f32;

  explicit operator bool() const noexcept { return memory != nullptr; }
  size_t bytes() const noexcept { return static_cast<size_t>(rows * width) * 4; }
  template <class T>
  T* at(int64_t row = 0) const noexcept {
    return reinterpret_cast<T*>(static_cast<std::byte*>(memory->host()) + offset) + row * width;
  }
};

}  // namespace afterimage
