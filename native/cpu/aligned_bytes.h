// Zeroed memory for weights, activations and scratch: aligned to 64 bytes, backed by huge pages where the system has
// them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace afterimage {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size);  // throws OUT_OF_MEMORY
  ~AlignedBytes();
  AlignedBytes(AlignedBytes&& other) noexcept;
  AlignedBytes& operator=(AlignedBytes&& other) noexcept;
  uint8_t* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

 private:
  friend class PagePool;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<const AlignedBytes> whole_;  // of which this is a part
};

// Zeroed memory for what lives equally long, side by side in huge pages: most weights are smaller than one. It is given
// back with the last part of it. Not thread-safe.
class PagePool {
 public:
  AlignedBytes take(size_t size);  // throws OUT_OF_MEMORY

 private:
  std::shared_ptr<const AlignedBytes> slab_;
  size_t used_ = 0;
};

// Grows to the largest request and is reused; contents are undefined after growing.
class Scratch {
 public:
  uint8_t* reserve(size_t size);
  template <class T>
  T* reserve_array(size_t count) {
    return reinterpret_cast<T*>(reserve(count * sizeof(T)));
  }

 private:
  AlignedBytes bytes_;
};

}  // namespace afterimage
