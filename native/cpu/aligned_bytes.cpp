#include "cpu/aligned_bytes.h"

#include <cstring>
#include <string>
#include <utility>

#include "graph/error.h"
#include "platform/pages.h"

namespace afterimage {
namespace {

// From this size on memory is mapped by itself and asks for huge pages; below, the allocator's reuse is cheaper.
constexpr size_t kMappedBytes = size_t{4} << 20;
// Pages of a slab that nothing has taken yet are not in memory.
constexpr size_t kSlabBytes = size_t{64} << 20;

size_t round_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

[[noreturn]] void refuse(size_t size) {
  throw Error("OUT_OF_MEMORY", "The system refused " + std::to_string(size >> 20) +
                                   " MiB of memory; close other programs or choose a smaller model or image.");
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  if (size == 0) return;
  if (size > SIZE_MAX / 2) refuse(size);
  size_ = round_up(size, size_t{64});
  if (size_ >= kMappedBytes) {
    size_ = round_up(size_, size_t{65536});
    data_ = platform::map_pages(size_);
  } else {
    data_ = platform::take_aligned(size_);
    if (data_) std::memset(data_, 0, size_);
  }
  if (!data_) refuse(size);
}

AlignedBytes::~AlignedBytes() {
  if (!data_ || whole_) return;
  if (size_ >= kMappedBytes)
    platform::unmap_pages(data_, size_);
  else
    platform::give_aligned(data_);
}

AlignedBytes::AlignedBytes(AlignedBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      whole_(std::move(other.whole_)) {}

AlignedBytes& AlignedBytes::operator=(AlignedBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(whole_, other.whole_);
  return *this;
}

AlignedBytes PagePool::take(size_t size) {
  if (size > kSlabBytes / 4) return AlignedBytes(size);
  const size_t rounded = round_up(size, size_t{64});
  if (!slab_ || used_ + rounded > slab_->size()) {
    slab_ = std::make_shared<const AlignedBytes>(kSlabBytes);
    used_ = 0;
  }
  AlignedBytes part;
  part.whole_ = slab_;
  part.data_ = slab_->data() + used_;
  part.size_ = rounded;
  used_ += rounded;
  return part;
}

uint8_t* Scratch::reserve(size_t size) {
  if (size > bytes_.size()) {
    bytes_ = AlignedBytes();
    bytes_ = AlignedBytes(size + size / 4);
  }
  return bytes_.data();
}

}  // namespace afterimage
